"""`paylake ingest-to-s3` and `paylake ingest-to-kafka`: large historical loads, landed first and replayed then."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import ClassVar

from paylake.errors import SettingsError
from paylake.history import CONTROL_TOTALS, SOURCES, LandedFile, Landing, Replay
from paylake.session import build_session
from paylake.settings import KafkaSettings, parse_settings, setting
from paylake.token_key import read_key

A_DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class IngestToS3Settings:
    """Land a ledger's historical records: JSON lines (also compressed) or Parquet with the same fields.

    They land as Parquet by booking date, each with a token in place of its card number, made with the key of the card
    tokens, which must be the one that the stream uses. Records that cannot be accepted land apart, with their reasons,
    and the replay brings them to quarantine. A file that was landed before is skipped, whatever its name.
    """

    EXAMPLES: ClassVar[Sequence[str]] = (
        "paylake ingest-to-s3 exports/gateway/ --ledger gateway",
        "paylake ingest-to-s3 s3a://exports/core/2024-03.parquet --ledger core --landing s3a://my-lake/landing",
        "paylake ingest-to-s3 exports/totals.jsonl --ledger controls",
    )

    file: tuple[str, ...] = setting((), "Files, folders or s3a:// prefixes, which may also stand without the flag.")
    ledger: str = setting(
        help="Whose records they are; controls: what the ledgers say that they booked, per currency and hour.",
        choices=tuple(SOURCES),
    )
    lake: str = setting("build/lake", "Folder or s3a:// prefix of the lake.", env="PAYLAKE_LAKE", aliases="--output_path")
    landing: str = setting("", "Folder or s3a:// prefix of the landing zone; default: LAKE/landing.", env="PAYLAKE_LANDING")
    token_key: str = setting(
        "build/token.key", "File of the card tokens' secret key, or aws-secret:NAME.", env="PAYLAKE_TOKEN_KEY_FILE"
    )
    filed_on: date | None = setting(
        None, "Booking date of records that name none; default: the middle of the file's booking times.", aliases="--date"
    )
    since: date = setting(date(2000, 1, 1), "A record that claims to have been booked earlier is rejected.")
    until: date | None = setting(None, "A record that claims to have been booked later is rejected; default: tomorrow.")


def ingest_to_s3(argv: Sequence[str]) -> int:
    """`paylake ingest-to-s3 FILE… --ledger LEDGER`."""
    rest = list(argv)
    free = [f"--file={rest.pop(0)}" for _ in range(_free(rest))]
    settings = parse_settings(IngestToS3Settings, [*free, *rest], prog="paylake ingest-to-s3")
    if not settings.file:
        raise SettingsError("Which files? For example paylake ingest-to-s3 exports/gateway/ --ledger gateway.")
    key = read_key(settings.token_key)
    now = datetime.now(UTC)
    until = settings.until or (now + A_DAY).date()
    root, since = landing_of(settings.lake, settings.landing), _midnight(settings.since)
    landing = Landing(build_session("ingest-to-s3"), root, key, since, _midnight(until + A_DAY), settings.filed_on)
    report(landing.land(settings.file, settings.ledger, now), settings.ledger)
    return 0


def report(files: Iterable[LandedFile], ledger: str) -> None:
    """A line per file, and the sum of all."""
    landed = []
    for file in files:
        if not file.is_new:
            print(f"{file.name}: landed before, with {file.records:,} records; skipped.")
            continue
        landed.append(file)
        span = f", booked {min(file.days)} to {max(file.days)}" if file.days else ""
        print(f"{file.name}: {file.records:,} records{span}; {file.rejected:,} of them rejected.")
    records, rejected, blank = (sum(getattr(f, name) for f in landed) for name in ("records", "rejected", "blank"))
    what = "statements" if ledger == CONTROL_TOTALS else "records"
    parts = f"{records - rejected:,} {what} accepted + {rejected:,} rejected + {blank:,} blank"
    print(f"{records + blank:,} lines of {len(landed)} new files = {parts}.")


@dataclass(frozen=True, kw_only=True)
class IngestToKafkaSettings(KafkaSettings):
    """Send landed records to the ledgers' topics, with the control totals that landed for the same dates.

    Days may be replayed in any order. A day that was sent to this cluster is not sent again; one that was interrupted is,
    and what comes twice counts once. Then `paylake stream --available-now` and the nightly run of each date build the
    tables. A date without control totals is not published: land them with `ingest-to-s3 --ledger controls`.
    """

    EXAMPLES: ClassVar[Sequence[str]] = (
        "paylake ingest-to-kafka",
        "paylake ingest-to-kafka --landing s3a://my-lake/landing --from 2024-03-01 --to 2024-03-31",
    )

    lake: str = setting("build/lake", "Folder or s3a:// prefix of the lake.", env="PAYLAKE_LAKE", aliases="--output_path")
    landing: str = setting("", "Folder or s3a:// prefix of the landing zone; default: LAKE/landing.", env="PAYLAKE_LANDING")
    first: date | None = setting(None, "First booking date; default: the first that landed.", aliases="--from")
    last: date | None = setting(None, "Last booking date; default: the last that landed.", aliases="--to")
    again: bool = setting(False, "Send also what was sent to this cluster before.")


def ingest_to_kafka(argv: Sequence[str]) -> int:
    """`paylake ingest-to-kafka --from DATE --to DATE`."""
    settings = parse_settings(IngestToKafkaSettings, argv, prog="paylake ingest-to-kafka")
    if settings.first and settings.last and settings.first > settings.last:
        raise SettingsError(f"--from {settings.first} is after --to {settings.last}; give the earlier date first.")
    spark = build_session("ingest-to-kafka")
    replay = Replay(spark, landing_of(settings.lake, settings.landing), settings, settings.again)
    total = 0
    for done in replay.days(settings.first, settings.last):
        total += done.records
        print(
            f"{done.day}: {done.records:,} records of {done.files} files sent."
            if done.files
            else f"{done.day}: sent before."
        )
    print(f"{total:,} records sent to {settings.bootstrap_servers}.")
    return 0


def landing_of(lake: str, landing: str) -> str:
    """Where the landing zone lies."""
    return (landing or f"{lake.rstrip('/')}/landing").rstrip("/")


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)


def _free(arguments: Sequence[str]) -> int:
    """How many arguments stand before the first flag."""
    return next((n for n, a in enumerate(arguments) if a.startswith("--")), len(arguments))
