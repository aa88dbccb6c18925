"""Who is learnt from, who is queued and what is told, by hand, with a model that says what it is told to."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from paylake import cli, review_queue
from paylake.errors import SettingsError
from paylake.fraud.features import NAMES
from paylake.fraud.novelty.channel import WEIGHTS, Channel, Ranked
from paylake.fraud.novelty.queue import SCORED_SCHEMA
from paylake.fraud.novelty.vectors import SEEN, Floats, Scale, Vectors
from paylake.review_queue import Queue, best, chosen, last_bucket, queued, told, vectors
from paylake.review_queue_command import ReviewQueueSettings
from paylake.settings import parse_settings

FOREST = next(iter(WEIGHTS))
NIGHT = NAMES.index("is_night")
GAP = NAMES.index("user_gap")
DAY = dt.date(2026, 3, 31)
AT = dt.datetime(2026, 3, 31, 23, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Told:
    """A model whose error is the feature `user_gap`; its residuals are the features themselves."""

    name: str = FOREST
    scale: Scale = field(default_factory=lambda: Scale(np.zeros(len(SEEN)), np.ones(len(SEEN))))

    def errors(self, of: Vectors) -> Floats:
        return of.matrix[:, GAP]

    def residuals(self, of: Vectors) -> Floats:
        return of.matrix[:, [NAMES.index(name) for name in SEEN]]


CHANNEL = Channel((Ranked(Told(), np.arange(1000.0)),))


# --- who is learnt from ---


@pytest.mark.parametrize(
    ("counts", "most", "last"),
    [({1: 10, 4: 20, 9: 5}, 30, 4), ({9: 5, 1: 10, 4: 20}, 29, 1), ({1: 10, 4: 20, 9: 5}, 35, 9), ({7: 100, 8: 1}, 10, 7)],
)
def test_whole_buckets_of_customers_are_learnt_from(counts: dict[int, int], most: int, last: int) -> None:
    assert last_bucket(counts, most) == last


def test_the_features_of_a_payment_stay_with_it() -> None:
    rows = [[float(number)] * len(NAMES) for number in range(7)]
    payments = pa.table({"user_id": ["a", "b", *"aaaaa"], "features": pa.chunked_array([rows[:3], rows[3:]])})
    of = vectors(payments)
    assert of.matrix[:, 0].tolist() == list(range(7))
    assert of.before[6].tolist() == [0, 2, 3, 4, 5]
    assert of.has_history.tolist() == [False] * 6 + [True]


# --- who is queued ---


def scored(*rows: tuple[str, str, float, str]) -> pa.Table:
    return pa.Table.from_pylist([dict(zip(SCORED_SCHEMA.names, row, strict=True)) for row in rows], SCORED_SCHEMA)


def ids(queue: pa.Table) -> list[str]:
    return queue["transaction_id"].to_pylist()


def test_one_place_in_five_is_kept_for_newcomers() -> None:
    regulars = [(f"r{number}", "regular", 0.9 - number / 100, "normal") for number in range(12)]
    newcomers = [(f"n{number}", "new", 0.5 - number / 100, "normal") for number in range(3)]
    of = scored(*regulars, *newcomers, ("usual", "new", 0.29, "normal"), ("flagged", "new", 0.99, "suspicious"))
    known = {"regular": 5, "new": 4}
    assert ids(chosen(of, known, 10)) == [*(f"r{number}" for number in range(8)), "n0", "n1"]
    # too short for a place of their own, and longer than all that is unusual
    assert ids(chosen(of, known, 4)) == ["r0", "r1", "r2", "r3"]
    assert ids(chosen(of, known, 100)) == [*(f"r{number}" for number in range(12)), "n0", "n1", "n2"]
    # without newcomers others have their places
    assert len(ids(chosen(scored(*regulars), known, 10))) == 10


def test_what_is_chosen_of_parts_is_what_is_chosen_of_all() -> None:
    rng = np.random.default_rng(0)
    rows = [(f"t{n}", f"u{n % 40}", float(s), "normal") for n, s in enumerate(rng.random(400).round(3))]
    known = {f"u{n}": n % 9 for n in range(40)}
    for most in (1, 7, 30, 500):
        of_parts = [set(ids(chosen(scored(*rows[part::3]), known, most))) for part in range(3)]
        again = scored(*(row for row in rows if row[0] in set.union(*of_parts)))
        assert ids(chosen(again, known, most)) == ids(chosen(scored(*rows), known, most)), most


def payments(*said: dict[str, Any]) -> tuple[pa.Table, Vectors]:
    """Payments, and how unusual each is: `gap`, of a thousand that the model knows."""
    usual = {
        "user_id": "u1", "merchant_id": "m1", "amount": Decimal("12.3400"), "currency": "EUR", "event_at": AT,
        "score": 0.02, "anomaly_type": "normal", "model_name": "trees", "model_version": "7", "known_payments": 40,
    }  # fmt: skip
    matrix = np.zeros((len(said), len(NAMES)))
    rows = []
    for number, one in enumerate(said):
        row = {"transaction_id": f"t{number}", **usual, **one}
        matrix[number, GAP], matrix[number, NIGHT] = row.pop("gap"), row.pop("night", 0)
        rows.append(row)
    return pa.Table.from_pylist(rows), review_queue.in_order(matrix, np.arange(len(rows)))


SAID = ({"gap": 100}, {"gap": 995, "night": 3}, {"gap": 2000, "anomaly_type": "fraudulent"},
        {"gap": 920, "user_id": "u2", "known_payments": 0})  # fmt: skip


def test_a_queued_payment_says_what_it_is_and_why() -> None:
    table, of = payments(*SAID)
    first, second = best(queued(table, of, CHANNEL, most=10), most=10)
    assert first == {
        "transaction_id": "t1", "user_id": "u1", "merchant_id": "m1", "amount": Decimal("12.3400"), "currency": "EUR",
        "event_at": AT, "score": 0.02, "fraud_score": 0.02, "model_name": "trees", "model_version": "7",
        "known_payments": 40, "is_newcomer": False, "anomaly_score": Decimal("0.865000"), "anomaly_type": "fraudulent",
        "explanation": "The payment comes at night. Judged by the isolation forest.", "spoken_by": ["isolation forest"],
        "rank": 1,
    }  # fmt: skip
    assert (second["transaction_id"], second["rank"], second["is_newcomer"]) == ("t3", 2, True)
    assert second["anomaly_score"] == Decimal("0.391111")
    assert second["anomaly_type"] == "suspicious"


def test_of_a_payment_that_two_parts_name_the_first_is_queued() -> None:
    table, of = payments(*SAID)
    rows = queued(table, of, CHANNEL, most=10)
    assert best([*rows, {**rows[0], "user_id": "other"}], most=10) == best(rows, most=10)


def test_nothing_unusual_is_an_empty_queue() -> None:
    table, of = payments({"gap": 100})
    assert queued(table, of, CHANNEL, most=10) == []
    assert best([], most=10) == ()


# --- what is told ---


def queue(rows: tuple[dict[str, Any], ...], models: tuple[str, ...] = (FOREST,), apart: bool = False) -> Queue:
    return Queue(DAY, rows, said_of=1234, learnt=20_000, apart=apart, models=models)


def test_the_queue_is_told_in_a_table() -> None:
    table, of = payments(*SAID[:2], {**SAID[3], "merchant_id": "m\x1b[31m2"})
    shown = told(queue(best(queued(table, of, CHANNEL, most=10), most=10)), learn_days=30).splitlines()
    assert shown == [
        "2026-03-31: 2 of 1,234 payments are queued, 1 of them of newcomers; 20,000 payments of the 30 days before were "
        "learnt from.",
        "Only the isolation forest speaks; `pip install 'paylake[novelty]'` adds the others.",
        "rank  unusual   fraud  known            amount cur  customer      merchant        payment                 why",
        "   1    0.865   0.020     40           12.3400 EUR  u1            m1              t1                      "
        "The payment comes at night. Judged by the isolation forest.",
        "   2    0.391   0.020      0           12.3400 EUR  u2            m[31m2          t2                      "
        "No single feature is unusual, but they do not go together. Judged by the isolation forest.",
    ]


def test_no_more_than_ten_rows_are_shown() -> None:
    table, of = payments(*({"gap": 950} for _ in range(12)))
    lines = told(queue(best(queued(table, of, CHANNEL, most=12), most=12), tuple(WEIGHTS)), learn_days=7).splitlines()
    assert len(lines) == 2 + 10
    assert lines[0].startswith("2026-03-31: 12 of")


def test_an_empty_queue_and_what_it_rests_on_are_told() -> None:
    said = told(queue((), ("isolation forest", "autoencoder"), apart=True), learn_days=7).splitlines()
    assert said == [
        "2026-03-31: 0 of 1,234 payments are queued, 0 of them of newcomers; 20,000 payments of the 7 days before and of "
        "the date's own earlier half, which is not queued, were learnt from.",
        "isolation forest and autoencoder speak; the others need customers with more than 5 payments.",
        "Nothing is unusual that the supervised model finds normal.",
    ]


# --- the command ---


def test_the_command_takes_a_date_and_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    found = parse_settings(ReviewQueueSettings, ["--date", "2026-03-31", "--no-neural"], environ={})
    assert found == ReviewQueueSettings(date=DAY, learn_days=30, most=100, neural=False)
    with pytest.raises(SystemExit):
        cli.main(["review-queue", "--help"])
    assert "paylake review-queue --lake build/lake --date 2026-03-31" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ((), "--date is required: set it with --date 2026-03-31"),
        (("--date", "tomorrow"), "--date: 'tomorrow' is not a date"),
        (("--date", "2026-03-31", "--learn-days", "0"), "--learn-days: 0 is less than 1; for example --learn-days 30."),
        (("--date", "2026-03-31", "--most", "0"), "--most: 0 is less than 1; for example --most 30."),
    ],
)
def test_a_wrong_setting_is_said_in_a_sentence(argv: tuple[str, ...], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        parse_settings(ReviewQueueSettings, argv, environ={})
