"""A model's card: what a manager, an auditor and the next owner must know before they trust it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from paylake.fraud.compiled import ROWS, TOLERANCE
from paylake.fraud.features import FEATURES_VERSION, NAMES
from paylake.fraud.training import Trained

MEASURES: Mapping[str, str] = {
    "average_precision": "average precision",
    "auc": "area under the ROC curve",
    "recall_at_1_percent": "frauds found while 1 % of good payments are flagged",
    "recall_at_2_1_percent": "frauds found while 2.1 % of good payments are flagged",
    "card_precision_at_100": "frauds among the 100 customers with the highest scores of a day",
    "calibration_error": "mean distance of score and share of frauds",
    "recall_suspicious": "frauds flagged as suspicious or worse",
    "false_positives_suspicious": "good payments flagged as suspicious or worse",
    "recall_fraudulent": "frauds declined",
    "false_positives_fraudulent": "good payments declined",
    "precision_fraudulent": "frauds among the declined",
}
"""Measure -> what it is, in words, in the order of the card."""


def model_card(trained: Trained, facts: Mapping[str, str]) -> str:
    """The card in Markdown; `facts` say where the data came from."""
    cuts, blocks = trained.model.thresholds, trained.blocks
    won, of = trained.wins
    compared = f"It wins on {won} of {of} folds against the model that reigned." if of else "No model reigned before it."
    calibrated = "logistic curve and isotonic steps" if trained.model.calibration.at else "logistic curve (Platt)"
    data = [
        ("payments learnt from and calibrated on", f"{trained.payments:,}"),
        ("of these known frauds", f"{trained.frauds:,} ({trained.frauds / max(trained.payments, 1):.2%})"),
        ("from, until", f"{_day(trained.first_ms)}, {_day(trained.last_ms)}"),
        ("known as of", _day(trained.as_of_ms)),
        ("good once nobody has reported it for", _span(blocks.maturity)),
        ("features", f"{len(NAMES)}, version {FEATURES_VERSION}"),
        *facts.items(),
    ]
    parts = [
        "# Model card: fraud of card and account payments",
        "## What it is for",
        "It gives each payment the probability that it is fraud, at the moment at which it arrives, with up to four "
        "reasons. Payments above one threshold go to a person; above the other they should be declined. It is not made for "
        "decisions on credit or on accounts, and it does not replace the rules, which hold beside it.",
        "## Owner",
        _table(("role", "who"), [("owner", "to be named"), ("validated by", "to be named"), ("next review", "to be named")]),
        "## What it learnt from",
        _table(("what", "value"), data),
        "Labels are late: a payment is good only once it is old enough that a fraud would have been reported. No label, and "
        "no feature, is used that was not known at the time. Labels come from analysts, chargebacks and issuers' reports.",
        "## How good it is",
        f"Judged {len(trained.folds)} times, each time on payments after those that it was trained on, never on a random "
        f"sample. {compared} The range is where 95 of 100 redrawn tests lie for average precision, and the folds' lowest "
        "and highest value for the others.",
        _table(
            ("measure", "mean", "from", "to"),
            [(words, *(f"{x:.3f}" for x in trained.intervals[name])) for name, words in MEASURES.items()],
        ),
        _table(
            ("test from", "payments", "frauds", "average precision", "reigning model"),
            [
                (_day(f.test_from_ms), f"{f.test_payments:,}", f"{f.test_frauds:,}",
                 f"{f.measures['average_precision']:.3f}",
                 "" if f.champion is None else f"{f.champion:.3f}" + ("" if f.is_fair else " (had seen the test)"))
                for f in trained.folds
            ],
        ),
        "## What it is worth",
        "Over all tests, each currency by itself. Savings are the share of the costs without a model.",
        _table(
            ("currency", "fraud in the tests", "declined", "flagged at least", "savings"),
            [(m.currency, f"{m.frauds:,.2f}", f"{m.declined:,.2f}", f"{m.flagged:,.2f}", f"{m.savings:.0%}")
             for m in trained.money],
        ),
        "## Thresholds and costs",
        _table(
            ("what", "value"),
            [
                ("suspicious from", f"{cuts.suspicious:.4f}"),
                ("fraudulent from", f"{cuts.fraudulent:.4f}"),
                ("most good payments to flag", f"{trained.budget:.1%}"),
                *((f"cost: {name.replace('_', ' ')}", f"{value:g}") for name, value in vars(trained.costs).items()),
                ("calibration", calibrated),
            ],
        ),
        "Loss and margin are shares of the amount; the other costs are multiples of the currency's median payment.",
        "## What it looks at",
        _table(("feature", "share of the gain"), [(name, f"{share:.1%}") for name, share in _first(trained.weights, 15)]),
        "## Limits",
        "\n".join(
            (
                "- It knows the frauds that somebody reported. What nobody noticed counts as good.",
                "- A payment that was declined gets no chargeback: let a small random share through, or review it, and "
                "weight it.",
                "- A new kind of fraud looks normal until labels arrive; the novelty queue and the rules are there for it.",
                "- Its probabilities hold for the share of frauds of its days "
                f"({trained.frauds / max(trained.payments, 1):.2%}); drift is watched (0.1 look, 0.25 act).",
                f"- The compiled form agrees with the trees within {TOLERANCE:.0e} on {ROWS:,} rows, or it is not promoted.",
                "- The figures are those of the data above, and of no other.",
            )
        ),
        "## Governance",
        "Made to be used under model-risk guidance, in the United States SR 26-2 (OCC Bulletin 2026-13), which replaced "
        "SR 11-7 on 17 April 2026: this card, judging by time, a challenger for each champion, monitoring and the "
        "registry's history are kept as good practice. A person can look at each flagged payment, with its reasons.",
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    marks = ["---", *(["---:"] * (len(head) - 1))]
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, marks, *rows))


def _first(shares: Mapping[str, float], most: int) -> list[tuple[str, float]]:
    return list(shares.items())[:most]


def _day(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M}"


def _span(span: timedelta) -> str:
    return f"{span.total_seconds() / 86_400:g} days"
