"""No card number and no key material rests anywhere: in a table, a raw byte, a checkpoint, a plan, an event log, a log."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from paylake.columns.identifiers import hmac_pads
from paylake.payments.parsing import parse_records
from paylake.reconcile import Horizon, LedgerStream
from paylake.reconciliation.rules import Rules
from paylake.simulation import generate
from tests.builders import kafka_rows, record
from tests.jobs.conftest import PipelineRun

WINDOW = 12
"""Digits of a card number that must not be found in a row; all but BIN and last four of the longest have fewer."""

DIGITS = re.compile(rb"\d(?:[ \-._/]?\d){11,}")
HEX = re.compile(rb"(?:3\d){12,}")
BASE64 = re.compile(rb"(?:[MNO][A-Za-z0-9+/]{3}){4,}")

ISSUED = re.compile(
    r"(?<![0-9A-Za-z])(?:4\d{12}(?:\d{3}){0,2}|5[1-5]\d{14}|2[2-7]\d{14}|3[47]\d{13}|3[068]\d{12}|35\d{14}|6\d{15})"
    r"(?![0-9A-Za-z])"
)
"""Numbers with an issuer's prefix and length that stand alone, once separators are gone."""

CARD = "4242424242424242"
KEY = b"5f1d" * 16


# --- the detectors ---


def windows(cards: set[str]) -> set[bytes]:
    """Every run of WINDOW digits of every card."""
    return {c[i : i + WINDOW].encode() for c in cards for i in range(len(c) - WINDOW + 1)}


def digit_runs(data: bytes) -> Iterator[bytes]:
    """The runs of digits that some bytes hold: plain, separated, as hex, or as base64 at any alignment."""
    for found in DIGITS.finditer(data):
        yield re.sub(rb"\D", b"", found[0])
    for found in HEX.finditer(data):
        yield found[0][1::2]
    for shift in range(4):  # a run of quads may begin at any byte, also behind a byte that looks like one
        for found in BASE64.finditer(data, shift):
            for start in range(0, 4):
                quads = found[0][start : start + (len(found[0]) - start) // 4 * 4]
                yield from re.findall(rb"\d{12,}", base64.b64decode(quads))


def cards_in(data: bytes, known: set[bytes]) -> set[bytes]:
    """Those of the known windows that some bytes hold."""
    return {
        run[i : i + WINDOW] for run in digit_runs(data) for i in range(len(run) - WINDOW + 1) if run[i : i + WINDOW] in known
    }


def passes_luhn(digits: str) -> bool:
    """The check digit of a card number is right."""
    doubled = [int(d) * (1 + i % 2) for i, d in enumerate(reversed(digits))]
    return sum(d - 9 if d > 9 else d for d in doubled) % 10 == 0


def plausible_cards(text: str) -> list[str]:
    """What in a text could be a card number: an issuer's prefix and length, and a right check digit."""
    joined = re.sub(r"(?<=\d)[ \-.](?=\d)", "", text)
    return [found[0] for form in {text, joined} for found in ISSUED.finditer(form) if passes_luhn(found[0])]


def spellings(secret: bytes) -> dict[str, str]:
    """How key material could be written in a text."""
    signed = [b - 256 if b > 127 else b for b in secret]
    return {
        "as it is": secret.decode("latin-1"),
        "hex": secret.hex(),
        "base64": base64.b64encode(secret[: len(secret) // 3 * 3]).decode(),
        "list": ", ".join(map(str, secret)),
        "signed list": ", ".join(map(str, signed)),
        "spaced list": " ".join(map(str, signed)),
        "escaped": repr(secret)[2:-1],
        "bracketed hex": " ".join(f"{b:02x}" for b in secret),
    }


def key_material_in(text: str, key: bytes) -> list[str]:
    """How key or pads stand in a text; half of them is enough to be found."""
    inner, outer = hmac_pads(key)
    parts = {
        "key": key[:32],
        "decoded key": bytes.fromhex(key.decode())[:16],
        "inner pad": inner[:32],
        "outer pad": outer[:32],
    }
    lowered = text.lower()
    return [
        f"{name}, {how}" for name, part in parts.items() for how, said in spellings(part).items() if said.lower() in lowered
    ]


def decoded(path: Path) -> bytes:
    """Every text and binary cell of a Parquet file, and its metadata, as bytes."""
    table = pq.read_table(path, partitioning=None)
    cells = json.dumps(table.to_pylist(), default=_readable, ensure_ascii=False)
    return cells.encode() + repr(pq.read_metadata(path).metadata).encode()


def _readable(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def text_cells(path: Path) -> Iterator[str]:
    """The cells of a Parquet file's text columns."""
    table = pq.read_table(path, partitioning=None)
    for name in table.column_names:
        if pa.types.is_string(table[name].type) or pa.types.is_large_string(table[name].type):
            yield from pc.unique(table[name].drop_null()).to_pylist()


# --- the detectors detect ---

FORMS = {
    "plain": CARD.encode(),
    "separated by spaces": b"4242 4242 4242 4242",
    "separated by dashes": b"4242-4242-4242-4242",
    "hex": CARD.encode().hex().encode(),
    "upper-case hex": CARD.encode().hex().upper().encode(),
    "base64": base64.b64encode(CARD.encode()),
    "base64 of a record": base64.b64encode(record(card_number=CARD)),
    "base64 behind one byte": base64.b64encode(b"x" + CARD.encode()),
    "base64 behind two bytes": base64.b64encode(b"xy" + CARD.encode()),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("around", [b"%s", b"a record: {%s}", b"MMM%s", b"\x00\xff%s\x80"])
def test_the_detector_finds_a_planted_number_in_every_form(form: str, around: bytes) -> None:
    assert cards_in(around % FORMS[form], windows({CARD}))
    assert not cards_in(around % FORMS[form], windows({"5555551234567890"}))


def test_the_detector_finds_a_planted_number_in_a_compressed_file(tmp_path: Path) -> None:
    path = tmp_path / "planted.parquet"
    pq.write_table(pa.table({"n": [1, 2], "note": ["nothing", f"card {CARD}"]}), path, compression="zstd")
    assert cards_in(decoded(path), windows({CARD}))
    assert [card for cell in text_cells(path) for card in plausible_cards(cell)] == [CARD]


@pytest.mark.parametrize("text", [f"paid with {CARD}.", "4242 4242 4242 4242", "3782-822463-10005"])
def test_the_luhn_scan_finds_a_number_of_an_unknown_card(text: str) -> None:
    assert plausible_cards(text)


@pytest.mark.parametrize("text", ["4242424242424241", "9" * 16, "1768435200000", "a4242424242424242", "2026-01-15 00:05:00"])
def test_the_luhn_scan_leaves_other_numbers_alone(text: str) -> None:
    assert not plausible_cards(text)


@pytest.mark.parametrize("how", spellings(KEY))
def test_the_detector_finds_planted_key_material(how: str) -> None:
    for secret in (KEY, *hmac_pads(KEY)):
        assert key_material_in(f"... {spellings(secret)[how]} ...", KEY)
    assert not key_material_in("nothing of it", KEY)


# --- and find nothing ---


@pytest.fixture(scope="module")
def cards(pipeline_run: PipelineRun) -> set[str]:
    """The card numbers that the simulation sent, as its records say."""
    found = set()
    for chunk in generate(pipeline_run.plan):
        for value in chunk.deliveries["value"].drop_null().to_pylist():
            found |= set(re.findall(rb'"card_number":"(\d+)"', value))
    numbers = {card.decode() for card in found}
    assert len(numbers) > 100
    assert all(passes_luhn(n) and len(n) in (15, 16) for n in numbers)
    return numbers


def test_no_simulated_card_number_rests_in_any_byte(pipeline_run: PipelineRun, cards: set[str]) -> None:
    known = windows(cards)
    everything = [p for p in Path(pipeline_run.lake).rglob("*") if p.is_file()]
    files = [*everything, *pipeline_run.event_logs, *pipeline_run.logs]
    kinds = {path.suffix for path in files}
    assert {".parquet", ".json", ".crc", ".log"} <= kinds
    assert any("checkpoints" in path.parts for path in everything)
    assert any("quarantine" in path.parts for path in everything)

    found = {}
    for path in files:
        data = path.read_bytes() + (decoded(path) if path.suffix == ".parquet" else b"")
        if hits := cards_in(data, known):
            found[path.relative_to(pipeline_run.place)] = hits
    assert not found


def test_no_number_that_could_be_a_card_s_stands_in_a_text(pipeline_run: PipelineRun) -> None:
    tables = [p for p in Path(pipeline_run.lake).rglob("*.parquet") if "_delta_log" not in p.parts]
    cells = {cell for path in tables for cell in text_cells(path)}
    assert len(cells) > 5_000
    found = [(card, cell[:200]) for cell in cells for card in plausible_cards(cell)]
    for path in pipeline_run.logs:
        found += [(card, path.name) for card in plausible_cards(path.read_text(encoding="utf-8"))]
    assert not found


def test_cards_are_still_told_apart_by_token_first_six_and_last_four(
    spark: SparkSession, pipeline_run: PipelineRun, cards: set[str]
) -> None:
    path = f"{pipeline_run.lake}/raw/ledger_entries"
    rows = spark.read.format("delta").load(path).where("card_token IS NOT NULL")
    seen = rows.select("card_token", "card_bin", "card_last4").distinct().collect()
    assert len({r["card_token"] for r in seen}) == len(seen) > 100
    assert {(r["card_bin"], r["card_last4"]) for r in seen} <= {(c[:6], c[-4:]) for c in cards}


def test_a_plan_s_literal_would_be_found(spark: SparkSession) -> None:
    inner, _ = hmac_pads(KEY)
    planted = spark.range(1).select(F.lit(bytearray(inner)).alias("pad"))
    assert key_material_in(explained(planted), KEY)


@pytest.mark.parametrize("what", ["parsed", "entries to write"])
def test_no_explained_plan_holds_key_material(spark: SparkSession, tmp_path: Path, what: str) -> None:
    stream = LedgerStream(spark, str(tmp_path / "lake"), Rules(), Horizon(), KEY)
    context = stream._context(0, stream.state.clock)
    parsed = parse_records(kafka_rows(spark, record(card_number=CARD)).crossJoin(F.broadcast(context)))
    plan = parsed if what == "parsed" else parsed.where(F.size("_failed_checks") == 0).drop("payload")
    row = plan.first()
    assert row is not None
    assert len(row["card_token"]) == 64

    text = explained(plan)

    assert "card_token" in text
    assert "BroadcastNestedLoopJoin" in text
    assert not key_material_in(text, KEY)


def explained(df: DataFrame) -> str:
    """A plan as every mode of `explain` shows it, and its JSON."""
    execution = df._jdf.queryExecution()
    modes = df.sparkSession._jvm.org.apache.spark.sql.execution.ExplainMode
    shown = [execution.explainString(modes.fromString(m)) for m in ("simple", "extended", "codegen", "cost", "formatted")]
    return "\n".join([*shown, execution.logical().toString(), execution.optimizedPlan().toJSON()])


def test_no_event_log_and_no_log_holds_key_material(pipeline_run: PipelineRun) -> None:
    key = pipeline_run.key.read_bytes()
    logs = [*pipeline_run.event_logs, *pipeline_run.logs]
    texts = {path: path.read_text(encoding="utf-8", errors="replace") for path in logs}
    events = "".join(texts[path] for path in pipeline_run.event_logs)
    assert "SparkListenerSQLExecutionStart" in events
    assert "card_token" in events
    assert "batch 0:" in texts[pipeline_run.place / "stream.log"]
    assert {path.name: found for path, text in texts.items() if (found := key_material_in(text, key))} == {}


def test_no_file_of_the_lake_holds_key_material(pipeline_run: PipelineRun) -> None:
    key = pipeline_run.key.read_bytes()
    parts = [part for secret in (key, *hmac_pads(key)) for part in (secret[:32], secret[:32].hex().encode())]
    files = [p for p in Path(pipeline_run.lake).rglob("*") if p.is_file()]
    assert [p.name for p in files if any(part in p.read_bytes() for part in parts)] == []
