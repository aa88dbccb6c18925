"""`paylake ingest`: bank statements and processors' reports, proved and posted, or quarantined with the difference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from paylake.errors import SettingsError
from paylake.ingest import Incoming, Ingested, accept, ingest, quarantined
from paylake.session import build_session
from paylake.settings import parse_settings, setting
from paylake.statements import formats
from paylake.statements.mapping import read_mapping
from paylake.statements.model import Parsed

ACTIONS = ("list", "accept")


@dataclass(frozen=True, kw_only=True)
class IngestSettings:
    """Take files of banks and processors, prove them by their own totals, and post what is proved.

    Read are camt.052/053/054, MT940/MT942, BAI2, OFX, Adyen, Stripe, PayPal and Checkout.com, and any CSV or Excel file by
    a mapping.

    A file whose totals do not agree is quarantined with the difference, and its lines count for nobody until a person
    accepts it. A file that was taken before is skipped. One bad file stops no other.
    """

    EXAMPLES: ClassVar[Sequence[str]] = (
        "paylake ingest statement.xml MT940.sta settlement_detail_report.csv --lake build/lake",
        "paylake ingest bank.csv --mapping my_bank.yaml",
        "paylake ingest list",
        'paylake ingest accept --file 3f2a91 --by asha --because "the bank confirmed the balance by phone"',
    )

    file: tuple[str, ...] = setting((), "Files or folders, which may also stand without the flag; of accept, the start of "
                                    "the file's SHA-256.")  # fmt: skip
    lake: str = setting("build/lake", "Folder or s3a:// prefix of the lake.", env="PAYLAKE_LAKE", aliases="--output_path")
    format: str | None = setting(
        None, "Read every file as this format, in place of looking.", choices=tuple(formats.MODULES)
    )
    mapping: Path | None = setting(None, "YAML that says what the columns of a CSV or Excel file mean.")
    by: str = setting("", "Of accept: who accepts the file.")
    because: str = setting("", "Of accept: why.")


def main(argv: Sequence[str]) -> int:
    """`paylake ingest FILE…`, `paylake ingest list`, `paylake ingest accept --file SHA256 --by NAME --because TEXT`."""
    action = argv[0] if argv and argv[0] in ACTIONS else ""
    rest = list(argv[1:] if action else argv)
    free = [f"--file={rest.pop(0)}" for _ in range(_free(rest))]
    settings = parse_settings(IngestSettings, [*free, *rest], prog=f"paylake ingest{' ' + action if action else ''}")
    if action == "list":
        return _list(settings)
    if not settings.file:
        raise SettingsError("Which files? For example paylake ingest statement.xml; --help says what can be read.")
    if action == "accept":
        done = accept(build_session("ingest"), settings.lake, settings.file[0], settings.by, settings.because)
        print(f"{done.file.name} is accepted: its {done.lines:,} lines count from now on.")
        return 0
    files, parse = incoming(settings.file), parser(settings.format, settings.mapping)
    _report(ingest(build_session("ingest"), settings.lake, files, parse))
    return 0


def _free(arguments: Sequence[str]) -> int:
    """How many arguments stand before the first flag."""
    return next((n for n, a in enumerate(arguments) if a.startswith("--")), len(arguments))


def incoming(paths: Sequence[str]) -> list[Incoming]:
    """The files, those of a folder by name; SettingsError for one that is not there."""
    found: list[Path] = []
    for path in map(Path, paths):
        if not path.exists():
            raise SettingsError(f"{path} is not there; check the path.")
        found += sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else [path]
    return [Incoming(path.name, path.read_bytes()) for path in found]


def parser(format_name: str | None, mapping: Path | None) -> Callable[[str, bytes], Parsed]:
    """How files are read: by a mapping, by a named format, or by what they hold."""
    if mapping is not None:
        if not mapping.is_file():
            raise SettingsError(f"--mapping: {mapping} is no file.")
        read = read_mapping(mapping.read_text(encoding="utf-8"))
        return lambda name, data: formats.parse(name, data, read)
    if format_name is not None:
        return lambda _, data: formats.parser(format_name)(data)
    return formats.parse


def _report(taken: Sequence[Ingested]) -> None:
    width = max((len(one.file.name) for one in taken), default=4)
    for one in taken:
        state = one.state or "SEEN BEFORE"
        print(f"{state:11}  {one.file.name:{width}}  {one.format:9}  {one.lines:>7,} lines  {one.file.sha256[:10]}"
              f"{'  ' + (one.detail or '') if one.reason else ''}")  # fmt: skip
    states = [one.state or "SEEN BEFORE" for one in taken]
    print("\n" + ", ".join(f"{states.count(state):,} {state.lower()}" for state in dict.fromkeys(states)) + ".")
    if "QUARANTINED" in states:
        print("What is quarantined counts for nobody: correct the file, or `paylake ingest accept` it with a reason.")


def _list(settings: IngestSettings) -> int:
    waiting = quarantined(build_session("ingest"), settings.lake).orderBy("file_name", "file_sha256").collect()
    for row in waiting:
        print(f"{row['file_sha256'][:10]}  {row['file_name']}  {row['format']}  {row['lines']:,} lines  {row['reason']}: "
              f"{row['detail']}")  # fmt: skip
    print(f"{len(waiting):,} files in quarantine.")
    return 0
