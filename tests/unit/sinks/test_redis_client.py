"""Logging in to ElastiCache by a role: the token's form, and what has to be said for it."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.credentials import Credentials

from paylake.cli import main
from paylake.errors import SettingsError
from paylake.sinks.redis_client import IamLogin, connected, iam_login

URL = "rediss://paylake-dev-serving@cache.example:6379/0"
SECRET = "not-a-secret-of-anybody"


@pytest.fixture
def role(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": SECRET}.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)


def test_the_token_is_a_signed_request_to_connect_without_the_key() -> None:
    login = IamLogin("paylake-dev", "paylake-dev-serving", "eu-central-1", Credentials("AKIDEXAMPLE", SECRET, "session"))
    user, token = login.get_credentials()
    assert user == "paylake-dev-serving"
    assert token.startswith("paylake-dev/?Action=connect&User=paylake-dev-serving&")
    said = {name: values[0] for name, values in parse_qs(urlsplit(f"//{token}").query).items()}
    assert said["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256"
    assert said["X-Amz-Credential"].startswith("AKIDEXAMPLE/")
    assert said["X-Amz-Credential"].endswith("/eu-central-1/elasticache/aws4_request")
    assert (said["X-Amz-Expires"], said["X-Amz-SignedHeaders"], said["X-Amz-Security-Token"]) == ("900", "host", "session")
    assert len(said["X-Amz-Signature"]) == 64
    assert SECRET not in token + repr(login)


@pytest.mark.usefixtures("role")
def test_the_client_logs_in_as_the_urls_user() -> None:
    server, client = connected(URL, None, "paylake-dev", "eu-central-1")
    known = client.connection_pool.connection_kwargs
    assert str(server) == "Redis at cache.example:6379"
    assert known["credential_provider"].get_credentials()[0] == "paylake-dev-serving"
    assert not known.get("password")
    assert SECRET not in repr(client)


@pytest.mark.usefixtures("role")
@pytest.mark.parametrize(
    ("url", "region", "said"),
    [
        ("redis://u@h", "eu-central-1", "IAM logs in by TLS, as a user, without a password"),
        ("rediss://h", "eu-central-1", "IAM logs in by TLS"),
        ("rediss://u:hidden@h", "eu-central-1", "IAM logs in by TLS"),
        ("rediss://u@h", "", "needs to know the region of AWS"),
    ],
)
def test_what_iam_needs_is_told(url: str, region: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    with pytest.raises(SettingsError, match=said) as told:
        iam_login("paylake-dev", url, region)
    assert "hidden" not in str(told.value)


@pytest.mark.usefixtures("role")
def test_scores_are_published_by_the_same_login(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["publish-scores", "--redis", "redis://h", "--redis-iam", "paylake-dev"]) == 2
    assert "--redis-iam: IAM logs in by TLS" in capsys.readouterr().err
