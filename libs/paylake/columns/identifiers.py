"""Card numbers: recognised, masked, and replaced by a keyed token before anything rests."""

from __future__ import annotations

import hashlib

from pyspark.sql import Column
from pyspark.sql import functions as F

_GAP = r"[\s.\-_/]{1,3}"

_GROUPS = rf"(?:\d{{4}}{_GAP}\d{{4}}{_GAP}\d{{4}}{_GAP}\d{{1,4}}(?:{_GAP}\d{{1,3}})?|\d{{4}}{_GAP}\d{{6}}{_GAP}\d{{4,5}})"

CARD_SHAPE = rf"(?=\d)(?:(?<!\d)\d{{12,19}}(?!\d)|(?<![0-9A-Za-z]){_GROUPS}(?![0-9A-Za-z]))"
"""Digits as a card number is written: in one run, or in the groups that are printed on cards.

Groups stand alone, since a UUID has groups of digits too; one in 25,000 would read as a card otherwise (measured).
The look ahead adds no condition: it lets most places of a text fail at once.
"""

ISSUER = r"^(?:4\d{12}(?:\d{3}){0,2}|5[1-5]\d{14}|2[2-7]\d{14}|3[47]\d{13}|3[068]\d{12}|35\d{14}|6\d{15})\z"
"""Prefix and length of the large schemes' card numbers (ISO/IEC 7812)."""

DIGIT_RUN = r"\d(?:[\s.\-_/\x00]{0,4}\d){11,}"
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
    """True where a text holds a card number: its shape, an issuer's prefix and length, and a right check digit."""

    def is_card(found: Column) -> Column:
        digits = F.regexp_replace(found, r"\D", "")
        return digits.rlike(ISSUER) & F.call_function("luhn_check", digits)

    shaped = F.regexp_extract_all(text, F.lit(CARD_SHAPE), F.lit(0))
    return F.when(text.rlike(CARD_SHAPE), F.exists(shaped, is_card)).otherwise(F.lit(False))


def masked(text: Column) -> Column:
    """The text with every long run of digits masked."""
    return F.regexp_replace(text, DIGIT_RUN, "[masked]")
