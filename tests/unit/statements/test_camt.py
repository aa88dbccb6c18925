"""camt files of every version: signs, dates, parts, balances and totals."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paylake.contracts.statements import (
    BALANCE_PROOF_FAILED,
    BOOKED,
    CONTROL_TOTAL_MISMATCH,
    INFORMATION,
    NO_CONTROL,
    PENDING,
    PROVED,
    SCHEMA_INVALID,
)
from paylake.statements.camt import parse
from paylake.statements.model import Statement, StatementLine, UnreadableFile
from tests.unit.statements.garbling import check_reads_or_refuses, garbled

CONTAINERS = {"Stmt": "BkToCstmrStmt", "Rpt": "BkToCstmrAcctRpt", "Ntfctn": "BkToCstmrDbtCdtNtfctn"}


def balance(code: str, amount: str, day: str = "2026-03-01", currency: str = "EUR", mark: str = "CRDT") -> str:
    return (
        f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy='{currency}'>{amount}</Amt>"
        f"<CdtDbtInd>{mark}</CdtDbtInd><Dt><Dt>{day}</Dt></Dt></Bal>"
    )


def entry(amount: str, mark: str = "CRDT", *, currency: str = "EUR", status: str = "BOOK", more: str = "") -> str:
    return f"<Ntry><Amt Ccy='{currency}'>{amount}</Amt><CdtDbtInd>{mark}</CdtDbtInd><Sts>{status}</Sts>{more}</Ntry>"


def payments(*details: str) -> str:
    return "<NtryDtls>" + "".join(f"<TxDtls>{one}</TxDtls>" for one in details) + "</NtryDtls>"


def payment(amount: str, end_to_end_id: str, more: str = "") -> str:
    return f"<Refs><EndToEndId>{end_to_end_id}</EndToEndId></Refs><Amt Ccy='EUR'>{amount}</Amt>{more}"


def statement(*content: str, name: str = "Stmt", account: str = "<Ccy>EUR</Ccy>") -> str:
    return (
        f"<{name}><Id>S1</Id><ElctrncSeqNb>7</ElctrncSeqNb>"
        f"<Acct><Id><IBAN>DE00TEST</IBAN></Id>{account}</Acct>{''.join(content)}</{name}>"
    )


def file(*statements: str, name: str = "Stmt", version: str = "08") -> bytes:
    container = CONTAINERS[name]
    space = f"urn:iso:std:iso:20022:tech:xsd:camt.05{'3' if name == 'Stmt' else '2'}.001.{version}"
    text = f"<Document xmlns='{space}'><{container}><GrpHdr/>{''.join(statements)}</{container}></Document>"
    return f"<?xml version='1.0' encoding='UTF-8'?>{text}".encode()


def read(*content: str, **more: Any) -> tuple[Statement, tuple[StatementLine, ...]]:
    parsed = parse(file(statement(*content, **more), name=more.get("name", "Stmt")))
    (one,) = parsed.statements
    return one, parsed.statement_lines


def ends(opening: str, closing: str) -> str:
    return balance("OPBD", opening) + balance("CLBD", closing, "2026-03-02")


def test_a_statement_is_read_whole() -> None:
    details = payments(
        payment(
            "12.50",
            "E2E-1",
            "<RltdPties><Dbtr><Pty><Nm>Payer\n  Ltd</Nm></Pty></Dbtr><Cdtr><Pty><Nm>We</Nm></Pty></Cdtr></RltdPties>"
            "<RmtInf><Ustrd>INVOICE  7</Ustrd><Ustrd>MAY</Ustrd></RmtInf>",
        )
    )
    more = (
        "<BookgDt><Dt>2026-03-02</Dt></BookgDt><ValDt><Dt>2026-03-03</Dt></ValDt><AcctSvcrRef>BANK-1</AcctSvcrRef>"
        "<BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>RCDT</Cd><SubFmlyCd>ESCT</SubFmlyCd></Fmly></Domn></BkTxCd>" + details
    )
    one, lines = read(ends("100.00", "112.50"), entry("12.50", more=more))
    assert one == Statement(
        statement=1,
        statement_id="S1",
        account="DE00TEST",
        currency="EUR",
        sequence="7",
        opening_date=date(2026, 3, 1),
        closing_date=date(2026, 3, 2),
        opening_balance=Decimal("100.00"),
        closing_balance=Decimal("112.50"),
        entries=1,
        entries_amount=Decimal("12.50"),
        difference_amount=Decimal(0),
        proof=PROVED,
    )
    assert lines == (
        StatementLine(
            line=1,
            part=1,
            statement=1,
            account="DE00TEST",
            currency="EUR",
            amount=Decimal("12.50"),
            booking_date=date(2026, 3, 2),
            value_date=date(2026, 3, 3),
            transaction_code="PMNT-RCDT-ESCT",
            end_to_end_id="E2E-1",
            bank_reference="BANK-1",
            counterparty="Payer Ltd",
            remittance="INVOICE 7 MAY",
        ),
    )


def test_a_reversal_keeps_the_direction_of_its_own_entry() -> None:
    """ISO 20022: with CRDT and a reversal the original operation was a debit."""
    one, lines = read(
        ends("100.00", "95.00"),
        entry("20.00", "CRDT", more="<RvslInd>true</RvslInd>"),
        entry("25.00", "DBIT", more="<RvslInd>1</RvslInd>"),
    )
    assert [(line.amount, line.is_reversal) for line in lines] == [(Decimal("20.00"), True), (Decimal("-25.00"), True)]
    assert one.proof == PROVED


def test_a_reversal_names_the_parties_of_the_original_payment() -> None:
    parties = "<RltdPties><Dbtr><Nm>Payer</Nm></Dbtr><Cdtr><Nm>Payee</Nm></Cdtr></RltdPties>"
    details = payments(parties)
    _, lines = read(
        entry("1", "CRDT", more=details),
        entry("1", "DBIT", more=details),
        entry("1", "DBIT", more="<RvslInd>true</RvslInd>" + details),
    )
    assert [line.counterparty for line in lines] == ["Payer", "Payee", "Payer"]


@pytest.mark.parametrize("shape", ["{}", "<Cd>{}</Cd>"])
def test_only_booked_entries_count_in_both_shapes_of_the_status(shape: str) -> None:
    statuses = ("BOOK", "PDNG", "INFO", "FUTR")
    one, lines = read(ends("0", "1"), *(entry("1", status=shape.format(status)) for status in statuses))
    assert [line.status for line in lines] == [BOOKED, PENDING, INFORMATION, PENDING]
    assert (one.entries, one.entries_amount, one.proof) == (1, Decimal(1), PROVED)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("<Dt>2026-03-29</Dt>", date(2026, 3, 29)),
        ("<Dt>2026-03-29+02:00</Dt>", date(2026, 3, 29)),
        ("<DtTm>2026-03-29T00:30:00+01:00</DtTm>", date(2026, 3, 29)),
        ("<DtTm>2026-03-29T03:30:00+02:00</DtTm>", date(2026, 3, 29)),
        ("<DtTm>2026-03-29T23:59:59Z</DtTm>", date(2026, 3, 29)),
        ("<DtTm>2026-03-29T00:00:00.000000000</DtTm>", date(2026, 3, 29)),
    ],
)
def test_a_time_counts_for_the_banks_own_day(text: str, day: date) -> None:
    """Half past midnight in summer time is the day before in UTC, and still the bank's day."""
    _, (line,) = read(entry("1", more=f"<BookgDt>{text}</BookgDt>"))
    assert line.booking_date == day


def test_references_are_the_payments_own_before_those_of_the_entry() -> None:
    own = "<Refs><AcctSvcrRef>B2</AcctSvcrRef><InstrId>I2</InstrId></Refs>"
    structured = "<Refs><InstrId>I2</InstrId></Refs><RmtInf><Strd><CdtrRefInf><Ref>RF18</Ref></CdtrRefInf></Strd></RmtInf>"
    of_entry = "<NtryRef>N1</NtryRef><AcctSvcrRef>B1</AcctSvcrRef>"
    _, lines = read(*(entry("1", more=of_entry + payments(details)) for details in ("", own, structured)))
    assert [(line.reference, line.bank_reference) for line in lines] == [("N1", "B1"), ("I2", "B2"), ("RF18", "B1")]


def test_parts_that_add_up_to_the_entry_take_its_place() -> None:
    returned = payment("2.00", "NOTPROVIDED", "<CdtDbtInd>DBIT</CdtDbtInd>")
    one, lines = read(ends("0", "10.00"), entry("10.00", more=payments(payment("12.00", "E1"), returned)))
    assert [(line.line, line.part, line.amount, line.end_to_end_id) for line in lines] == [
        (1, 1, Decimal("12.00"), "E1"),
        (1, 2, Decimal("-2.00"), None),
    ]
    assert (one.entries, one.entries_amount, one.proof) == (1, Decimal("10.00"), PROVED)


@pytest.mark.parametrize("second", ["1.99", "2.01"])
def test_parts_that_do_not_add_up_leave_the_entry_whole(second: str) -> None:
    _, lines = read(entry("10.00", more=payments(payment("8.00", "E1"), payment(second, "E2"))))
    assert [(line.part, line.amount, line.end_to_end_id) for line in lines] == [(0, Decimal("10.00"), None)]


def test_parts_of_the_second_version_state_their_amount_elsewhere() -> None:
    details = payments(*(f"<AmtDtls><TxAmt><Amt Ccy='EUR'>{amount}</Amt></TxAmt></AmtDtls>" for amount in (3, 4)))
    _, lines = read(entry("7.00", "DBIT", more=details))
    assert [(line.part, line.amount) for line in lines] == [(1, Decimal(-3)), (2, Decimal(-4))]


def test_parts_in_another_currency_leave_the_entry_whole() -> None:
    _, (line,) = read(entry("10.00", more=payments("<Amt Ccy='USD'>10.00</Amt>")))
    assert (line.part, line.amount, line.currency) == (0, Decimal("10.00"), "EUR")


@pytest.mark.parametrize(
    ("currency", "opening", "amount", "closing"), [("KWD", "1.000", "0.001", "1.001"), ("JPY", "1000", "1", "1001")]
)
def test_currencies_keep_their_own_decimals(currency: str, opening: str, amount: str, closing: str) -> None:
    one, _ = read(
        balance("OPBD", opening, currency=currency),
        balance("CLBD", closing, currency=currency),
        entry(amount, currency=currency),
        account=f"<Ccy>{currency}</Ccy>",
    )
    assert (one.currency, one.proof) == (currency, PROVED)


def test_a_balance_in_debit_is_negative() -> None:
    one, _ = read(balance("OPBD", "5.00", mark="DBIT"), balance("CLBD", "4.00", mark="DBIT"), entry("1.00"))
    assert (one.opening_balance, one.closing_balance, one.proof) == (Decimal("-5.00"), Decimal("-4.00"), PROVED)


def test_the_balance_of_the_day_before_opens_where_no_other_does() -> None:
    one, _ = read(balance("PRCD", "5.00"), balance("CLBD", "6.00"), entry("1.00"))
    assert (one.opening_balance, one.proof) == (Decimal("5.00"), PROVED)


def test_pages_prove_themselves_by_interim_balances() -> None:
    first = statement(balance("OPBD", "1"), balance("ITBD", "3"), entry("2"))
    second = statement(balance("ITBD", "3"), balance("ITBD", "4", "2026-03-02"), entry("1"))
    last = statement(balance("ITBD", "4"), balance("CLBD", "9"), entry("5"))
    parsed = parse(file(first, second, last))
    assert [(one.statement, one.opening_balance, one.closing_balance, one.proof) for one in parsed.statements] == [
        (1, Decimal(1), Decimal(3), PROVED),
        (2, Decimal(3), Decimal(4), PROVED),
        (3, Decimal(4), Decimal(9), PROVED),
    ]
    assert [(line.statement, line.line) for line in parsed.statement_lines] == [(1, 1), (2, 2), (3, 3)]


def test_a_statement_of_several_days_is_proved_from_its_first_to_its_last() -> None:
    days = [balance("CLBD", "9", "2026-03-03"), balance("OPBD", "4", "2026-03-03"), balance("CLBD", "4", "2026-03-02")]
    one, _ = read(*days, balance("OPBD", "1", "2026-03-02"), entry("3"), entry("5"))
    assert (one.opening_balance, one.closing_balance, one.proof) == (Decimal(1), Decimal(9), PROVED)


def test_a_statement_must_have_balances_and_a_report_need_not() -> None:
    one, _ = read(entry("1"))
    assert one.reason == BALANCE_PROOF_FAILED
    for name in ("Rpt", "Ntfctn"):
        one, _ = read(entry("1"), name=name)
        assert one.proof == NO_CONTROL


def summary(debits: str = "2.00", credits: str = "5.00", net: str = "3.00", count: int = 2) -> str:
    return (
        f"<TxsSummry><TtlNtries><NbOfNtries>{count}</NbOfNtries><Sum>7.00</Sum>"
        f"<TtlNetNtry><Amt>{net}</Amt><CdtDbtInd>CRDT</CdtDbtInd></TtlNetNtry></TtlNtries>"
        f"<TtlCdtNtries><Sum>{credits}</Sum></TtlCdtNtries><TtlDbtNtries><Sum>{debits}</Sum></TtlDbtNtries></TxsSummry>"
    )


def test_a_summary_proves_a_notification() -> None:
    one, _ = read(summary(), entry("5.00"), entry("2.00", "DBIT"), name="Ntfctn")
    assert (one.proof, one.difference_amount) == (PROVED, Decimal(0))


@pytest.mark.parametrize("wrong", [{"debits": "2.01"}, {"credits": "4.99"}, {"net": "3.01"}, {"count": 3}])
def test_a_summary_that_is_off_by_one_is_a_mismatch(wrong: dict[str, Any]) -> None:
    one, _ = read(summary(**wrong), ends("0", "3.00"), entry("5.00"), entry("2.00", "DBIT"))
    assert (one.reason, one.difference_amount) == (CONTROL_TOTAL_MISMATCH, Decimal(0))


def test_a_summary_of_the_second_version_has_its_net_without_a_currency() -> None:
    text = "<TxsSummry><TtlNtries><TtlNetNtryAmt>3.01</TtlNetNtryAmt><CdtDbtInd>CRDT</CdtDbtInd></TtlNtries></TxsSummry>"
    one, _ = read(text, entry("3.00"), name="Ntfctn")
    assert (one.reason, one.difference_amount) == (CONTROL_TOTAL_MISMATCH, Decimal("0.01"))


@pytest.mark.parametrize(("name", "mark"), [("TtlDbtNtries", "DBIT"), ("TtlCdtNtries", "CRDT")])
def test_an_entry_of_nothing_is_on_the_side_that_it_states(name: str, mark: str) -> None:
    text = f"<TxsSummry><{name}><NbOfNtries>1</NbOfNtries><Sum>0</Sum></{name}></TxsSummry>"
    one, (line,) = read(text, entry("0", mark), name="Ntfctn")
    assert one.proof == PROVED
    assert str(line.amount) == "0"


@pytest.mark.parametrize(
    ("bad", "detail"),
    [
        (entry("-1.00"), "Entry 2 has the amount `-1.00`, which is not a number of at most 18 digits and 6 decimals."),
        (entry("1", "CREDIT"), "Entry 2 has `CREDIT` instead of CRDT or DBIT."),
        (entry("1", status=""), "Entry 2 has the status `nothing`, which is not BOOK, PDNG or INFO."),
        (entry("1", currency="DEM"), "Entry 2 is in `DEM`, which is not a currency in use."),
    ],
)
def test_an_unreadable_entry_is_named_and_the_others_stay(bad: str, detail: str) -> None:
    one, lines = read(ends("0", "1"), entry("1"), bad)
    assert (one.reason, one.detail) == (SCHEMA_INVALID, detail)
    assert [line.line for line in lines] == [1]


def test_an_entry_in_another_currency_is_kept_and_not_added() -> None:
    one, lines = read(ends("0", "1"), entry("1"), entry("1", currency="USD"))
    assert (one.reason, one.detail) == (SCHEMA_INVALID, "Entry 2 is in USD, the account in EUR.")
    assert (one.entries, one.entries_amount, one.difference_amount) == (1, Decimal(1), Decimal(0))
    assert [line.currency for line in lines] == ["EUR", "USD"]


def test_a_date_that_is_none_leaves_the_amount_readable() -> None:
    one, (line,) = read(ends("0", "1"), entry("1", more="<ValDt><Dt>2026-02-30</Dt></ValDt>"))
    assert (one.reason, line.value_date, line.amount) == (SCHEMA_INVALID, None, Decimal(1))


def test_balances_in_two_currencies_prove_nothing() -> None:
    one, _ = read(balance("OPBD", "1"), balance("CLBD", "1", currency="SEK"))
    assert (one.reason, one.difference_amount) == (SCHEMA_INVALID, None)


def test_any_envelope_and_a_root_without_one_are_read() -> None:
    inner = statement(ends("0", "1"), entry("1"))
    whole = parse(file(inner))
    enveloped = b"<Envelope xmlns:h='urn:h'><h:AppHdr/>" + file(inner).split(b"?>", 1)[1] + b"</Envelope>"
    bare = [f"<BkToCstmrStmtV02>{inner}</BkToCstmrStmtV02>".encode(), inner.encode(), enveloped]
    assert [parse(data) for data in bare] == [whole] * 3
    assert whole.format == "camt.053"


def test_other_encodings_are_read() -> None:
    text = file(statement(ends("0", "1"), entry("1", more="<AddtlNtryInf>Gebühr</AddtlNtryInf>"))).decode()
    for encoding in ("UTF-16", "ISO-8859-1"):
        (line,) = parse(text.replace("UTF-8", encoding).encode(encoding)).statement_lines
        assert line.remittance == "Gebühr"


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "not well-formed XML"),
        (b"plain text", "not well-formed XML"),
        (b"<Document/>", "holds no statement"),
        (file(), "holds no statement"),
        (b"<!DOCTYPE d [<!ENTITY a '1'><!ENTITY b '&a;&a;'>]><Stmt><Id>&b;</Id></Stmt>", "document type"),
        (b"<!DOCTYPE d SYSTEM 'file:///etc/passwd'><Stmt/>", "document type"),
        (file(statement(entry("1")))[:-20], "not well-formed XML"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_sentence(data: bytes, sentence: str) -> None:
    with pytest.raises(UnreadableFile, match=sentence):
        parse(data)


SAMPLE = file(
    statement(ends("10", "12"), summary(), entry("5.00", more=payments(payment("5.00", "E1"))), entry("3.00", "DBIT"))
)


@given(st.data())
def test_damaged_files_are_read_or_refused(data: st.DataObject) -> None:
    check_reads_or_refuses(parse, data.draw(garbled(SAMPLE)))
