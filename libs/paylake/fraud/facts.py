"""A payment and all that is known of it, as a table holds it, and as the numbers that models see."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from paylake.fraud.features import ROLES, Payments, of_role, payment_matrix
from paylake.fraud.sequences import Floats

RISKS = {"LOW": 0.0, "MEDIUM": 1.0, "HIGH": 2.0}

FACTS_SCHEMA = pa.schema(
    [
        ("transaction_id", pa.string()),
        ("user_id", pa.string()),
        ("currency", pa.string()),
        ("units", pa.int64()),
        ("event_at", pa.timestamp("us", "UTC")),
        ("utc_minutes", pa.int32()),
        ("channel", pa.string()),
        ("type", pa.string()),
        ("country", pa.string()),
        ("home_country", pa.string()),
        ("country_risk", pa.string()),
        ("merchant_risk", pa.string()),
        ("user_risk", pa.string()),
        ("kyc_status", pa.string()),
        ("is_blacklisted", pa.bool_()),
        ("limit_units", pa.int64()),
        *((f"of_{role.lower()}", pa.list_(pa.float64())) for role in ROLES),
    ]
)
"""One row per payment to be scored: itself, what dimensions and policies say, and the features of its roles.

`utc_minutes` is how far the clocks of the place are ahead of UTC. All but the first five may be null.
"""


def matrix_of(facts: pa.Table) -> Floats:
    """One row per payment of FACTS_SCHEMA, one column per feature; NaN where one is not known."""
    alone = payment_matrix(_payments(facts))
    return np.column_stack([alone, *(_found(facts[f"of_{role.lower()}"], len(of_role(role))) for role in ROLES)])


def _payments(facts: pa.Table) -> Payments:
    at = np.asarray(facts["event_at"].cast(pa.timestamp("us", "UTC")).cast(pa.int64()).combine_chunks()) // 60_000_000
    country, home = _texts(facts["country"]), _texts(facts["home_country"])
    kyc = _texts(facts["kyc_status"])
    return Payments(
        units=np.asarray(facts["units"].combine_chunks()).astype(np.int64),
        minutes=at + np.asarray(facts["utc_minutes"].fill_null(0).combine_chunks()).astype(np.int64),
        is_card=_is(facts["channel"], "CARD"),
        is_transfer=_is(facts["type"], "TRANSFER"),
        is_refund=_is(facts["type"], "REFUND"),
        is_abroad=_unless((country == "") | (home == ""), country != home),
        country_risk=_risk(facts["country_risk"]),
        merchant_risk=_risk(facts["merchant_risk"]),
        user_risk=_risk(facts["user_risk"]),
        user_unverified=_unless(kyc == "", kyc != "VERIFIED"),
        is_blacklisted=np.asarray(facts["is_blacklisted"].fill_null(False).cast(pa.float64()).combine_chunks()),
        limit_units=np.asarray(facts["limit_units"].cast(pa.float64()).fill_null(float("nan")).combine_chunks()),
    )


def _texts(column: pa.ChunkedArray) -> NDArray[np.str_]:
    return np.asarray(column.fill_null("").to_numpy(), dtype=str)


def _is(column: pa.ChunkedArray, word: str) -> Floats:
    return np.asarray(_texts(column) == word, float)


def _unless(unknown: NDArray[np.bool_], holds: NDArray[np.bool_]) -> Floats:
    return np.where(unknown, np.nan, holds.astype(float))


def _risk(column: pa.ChunkedArray) -> Floats:
    return np.array([RISKS.get(word, np.nan) for word in column.to_pylist()], float)


def _found(column: pa.ChunkedArray, width: int) -> Floats:
    """The lists of a column as rows; NaN where a payment has none."""
    lists = column.combine_chunks()
    known = np.asarray(lists.is_valid())
    found = np.full((len(lists), width), np.nan)
    if known.any():
        found[known] = np.asarray(lists.drop_null().flatten(), float).reshape(-1, width)
    return found


def as_lists(matrix: Floats) -> pa.Array:
    """The rows of a matrix as lists."""
    offsets = np.arange(len(matrix) + 1, dtype=np.int32) * matrix.shape[1]
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(np.ascontiguousarray(matrix).ravel()))
