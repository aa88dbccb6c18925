"""Settings as frozen dataclasses: a flag wins over the environment, and the environment over the default.

The dataclass is the command line: each field is one flag, described by `setting`, read by `parse_settings`.
"""

from __future__ import annotations

import difflib
import inspect
import math
import os
import re
import sys
import textwrap
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from paylake.errors import SettingsError

Kind = TypeVar("Kind")

_TRUE, _FALSE = {"true", "yes", "on", "1"}, {"false", "no", "off", "0"}
_EMPTY: tuple[Any, ...] = (None, MISSING, "", ())
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


def setting(
    default: Any = MISSING,
    help: str = "",
    *,
    env: str | Sequence[str] = (),
    aliases: str | Sequence[str] = (),
    choices: Sequence[str] | None = None,
    secret: bool = False,
) -> Any:
    """A dataclass field that is also a flag.

    `env` and `aliases` name environment variables and further spellings of the flag, the preferred one
    first. A `secret` has no flag: it comes from its variable, or from the file that `<variable>_FILE` names,
    and is left out of the dataclass's repr. Without a default the setting is required.
    """
    metadata = {
        "help": help,
        "env": (env,) if isinstance(env, str) else tuple(env),
        "aliases": (aliases,) if isinstance(aliases, str) else tuple(aliases),
        "choices": None if choices is None else tuple(choices),
        "secret": secret,
    }
    return field(default=default, repr=not secret, metadata=metadata)


def parse_settings(
    kind: type[Kind],
    argv: Sequence[str] | None = None,
    environ: Mapping[str, str] | None = None,
    prog: str | None = None,
) -> Kind:
    """Build the settings dataclass `kind` from flags, else from the environment, else from its defaults.

    `argv` excludes the program's name and defaults to the process's own. `--help` prints and exits with 0.
    Raises SettingsError for an unknown flag, a value that cannot be read or a missing setting.
    """
    argv = sys.argv[1:] if argv is None else argv
    environ = os.environ if environ is None else environ
    options = _options(kind)
    if any(token in ("-h", "--help") for token in argv):
        sys.stdout.write(help_text(kind, prog or Path(sys.argv[0]).name))
        raise SystemExit(0)
    flags = _read_flags(argv, options)
    values: dict[str, Any] = {}
    for option in options:
        given = flags.get(option.name) or _from_environment(option, environ)
        if given is not None:
            values[option.name] = option.parse(*given)
        elif option.required:
            raise SettingsError(f"{option.label} is required: set it with {option.ways_to_set()}.")
    try:
        return kind(**values)
    except ValueError as error:
        raise SettingsError(str(error)) from None


@dataclass(frozen=True)
class _Option:
    """One field of a settings dataclass, seen from the command line."""

    name: str
    type: Any
    field: Field[Any]

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def label(self) -> str:
        return self.env[0] if self.secret and self.env else self.flag

    @property
    def env(self) -> tuple[str, ...]:
        return tuple(self.field.metadata.get("env", ()))

    @property
    def secret(self) -> bool:
        return bool(self.field.metadata.get("secret"))

    @property
    def spellings(self) -> tuple[str, ...]:
        """Every accepted spelling in kebab-case, the preferred one first."""
        aliases = (alias.replace("_", "-") for alias in self.field.metadata.get("aliases", ()))
        return tuple(dict.fromkeys((self.flag, *aliases)))

    @property
    def choices(self) -> tuple[str, ...] | None:
        choices: tuple[str, ...] | None = self.field.metadata.get("choices")
        return choices

    @property
    def required(self) -> bool:
        return self.field.default is MISSING and self.field.default_factory is MISSING

    @property
    def example(self) -> str:
        default = self.field.default
        if self.choices or default in _EMPTY or self.secret:
            return self.choices[0] if self.choices else _reader(self.type).example
        return _shown(default)

    def ways_to_set(self) -> str:
        """The flag and the variables that set this option, as part of a sentence."""
        variables = [f"{self.env[0]}_FILE", *self.env] if self.secret else list(self.env)
        ways = [] if self.secret else [f"{self.flag} {self.example}" if self.type is not bool else self.flag]
        ways += [f"the environment variable {name}" for name in variables]
        return " or ".join(ways)

    def parse(self, source: str, raw: str) -> Any:
        """The value that `raw` states; `source` is the flag or the variable that it came from."""
        between = " " if source.startswith("-") else "="
        if self.choices is not None and raw not in self.choices:
            raise SettingsError(
                f"{source}: {raw!r} is not one of {', '.join(self.choices)}; "
                f"for example {source}{between}{_nearest(raw, self.choices) or self.example}."
            )
        reader = _reader(self.type)
        try:
            return reader.read(raw)
        except (ValueError, InvalidOperation, OverflowError):
            shown = "the value" if self.secret else repr(raw)
            raise SettingsError(
                f"{source}: {shown} is not {reader.what}; for example {source}{between}{self.example}."
            ) from None


@dataclass(frozen=True)
class _Reader:
    """How text becomes a value of one type. `read` raises ValueError where it cannot."""

    what: str
    example: str
    read: Callable[[str], Any]


def _options(kind: type[Any]) -> list[_Option]:
    hints = get_type_hints(kind)
    options = [_Option(f.name, _without_none(hints[f.name]), f) for f in fields(kind) if f.init]
    spelled = [spelling for option in options for spelling in option.spellings]
    twice = {spelling for spelling in spelled if spelled.count(spelling) > 1}
    assert not twice, f"{kind.__name__}: {sorted(twice)} would set two fields"
    return options


def _without_none(hint: Any) -> Any:
    """`T` where the hint is `T | None`; other unions have no one way to be read."""
    if get_origin(hint) not in (Union, types.UnionType):
        return hint
    (only,) = (arg for arg in get_args(hint) if arg is not type(None))
    return only


def _read_flags(argv: Sequence[str], options: Iterable[_Option]) -> dict[str, tuple[str, str]]:
    """Field name to (flag as written, raw value). The last of a repeated flag wins; a list grows by each one."""
    by_flag = {s: option for option in options for s in option.spellings}
    given: dict[str, tuple[str, str]] = {}
    tokens = list(argv)
    while tokens:
        flag, equals, value = tokens.pop(0).partition("=")
        if not flag.startswith("--"):
            raise SettingsError(f"{flag!r} is not expected here: every setting is written --name value; see --help.")
        spelled = flag.replace("_", "-")
        option = by_flag.get(spelled)
        negated = by_flag.get(spelled.replace("--no-", "--", 1))
        if option is None and not equals and negated is not None and negated.type is bool:
            given[negated.name] = (flag, "false")
        elif option is None:
            raise SettingsError(_unknown(flag, by_flag))
        elif option.secret:
            raise SettingsError(f"{flag} is not a flag, since others can read flags: use {option.ways_to_set()}.")
        elif equals:
            given[option.name] = (flag, _further(option, given, value))
        elif option.type is bool:
            given[option.name] = (flag, "true")
        elif not tokens or tokens[0].startswith("--"):
            raise SettingsError(f"{flag} needs a value, for example {flag} {option.example}.")
        else:
            given[option.name] = (flag, _further(option, given, tokens.pop(0)))
    return given


def _further(option: _Option, given: Mapping[str, tuple[str, str]], value: str) -> str:
    is_list = get_origin(option.type) is tuple
    return f"{given[option.name][1]},{value}" if is_list and option.name in given else value


def _unknown(flag: str, by_flag: Mapping[str, _Option]) -> str:
    public = [known for known, option in by_flag.items() if not option.secret]
    nearest = _nearest(flag.replace("_", "-"), public)
    hint = f"did you mean {nearest}?" if nearest else "--help lists them all."
    return f"{flag} is not a known flag: {hint}"


def _nearest(word: str, known: Sequence[str]) -> str | None:
    lowered = {name.lower(): name for name in known}
    found = difflib.get_close_matches(word.lower(), lowered, n=1, cutoff=0.5)
    return lowered[found[0]] if found else None


def _from_environment(option: _Option, environ: Mapping[str, str]) -> tuple[str, str] | None:
    """(variable, value) of the first variable that is set; an empty one counts as not set."""
    for name in option.env:
        if environ.get(name):
            return name, environ[name]
        path = environ.get(f"{name}_FILE") if option.secret else None
        if path:
            try:
                return f"{name}_FILE", Path(path).read_text(encoding="utf-8").rstrip("\r\n")
            except (OSError, UnicodeDecodeError) as error:
                reason = getattr(error, "strerror", None) or "it is not text"
                raise SettingsError(f"{name}_FILE: the file {path} cannot be read ({reason}).") from None
    return None


def _read_bool(raw: str) -> bool:
    if raw.lower() in _TRUE | _FALSE:
        return raw.lower() in _TRUE
    raise ValueError(raw)


def _read_decimal(raw: str) -> Decimal:
    value = Decimal(raw)
    if not value.is_finite():
        raise ValueError(raw)
    return value


def _read_float(raw: str) -> float:
    value = float(raw)
    if not math.isfinite(value):
        raise ValueError(raw)
    return value


def _read_duration(raw: str) -> timedelta:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?", raw.strip())
    if found is None:
        raise ValueError(raw)
    return timedelta(seconds=float(found[1]) * _UNITS[found[2] or "s"])


def _read_instant(raw: str) -> datetime:
    value = datetime.fromisoformat(raw)
    if value.tzinfo is None:
        raise ValueError(raw)
    return value


_READERS: dict[Any, _Reader] = {
    str: _Reader("text", "TEXT", str),
    int: _Reader("a whole number", "1000", int),
    float: _Reader("a number", "0.05", _read_float),
    Decimal: _Reader("a decimal number", "10.50", _read_decimal),
    bool: _Reader("true or false", "true", _read_bool),
    date: _Reader("a date", "2026-03-31", date.fromisoformat),
    datetime: _Reader("a time with an offset", "2026-03-31T18:30:00+05:30", _read_instant),
    timedelta: _Reader("a duration in ms, s, m, h or d", "30s", _read_duration),
    Path: _Reader("a path", "path/to/it", Path),
}


def _reader(kind: Any) -> _Reader:
    if kind in _READERS:
        return _READERS[kind]
    if get_origin(kind) is tuple and get_args(kind)[1:] == (Ellipsis,):
        item = _reader(get_args(kind)[0])
        return _Reader(
            f"{item.what}, or several with commas between",
            f"{item.example},{item.example}",
            lambda raw: tuple(item.read(part.strip()) for part in raw.split(",") if part.strip()),
        )
    raise TypeError(f"settings cannot be of type {kind}")


# --- help ---


def help_text(kind: type[Any], prog: str) -> str:
    """What `--help` prints: the docstring, every setting with its spellings and default, the examples."""
    options = sorted(_options(kind), key=lambda option: option.name not in kind.__annotations__)
    flags = [option for option in options if not option.secret]
    secrets = [option for option in options if option.secret]
    sections = [f"usage: {prog} [--name value ...]", inspect.cleandoc(kind.__doc__ or "")]
    sections.append("settings (a flag, else the environment, else the default):\n" + "\n".join(map(_entry, flags)))
    if secrets:
        sections.append("secrets (only from the environment):\n" + "\n".join(map(_entry, secrets)))
    examples = getattr(kind, "EXAMPLES", ())
    if examples:
        lines = (examples,) if isinstance(examples, str) else examples
        sections.append("examples:\n" + textwrap.indent("\n".join(lines), "  "))
    return "\n\n".join(sections) + "\n"


def _entry(option: _Option) -> str:
    if option.secret:
        head = f"{option.env[0]}, or {option.env[0]}_FILE naming a file that holds it"
    elif option.type is bool:
        head = f"{option.flag}, --no-{option.flag[2:]}"
    else:
        head = f"{option.flag} {'|'.join(option.choices) if option.choices else option.example}"
    parts = [option.field.metadata.get("help", "")]
    others = option.spellings[1:]
    if others and not option.secret:
        parts.append(f"Also {', '.join(others)}.")
    if option.env and not option.secret:
        parts.append(f"Environment: {', '.join(option.env)}.")
    if option.required:
        parts.append("Required.")
    elif not option.secret and option.field.default not in _EMPTY:
        parts.append(f"Default: {_shown(option.field.default)}.")
    text = " ".join(part for part in parts if part)
    return f"  {head}\n" + textwrap.fill(text, 100, initial_indent=" " * 8, subsequent_indent=" " * 8)


def _shown(value: Any) -> str:
    """A default as a person would type it."""
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
        unit = next((u for u in ("d", "h", "m", "s") if seconds and seconds % _UNITS[u] == 0), "ms")
        return f"{seconds / _UNITS[unit]:g}{unit}"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value)


# --- Kafka ---

_PASSWORD_MODULES = {
    "PLAIN": "org.apache.kafka.common.security.plain.PlainLoginModule",
    "SCRAM-SHA-256": "org.apache.kafka.common.security.scram.ScramLoginModule",
    "SCRAM-SHA-512": "org.apache.kafka.common.security.scram.ScramLoginModule",
}
_MSK_IAM = "AWS_MSK_IAM"


@dataclass(frozen=True, kw_only=True)
class KafkaSettings:
    """Where Kafka is and how to speak to it: a base for the settings of whatever reads or writes topics."""

    bootstrap_servers: str = setting(
        "127.0.0.1:9092",
        "Brokers to ask first, as host:port with commas between.",
        env=("KAFKA_BOOTSTRAP_SERVERS", "KAFKA_BROKER", "KAFKA_SERVERS"),
        aliases=("--kafka_bootstrap_servers", "--broker"),
    )
    security_protocol: str = setting(
        "PLAINTEXT",
        "How the connection is protected.",
        env="KAFKA_SECURITY_PROTOCOL",
        choices=("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"),
    )
    sasl_mechanism: str | None = setting(
        None,
        "How to prove who we are, under a SASL protocol.",
        env="KAFKA_SASL_MECHANISM",
        choices=(*_PASSWORD_MODULES, _MSK_IAM),
    )
    sasl_username: str | None = setting(None, "User for PLAIN and SCRAM.", env="KAFKA_SASL_USERNAME")
    sasl_password: str | None = setting(None, "Password for PLAIN and SCRAM.", env="KAFKA_SASL_PASSWORD", secret=True)
    ssl_ca_file: Path | None = setting(
        None,
        "PEM file of the authority that signed the brokers' certificates; the system's own list without it.",
        env="KAFKA_SSL_CA_FILE",
    )

    def __post_init__(self) -> None:
        for server in self.bootstrap_servers.split(","):
            if not re.fullmatch(r"\s*\S+:\d{1,5}\s*", server):
                raise SettingsError(
                    f"--bootstrap-servers: {server!r} is not host:port; for example "
                    "--bootstrap-servers 127.0.0.1:9092 or KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:9092."
                )
        if self._uses_sasl and self.sasl_mechanism is None:
            raise SettingsError(
                f"KAFKA_SASL_MECHANISM is required with {self.security_protocol}: "
                f"set it, or --sasl-mechanism, to one of {', '.join((*_PASSWORD_MODULES, _MSK_IAM))}."
            )
        if self._uses_sasl and self.sasl_mechanism in _PASSWORD_MODULES:
            needed = {"KAFKA_SASL_USERNAME": self.sasl_username, "KAFKA_SASL_PASSWORD": self.sasl_password}
            missing = [name for name, value in needed.items() if not value]
            if missing:
                raise SettingsError(f"{' and '.join(missing)} must be set in the environment for {self.sasl_mechanism}.")

    @property
    def _uses_sasl(self) -> bool:
        return self.security_protocol.startswith("SASL")

    def spark_options(self) -> dict[str, str]:
        """Options of Spark's Kafka source and sink. They hold the password, so they must not be logged."""
        options = {
            "kafka.bootstrap.servers": self.bootstrap_servers,
            "kafka.security.protocol": self.security_protocol,
        }
        if self.ssl_ca_file is not None and self.security_protocol.endswith("SSL"):
            options["kafka.ssl.truststore.type"] = "PEM"
            options["kafka.ssl.truststore.location"] = str(self.ssl_ca_file)
        if self._uses_sasl and self.sasl_mechanism is not None:
            options["kafka.sasl.mechanism"] = self.sasl_mechanism
            if self.sasl_mechanism == _MSK_IAM:
                options["kafka.sasl.jaas.config"] = "software.amazon.msk.auth.iam.IAMLoginModule required;"
                options["kafka.sasl.client.callback.handler.class"] = "software.amazon.msk.auth.iam.IAMClientCallbackHandler"
            else:
                options["kafka.sasl.jaas.config"] = (
                    f"{_PASSWORD_MODULES[self.sasl_mechanism]} required "
                    f"username={_quoted(self.sasl_username)} password={_quoted(self.sasl_password)};"
                )
        return options

    def client_options(self) -> dict[str, object]:
        """Arguments of kafka-python's clients; with AWS_MSK_IAM they log in by the role of whoever runs them."""
        options: dict[str, object] = {
            "bootstrap_servers": [server.strip() for server in self.bootstrap_servers.split(",")],
            "security_protocol": self.security_protocol,
        }
        if self.ssl_ca_file is not None:
            options["ssl_cafile"] = str(self.ssl_ca_file)
        if self._uses_sasl:
            options["sasl_mechanism"] = self.sasl_mechanism
        if self._uses_sasl and self.sasl_mechanism != _MSK_IAM:
            options["sasl_plain_username"] = self.sasl_username
            options["sasl_plain_password"] = self.sasl_password
        return options


def _quoted(text: str | None) -> str:
    """A value inside a JAAS line; Event Hubs' connection strings carry characters that need it."""
    escaped = (text or "").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
