"""A client of one Redis server, by its URL: who logs in, by a password or by IAM, and what its errors mean."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit

from paylake.errors import SettingsError, SourceError
from paylake.sinks.servers import ANSWER_WITHIN_S, Away, Server, client_library, server_of, wrong_url

FLAG, KIND, EXAMPLE = "--redis", "Redis", "redis://127.0.0.1:6379/0"
URL_VARIABLES = ("PAYLAKE_REDIS_URL", "REDIS_HOST")
"""Where the URL is taken from without the flag. A host alone, or host:port, is a server without TLS."""
IAM_FLAG = "--redis-iam"
PORT = 6379
TOKEN_LIVES_S = 900
"""AWS takes no older one."""


@dataclass(frozen=True)
class IamLogin:
    """Who logs in to which group of ElastiCache, by the role of whoever runs this: a signed request is the password."""

    group: str
    user: str
    region: str
    credentials: Any = field(repr=False)
    """As botocore gives them; they renew themselves."""

    def get_credentials(self) -> tuple[str, str]:
        """User and token, asked for by the library whenever it connects."""
        signing, request = client_library("botocore.auth", "aws"), client_library("botocore.awsrequest", "aws")
        asked = request.AWSRequest("GET", f"https://{self.group}/?" + urlencode({"Action": "connect", "User": self.user}))
        signing.SigV4QueryAuth(
            self.credentials.get_frozen_credentials(), "elasticache", self.region, expires=TOKEN_LIVES_S
        ).add_auth(asked)
        return self.user, str(asked.url).removeprefix("https://")

    async def get_credentials_async(self) -> tuple[str, str]:
        """The same, for the library's other clients."""
        return self.get_credentials()


def iam_login(group: str, url: str, region: str) -> IamLogin:
    """The login to a group as the URL's user; SettingsError where something that it needs is missing."""
    parts = urlsplit(url)
    if parts.scheme != "rediss" or not parts.username or parts.password:
        raise SettingsError(
            f"{IAM_FLAG}: IAM logs in by TLS, as a user, without a password; for example {FLAG} "
            f"rediss://paylake-dev-serving@cache.example:6379/0."
        )
    session = client_library("botocore.session", "aws").get_session()
    region = region or session.get_config_variable("region") or ""
    if not region:
        raise SettingsError(f"{IAM_FLAG} needs to know the region of AWS: set the environment variable AWS_REGION.")
    credentials = session.get_credentials()
    if credentials is None:
        raise SettingsError(f"{IAM_FLAG}: there are no credentials of AWS here; run with a role, or set AWS_PROFILE.")
    return IamLogin(group, unquote(parts.username), region, credentials)


def connected(url: str, password: str | None = None, iam: str = "", region: str = "") -> tuple[Server, Any]:
    """The server that a URL names, and its client, which connects when it is first asked; SettingsError for a wrong one.

    With `iam`, the name of an ElastiCache group, the URL's user logs in by IAM. No client tries anything twice: how long an
    absence is borne is for the caller to say.
    """
    url = url if "://" in url else f"redis://{url}"
    server = server_of(FLAG, KIND, url, ("redis", "rediss"), PORT, EXAMPLE)
    parts = urlsplit(url)
    database = parts.path.strip("/") or "0"
    if parts.query or not database.isdecimal():
        raise wrong_url(FLAG, KIND, EXAMPLE)
    library = client_library("redis")
    login: dict[str, Any] = {
        "username": unquote(parts.username) if parts.username else None,
        "password": password or (unquote(parts.password) if parts.password else None),
    }
    if iam:
        login = {"credential_provider": iam_login(iam, url, region)}
    client = library.Redis(
        host=server.host,
        port=server.port,
        db=int(database),
        **login,
        ssl=parts.scheme == "rediss",
        decode_responses=True,
        socket_timeout=ANSWER_WITHIN_S,
        socket_connect_timeout=ANSWER_WITHIN_S,
        retry=client_library("redis.retry").Retry(client_library("redis.backoff").NoBackoff(), 0),
    )
    return server, client


@contextmanager
def sentences(server: Server) -> Iterator[None]:
    """Tell what the library raises as Away or SourceError, without its cause: that may quote what was sent."""
    errors = client_library("redis.exceptions")
    try:
        yield
    except (errors.AuthenticationError, errors.AuthorizationError, errors.NoPermissionError):
        raise SourceError(
            f"{server} refuses the user or the password; see {FLAG} and PAYLAKE_REDIS_PASSWORD, or {IAM_FLAG}."
        ) from None
    except errors.TimeoutError:
        raise Away(f"no answer within {ANSWER_WITHIN_S} s") from None
    except errors.NoScriptError:
        raise Away("it has just been restarted") from None
    except (errors.BusyLoadingError, errors.TryAgainError):
        raise Away("it is still loading its data") from None
    except errors.ConnectionError:
        raise Away("no connection") from None
    except errors.RedisError as error:
        raise SourceError(f"{server} refuses what is published ({str(error)[:200]}); see its settings.") from None
