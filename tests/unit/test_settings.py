"""Settings: flags over environment over defaults, and one clear sentence for whatever cannot be read."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import ClassVar

import pytest

from paylake.errors import SettingsError
from paylake.settings import KafkaSettings, parse_settings, setting


@dataclass(frozen=True, kw_only=True)
class NightlySettings(KafkaSettings):
    """Reconcile one day of payments.

    The day is the gateway's.
    """

    EXAMPLES: ClassVar[Sequence[str]] = ("nightly --business-date 2026-03-31",)

    business_date: date = setting(help="Day to reconcile.", env="BUSINESS_DATE")
    output: Path = setting(Path("build/lake"), "The lake.", env=("LAKE", "OUTPUT"), aliases="--output_path")
    tolerance: Decimal = setting(Decimal("0.01"), "Difference that still matches, in units of the currency.")
    missing_after: timedelta = setting(timedelta(seconds=30), "How long a leg may take.")
    as_of: datetime | None = setting(None, "Time to decide at.")
    attempts: int = setting(3, "How often.")
    rate: float = setting(0.5, "Share.")
    strict: bool = setting(True, "Fail on any difference.", env="STRICT")
    topics: tuple[str, ...] = setting(("pg", "cbs"), "Topics.", env="KAFKA_TOPIC")
    mode: str = setting("append", "How.", choices=("append", "replace"))
    card_key: str | None = setting(None, "Key of the card tokens.", env="CARD_KEY", secret=True)


def parse(*argv: str, **environ: str) -> NightlySettings:
    return parse_settings(NightlySettings, ("--business-date", "2026-03-31", *argv), environ, "nightly")


def failure(*argv: str, environ: Mapping[str, str] | None = None) -> str:
    with pytest.raises(SettingsError) as caught:
        parse_settings(NightlySettings, argv, environ or {}, "nightly")
    return str(caught.value)


def test_a_flag_wins_over_the_environment_and_the_environment_over_the_default() -> None:
    assert parse().output == Path("build/lake")
    assert parse(LAKE="a").output == Path("a")
    assert parse("--output", "b", LAKE="a").output == Path("b")


def test_the_first_environment_name_wins_and_an_empty_one_counts_as_not_set() -> None:
    assert parse(LAKE="a", OUTPUT="b").output == Path("a")
    assert parse(LAKE="", OUTPUT="b").output == Path("b")


@pytest.mark.parametrize("flag", ["--output", "--output-path", "--output_path"])
def test_aliases_and_both_spellings_name_the_same_setting(flag: str) -> None:
    assert parse(flag, "x").output == Path("x")
    assert parse(f"{flag}=x").output == Path("x")


@pytest.mark.parametrize(
    ("flag", "text", "name", "value"),
    [
        ("--business_date", "2026-01-02", "business_date", date(2026, 1, 2)),
        ("--tolerance", "0.10", "tolerance", Decimal("0.10")),
        ("--missing-after", "250ms", "missing_after", timedelta(milliseconds=250)),
        ("--missing-after", "1.5", "missing_after", timedelta(seconds=1.5)),
        ("--missing-after", "5m", "missing_after", timedelta(minutes=5)),
        ("--missing-after", "24h", "missing_after", timedelta(hours=24)),
        ("--as-of", "2026-01-02T03:04:05+00:00", "as_of", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("--attempts", "-1", "attempts", -1),
        ("--rate", "0.25", "rate", 0.25),
        ("--topics", "a, b,", "topics", ("a", "b")),
        ("--mode", "replace", "mode", "replace"),
    ],
)
def test_every_type_is_read_from_text(flag: str, text: str, name: str, value: object) -> None:
    assert getattr(parse(flag, text), name) == value


def test_switches_are_set_unset_and_read_from_the_environment() -> None:
    assert parse().strict
    assert not parse("--no-strict").strict
    assert not parse(STRICT="off").strict
    assert parse("--strict", STRICT="off").strict


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (
            ("--tolerence", "1"),
            "--tolerence is not a known flag: did you mean --tolerance?",
        ),
        (("--zzz",), "--zzz is not a known flag: --help lists them all."),
        (
            ("2026-03-31",),
            "'2026-03-31' is not expected here: every setting is written --name value; see --help.",
        ),
        (("--tolerance",), "--tolerance needs a value, for example --tolerance 0.01."),
        (("--tolerance", "--strict"), "--tolerance needs a value, for example --tolerance 0.01."),
        (("--tolerance", "NaN"), "--tolerance: 'NaN' is not a decimal number; for example --tolerance 0.01."),
        (("--attempts", "2.5"), "--attempts: '2.5' is not a whole number; for example --attempts 3."),
        (
            ("--missing_after", "3w"),
            "--missing_after: '3w' is not a duration in ms, s, m, h or d; for example --missing_after 30s.",
        ),
        (
            ("--as-of", "2026-01-02T03:04:05"),
            "--as-of: '2026-01-02T03:04:05' is not a time with an offset; for example --as-of 2026-03-31T18:30:00+05:30.",
        ),
        (
            ("--mode", "Replace"),
            "--mode: 'Replace' is not one of append, replace; for example --mode replace.",
        ),
    ],
)
def test_what_cannot_be_read_is_one_sentence(argv: tuple[str, ...], sentence: str) -> None:
    assert failure("--business-date", "2026-03-31", *argv) == sentence


def test_a_bad_value_of_the_environment_names_its_variable() -> None:
    assert (
        failure(environ={"BUSINESS_DATE": "31.3.2026"})
        == "BUSINESS_DATE: '31.3.2026' is not a date; for example BUSINESS_DATE=2026-03-31."
    )


def test_a_missing_setting_names_the_flag_and_the_variable() -> None:
    assert failure() == (
        "--business-date is required: set it with --business-date 2026-03-31 or the environment variable BUSINESS_DATE."
    )


def test_help_shows_purpose_settings_and_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        parse("--help")
    shown = capsys.readouterr().out
    assert done.value.code == 0
    for text in (
        "The day is the gateway's.",
        "--output build/lake",
        "Also --output-path. Environment: LAKE, OUTPUT. Default: build/lake.",
        "--strict, --no-strict",
        "Default: 30s.",
        "Required.",
        "CARD_KEY, or CARD_KEY_FILE",
        "nightly --business-date 2026-03-31",
    ):
        assert text in shown
    assert "--card-key" not in shown
    assert max(map(len, shown.splitlines())) <= 110


def test_a_secret_comes_from_its_variable_or_a_file_and_is_never_shown(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("s3cret\n", encoding="utf-8")
    assert parse(CARD_KEY="other").card_key == "other"
    settings = parse(CARD_KEY_FILE=str(key))
    assert settings.card_key == "s3cret"
    assert "s3cret" not in repr(settings)
    assert "cannot be read" in failure("--business-date", "2026-03-31", environ={"CARD_KEY_FILE": "/nowhere"})


@pytest.mark.parametrize("argv", [("--card-key", "s3cret"), ("--card_key=s3cret",)])
def test_a_secret_given_as_a_flag_is_refused_and_not_repeated(argv: tuple[str, ...]) -> None:
    sentence = failure(*argv)
    assert "CARD_KEY_FILE" in sentence
    assert "s3cret" not in sentence


# --- Kafka ---


@pytest.mark.parametrize("flag", ["--bootstrap-servers", "--kafka_bootstrap_servers", "--broker"])
def test_the_cluster_is_named_by_any_of_its_flags(flag: str) -> None:
    assert parse(flag, "h:1", KAFKA_BROKER="h:2").bootstrap_servers == "h:1"


@pytest.mark.parametrize("name", ["KAFKA_BOOTSTRAP_SERVERS", "KAFKA_BROKER", "KAFKA_SERVERS"])
def test_the_cluster_is_named_by_any_of_its_variables(name: str) -> None:
    assert parse(**{name: "h:1,g:2"}).bootstrap_servers == "h:1,g:2"


def test_a_cluster_without_port_is_refused() -> None:
    assert "'localhost' is not host:port" in failure("--business-date", "2026-03-31", environ={"KAFKA_BROKER": "localhost"})


def test_a_plain_cluster_needs_an_address_only() -> None:
    kafka = KafkaSettings(bootstrap_servers="a:1,b:2")
    assert kafka.spark_options() == {
        "kafka.bootstrap.servers": "a:1,b:2",
        "kafka.security.protocol": "PLAINTEXT",
    }
    assert kafka.client_options() == {"bootstrap_servers": ["a:1", "b:2"], "security_protocol": "PLAINTEXT"}


EVENT_HUBS = {
    "KAFKA_BOOTSTRAP_SERVERS": "space.example:9093",
    "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "KAFKA_SASL_MECHANISM": "PLAIN",
    "KAFKA_SASL_USERNAME": "$ConnectionString",
    "KAFKA_SASL_PASSWORD": 'Endpoint=sb://x/;Key="a\\b"',
}


def test_a_managed_cluster_is_a_change_of_the_environment_only() -> None:
    kafka = parse_settings(KafkaSettings, (), EVENT_HUBS)
    assert kafka.spark_options()["kafka.sasl.jaas.config"] == (
        "org.apache.kafka.common.security.plain.PlainLoginModule required "
        'username="$ConnectionString" password="Endpoint=sb://x/;Key=\\"a\\\\b\\"";'
    )
    assert kafka.client_options()["sasl_plain_password"] == EVENT_HUBS["KAFKA_SASL_PASSWORD"]
    assert "Endpoint" not in repr(kafka)


def test_scram_and_a_private_authority_reach_both_clients() -> None:
    environ = {**EVENT_HUBS, "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512", "KAFKA_SSL_CA_FILE": "/ca.pem"}
    kafka = parse_settings(KafkaSettings, (), environ)
    assert "ScramLoginModule" in kafka.spark_options()["kafka.sasl.jaas.config"]
    assert kafka.spark_options()["kafka.ssl.truststore.location"] == "/ca.pem"
    assert kafka.client_options()["ssl_cafile"] == "/ca.pem"


def test_msk_with_iam_needs_no_password() -> None:
    kafka = KafkaSettings(security_protocol="SASL_SSL", sasl_mechanism="AWS_MSK_IAM")
    options = kafka.spark_options()
    assert options["kafka.sasl.jaas.config"] == "software.amazon.msk.auth.iam.IAMLoginModule required;"
    assert options["kafka.sasl.client.callback.handler.class"].endswith("IAMClientCallbackHandler")
    assert kafka.client_options()["sasl_mechanism"] == "AWS_MSK_IAM"
    assert "sasl_plain_password" not in kafka.client_options()


def test_a_protocol_without_its_credentials_is_refused_early() -> None:
    with pytest.raises(SettingsError, match="KAFKA_SASL_MECHANISM is required with SASL_SSL"):
        parse_settings(KafkaSettings, (), {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL"})
    partly = {**EVENT_HUBS, "KAFKA_SASL_PASSWORD": ""}
    with pytest.raises(SettingsError, match="^KAFKA_SASL_PASSWORD must be set"):
        parse_settings(KafkaSettings, (), partly)


# --- the list of variables ---

ROOT = Path(__file__).parents[2]


def test_the_example_environment_lists_every_variable_that_is_read() -> None:
    listed = set(re.findall(r"^#([A-Z][A-Z0-9_]*)=", (ROOT / ".env.example").read_text("utf-8"), re.MULTILINE))
    sources = [*(ROOT / "libs").rglob("*.py"), *(ROOT / "jobs").rglob("*.py")]
    read = {name for source in sources for name in variables_of(ast.parse(source.read_text("utf-8")))}
    assert read - listed == set()


def variables_of(module: ast.Module) -> Iterator[str]:
    """The names given to `env=` of a setting and to `environ.get`."""
    for call in (node for node in ast.walk(module) if isinstance(node, ast.Call)):
        named = [keyword.value for keyword in call.keywords if keyword.arg == "env"]
        if ast.unparse(call.func).endswith("environ.get"):
            named += call.args[:1]
        for part in (part for value in named for part in ast.walk(value)):
            if isinstance(part, ast.Constant) and re.fullmatch(r"[A-Z]\w+", str(part.value)):
                yield str(part.value)
