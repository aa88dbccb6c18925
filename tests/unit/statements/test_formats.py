"""Which format a file has: by its content first, by its name second, and what is said where neither tells."""

from __future__ import annotations

import sys
import types

import pytest

from paylake.statements import formats
from paylake.statements.adyen import ACCOUNTING_COLUMNS, DETAILS_COLUMNS
from paylake.statements.formats import MODULES, detect, parse, parser
from paylake.statements.mapping import read_mapping
from paylake.statements.model import Parsed, UnreadableFile
from tests.statement_files import csv_file, workbook

STRIPE = "balance_transaction_id,reporting_category,net\n"
CONTENTS = {
    "camt": [
        '<?xml version="1.0"?><Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt/></Document>',
        '<ns2:Document xmlns:ns2="urn:x"><ns2:BkToCstmrAcctRpt></ns2:BkToCstmrAcctRpt></ns2:Document>',
    ],
    "mt940": [
        "{1:F01BANKDEFFXXXX}{2:I940}{4:\r\n:20:START\r\n",
        "\r\n:20:REF\r\n:25:DE/1\r\n:28C:1/1\r\n",
        "ABNANL2A\n940\n:20:X\n",
    ],
    "bai2": ["01,122099999,123456789,040621,0200,1,65,,2/\n02,031001234,122099999,1,040620,2359,,2/\n"],
    "ofx": ["OFXHEADER:100\r\nDATA:OFXSGML\r\n", '<?xml version="1.0"?>\n<?OFX OFXHEADER="200"?><OFX></OFX>', "<OFX>"],
    "paypal": [
        '"RH",2026/03/02,"A","M"\n"FH",1\n"SH",a,b,"M"\n"CH","Transaction ID"\n',
        '"SH",a,b,"M"\n"CH","Transaction ID"\n',
    ],
    "adyen": [",".join(DETAILS_COLUMNS), ";".join(reversed(DETAILS_COLUMNS)), ",".join(ACCOUNTING_COLUMNS)],
    "stripe": [STRIPE, '"reporting_category","balance_transaction_id"\n'],
    "checkout": ["Payout ID,Type,Net In Holding Currency\n"],
}


@pytest.mark.parametrize(("found", "text"), [(found, text) for found, texts in CONTENTS.items() for text in texts])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_content_tells_whatever_the_name(found: str, text: str, encoding: str) -> None:
    assert detect("adyen.ofx", text.encode(encoding)) == found


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("in/camt.053_2026.xml", "camt"),
        ("account.STA", "mt940"),
        ("day.bai", "bai2"),
        ("card.qfx", "ofx"),
        ("settlement_detail_report_batch_4.csv", "adyen"),
        ("adyen_payments_accounting_report.csv", "adyen"),
        ("stripe_payouts.csv", "stripe"),
        ("STL-20260301.01.009.CSV", "paypal"),
        ("settlement-breakdown_ent_1_20260301_A1_1.csv", "checkout"),
    ],
)
def test_the_name_tells_where_the_content_does_not(name: str, found: str) -> None:
    assert detect(name, b"nothing\n") == found


@pytest.mark.parametrize("data", [b"", b"a,b\n1,2\n", b"\xff\xfe\x00", bytes(range(256)), workbook(["a"], [1])])
def test_an_unknown_file_is_told_the_formats_and_how_to_name_one(data: bytes) -> None:
    with pytest.raises(UnreadableFile) as refused:
        detect("export.csv", data)
    assert str(refused.value) == (
        "export.csv has no format that is known by content or name; known are camt, mt940, bai2, ofx, adyen, stripe, "
        "paypal, checkout, mapped. Name the format, or for another CSV or Excel file give a mapping."
    )


def test_a_long_file_is_known_by_its_beginning() -> None:
    assert detect("x", STRIPE.encode() + "é".encode() * 70_000) == "stripe"


def test_a_file_is_read_by_its_format() -> None:
    data = csv_file(DETAILS_COLUMNS, {
        "Type": "Settled", "Merchant Account": "Shop", "Net Currency": "EUR", "Net Credit (NC)": "1", "Batch Number": "1",
        "TimeZone": "CET",
    })  # fmt: skip
    assert [line.psp for line in parse("x.csv", data).settlement_lines] == ["adyen"]


def test_a_mapping_wins_over_what_is_detected() -> None:
    mapping = read_mapping(
        "{name: own, kind: settlement_report, date_format: '%Y', currency: EUR, types: {charge: SALE},"
        " columns: {type: reporting_category, net: net, payout_id: balance_transaction_id}}"
    )
    found = parse("stripe.csv", STRIPE.encode() + b"t1,charge,5\n", mapping)
    assert (found.format, found.payouts[0].payout_id) == ("own", "t1")


def test_a_format_that_is_not_known_is_refused() -> None:
    with pytest.raises(UnreadableFile, match="There is no format 'pdf'; known are camt, mt940,"):
        parser("pdf")


def test_a_format_is_imported_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    late = types.ModuleType("paylake.statements.camt")
    late.parse = lambda data: Parsed(format="camt")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "paylake.statements.camt", late)
    assert parse("x", CONTENTS["camt"][0].encode()) == Parsed(format="camt")


def test_a_format_that_this_release_does_not_read_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(formats.MODULES, "later", "paylake.statements.later")
    with pytest.raises(UnreadableFile, match="Format later is known but cannot be read by this release"):
        parser("later")


@pytest.mark.parametrize("name", ["adyen", "stripe", "paypal", "checkout"])
def test_the_registry_knows_the_processors(name: str) -> None:
    assert parser(name).__module__ == MODULES[name]
