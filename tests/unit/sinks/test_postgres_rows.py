"""The table and rows for PostgreSQL, as the contract of the scored payments has them."""

from __future__ import annotations

from decimal import Decimal

from paylake.contracts import FRAUD_PARTIAL
from paylake.sinks.postgres_rows import COLUMNS, FIELDS, TYPES, missing_columns, table_rows, table_sql
from tests.unit.sinks.scored_payments import NAN, alerting, scored


def test_the_table_says_what_the_contract_says_and_no_more() -> None:
    create = table_sql(partitions=3)
    assert "\n  amount numeric(18,4) NOT NULL,\n" in create
    assert "\n  currency text NOT NULL,\n" in create
    assert "\n  card_token text,\n" in create
    assert "\n  reasons jsonb NOT NULL,\n" in create
    assert "\n  features double precision[] NOT NULL,\n" in create
    assert "\n  version bigint NOT NULL,\n  PRIMARY KEY (user_id, transaction_id)\n) PARTITION BY HASH (user_id);" in create
    assert "FOR n IN 0 .. 3 - 1 LOOP" in create
    assert create.count("COMMENT ON COLUMN") == len(COLUMNS)
    assert "{" not in create
    left_out = {f.name for f in FRAUD_PARTIAL.fields} - {f.name for f in FIELDS}
    assert left_out == {"ingest_date", "partition", "offset", "generation", "batch"}
    assert len(COLUMNS) == len(TYPES)


def test_a_row_is_exact_and_keeps_what_no_number_says() -> None:
    (row,) = table_rows([alerting(amount=Decimal("0.1000"), features=[NAN, 1.5])])
    said = dict(zip(COLUMNS, row, strict=True))
    assert said["amount"] == Decimal("0.1000")
    assert said["reasons"][0]["observed"] == 9.0
    assert said["reasons"][0]["baseline"] is None, "JSON has no NaN"
    assert str(said["features"]) == "[nan, 1.5]"


def test_text_that_postgresql_cannot_hold_is_stored_with_a_mark() -> None:
    (row,) = table_rows([alerting(type="a\0b", rules=["c\0"], reasons=[{"code": "X", "text": "\0"}])])
    said = dict(zip(COLUMNS, row, strict=True))
    assert (said["type"], said["rules"], said["reasons"][0]["text"]) == ("a\ufffdb", ["c\ufffd"], "\ufffd")


def test_a_payment_scored_twice_is_one_row_of_the_newer_score() -> None:
    for rows in (twice := [scored(batch=1, score=0.1), scored(batch=2, score=0.2)]), twice[::-1]:
        (row,) = table_rows(rows)
        assert dict(zip(COLUMNS, row, strict=True))["score"] == 0.2


def test_a_table_of_an_older_contract_is_noticed() -> None:
    assert missing_columns(["more", *COLUMNS]) == []
    assert missing_columns(COLUMNS[:-1]) == ["version"]
