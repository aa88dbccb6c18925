"""Every bank statement of the reference data, as nobody on this project wrote it: proved, unproved or refused, and why.

`bank_samples.csv` has a row per file, checked by hand; `sample_row` says what its columns are. A file is proved when all of
its statements are; its differences are those of the statements that are unproved.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from paylake.contracts.statements import NO_CONTROL, PROOF_REASONS, PROOFS, PROVED, UNPROVED
from paylake.statements import bai2, camt, mt940
from paylake.statements.model import Parsed, Parser
from paylake.statements.proof import plain
from tests.unit.statements.garbling import read_or_refused

GOLDEN = Path(__file__).with_name("bank_samples.csv")
PARSERS: dict[str, Parser] = {"camt": camt.parse, "mt940": mt940.parse, "bai2": bai2.parse}
COLUMNS = ["file", "statements", "lines", "proof", "reason", "difference"]
REFUSED = "REFUSED"
SENTENCE = re.compile(r"[A-Z][^\n]{20,300}\.")


def sample_row(name: str, parse: Parser, data: bytes) -> list[str]:
    """The row of a file: how much was read from it, the verdict, the first reason, and the exact differences."""
    parsed = read_or_refused(parse, data)
    if isinstance(parsed, str):
        return [name, "0", "0", REFUSED, "", ""]
    proofs = {one.proof for one in parsed.statements}
    reasons = sorted({one.reason for one in parsed.statements if one.reason}, key=PROOF_REASONS.index)
    differences = [one.difference_amount for one in parsed.statements if one.proof == UNPROVED]
    verdict = next(proof for proof in (UNPROVED, NO_CONTROL, PROVED) if proof in proofs)
    stated = ["0"] if verdict == PROVED else [plain(one.normalize()) for one in differences if one is not None]
    return [
        name,
        str(len(parsed.statements)),
        str(len(parsed.statement_lines)),
        verdict,
        reasons[0] if reasons else "",
        " ".join(stated),
    ]


def samples(folder: Path) -> list[list[str]]:
    """The rows of a folder's files, by name."""
    parse = PARSERS[folder.name]
    return [sample_row(f"{folder.name}/{path.name}", parse, path.read_bytes()) for path in sorted(folder.iterdir())]


@pytest.mark.parametrize("folder", PARSERS)
def test_every_sample_is_read_as_it_was_by_hand(folder: str, shared_data: Callable[..., Path]) -> None:
    header, *rows = csv.reader(GOLDEN.read_text(encoding="utf-8").splitlines())
    assert header == COLUMNS
    assert samples(shared_data(folder)) == [row for row in rows if row[0].startswith(f"{folder}/")]


@pytest.mark.parametrize("folder", PARSERS)
def test_no_sample_ends_in_a_traceback_and_every_verdict_says_why(folder: str, shared_data: Callable[..., Path]) -> None:
    for path in sorted(shared_data(folder).iterdir()):
        parsed = read_or_refused(PARSERS[folder], path.read_bytes())
        if isinstance(parsed, str):
            assert SENTENCE.fullmatch(parsed), path.name
        else:
            check_verdicts(parsed)


def check_verdicts(parsed: Parsed) -> None:
    """Each statement has a verdict, an unproved one its reason in a sentence, and keys are unique."""
    for one in parsed.statements:
        assert one.proof in PROOFS
        assert (one.proof == UNPROVED) == (one.reason in PROOF_REASONS) == bool(one.detail)
        assert one.proof != PROVED or one.difference_amount == 0
        assert one.detail is None or SENTENCE.fullmatch(one.detail), one.detail
    keys = [(one.line, one.part) for one in parsed.statement_lines]
    assert len(set(keys)) == len(keys)
    assert {one.statement for one in parsed.statement_lines} <= {one.statement for one in parsed.statements}


def sums_and_closings(path: Path, parse: Parser) -> list[tuple[Decimal | None, Decimal, Decimal | None]]:
    """Opening balance, sum of the entries and closing balance of each statement."""
    parsed = parse(path.read_bytes())
    return [(one.opening_balance, one.entries_amount, one.closing_balance) for one in parsed.statements]


def test_two_statements_of_one_file_follow_on_from_each_other(shared_data: Callable[..., Path]) -> None:
    path = shared_data("camt", "camt053.v2.multi.statement.xml")
    assert sums_and_closings(path, camt.parse) == [
        (Decimal("18.15"), Decimal("8.85"), Decimal("27.00")),
        (Decimal("27.00"), Decimal("-7.00"), Decimal("20.00")),
    ]


def test_five_cents_too_much_in_a_closing_balance_are_found(shared_data: Callable[..., Path]) -> None:
    """18.150 + 8.850 = 27.000, but the file states 27.050."""
    path = shared_data("camt", "camt053.v2.five.decimals.xml")
    (one,) = camt.parse(path.read_bytes()).statements
    assert (one.opening_balance, one.entries_amount, one.closing_balance) == (
        Decimal("18.15"), Decimal("8.85"), Decimal("27.05"),
    )  # fmt: skip
    assert (one.proof, one.difference_amount) == (UNPROVED, Decimal("0.05"))
