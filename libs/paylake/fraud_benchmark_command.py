"""`paylake benchmark fraud`: the public fraud benchmark, with the published figures beside ours."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import ClassVar

from paylake.card_transactions import read
from paylake.errors import SettingsError
from paylake.settings import parse_settings, setting


@dataclass(frozen=True, kw_only=True)
class FraudBenchmarkSettings:
    """Train and judge fraud models on labelled card transactions, by the two protocols of the Fraud Detection Handbook.

    The data are a parquet file, or a folder of them, with the columns transaction_id, tx_datetime, customer_id, terminal_id,
    amount_cents, is_fraud and fraud_scenario. Models are chosen on folds of their own, never on those that judge them.
    """

    EXAMPLES: ClassVar[Sequence[str]] = (
        "paylake benchmark fraud --data ../shared/data/handbook",
        "paylake benchmark fraud --data transactions.parquet --train-start 2018-07-11 --folds 3 --out fraud.md",
    )

    data: Path = setting(Path("../shared/data/handbook"), "File or folder of the transactions.")
    train_start: date | None = setting(
        None,
        "Start of protocol A's training, and B's anchor; without it 2018-07-25, else the last after which all folds fit.",
    )
    folds: int = setting(4, "How many folds protocol B has; those that the data do not hold are left out.")
    out: Path | None = setting(None, "File to write the page to, in Markdown, as well.")


def main(argv: Sequence[str]) -> int:
    """`paylake benchmark fraud`."""
    if not argv or argv[0] != "fraud":
        if argv and argv[0] in ("-h", "--help"):
            print("usage: `paylake benchmark fraud`\n\nAdd --help to it for its settings.")
            return 0
        raise SettingsError("`paylake benchmark` needs one more word: `paylake benchmark fraud`.")
    settings = parse_settings(FraudBenchmarkSettings, argv[1:], prog="paylake benchmark fraud")
    if settings.folds < 1:
        raise SettingsError(f"--folds: {settings.folds} is less than 1; for example --folds 4.")
    try:
        from paylake.fraud.handbook.benchmark import benchmark
        from paylake.fraud.handbook.page import page
    except ModuleNotFoundError as error:
        raise SettingsError(f"`paylake benchmark fraud` needs {error.name}: pip install 'paylake[fraud]'.") from None
    transactions = read(settings.data)
    found = benchmark(transactions, settings.train_start, settings.folds, lambda line: print(line, file=sys.stderr))
    text = page(found)
    print(text, end="")
    if settings.out is not None:
        settings.out.parent.mkdir(parents=True, exist_ok=True)
        settings.out.write_text(text, encoding="utf-8")
        print(f"Wrote {settings.out}.")
    return 0
