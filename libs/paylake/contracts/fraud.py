"""What fraud detection says: its words, its rules with their limits, signals, labels, scores and the fraud index."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from pyspark.sql.types import (
    ArrayType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    IntegerType,
    LongType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

from paylake.contracts.currencies import CURRENCIES
from paylake.contracts.indexes import versioned
from paylake.contracts.table import FAILED_CHECKS, MONEY, Check, Field, TableContract, one_of
from paylake.contracts.taxonomy import PAYMENT_STATUSES

NORMAL, SUSPICIOUS, FRAUDULENT = ANOMALY_TYPES = ("normal", "suspicious", "fraudulent")
APPROVE, REVIEW, DECLINE = DECISIONS = ("APPROVE", "REVIEW", "DECLINE")
"""What the gateway should do with a payment of each anomaly type, in the same order."""

FRAUD, GENUINE = LABEL_WORDS = ("FRAUD", "GENUINE")
ANALYST, CHARGEBACK, ISSUER_REPORT = LABEL_SOURCES = ("ANALYST", "CHARGEBACK", "ISSUER_REPORT")
"""Who says what a payment was, in order of precedence: a person who looked at it wins."""
LABEL_DELAY = timedelta(days=7)
"""A label counts for features once its payment is this old, even if it was known before: what fast reports tell and what
slow ones tell would otherwise look alike in training and differ in the stream."""

MOST_REASONS = 4


@dataclass(frozen=True)
class Reason:
    """Why a payment looks like fraud: one code for rules, alerts and models. `text` is for people."""

    code: str
    text: str


REASONS: tuple[Reason, ...] = (
    Reason("BLACKLISTED", "The customer, merchant or country is on the blacklist."),
    Reason("POLICY_LIMIT", "The amount is above what a policy allows."),
    Reason("AMOUNT_LIMIT", "The amount is above the limit of the card, the customer or the merchant."),
    Reason("AMOUNT_UNUSUAL", "The amount is far from what the customer usually pays."),
    Reason("AMOUNT_UNUSUAL_MERCHANT", "The amount is far from what the merchant usually takes."),
    Reason("VELOCITY", "The customer pays more often than usual."),
    Reason("RAPID_SUCCESSION", "The payments follow each other within seconds."),
    Reason("CARD_TESTING", "Many small or declined payments try out a card."),
    Reason("DUPLICATE_AMOUNT", "The same amount was paid to the same merchant a moment ago."),
    Reason("MANY_COUNTRIES", "The customer pays from several countries within hours."),
    Reason("COUNTRY_MISMATCH", "The payment comes from another country than the customer's home."),
    Reason("COUNTRY_RISK", "The country's risk is high."),
    Reason("NEW_DEVICE", "The customer never used this device before."),
    Reason("SHARED_DEVICE", "Several customers use this device."),
    Reason("NEW_MERCHANT", "The customer never paid this merchant before."),
    Reason("MERCHANT_RISK", "The merchant's risk is high."),
    Reason("MERCHANT_FRAUDS", "Frauds at this merchant are known."),
    Reason("MERCHANT_BURST", "More customers than usual pay this merchant."),
    Reason("CUSTOMER_FRAUDS", "Frauds of this customer are known."),
    Reason("CUSTOMER_RISK", "The customer's risk rating or identification is poor."),
    Reason("REFUNDS", "The customer takes more refunds than usual."),
    Reason("NIGHT", "The payment comes at night."),
    Reason("DECLINES", "Payments of this customer or card were declined shortly before."),
    Reason("PAYMENT_KIND", "Frauds are frequent among payments of this kind."),
)
REASON_CODES: tuple[str, ...] = tuple(r.code for r in REASONS)
REASON_TEXTS: dict[str, str] = {r.code: r.text for r in REASONS}


@dataclass(frozen=True)
class RuleLimits:
    """The parameters of the classic rules; the first three are those of requirement F2, in its own numbers."""

    amount: int = 5000
    """Major units above which a payment is flagged, where `amounts` does not name its currency."""
    payments: int = 5
    """Payments of a customer within 2 minutes that are not too many yet."""
    countries: int = 2
    """Countries of a customer within an hour that are not too many yet."""
    rapid: int = 6
    """Payments of a customer within 60 seconds that are a burst."""
    duplicates: int = 1
    """Payments of one amount to one merchant within 10 minutes before that make a payment a duplicate."""
    card_tests: int = 5
    """Declined or tiny payments of a customer within 10 minutes before that are a card being tried out."""
    amounts: tuple[tuple[str, int], ...] = (("INR", 400_000), ("JPY", 750_000), ("KWD", 1_500))
    """Limits of currencies whose unit is far from a dollar's worth: rounded, since a limit is no exchange rate."""

    def amount_of(self, currency: str) -> int:
        """The limit in a currency, in its major units."""
        return dict(self.amounts).get(currency, self.amount)


REASON_TYPE = StructType(
    [
        StructField("code", StringType()),
        StructField("text", StringType()),
        StructField("feature", StringType()),
        StructField("observed", DoubleType()),
        StructField("baseline", DoubleType()),
    ]
)

FRAUD_SIGNALS = TableContract(
    name="fraud_signals",
    layer="raw",
    doc="One row per signal of an outside inference service on a payment.",
    fields=(
        Field("fraud_id", StringType(), "Signal, as the service names it."),
        Field("transaction_id", StringType(), "Payment that it concerns."),
        Field("fraud_score", DoubleType(), "Its score, from 0 to 1."),
        Field("reason_code", StringType(), "Its reason, in the service's word.", nullable=True),
        Field("recorded_at", TimestampType(), "Timestamp of the Kafka record: when the signal arrived, UTC."),
        Field("event_date", DateType(), "Date of recorded_at, UTC."),
        Field("partition", IntegerType(), "Kafka partition.", lineage=True),
        Field("offset", LongType(), "Kafka offset within the partition.", lineage=True),
        Field("generation", IntegerType(), "Generation of the stream's checkpoint that wrote the row.", lineage=True),
        Field("batch", LongType(), "Micro-batch that wrote the row.", lineage=True),
    ),
    key=("partition", "offset"),
    partition_by=("event_date",),
    checks=(
        Check("fraud_id_shape", "length(fraud_id) BETWEEN 1 AND 64"),
        Check("transaction_id_shape", "length(transaction_id) BETWEEN 1 AND 64"),
        Check("fraud_score_share", "fraud_score BETWEEN 0 AND 1"),
    ),
)

LABELS = TableContract(
    name="labels",
    layer="raw",
    doc="One row per statement of somebody that a payment was fraud, or was not: chargebacks, analysts, issuers' reports.",
    fields=(
        Field("transaction_id", StringType(), "Payment that it concerns."),
        Field("label", StringType(), "FRAUD or GENUINE."),
        Field("source", StringType(), "Who says so: ANALYST, CHARGEBACK or ISSUER_REPORT."),
        Field("known_at", TimestampType(), "When the source came to know, UTC."),
        Field("recorded_at", TimestampType(), "Timestamp of the Kafka record: when the label arrived, UTC."),
        Field("user_id", StringType(), "Customer of the payment; null where the payment was not scored before.",
              nullable=True, lineage=True),
        Field("merchant_id", StringType(), "Merchant of the payment; null as above.", nullable=True, lineage=True),
        Field("counts_from", TimestampType(), "From when features may use it: once known, arrived, and LABEL_DELAY after "
              "the payment; null as above.", nullable=True, lineage=True),
        Field("partition", IntegerType(), "Kafka partition.", lineage=True),
        Field("offset", LongType(), "Kafka offset within the partition.", lineage=True),
        Field("generation", IntegerType(), "Generation of the stream's checkpoint that wrote the row.", lineage=True),
        Field("batch", LongType(), "Micro-batch that wrote the row.", lineage=True),
    ),
    key=("partition", "offset"),
    checks=(
        Check("transaction_id_shape", "length(transaction_id) BETWEEN 1 AND 64"),
        Check("label_known", one_of("label", LABEL_WORDS)),
        Check("source_known", one_of("source", LABEL_SOURCES)),
        Check("known_before_it_arrived", "known_at <= recorded_at + INTERVAL '1' DAY"),
    ),
    properties={"delta.dataSkippingStatsColumns": "recorded_at,partition,offset,batch"},
)  # fmt: skip

SCORE_FIELDS: tuple[Field, ...] = (
    Field("score", DoubleType(), "Calibrated probability of fraud, from 0 to 1."),
    Field("anomaly_type", StringType(), "normal, suspicious or fraudulent, by the model's thresholds and the rules."),
    Field("confidence", DoubleType(), "Probability of what anomaly_type says: the score, or for normal 1 - score."),
    Field("decision", StringType(), "What the gateway should do: APPROVE, REVIEW or DECLINE."),
    Field("reasons", ArrayType(REASON_TYPE), "Up to four reasons, the strongest first: the code, a text, the feature, what "
          "was observed and what is usual. Empty for a normal payment."),
    Field("rules", ArrayType(StringType()), "Codes of the classic rules that the payment breaks, in order."),
    Field("model_name", StringType(), "Model that scored it; `scorecard` where no model was registered."),
    Field("model_version", StringType(), "Version of the model."),
    Field("features_version", StringType(), "Version of the features' definitions."),
)  # fmt: skip
"""What is said of a scored payment."""

SCORE_CHECKS: tuple[Check, ...] = (
    Check("score_share", "score BETWEEN 0 AND 1"),
    Check("anomaly_type_known", one_of("anomaly_type", ANOMALY_TYPES)),
    Check("decision_known", one_of("decision", DECISIONS)),
    Check("reasons_few", f"cardinality(reasons) <= {MOST_REASONS}"),
)

PAYMENT_FIELDS: tuple[Field, ...] = (
    Field("transaction_id", StringType(), "Payment, scored when its first gateway record arrived."),
    Field("user_id", StringType(), "Customer who pays."),
    Field("merchant_id", StringType(), "Merchant who is paid."),
    Field("amount", MONEY, "Amount, in major units of `currency`."),
    Field("currency", StringType(), "ISO 4217 code."),
    Field("event_at", TimestampType(), "When the gateway says it booked the payment, UTC."),
)

FRAUD_PARTIAL = TableContract(
    name="fraud_partial",
    layer="partial",
    doc="One row per payment of the gateway, scored as it arrived, with the exact features that the score was made of. The "
    "order of arrival is generation, batch, recorded_at, partition, offset.",
    fields=(
        *PAYMENT_FIELDS,
        Field("status", StringType(), "Payment status of the record, normalised."),
        Field("type", StringType(), "Type of transaction as sent.", nullable=True),
        Field("channel", StringType(), "Payment channel as sent.", nullable=True),
        Field("card_token", StringType(), "Keyed hash of the card number.", nullable=True),
        Field("device_id", StringType(), "Device of the customer.", nullable=True),
        Field("city", StringType(), "City of the payment.", nullable=True),
        Field("country", StringType(), "ISO 3166 code of the payment's country.", nullable=True),
        Field("seen_at", TimestampType(), "When the payment counts as made, for windows: event_at, but not after its "
              "arrival, and not more than a day before the latest arrival."),
        *SCORE_FIELDS,
        Field("features", ArrayType(DoubleType()), "The features in the order of features_version; NaN where one is not "
              "known."),
        Field("challenger_score", DoubleType(), "Score of the challenger, for the keys that it shadows.", nullable=True),
        Field("challenger_version", StringType(), "Version of the challenger.", nullable=True),
        Field("recorded_at", TimestampType(), "Timestamp of the Kafka record, UTC."),
        Field("ingest_date", DateType(), "Date of recorded_at, UTC."),
        Field("partition", IntegerType(), "Kafka partition.", lineage=True),
        Field("offset", LongType(), "Kafka offset within the partition.", lineage=True),
        Field("generation", IntegerType(), "Generation of the stream's checkpoint that wrote the row.", lineage=True),
        Field("batch", LongType(), "Micro-batch that wrote the row.", lineage=True),
    ),
    key=("transaction_id", "generation", "batch"),
    partition_by=("ingest_date",),
    checks=(
        Check("currency_known", one_of("currency", CURRENCIES)),
        Check("status_known", one_of("status", PAYMENT_STATUSES)),
        *SCORE_CHECKS,
    ),
    properties={"delta.dataSkippingStatsColumns": "transaction_id,seen_at,recorded_at,batch"},
)  # fmt: skip

FRAUD_PROFILES = TableContract(
    name="fraud_profiles",
    layer="partial",
    doc="One row per customer, merchant, card or device and day: what its payments of a day that is four days over add up "
    "to. Younger payments are in fraud_partial itself.",
    fields=(
        Field("role", StringType(), "What `key` is: USER, MERCHANT, CARD or DEVICE."),
        Field("key", StringType(), "Customer, merchant, card token or device."),
        Field("merchant_id", StringType(), "Merchant, where the role tells its merchants apart; else empty."),
        Field("device_id", StringType(), "Device, likewise."),
        Field("country", StringType(), "Country, likewise."),
        Field("currency", StringType(), "ISO 4217 code, likewise."),
        Field("day", DateType(), "Day of seen_at, UTC; all that is older than the longest window is one day."),
        Field("payments", LongType(), "Payments."),
        Field("declines", LongType(), "Of these, declined ones."),
        Field("refunds", LongType(), "Of these, refunds."),
        Field("levels", LongType(), "Sum of the amounts' levels, thousandths of the natural logarithm of 1 + amount."),
        Field("levels_squared", LongType(), "Sum of the squared levels."),
        Field("first_at", TimestampType(), "The first seen_at."),
        Field("last_at", TimestampType(), "The last seen_at."),
    ),
    key=("role", "key", "merchant_id", "device_id", "country", "currency", "day"),
    checks=(Check("role_known", one_of("role", ("USER", "MERCHANT", "CARD", "DEVICE"))),),
    properties={"delta.dataSkippingStatsColumns": "day"},
)

FRAUD_QUARANTINE = TableContract(
    name="fraud_quarantine",
    layer="raw",
    doc="One row per record that score_transactions could not accept, redacted, with the reasons.",
    fields=(
        Field("topic", StringType(), "Kafka topic that carried the record."),
        Field("partition", IntegerType(), "Kafka partition.", lineage=True),
        Field("offset", LongType(), "Kafka offset within the partition.", lineage=True),
        Field("recorded_at", TimestampType(), "Timestamp of the Kafka record, UTC."),
        Field("ingest_date", DateType(), "Date of recorded_at, UTC."),
        Field("payload", StringType(), "What was sent, with card numbers masked, cut at 4,000 characters.", nullable=True),
        Field("generation", IntegerType(), "Generation of the stream's checkpoint that wrote the row.", lineage=True),
        Field("batch", LongType(), "Micro-batch that wrote the row.", lineage=True),
        Field(FAILED_CHECKS, ArrayType(StringType()), "The checks that the record failed: why it is here."),
    ),
    key=("topic", "partition", "offset"),
    partition_by=("ingest_date",),
    checks=(Check("has_reason", f"cardinality({FAILED_CHECKS}) > 0"),),
    properties={"delta.dataSkippingStatsColumns": "recorded_at,partition,offset,batch"},
)

SIGNAL_FIELDS: tuple[Field, ...] = (
    Field("signal_score", DoubleType(), "Latest score of the outside service, by arrival, then identifier.", nullable=True),
    Field("signal_reason_code", StringType(), "Its reason.", nullable=True),
    Field("signal_at", TimestampType(), "When it arrived, UTC.", nullable=True),
)

LABEL_FIELDS: tuple[Field, ...] = (
    Field("label", StringType(), "FRAUD or GENUINE, as the source of highest precedence says last.", nullable=True),
    Field("label_source", StringType(), "That source.", nullable=True),
    Field("label_known_at", TimestampType(), "When it came to know, UTC.", nullable=True),
)

FRAUD_INDEX = versioned(
    name="fraud_index",
    doc="One row per version of what is known of a payment's fraud: of payments that are not normal, break a rule, or of "
    "which a signal or a label says something.",
    fields=(
        *PAYMENT_FIELDS,
        Field("business_date", DateType(), "Business date of the payment."),
        *SCORE_FIELDS,
        *SIGNAL_FIELDS,
        *LABEL_FIELDS,
    ),
    key=("transaction_id",),
    partition_by=("business_date",),
    checks=(
        Check("currency_known", one_of("currency", CURRENCIES)),
        *SCORE_CHECKS,
        Check("label_known_word", f"label IS NULL OR {one_of('label', LABEL_WORDS)}"),
    ),
)

FRAUD_SCORE_CHANGES = versioned(
    name="fraud_score_changes",
    doc="One row per signal that changed what the outside service says of a payment: the audit trail of its scores.",
    fields=(
        Field("transaction_id", StringType(), "Payment."),
        Field("fraud_id", StringType(), "Signal that changed the score."),
        Field("business_date", DateType(), "Business date of the payment."),
        Field("changed_at", TimestampType(), "When the signal arrived, UTC."),
        Field("score_before", DoubleType(), "Score before; null for the first one.", nullable=True),
        Field("score_after", DoubleType(), "Score after."),
        Field("reason_code", StringType(), "The signal's reason.", nullable=True),
    ),
    key=("transaction_id", "fraud_id"),
    partition_by=("business_date",),
    checks=(Check("score_after_share", "score_after BETWEEN 0 AND 1"),),
)

FRAUD_REVIEW_QUEUE = TableContract(
    name="fraud_review_queue",
    layer="final",
    doc="One row per payment of a date that models without labels find unusual and the supervised model finds normal: what "
    "somebody should look at. Written anew with each run of its date.",
    fields=(
        Field("ingest_date", DateType(), "Date of the run and of the payment's arrival, UTC."),
        Field("rank", IntegerType(), "Place in the date's queue; 1 is the most unusual."),
        *PAYMENT_FIELDS,
        Field("anomaly_score", DecimalType(7, 6), "How unusual the payment is, from 0 to 1: the weighted sum of the models "
              "that spoke, on the scale of their ranks. It is no probability of fraud."),
        Field("anomaly_type", StringType(), "What that score says: suspicious from 0.3 on, fraudulent from 0.7 on."),
        Field("explanation", StringType(), "Why the payment is unusual, and which models say so, for people."),
        Field("spoken_by", ArrayType(StringType()), "The models that spoke: isolation forest, autoencoder, sequence model."),
        Field("known_payments", LongType(), "The customer's payments in the days learnt from."),
        Field("is_newcomer", BooleanType(), "The customer has fewer than five such payments: a cold start, of which the "
              "supervised model knows least."),
        Field("fraud_score", DoubleType(), "The supervised model's probability of fraud from 0 to 1, as scored on arrival."),
        Field("model_name", StringType(), "The supervised model; `scorecard` where no model was registered."),
        Field("model_version", StringType(), "Its version."),
        Field("features_version", StringType(), "Version of the features' definitions."),
    ),
    key=("ingest_date", "transaction_id"),
    partition_by=("ingest_date",),
    checks=(
        Check("currency_known", one_of("currency", CURRENCIES)),
        Check("rank_from_one", "rank >= 1"),
        Check("is_unusual", "anomaly_score BETWEEN 0.3 AND 1"),
        Check("anomaly_type_known", one_of("anomaly_type", (SUSPICIOUS, FRAUDULENT))),
        Check("known_payments_not_negative", "known_payments >= 0"),
        Check("fraud_score_share", "fraud_score BETWEEN 0 AND 1"),
    ),
)  # fmt: skip
