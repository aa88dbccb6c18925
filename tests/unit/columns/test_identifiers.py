"""Card numbers: recognised, masked, and replaced by a keyed token whose key no plan shows."""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
from contextlib import redirect_stdout

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from paylake.columns.identifiers import card_digits, hmac_pads, hmac_sha256, masked, names_a_card
from tests.builders import frame

VISA, MASTERCARD, AMEX, DINERS = "4111111111111111", "5555555555554444", "378282246310005", "30569309025904"

KEYS = (b"k" * 32, b"short", b"\x00" * 32, bytes(range(64)), bytes(range(65)), b"\xff" * 200)
TEXTS = (VISA, AMEX, "", "münze", "x" * 300)

DIGITS: dict[str | None, str | None] = {
    VISA: VISA,
    "4111 1111 1111 1111": VISA,
    "4111-1111-1111-1111": VISA,
    "4111.1111.1111.1111": VISA,
    "123456789012": "123456789012",
    "1234567890123456789": "1234567890123456789",
    "12345678901": None,
    "12345678901234567890": None,
    "4111/1111/1111/1111": None,
    VISA + "\n": None,
    VISA + "x": None,
    "": None,
    None: None,
}

NAMED: dict[str | None, bool | None] = {
    VISA: True,
    MASTERCARD: True,
    AMEX: True,
    DINERS: True,
    "6011111111111117": True,
    "3566002020360505": True,
    "2223003122003222": True,
    "4222222222222": True,
    f"paid with {VISA}, thanks": True,
    f"ref:{VISA}": True,
    "41111111111111111": False,  # seventeen digits
    "1111111111111111": False,  # no issuer
    "3c9f41f8-4111-4111-8111-1111aaaa1111": False,  # a UUID
    f"d{VISA}": True,  # also within a longer word
    "Pune": False,
    "": False,
    None: False,
}

MASKED: dict[str | None, str | None] = {
    f'{{"card":"{VISA}"}}': '{"card":"[masked]"}',
    "4111 1111 1111 1111": "[masked]",
    "4111-1111-1111-1111": "[masked]",
    "4111.1111_1111/1111": "[masked]",
    f"x{VISA}y": "x[masked]y",
    f"{VISA} and {AMEX}": "[masked] and [masked]",
    "12345678901": "12345678901",
    "2026-03-31T12:00:00": "2026-03-31T12:00:00",
    "": "",
    None: None,
}


@pytest.mark.parametrize("key", KEYS, ids=lambda key: f"{len(key)}-bytes")
def test_the_pads_give_pythons_hmac(key: bytes) -> None:
    inner, outer = hmac_pads(key)
    assert (len(inner), len(outer)) == (64, 64)
    by_hand = hashlib.sha256(outer + hashlib.sha256(inner + b"text").digest()).hexdigest()
    assert by_hand == hmac.new(key, b"text", "sha256").hexdigest()


def keyed(spark: SparkSession, *pairs: tuple[bytes, str | None]) -> DataFrame:
    """One row per key and text, with the key's pads as columns."""
    data = [(*(bytearray(pad) for pad in hmac_pads(key)), text) for key, text in pairs]
    return frame(spark, "inner_pad binary, outer_pad binary, text string", *data)


def test_the_token_is_the_hmac_that_python_computes_for_every_key(spark: SparkSession) -> None:
    pairs = [(key, text) for key in KEYS for text in TEXTS] + [(KEYS[0], None)]
    token = hmac_sha256(F.col("inner_pad"), F.col("outer_pad"), F.col("text"))
    expected = [None if t is None else hmac.new(k, t.encode(), "sha256").hexdigest() for k, t in pairs]
    assert [row[0] for row in keyed(spark, *pairs).select(token).collect()] == expected


def test_no_explained_plan_shows_the_key(spark: SparkSession) -> None:
    key = b"a-key-that-nobody-may-read-in-a-plan"
    spark.conf.set("spark.sql.adaptive.enabled", "false")  # else the generated code is explained only once it ran
    context = keyed(spark, (key, None)).drop("text")
    cards = frame(spark, "text string", [VISA], [None]).crossJoin(F.broadcast(context))
    tokens = cards.select(hmac_sha256(F.col("inner_pad"), F.col("outer_pad"), F.col("text")).alias("token"))
    for mode in ("simple", "extended", "codegen", "cost", "formatted"):
        said = io.StringIO()
        with redirect_stdout(said):
            tokens.explain(mode=mode)
        explained = said.getvalue().lower()
        assert "sha2" in explained, mode
        assert [text for secret in (key, *hmac_pads(key)) for text in beginnings(secret) if text in explained] == []


def beginnings(secret: bytes) -> tuple[str, ...]:
    """How a plan or generated code would write a secret: the first bytes are enough to give it away."""
    first = secret[:8]
    return (
        first.decode("latin-1").lower(),
        first.hex(),
        base64.b64encode(secret[:9]).decode().lower(),
        ", ".join(str(byte) for byte in first),
        " ".join(f"{byte:02x}" for byte in first),
    )


def test_a_card_number_is_read_as_people_write_it(spark: SparkSession) -> None:
    texts = frame(spark, "text string", *([text] for text in DIGITS))
    assert {r["text"]: r["d"] for r in texts.select("text", card_digits(F.col("text")).alias("d")).collect()} == DIGITS


def test_a_card_number_is_recognised_by_issuer_and_length(spark: SparkSession) -> None:
    texts = frame(spark, "text string", *([text] for text in NAMED))
    assert {r["text"]: r["b"] for r in texts.select("text", names_a_card(F.col("text")).alias("b")).collect()} == NAMED


def test_a_long_run_of_digits_is_masked_whatever_separates_it(spark: SparkSession) -> None:
    texts = frame(spark, "text string", *([text] for text in MASKED))
    assert {r["text"]: r["m"] for r in texts.select("text", masked(F.col("text")).alias("m")).collect()} == MASKED


def test_what_is_read_as_a_card_number_is_also_masked(spark: SparkSession) -> None:
    spellings = ("4111  1111  1111  1111", "4111 - 1111 - 1111 - 1111")
    texts = frame(spark, "text string", *([text] for text in spellings))
    both = texts.select(card_digits(F.col("text")), masked(F.col("text"))).collect()
    assert [tuple(row) for row in both] == [(VISA, "[masked]")] * 2


def test_a_separated_card_number_is_recognised_too(spark: SparkSession) -> None:
    spellings = ("4111 1111 1111 1111", "4111-1111-1111-1111", "3782 822463 10005")
    texts = frame(spark, "text string", *([text] for text in spellings))
    assert [row[0] for row in texts.select(names_a_card(F.col("text"))).collect()] == [True] * 3
