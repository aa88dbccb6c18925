"""Dimensions as type 2 history: merchants, users, locations and policies, and the deliveries that they are made of."""

from __future__ import annotations

from pyspark.sql.types import ArrayType, BooleanType, DateType, IntegerType, StringType, TimestampType

from paylake.contracts.currencies import CURRENCIES
from paylake.contracts.table import FAILED_CHECKS, MONEY, Check, Field, TableContract, one_of

RISK_LEVELS = ("LOW", "MEDIUM", "HIGH")
KYC_STATUSES = ("VERIFIED", "PENDING", "EXPIRED", "REJECTED", "NONE")

KYC, AML, REGIONAL_LIMIT, BLACKLIST = "KYC", "AML", "REGIONAL_LIMIT", "BLACKLIST"
POLICY_TYPES = (KYC, AML, REGIONAL_LIMIT, BLACKLIST)
SUBJECT_TYPES = ("USER", "MERCHANT", "COUNTRY", "ALL")
EVERYWHERE = "*"
"""The jurisdiction of a policy that holds in every country."""

_FILE = Field(
    "file_sha256", StringType(), "SHA-256 of the bytes of the file that delivered it, in hexadecimal.", lineage=True
)
_DELIVERED = Field("delivered_at", TimestampType(), "When the source says it delivered the row, UTC.", lineage=True)

_VALIDITY = (
    Field("valid_from", TimestampType(), "From when the version holds, UTC."),
    Field("valid_to", TimestampType(), "Until when, exclusive; null while no end is known.", nullable=True),
    Field("is_current", BooleanType(), "True while no end of the version is known; what holds at a time, valid_from and "
          "valid_to say.", lineage=True),
    _DELIVERED,
    _FILE,
)  # fmt: skip

_VALID = (
    Check("ends_after_it_begins", "valid_to IS NULL OR valid_to > valid_from"),
    Check("current_is_open", "is_current = (valid_to IS NULL)"),
)


def _country(column: str) -> str:
    """The predicate that a column looks like an ISO 3166 code; spelled out, since dialects share no regular expressions."""
    first, second = (f"substr({column}, {place}, 1) BETWEEN 'A' AND 'Z'" for place in (1, 2))
    return f"length({column}) = 2 AND {first} AND {second}"


def _named(column: str) -> Check:
    return Check(f"{column}_shape", f"length({column}) BETWEEN 1 AND 64")


MERCHANTS = TableContract(
    name="merchants",
    layer="raw",
    doc="One row per merchant and version; versions of a merchant do not overlap.",
    fields=(
        Field("merchant_id", StringType(), "Merchant, as payments name it."),
        Field("merchant_name", StringType(), "Trading name."),
        Field("category", StringType(), "Line of business, in a word."),
        Field("mcc", StringType(), "Merchant category code (ISO 18245), four digits.", nullable=True),
        Field("risk_level", StringType(), "LOW, MEDIUM or HIGH."),
        Field("onboarding_date", DateType(), "When the merchant was taken on."),
        Field("country", StringType(), "ISO 3166 code of the merchant's seat."),
        Field("psp", StringType(), "Processor that settles the merchant.", nullable=True),
        *_VALIDITY,
    ),
    key=("merchant_id", "valid_from"),
    checks=(
        _named("merchant_id"),
        Check("merchant_name_shape", "length(merchant_name) BETWEEN 1 AND 256"),
        Check("mcc_four_digits", "mcc IS NULL OR (length(mcc) = 4 AND translate(mcc, '0123456789', '') = '')"),
        Check("risk_level_known", one_of("risk_level", RISK_LEVELS)),
        Check("country_shape", _country("country")),
        *_VALID,
    ),
)

USERS = TableContract(
    name="users",
    layer="raw",
    doc="One row per user and version, without names: personal data stay at the source.",
    fields=(
        Field("user_id", StringType(), "User, as payments name them."),
        Field("home_country", StringType(), "ISO 3166 code."),
        Field("home_city", StringType(), "City of the user's home.", nullable=True),
        Field("kyc_status", StringType(), "How far the user is identified: VERIFIED, PENDING, EXPIRED, REJECTED or NONE."),
        Field("kyc_level", StringType(), "How thoroughly, in the source's word.", nullable=True),
        Field("kyc_expires_on", DateType(), "Last day on which the identification counts.", nullable=True),
        Field("risk_rating", StringType(), "LOW, MEDIUM or HIGH."),
        Field("is_pep", BooleanType(), "Politically exposed person."),
        Field("onboarding_date", DateType(), "When the user was taken on."),
        *_VALIDITY,
    ),
    key=("user_id", "valid_from"),
    checks=(
        _named("user_id"),
        Check("home_country_shape", _country("home_country")),
        Check("kyc_status_known", one_of("kyc_status", KYC_STATUSES)),
        Check("risk_rating_known", one_of("risk_rating", RISK_LEVELS)),
        *_VALID,
    ),
)

LOCATIONS = TableContract(
    name="locations",
    layer="raw",
    doc="One row per place and version.",
    fields=(
        Field("location_id", StringType(), "Place, as the source names it."),
        Field("city", StringType(), "City."),
        Field("country", StringType(), "ISO 3166 code."),
        Field("risk_level", StringType(), "LOW, MEDIUM or HIGH."),
        Field("utc_offset", StringType(), "Distance of its clocks from UTC, as +05:30.", nullable=True),
        *_VALIDITY,
    ),
    key=("location_id", "valid_from"),
    checks=(
        _named("location_id"),
        Check("country_shape", _country("country")),
        Check("risk_level_known", one_of("risk_level", RISK_LEVELS)),
        Check("utc_offset_shape", "utc_offset IS NULL OR (length(utc_offset) = 6 AND substr(utc_offset, 1, 1) IN ('+', '-') "
              "AND substr(utc_offset, 4, 1) = ':' AND translate(utc_offset, '0123456789', '') IN ('+:', '-:'))"),
        *_VALID,
    ),
)  # fmt: skip

POLICIES = TableContract(
    name="policies",
    layer="raw",
    doc="One row per policy and version: a rule of compliance, whom it concerns, and when it is in force.",
    fields=(
        Field("policy_id", StringType(), "Policy."),
        Field("policy_type", StringType(), "KYC, AML, REGIONAL_LIMIT or BLACKLIST."),
        Field("rule_description", StringType(), "The rule in a sentence."),
        Field("subject_type", StringType(), "Whom it concerns: a USER, a MERCHANT, a COUNTRY, or ALL."),
        Field("subject_id", StringType(), "Which one; of a country its ISO 3166 code; null for ALL.", nullable=True),
        Field("jurisdiction", StringType(), f"ISO 3166 code of the country in which it holds, or {EVERYWHERE}."),
        Field("limit_amount", MONEY, "Amount from which on it applies.", nullable=True),
        Field("limit_currency", StringType(), "ISO 4217 code of limit_amount; other currencies it does not limit.",
              nullable=True),
        Field("rule_version", StringType(), "Version of the rule, in the source's word."),
        Field("active_flag", BooleanType(), "False where it is suspended although in force."),
        *_VALIDITY,
    ),
    key=("policy_id", "valid_from"),
    checks=(
        _named("policy_id"),
        Check("policy_type_known", one_of("policy_type", POLICY_TYPES)),
        Check("subject_type_known", one_of("subject_type", SUBJECT_TYPES)),
        Check("subject_named_unless_all", "(subject_type = 'ALL') = (subject_id IS NULL)"),
        Check("country_subject_shape", f"subject_type <> 'COUNTRY' OR ({_country('subject_id')})"),
        Check("jurisdiction_shape", f"jurisdiction = '{EVERYWHERE}' OR ({_country('jurisdiction')})"),
        Check("blacklist_names_a_subject", f"policy_type <> '{BLACKLIST}' OR subject_id IS NOT NULL"),
        Check("regional_limit_has_an_amount", f"policy_type <> '{REGIONAL_LIMIT}' OR limit_amount IS NOT NULL"),
        Check("limit_has_a_currency", "(limit_amount IS NULL) = (limit_currency IS NULL)"),
        Check("limit_not_negative", "limit_amount IS NULL OR limit_amount >= 0"),
        Check("limit_currency_known", f"limit_currency IS NULL OR {one_of('limit_currency', CURRENCIES)}"),
        *_VALID,
    ),
)  # fmt: skip

DIMENSIONS: tuple[TableContract, ...] = (MERCHANTS, USERS, LOCATIONS, POLICIES)

DIMENSION_DELIVERIES = TableContract(
    name="dimension_deliveries",
    layer="raw",
    doc="One row per thing that a source ever said of an id from a time on: what the versions are derived from, so that a "
    "late or a corrected delivery finds all that it has to stand beside. Said again, it keeps its latest delivery.",
    fields=(
        Field("dimension", StringType(), "Dimension: merchants, users, locations or policies."),
        Field("id", StringType(), "Identifier within the dimension."),
        Field("valid_from", TimestampType(), "From when on it is said to hold, UTC."),
        Field("content_hash", StringType(), "SHA-256 of what is said: valid_to, is_deleted and attributes."),
        Field("valid_to", TimestampType(), "Until when, exclusive, where an end is stated.", nullable=True),
        Field("is_deleted", BooleanType(), "True where it is said that the id ends at valid_from."),
        Field("attributes", StringType(), "What is said: a JSON object with every value as text; null where the id ends.",
              nullable=True),
        _DELIVERED,
        _FILE,
        Field("line", IntegerType(), "Where in the file: its line, or the number of the record in a Parquet file.",
              lineage=True),
    ),
    key=("dimension", "id", "valid_from", "content_hash"),
    partition_by=("dimension",),
    checks=(
        Check("dimension_known", one_of("dimension", [d.name for d in DIMENSIONS])),
        Check("says_something_or_ends", "is_deleted = (attributes IS NULL)"),
        Check("ends_after_it_begins", "valid_to IS NULL OR valid_to > valid_from"),
    ),
)  # fmt: skip

DIMENSIONS_QUARANTINE = TableContract(
    name="dimensions_quarantine",
    layer="raw",
    doc="One row per record of a dimension's file that could not be accepted, with the reasons.",
    fields=(
        Field("dimension", StringType(), "Dimension that the file was read as."),
        Field("file_sha256", StringType(), "SHA-256 of the file's bytes, in hexadecimal."),
        Field("line", IntegerType(), "Where in the file: its line, or the number of the record in a Parquet file."),
        Field("file_name", StringType(), "Name of the file as it came, without its folder.", lineage=True),
        Field("row", StringType(), "The record's columns that the dimension knows, as a JSON object of texts, with card "
              "numbers masked; null where it cannot be taken apart, since nobody knows what it holds.", nullable=True),
        Field(FAILED_CHECKS, ArrayType(StringType()), "The checks that the record failed: why it is here."),
    ),
    key=("dimension", "file_sha256", "line"),
    checks=(
        Check("dimension_known", one_of("dimension", [d.name for d in DIMENSIONS])),
        Check("has_reason", f"cardinality({FAILED_CHECKS}) > 0"),
    ),
)  # fmt: skip
