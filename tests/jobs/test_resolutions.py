"""What people decide about breaks: written once, applied by the nightly run alone, chained, and never by one who may not."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from paylake import act_store, audit, breaks, breaks_command, cli, resolutions, tables
from paylake.breaks import Wanted
from paylake.contracts import AUDIT_LOG, BREAKS, RUN_CONTROLS
from paylake.contracts.resolution import BREAK_EXPORT, ActKind
from paylake.contracts.table import TableContract
from paylake.errors import SourceError
from paylake.nightly import closed_until_date
from paylake.resolution.acts import Act
from paylake.resolution.chain import first_fault
from paylake.resolution.life import ActRefused, Limits
from tests import stream_harness as harness
from tests.builders import NOON, by_key, day, rows

D = day("2026-03-31")
NO_LIMITS = Limits()
RUN = f"{D}-001"
SUGGESTED = {
    "state": "SUGGESTED", "suggestion_id": "s1", "suggested_resolution": "ACCEPT_GATEWAY",
    "suggested_by": "policy:consensus", "suggestion_evidence": "gateway and mobile agree", "suggestion_basis_points": 9_904,
}  # fmt: skip


def a_break(break_id: str, **columns: Any) -> dict[str, Any]:
    return {
        "break_id": break_id, "business_date": D, "kind": "AMOUNT_MISMATCH", "reasons": ["AMOUNT_UNDER"], "severity": "High",
        "risk_score": 40, "risk_class": "SKIMMING", "act_sequence": 0, "expected_settlement_date": day("2026-03-24"),
        **columns,
    }  # fmt: skip


BOOKS = (
    a_break("proposed"), a_break("alone"), a_break("suggested", **SUGGESTED),
    a_break("second", **{**SUGGESTED, "suggestion_id": "s2"}),
    a_break("dear", **{**SUGGESTED, "suggestion_id": "s3"}, amount=Decimal("900.0000")),
    a_break("fraud", **{**SUGGESTED, "suggestion_id": "s4"}, risk_class="FRAUD", risk_score=100, severity="Critical"),
    a_break("missing", reasons=["MISSING_IN_CORE"], kind="MISSING_CBS", risk_class="DATA_LOSS", risk_score=90),
)  # fmt: skip


def fill(spark: SparkSession, lake: str, contract: TableContract, *overrides: dict[str, Any]) -> None:
    tables.create(spark, lake, contract)
    tables.append(rows(spark, contract, *overrides).coalesce(1), lake, contract)


@pytest.fixture(scope="module")
def books(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A lake with published breaks, and nothing done about them."""
    lake = str(tmp_path_factory.mktemp("books") / "lake")
    published = {"row_kind": "PUBLISHED", "source": "all", "currency": "-", "run_id": RUN, "business_date": D}
    fill(spark, lake, RUN_CONTROLS, published)
    fill(spark, lake, BREAKS, *BOOKS)
    return lake


@pytest.fixture
def mine(books: str, tmp_path: Path) -> str:
    """The same lake, for one test."""
    return harness.copied(books, tmp_path / "lake")


def act(kind: ActKind, subject: str, who: str = "asha", minute: int = 0, **parts: Any) -> Act:
    return Act(kind, subject, who, NOON + timedelta(minutes=minute), "as agreed", **parts)


def settle(spark: SparkSession, lake: str, hour: int = 1, limits: Limits = NO_LIMITS) -> resolutions.Settled:
    run_at = datetime.fromisoformat(f"2026-04-02T{hour:02}:00:00+00:00")
    return resolutions.settle(spark, lake, D, RUN, run_at, limits)


def states(spark: SparkSession, lake: str) -> dict[str, tuple[str, str | None]]:
    found = by_key(tables.read(spark, lake, BREAKS), "break_id")
    return {key: (row["state"], row["resolution"]) for key, row in found.items()}


def versions(spark: SparkSession, lake: str) -> list[int]:
    return [tables.latest_version(spark, lake, contract) for contract in (BREAKS, AUDIT_LOG)]


def test_acts_are_pending_until_the_nightly_run_applies_them_once(
    spark: SparkSession, mine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    propose = act(ActKind.PROPOSE, "proposed", resolution="WRITE_OFF")
    after = breaks.do(spark, mine, propose, NO_LIMITS)
    assert after is not None
    assert after.state == "IN_REVIEW"
    assert breaks.shown(spark, mine, "proposed")["pending"] == "propose by asha"
    assert states(spark, mine)["proposed"] == ("OPEN", None)
    with pytest.raises(ActRefused, match="a write-off needs a second person"):
        breaks.do(spark, mine, act(ActKind.APPROVE, "proposed", "asha", 1), NO_LIMITS)
    breaks.do(spark, mine, act(ActKind.APPROVE, "proposed", "ben", 2), NO_LIMITS)
    # written past every interface: the nightly run has the last word
    alone = act(ActKind.PROPOSE, "alone", resolution="CORRECTED")
    act_store.write(spark, mine, alone)
    act_store.write(spark, mine, act(ActKind.APPROVE, "alone", "Asha", 3, of=alone.act_id))
    (Path(mine) / "acts" / "forged.json").write_text(propose.to_json())
    breaks.do(spark, mine, act(ActKind.REJECT, "suggested", "ben", 4), NO_LIMITS)

    real = tables.merge
    monkeypatch.setattr(tables, "merge", lambda *a, **k: (_ for _ in ()).throw(harness.Crash("merge")))
    with pytest.raises(harness.Crash):
        settle(spark, mine)
    monkeypatch.setattr(tables, "merge", real)
    assert settle(spark, mine) == resolutions.Settled(0, 0, 0, 2)
    assert states(spark, mine) == {
        "proposed": ("WRITTEN_OFF", "WRITE_OFF"), "alone": ("IN_REVIEW", None), "suggested": ("OPEN", None),
        **{name: ("SUGGESTED", None) for name in ("second", "dear", "fraud")}, "missing": ("OPEN", None),
    }  # fmt: skip
    log = audit.rows(spark, mine)
    assert sorted((r["entry"], r["act"], r["subject"], r["who"]) for r in log[:6]) == [
        ("ACT", "approve", "proposed", "ben"),
        ("ACT", "propose", "alone", "asha"),
        ("ACT", "propose", "proposed", "asha"),
        ("ACT", "reject", "suggested", "ben"),
        ("REFUSED", "approve", "alone", "Asha"),
        ("REFUSED", "propose", "forged", "unknown"),
    ]
    assert [(r["entry"], r["subject"], r["row_count"]) for r in log[6:]] == [
        ("COMMIT", "breaks", 7), ("COMMIT", "run_controls", 1),
    ]  # fmt: skip
    assert "cannot approve it too: 100.0000 INR is above the limit" in next(
        r["why"] for r in log if r["entry"] == "REFUSED" and r["act"] == "approve"
    )
    before = versions(spark, mine)
    assert settle(spark, mine, 2) == resolutions.Settled(0, 0, 0, 0)
    assert versions(spark, mine) == before
    assert audit.faults(spark, mine) == []
    harness.assert_as_promised(spark, mine, AUDIT_LOG)


@pytest.mark.slow
def test_the_switch_resolves_within_its_limits_and_never_a_fraud(spark: SparkSession, mine: str) -> None:
    on = Limits(auto_resolve=True, auto={"INR": Decimal("150")})
    breaks.do(spark, mine, act(ActKind.PROPOSE, "second", resolution="IGNORE"), on)
    assert settle(spark, mine, 1, on).auto_resolved == 1
    found = {key: state for key, (state, _) in states(spark, mine).items()}
    assert {key: found[key] for key in ("suggested", "second", "dear", "fraud")} == {
        "suggested": "RESOLVED", "second": "IN_REVIEW", "dear": "SUGGESTED", "fraud": "SUGGESTED",
    }  # fmt: skip
    breaks.do(spark, mine, act(ActKind.REJECT, "second", "ben", 1), on)
    before = versions(spark, mine)
    spent_already = settle(spark, mine, 2, on)
    assert (spent_already.applied, spent_already.auto_resolved) == (1, 0)
    assert versions(spark, mine) != before
    (done,) = [r for r in audit.rows(spark, mine) if r["act"] == "auto_resolve"]
    assert (done["who"], done["why"], done["amount"]) == (
        "switch:auto-resolve", "policy:consensus proposes ACCEPT_GATEWAY", Decimal("100.0000"),
    )  # fmt: skip


def test_a_single_flipped_byte_is_found(spark: SparkSession, mine: str) -> None:
    breaks.do(spark, mine, act(ActKind.APPROVE, "suggested"), NO_LIMITS)
    settle(spark, mine)
    assert first_fault(audit.rows(spark, mine)) is None
    place = tables.location(mine, AUDIT_LOG)
    spark.sql(f"UPDATE delta.`{place}` SET who = 'asge' WHERE sequence = 1")
    assert audit.faults(spark, mine) == ["Row 1 of audit_log (approve of suggested by asge) is not as it was written."]
    spark.sql(f"UPDATE delta.`{place}` SET who = 'asha' WHERE sequence = 1")
    assert audit.faults(spark, mine) == []
    spark.sql(f"UPDATE delta.`{tables.location(mine, BREAKS)}` SET amount = amount + 0.0001 WHERE break_id = 'dear'")
    (fault,) = audit.faults(spark, mine)
    assert fault.startswith(f"breaks of {D} is not what row 2 of audit_log says")


def test_a_flipped_byte_on_disk_is_told_in_a_sentence(spark: SparkSession, mine: str) -> None:
    breaks.do(spark, mine, act(ActKind.APPROVE, "suggested"), NO_LIMITS)
    settle(spark, mine)
    for path in Path(tables.location(mine, AUDIT_LOG)).glob("*.parquet"):
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
        for checksum in path.parent.glob(".*.crc"):
            checksum.unlink()
    with pytest.raises(SourceError, match="The audit log of .* cannot be read .*: a file of it is damaged or missing"):
        audit.faults(spark, mine)


def test_the_command_names_the_last_hash_or_what_is_wrong(
    spark: SparkSession, mine: str, capsys: pytest.CaptureFixture[str]
) -> None:
    act_flags = ["--lake", mine, "--break", "suggested", "--who", "asha", "--why", "as agreed"]
    assert cli.main(["breaks", "approve", *act_flags]) == 0
    assert capsys.readouterr().out.startswith("approve: break suggested becomes RESOLVED with the next nightly run (act ")
    assert cli.main(["breaks", "approve", *act_flags]) == 1
    assert capsys.readouterr().err.startswith("paylake: Break suggested is RESOLVED; it can be approved while it is SUGG")
    assert cli.main(["period", "close", "--lake", mine, "--until", "2026-03-31", "--who", "ben", "--why", "month end"]) == 0
    settle(spark, mine)
    log = audit.rows(spark, mine)
    assert cli.main(["audit", "verify", "--lake", mine]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        f"4 rows of audit_log are whole, and the tables are as they say; the last one has the hash {log[-1]['hash']}."
    )
    spark.sql(f"DELETE FROM delta.`{tables.location(mine, AUDIT_LOG)}` WHERE sequence = 2")
    assert cli.main(["audit", "verify", "--lake", mine]) == 1
    assert "Row 2 of audit_log is missing or repeated" in capsys.readouterr().err


def test_an_act_is_written_once(spark: SparkSession, mine: str) -> None:
    replayed = act(ActKind.REPLAY, "missing", ledger="core")
    breaks.do(spark, mine, replayed, NO_LIMITS)
    with pytest.raises(act_store.ActExists, match="done once"):
        breaks.do(spark, mine, act(ActKind.REPLAY, "missing", "ben", 5, ledger="core"), NO_LIMITS)
    assert act_store.names(spark, mine) == {"replay-missing-core"}
    assert Act.from_json(act_store.read(spark, mine, ["replay-missing-core"])["replay-missing-core"]) == replayed
    assert settle(spark, mine).applied == 1
    assert states(spark, mine)["missing"] == ("OPEN", None)


def test_the_list_shows_what_waits_and_the_export_has_fourteen_columns(
    spark: SparkSession, books: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert breaks_command.main(["list", "--lake", books, "--kind", "missing_cbs"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "1 breaks; 1 shown, those that are due first."
    assert out[2].split() == ["missing", "OPEN", "High", "MISSING_CBS", "100.0000", "INR", "2026-03-31", "12:00", "2-3", "x"]
    assert breaks_command.main(["export", "--lake", books]) == 0
    table = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert (len(table), len(BREAK_EXPORT), tuple(table[0])) == (7, 14, BREAK_EXPORT)
    total, _ = breaks.listed(spark, books, Wanted(state="open"))
    assert total == 3
    with pytest.raises(SourceError, match="There is no break 'nobody'"):
        breaks.shown(spark, books, "nobody")


def test_a_period_is_closed_only_up_to_a_published_date(spark: SparkSession, mine: str) -> None:
    with pytest.raises(ActRefused, match="2026-04-01 is not published yet"):
        breaks.do(spark, mine, act(ActKind.CLOSE_PERIOD, "2026-04-01"), NO_LIMITS)
    act_store.write(spark, mine, act(ActKind.CLOSE_PERIOD, "2026-04-01"))
    breaks.do(spark, mine, act(ActKind.CLOSE_PERIOD, f"{D}", "ben", 1), NO_LIMITS)
    assert settle(spark, mine).refused == 1
    assert closed_until_date(spark, mine) == D
