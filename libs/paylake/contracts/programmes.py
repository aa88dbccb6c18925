"""The card schemes' monitoring programmes: from which count and ratio on, where, and since when.

They are data with a first and a last day, since schemes change them and sources disagree: a new rule is a new row, and a
month that is over keeps the rule of its time.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date

from pyspark.sql.types import DateType, IntegerType, StringType

from paylake.contracts.table import Check, Field, TableContract, one_of

VAMP, ECM, EFM = "VAMP", "ECM", "EFM"
MERCHANT, ACQUIRER = "MERCHANT", "ACQUIRER"
EVERY_REGION = "ALL"

DISPUTES_AND_FRAUD_TO_NOT_PRESENT_SALES = "DISPUTES_AND_FRAUD_TO_NOT_PRESENT_SALES"
CHARGEBACKS_TO_SALES_OF_PREVIOUS_MONTH = "CHARGEBACKS_TO_SALES_OF_PREVIOUS_MONTH"
FRAUD_CHARGEBACKS_TO_SALES_OF_PREVIOUS_MONTH = "FRAUD_CHARGEBACKS_TO_SALES_OF_PREVIOUS_MONTH"
METRICS = (
    DISPUTES_AND_FRAUD_TO_NOT_PRESENT_SALES,
    CHARGEBACKS_TO_SALES_OF_PREVIOUS_MONTH,
    FRAUD_CHARGEBACKS_TO_SALES_OF_PREVIOUS_MONTH,
)
"""What a programme divides by what, within a calendar month."""


@dataclass(frozen=True)
class Programme:
    """A level of a programme that is reached from both thresholds on; `until` is its last day, None while in force."""

    programme: str
    subject: str
    region: str
    level: str
    step: int
    metric: str
    threshold_count: int
    threshold_basis_points: int
    since: date
    until: date | None
    source_note: str


def _vamp(region: str, basis_points: int, since: date, until: date | None, note: str) -> Programme:
    metric = DISPUTES_AND_FRAUD_TO_NOT_PRESENT_SALES
    return Programme(VAMP, MERCHANT, region, "EXCESSIVE", 1, metric, 1500, basis_points, since, until, note)


def _vamp_of_acquirer(level: str, step: int, basis_points: int, since: date, note: str) -> Programme:
    metric = DISPUTES_AND_FRAUD_TO_NOT_PRESENT_SALES
    return Programme(VAMP, ACQUIRER, EVERY_REGION, level, step, metric, 1500, basis_points, since, None, note)


_ENFORCED = date(2025, 10, 1)
_LOWERED = date(2026, 4, 1)
_CONFLICT = (
    "Sources conflict: others name 90 or 180 basis points, and whether disputes for fraud count once or twice (as TC15 and "
    "as TC40) is told both ways."
)
_MASTERCARD_SINCE = date(2020, 1, 1)
_MASTERCARD_NOTE = (
    "Figures of the processors' guides. The documented bands end at 299 chargebacks and 2.99 %; whoever is above one of "
    "them only is taken to stay on the lower level."
)

PROGRAMMES: tuple[Programme, ...] = (
    *(_vamp(region, 220, _ENFORCED, date(2026, 3, 31), _CONFLICT) for region in ("AP", "CA", "EU", "US")),
    *(_vamp(region, 150, _LOWERED, None, _CONFLICT) for region in ("AP", "CA", "EU", "US")),
    _vamp("LAC", 150, _ENFORCED, None, f"{_CONFLICT} Some sources give Latin America 220 before April 2026."),
    _vamp(
        "CEMEA",
        220,
        _ENFORCED,
        None,
        f"{_CONFLICT} The Middle East is told to have a count and an amount of its own (more than 100, and 75,000 USD); the "
        "region's other countries keep 220.",
    ),
    _vamp_of_acquirer("ABOVE_STANDARD", 1, 50, date(2026, 1, 1), "50 to 70 basis points; some name an earlier start."),
    _vamp_of_acquirer("EXCESSIVE", 2, 70, _ENFORCED, "From 70 basis points on; the count is the merchants'."),
    *(
        Programme(
            ECM, MERCHANT, EVERY_REGION, level, step, CHARGEBACKS_TO_SALES_OF_PREVIOUS_MONTH, count, basis_points,
            _MASTERCARD_SINCE, None, _MASTERCARD_NOTE,
        )
        for level, step, count, basis_points in (("ECM", 1, 100, 150), ("HECM", 2, 300, 300))
    ),
    Programme(
        EFM, MERCHANT, EVERY_REGION, "EFM", 1, FRAUD_CHARGEBACKS_TO_SALES_OF_PREVIOUS_MONTH, 1000, 50,
        _MASTERCARD_SINCE, None,
        "The count is of transactions. Also needs 50,000 USD of fraud chargebacks, and 3-D Secure below 10 % (50 % where "
        "it is regulated), which no source delivers yet: kept for reference, no view judges by it.",
    ),
)  # fmt: skip
"""Sources: the schemes' programmes as the processors publish them; each row notes where they conflict."""

MONITORING_PROGRAMMES = TableContract(
    name="monitoring_programmes",
    layer="final",
    doc="One row per level of a card scheme's monitoring programme and time in which it is in force.",
    fields=(
        Field("programme", StringType(), "VAMP (Visa), ECM or EFM (Mastercard)."),
        Field("subject", StringType(), "Who is judged: MERCHANT or ACQUIRER."),
        Field("region", StringType(), "Visa region in which it holds, or ALL."),
        Field("level", StringType(), "Level that is reached, in the scheme's word."),
        Field("step", IntegerType(), "Order of the levels of a programme: a higher one is worse."),
        Field("metric", StringType(), "What is divided by what, within a calendar month."),
        Field("threshold_count", IntegerType(), "Reached from so many on, and from the ratio on."),
        Field("threshold_basis_points", IntegerType(), "Ratio from which on it is reached, in hundredths of a percent."),
        Field("since", DateType(), "First day on which it is in force; a month is judged by the rule of its first day."),
        Field("until", DateType(), "Last day on which it is in force; null while no end is known.", nullable=True),
        Field("source_note", StringType(), "Where the figures come from, and where sources conflict."),
    ),
    key=("programme", "subject", "region", "level", "since"),
    checks=(
        Check("subject_known", one_of("subject", (MERCHANT, ACQUIRER))),
        Check("metric_known", one_of("metric", METRICS)),
        Check("ends_after_it_begins", "until IS NULL OR until >= since"),
        Check("thresholds_positive", "threshold_count > 0 AND threshold_basis_points > 0"),
    ),
)

COUNTRIES_OF_REGION: dict[str, tuple[str, ...]] = {
    region: tuple(countries.split())
    for region, countries in {
        "US": "US PR VI GU AS MP UM",
        "CA": "CA",
        "EU": (
            "AD AT BE BG CH CY CZ DE DK EE ES FI FO FR GB GG GI GL GR HR HU IE IL IM IS IT JE LI LT LU LV MC MT "
            "NL NO PL PT RO SE SI SK SM SJ TR VA"
        ),
        "AP": (
            "AU BD BN BT CC CK CN CX FJ FM HK ID IN JP KH KI KR LA LK MH MM MN MO MV MY NC NF NP NR NU NZ PF PG "
            "PH PN PW SB SG TH TK TL TO TV TW VN VU WF WS"
        ),
        "LAC": (
            "AG AI AR AW BB BM BO BQ BR BS BZ CL CO CR CU CW DM DO EC FK GD GF GP GT GY HN HT JM KN KY LC MQ MS "
            "MX NI PA PE PY SR SV SX TC TT UY VC VE VG"
        ),
        "CEMEA": (
            "AE AF AL AM AO AZ BA BF BH BI BJ BW BY CD CF CG CI CM CV DJ DZ EG ER ET GA GE GH GM GN GQ GW IQ JO "
            "KE KG KM KW KZ LB LR LS LY MA MD ME MG MK ML MR MU MW MZ NA NE NG OM PK PS QA RE RS RW SA SC SD SL "
            "SN SO SS ST SZ TD TG TJ TM TN TZ UA UG UZ YE YT ZA ZM ZW"
        ),
    }.items()
}
"""Visa region -> ISO 3166 codes of its countries; of a country in none, no limit is known."""

REGIONS: tuple[str, ...] = tuple(COUNTRIES_OF_REGION)


def programme_rows() -> list[tuple[object, ...]]:
    """The rows of monitoring_programmes."""
    return [tuple(getattr(rule, f.name) for f in fields(Programme)) for rule in PROGRAMMES]
