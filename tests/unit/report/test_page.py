"""The page stands alone, says what the figures say, and lets nothing from the data become markup."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import pytest

from paylake.report.command import write_report
from paylake.report.controls import Controls, Offsets, Proof, Run, Tally
from paylake.report.figures import BreakCount, Figures, HourCount, Leg, MatchRate, OpenItem
from paylake.report.fraud import Alerts, FraudFigures, FraudScore, Prevented, ScenarioScore, TypeScore
from paylake.report.page import cells, render
from paylake.report.score import KindScore, Score
from paylake.report.speed import Latency, StreamSpeed, TopicSpeed
from paylake.report.summary import print_summary, summary

HOSTILE = '<script>alert("x")</script>'
AT = "2026-03-31 10:00:00.000"
LEGS = (
    Leg("gateway", Decimal("12345678.9000"), "INR", "SUCCESS", AT),
    Leg("core", Decimal("12345678.9100"), "INR", "SUCCESS", "2026-03-31 10:01:00.000"),
    Leg("mobile", Decimal("12345678.9000"), "INR", HOSTILE, "2026-03-31 10:00:01.000"),
)
ITEM = OpenItem("t1", HOSTILE, "AMOUNT_MISMATCH", ("AMOUNT_OVER",), "High", "finance", "INR", Decimal("0.0100"), (), LEGS)
ZERO = Tally(0, Decimal("0.0000"))
ALL = Tally(9, Decimal("12345678.9000"))
PROOF = Proof("gateway", "INR", ALL, ALL, ALL, ZERO, ZERO, ZERO, ZERO, 0, "closed", HOSTILE)
RUN = Run("2026-03-31-001", date(2026, 3, 31), "2026-04-01 01:30:00.000", True, "2026-03-31-001", 1, 8)
SPEED = Latency(12.0, 250.0, 1250.0)

FRAUD = FraudFigures(
    by_type={"normal": 900, "suspicious": 60, "fraudulent": 40},
    reasons=(("The payment comes at night.", 3),),
    models=(HOSTILE,),
    score=FraudScore(
        average_precision=0.8766,
        recall_in_budget=0.9,
        types=(TypeScore("normal", 900, 5), TypeScore("suspicious", 60, 15), TypeScore("fraudulent", 40, 30)),
        scenarios=(ScenarioScore("CARD_TESTING", 50, 45),),
        prevented=(Prevented("INR", Decimal("4000.0000"), Decimal("3000.0000")),),
    ),
    alerts=Alerts(1000, 44, 14.3, 23.0, 24.0, 1000),
)
FIGURES = Figures(
    lake=f"s3a://lake/{HOSTILE}",
    controls=Controls(RUN, (PROOF,), Offsets(6, 29, 2, 0, ()), {}),
    match_rates=(MatchRate("INR", 9, 8, Decimal("12345678.9000"), Decimal("12345678.8900")),),
    breaks=(BreakCount("AMOUNT_MISMATCH", "AMOUNT_OVER", "High", "finance", "INR", 1, Decimal("0.0100")),),
    hours=(HourCount(10, "AMOUNT_OVER", 1),),
    top_items=(ITEM,),
    speed=StreamSpeed((TopicSpeed("pg-transactions", 29, 2, 0, SPEED),), 2.0, SPEED),
    score=Score((KindScore("AMOUNT_MISMATCH", 1, 1, 1), KindScore("NONE", 8, 8, 8)), 0),
    seconds={"stream": 2.0},
    fraud=FRAUD,
)
UNPUBLISHED = replace(
    FIGURES,
    controls=Controls(
        replace(RUN, is_published=False, published_run_id=None),
        (replace(PROOF, outcome="failed", note="0.01 lost"),),
        Offsets(0, 0, 0, 0, ()),
        {"came late": 3},
    ),
    match_rates=(), breaks=(), hours=(), top_items=(), score=None, speed=StreamSpeed((), 0.0, Latency(None, None, None)),
    seconds={}, fraud=None,
)  # fmt: skip

VOID = {"meta", "br", "link", "img", "hr", "input"}


class Reader(HTMLParser):
    """Collects elements, attributes and text, and checks that elements close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        self.text += data


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    reader.text = re.sub(r"\s+", " ", reader.text.replace("\u00a0", " "))
    return reader


@pytest.fixture(scope="module")
def page() -> str:
    return render(FIGURES)


def test_the_page_needs_nothing_beside_it(page: str) -> None:
    reader = read(page)
    assert {tag for tag, _ in reader.tags} & {"script", "link", "img", "iframe", "object", "embed"} == set()
    for _, attributes in reader.tags:
        for name in ("src", "href", "xlink:href"):
            assert (attributes.get(name) or "#").startswith("#")
    assert "@import" not in page
    assert not re.search(r"url\(\s*['\"]?(?!#)", page)


def test_the_page_can_be_read_without_seeing_its_plots(page: str) -> None:
    reader = read(page)
    figures = [attributes for tag, attributes in reader.tags if tag == "figure"]
    assert len(figures) == 2
    assert all(figure["role"] == "img" and "1" in (figure["aria-label"] or "") for figure in figures)
    tables = [tag for tag, _ in reader.tags if tag == "table"]
    captions = [tag for tag, _ in reader.tags if tag == "caption"]
    assert len(tables) == len(captions)
    assert reader.tags[0] == ("html", {"lang": "en"})
    ids = [attributes["id"] for _, attributes in reader.tags if "id" in attributes]
    assert len(ids) == len(set(ids)), "an id is given twice"


def test_nothing_from_the_data_becomes_markup(page: str) -> None:
    assert "<script" not in page
    assert page.count("&lt;script&gt;") == 5, "merchant, status, note, model and lake are shown as they are"


def test_the_page_says_what_the_figures_say(page: str) -> None:
    text = read(page).text
    for said in (
        "Payment reconciliation, 31 March 2026",
        "Closed and published. All 1 control totals close",
        "₹ 1.23 crore",
        "₹ 1,23,45,678.90",
        "88.88%",
        "99.99%",
        "pg-transactions",
        "1.25 s",
        "every payment was given its true result",
        "60 are suspicious, 40 fraudulent",
        "44 alerts in 1,000 decisions",
        "45 of 100 flagged payments are true frauds (45.00%), which is 90.00% of all",
        "Average precision of the scores is 0.877",
        "Card testing",
        "₹ 3,000.00",
        "run 2026-03-31-001",
        "generation 1, up to batch 8",
    ):
        assert said in text


def test_a_run_that_does_not_close_says_so_and_never_that_all_is_well() -> None:
    text = read(render(UNPUBLISHED)).text
    assert "Not closed." in text
    assert "do not close for gateway INR" in text
    assert "No figures of this date are published." in text
    assert "3 payments (came late)" in text
    assert "No break is open" not in text
    assert "Closed and published" not in text


def test_the_same_figures_give_the_same_page(page: str) -> None:
    assert render(FIGURES) == page


def test_what_differs_between_the_legs_is_marked() -> None:
    assert [cell.odd for cell in cells(ITEM)] == [frozenset(), {"amount"}, {"status"}]
    drift = replace(ITEM, reasons=("DATE_DRIFT",))
    assert ["time" in cell.odd for cell in cells(drift)] == [False, True, False]
    missing = replace(ITEM, legs=(Leg("gateway", None, None, None, None), *LEGS[1:]), quarantined_legs=("gateway",))
    gateway, core, mobile = cells(missing)
    assert gateway.is_missing
    assert gateway.in_quarantine
    assert "amount" in core.odd
    assert "amount" in mobile.odd


# --- the summary ---


def test_the_summary_has_its_stable_names(tmp_path: Path) -> None:
    path = write_report(FIGURES, tmp_path / "new" / "folder")
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    written = json.loads((path.parent / "summary.json").read_text(encoding="utf-8"))
    assert written == summary(FIGURES)
    expected = {
        "payments": 9,
        "records": 29,
        "records_quarantined": 2,
        "match_rate": 8 / 9,
        "precision": {"overall": 1.0, "by_reason": {"AMOUNT_MISMATCH": 1.0, "NONE": 1.0}},
        "recall": {"overall": 1.0, "by_reason": {"AMOUNT_MISMATCH": 1.0, "NONE": 1.0}},
        "controls_closed": True,
        "stream_equals_batch": True,
        "events_per_second": 14.5,
        "latency_ms": {"p50": 12.0, "p95": 250.0, "p99": 1250.0},
        "seconds": {"stream": 2.0},
        "payments_scored": 1000,
        "payments_flagged": 100,
        "alerts": 44,
        "alert_latency_ms": {"p50": 14.3, "p95": 23.0, "p99": 24.0},
        "fraud_precision": 0.45,
        "fraud_recall": 0.9,
        "fraud_average_precision": 0.8766,
        "fraud_recall_at_2_1_percent": 0.9,
        "fraud_prevented": [{"currency": "INR", "amount": "4000.0000", "prevented_amount": "3000.0000"}],
    }
    assert {name: written[name] for name in expected} == expected
    assert written["amounts_at_risk"] == [{"currency": "INR", "severity": "High", "breaks": 1, "amount": "0.0100"}]


def test_a_run_that_does_not_close_is_summed_up_as_such() -> None:
    found = summary(UNPUBLISHED)
    assert (found["controls_closed"], found["stream_equals_batch"], found["payments"]) == (False, False, 0)
    assert found["precision"] == {"overall": None, "by_reason": {}}
    assert (found["alerts"], found["alert_latency_ms"], found["fraud_precision"], found["fraud_prevented"]) == (
        None,
    ) * 3 + ([],)
    assert "NOT CLOSED for gateway INR" in print_summary(UNPUBLISHED)


def test_the_terminal_gets_a_short_table() -> None:
    text = print_summary(FIGURES)
    assert "Amount mismatch" in text
    assert "all 1 proofs close; published" in text
    assert "precision 100.00%, recall 100.00% over 1 breaks" in text
    assert "44 alerts; decided in 14 ms (p95 23, p99 24) at 1,000 payments a second" in text
    assert "precision 45.00%, recall 90.00% over 50 frauds, average precision 0.877" in text
    assert max(len(line) for line in text.splitlines()) <= 120


def test_the_page_links_to_the_data_docs_that_lie_beside_it(tmp_path: Path) -> None:
    assert "Data Docs" not in write_report(FIGURES, tmp_path).read_text(encoding="utf-8")
    (tmp_path / "data_docs").mkdir()
    (tmp_path / "data_docs" / "index.html").touch()
    assert '<a href="data_docs/index.html">Data Docs</a>' in write_report(FIGURES, tmp_path).read_text(encoding="utf-8")
