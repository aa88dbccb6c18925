"""Bytes that a transfer damaged, and what every format must make of them."""

from __future__ import annotations

from hypothesis import strategies as st

from paylake.contracts.currencies import CURRENCIES
from paylake.contracts.statements import PROOF_REASONS, PROOFS, UNPROVED
from paylake.statements.model import Parsed, Parser, UnreadableFile
from paylake.statements.proof import LARGEST


def garbled(data: bytes) -> st.SearchStrategy[bytes]:
    """A file that was cut, or had some of its bytes replaced, repeated or left out; or any bytes at all."""
    place = st.integers(min_value=0, max_value=len(data))
    patch = st.tuples(
        place, place, st.one_of(st.binary(max_size=8), st.sampled_from([b"", b"-", b",", b"/", b"\n", b"9" * 30]))
    )

    def patched(patches: list[tuple[int, int, bytes]]) -> bytes:
        result = data
        for start, length, new in patches:
            result = result[:start] + new + result[start + length % 12 :]
        return result

    return st.one_of(place.map(lambda end: data[:end]), st.lists(patch, min_size=1, max_size=4).map(patched), st.binary())


def read_or_refused(parse: Parser, data: bytes) -> Parsed | str:
    """What a file holds, or the sentence with which it is refused."""
    try:
        return parse(data)
    except UnreadableFile as refusal:
        return str(refusal)


def check_reads_or_refuses(parse: Parser, data: bytes) -> None:
    """A format either refuses with a sentence, or returns what the contracts can hold; and the same each time."""
    parsed = read_or_refused(parse, data)
    if isinstance(parsed, str):
        assert parsed.endswith(".")
        assert "\n" not in parsed
        return
    assert parsed == parse(data)
    assert parsed.statements
    for one in parsed.statements:
        assert one.proof in PROOFS
        assert (one.proof == UNPROVED) == (one.reason in PROOF_REASONS) == bool(one.detail)
        assert abs(one.entries_amount) < LARGEST
    for line in parsed.statement_lines:
        assert line.currency in CURRENCIES
        assert abs(line.amount) < LARGEST
        assert int(line.amount.as_tuple().exponent) >= -6
    keys = [(line.line, line.part) for line in parsed.statement_lines]
    assert len(set(keys)) == len(keys)
