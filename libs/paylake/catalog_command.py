"""`paylake catalog register|ddl`: the lake's tables and views in the AWS Glue Data Catalog, or as Athena's statements."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from paylake import catalog
from paylake.errors import SettingsError, SourceError
from paylake.settings import parse_settings, setting

ACTIONS = ("register", "ddl")


@dataclass(frozen=True, kw_only=True)
class CatalogSettings:
    """Register the lake's tables and views in the AWS Glue Data Catalog, where Athena and Lake Formation look.

    What differs is created or updated, and nothing is dropped: run it again after each release. `ddl` prints the same as
    statements of Athena, in order. Credentials come from where AWS's tools look for them.
    """

    EXAMPLES: ClassVar[Sequence[str]] = (
        "paylake catalog register --lake s3a://my-lake/prod --database paylake --create-database",
        "paylake catalog register --lake s3a://my-lake/prod --database paylake --dry-run",
        "paylake catalog ddl --lake s3a://my-lake/prod --database paylake > athena.sql",
    )

    lake: str = setting(help="The lake's s3a:// prefix.", env="PAYLAKE_LAKE", aliases="--output_path")
    database: str = setting("paylake", "Glue's database.", env="PAYLAKE_DATABASE")
    create_database: bool = setting(False, "Make the database where it is not there.")
    region: str | None = setting(None, "Region of the catalog.", env=("AWS_REGION", "AWS_DEFAULT_REGION"))
    endpoint_url: str | None = setting(None, "Another address of Glue, such as a VPC endpoint.", env="AWS_ENDPOINT_URL_GLUE")
    dry_run: bool = setting(False, "Say what would change, and write nothing.")

    def __post_init__(self) -> None:
        """Refuse a database that Athena's statements could not name without quotes."""
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.database):
            raise SettingsError(
                f"--database: {self.database!r} is not made of small letters, digits and _; for example paylake."
            )


def main(argv: Sequence[str]) -> int:
    """`paylake catalog register` or `paylake catalog ddl`."""
    action, rest = (argv[0], argv[1:]) if argv and not argv[0].startswith("-") else ("", argv)
    if action not in ACTIONS and not {"-h", "--help"} & set(argv):
        raise SettingsError(f"paylake catalog knows {' and '.join(ACTIONS)}, but not {action or 'nothing'!r}.")
    settings = parse_settings(CatalogSettings, rest, prog=f"paylake catalog {action or '|'.join(ACTIONS)}")
    if action == "ddl":
        print(";\n\n".join(catalog.statements(settings.lake, settings.database)) + ";")
        return 0
    _report(settings, _register(settings))
    return 0


def _register(settings: CatalogSettings) -> list[catalog.Registered]:
    try:
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError

        wanted = catalog.inputs(settings.lake, settings.database)
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"paylake catalog register needs {error.name}: install it with pip install 'paylake[aws]'."
        ) from None
    try:
        glue: Any = boto3.client("glue", region_name=settings.region, endpoint_url=settings.endpoint_url)
        return catalog.register(
            glue, settings.database, wanted, create_database=settings.create_database, dry_run=settings.dry_run
        )
    except (BotoCoreError, ClientError) as error:
        said = " ".join(str(error).split()).rstrip(".")
        raise SourceError(f"AWS Glue did not do it: {said}; what was done before stays, so run it again.") from None


def _report(settings: CatalogSettings, done: Sequence[catalog.Registered]) -> None:
    width = max(len(one.name) for one in done)
    for one in done:
        changed = f"  {', '.join(one.changed)}" if one.changed else ""
        print(f"{one.outcome:9}  {one.name:{width if changed else 0}}{changed}")
    counts = Counter(one.outcome for one in done)
    said = ", ".join(f"{counts[outcome]} {outcome}" for outcome in catalog.Outcome)
    dry = "; nothing was written, since this is a dry run" if settings.dry_run else ""
    print(f"\n{len(done)} tables and views of {settings.database}: {said}{dry}.")
