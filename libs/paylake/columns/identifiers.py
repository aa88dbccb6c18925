"""Card numbers: recognised, masked, and replaced by a keyed token before anything rests."""

from __future__ import annotations

import hashlib

from pyspark.sql import Column
from pyspark.sql import functions as F

CARD_NUMBER = (
    r"(?<![0-9A-Za-z])(?:4\d{12}(?:\d{3}){0,2}|5[1-5]\d{14}|2[2-7]\d{14}|3[47]\d{13}|3[068]\d{12}|35\d{14}|6\d{15})"
    r"(?![0-9A-Za-z])"
)
"""A card number by issuer prefix and length, standing alone (ISO/IEC 7812 ranges of the large schemes)."""

DIGIT_RUN = r"\d(?:[ .\-_/]?\d){11,}"
"""Twelve digits or more, also when separated: masked in what is kept of a bad record, whatever it was."""

HMAC_BLOCK_BYTES = 64


def hmac_pads(key: bytes) -> tuple[bytes, bytes]:
    """The inner and the outer pad of HMAC-SHA-256 (RFC 2104) for a secret key."""
    block = (key if len(key) <= HMAC_BLOCK_BYTES else hashlib.sha256(key).digest()).ljust(HMAC_BLOCK_BYTES, b"\0")
    return bytes(b ^ 0x36 for b in block), bytes(b ^ 0x5C for b in block)


def hmac_sha256(inner_pad: Column, outer_pad: Column, text: Column) -> Column:
    """HMAC-SHA-256 (RFC 2104) of a text in hexadecimal; the pads are columns, so that no plan holds the key."""
    inner = F.unhex(F.sha2(F.concat(inner_pad, F.encode(text, "UTF-8")), 256))
    return F.sha2(F.concat(outer_pad, inner), 256)


def card_digits(text: Column) -> Column:
    """The digits of a card number, without the separators that people write; null where it is not 12 to 19 digits."""
    digits = F.regexp_replace(text, r"[ \-.]", "")
    return F.when(digits.rlike(r"^\d{12,19}\z"), digits)


def names_a_card(text: Column) -> Column:
    """True where a text holds what looks like a card number."""
    return text.rlike(CARD_NUMBER)


def masked(text: Column) -> Column:
    """The text with every long run of digits masked."""
    return F.regexp_replace(text, DIGIT_RUN, "[masked]")
