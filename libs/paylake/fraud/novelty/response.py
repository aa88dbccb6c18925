"""What the channel answers for one payment, with the reasons."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from paylake.contracts.fraud import ANOMALY_TYPES, NORMAL
from paylake.fraud.explanations import reasons
from paylake.fraud.novelty.channel import DIGITS, FRAUDULENT_FROM, SUSPICIOUS_FROM, Channel
from paylake.fraud.novelty.vectors import Floats, just_one


def anomaly_type(score: float) -> str:
    """normal, suspicious from SUSPICIOUS_FROM on, fraudulent from FRAUDULENT_FROM on."""
    return ANOMALY_TYPES[int(score >= SUSPICIOUS_FROM) + int(score >= FRAUDULENT_FROM)]


def anomaly_response(
    transaction_id: str, vector: Floats, channel: Channel, history: Floats, at: datetime, timer: Callable[[], float]
) -> dict[str, Any]:
    """What is answered for one payment, ready for JSON.

    `vector` holds its features (of a row of facts: `facts.matrix_of(row)[0]`), `history` those of its customer's payments
    before it, oldest first; with fewer than STEPS the sequence model is silent. `at` is the time of the answer; `timer`
    returns seconds, and is asked twice. `confidence` is what the score says for the type: the score itself, and 1 - score
    for a normal payment. Raises ContractError for features of another version.
    """
    began = timer()
    of = just_one(vector, history)
    said = channel.say(of)
    score = float(said.score[0])
    kind = anomaly_type(score)
    explanation = explained(of.matrix, channel.weights(of), kind, said.speakers(0))
    return {
        "transaction_id": transaction_id,
        "anomaly_score": score,
        "anomaly_type": kind,
        "confidence": round(1 - score if kind == NORMAL else score, DIGITS),
        "explanation": explanation,
        "processing_time_ms": round((timer() - began) * 1000, 3),
        "timestamp": at.astimezone(UTC).isoformat(),
    }


def explained(matrix: Floats, weights: Floats, kind: str, speakers: Sequence[str]) -> str:
    """Why a single payment is unusual, for people, and which models say so."""
    judged = f"Judged by the {_listed(speakers)}."
    if kind == NORMAL:
        return f"The payment looks like others. {judged}"
    (found,) = reasons(matrix, weights)
    texts = [one["text"] for one in found] or ["No single feature is unusual, but they do not go together."]
    return " ".join([*texts, judged])


def _listed(names: Sequence[str]) -> str:
    return " and the ".join([", the ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
