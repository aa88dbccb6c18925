"""What the bank has credited for each payout, tied by the payout's identifier in the credit's own words.

An amount and a date alone never tie (rule 14). A payout is named where its identifier stands as a whole word in the
entry's end-to-end id, reference or remittance, in the payout's currency; capitals do not matter, since banks write them as
they like. A word is letters and digits, joined by hyphens and underscores, so that PO-1 is not found in PO-12; an
identifier of other characters is never found. One of fewer than SHORTEST_OWN_ID characters, such as a batch number, counts
only where the entry names the payout's account, too. An entry that names several payouts pays or takes back all of
them where it comes to their sum exactly, and else stays open.
"""

from __future__ import annotations

from datetime import date

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from paylake.contracts.settlement import SHORTEST_OWN_ID
from paylake.contracts.statements import BOOKED

WORD = r"[A-Z0-9]+(?:[-_]+[A-Z0-9]+)*"
ENTRY = ("file_sha256", "line", "part")


def receipts(statement_lines: DataFrame, payouts: DataFrame, as_of: date) -> DataFrame:
    """One row per payout that an entry is tied to: what came less what went back, when, and on which line, last.

    `payouts` have schedule_id, payout_id, account, currency and expected_net_amount. Only booked entries of a value date up
    to the as-of date count; a later one is money on its way. `is_given_back` says that an entry went the other way.
    """
    named = _named(_entries(statement_lines, as_of), payouts)
    per_entry = Window.partitionBy(*ENTRY)
    counted = named.withColumns({
        "_payouts": F.count("*").over(per_entry), "_sum": F.sum("expected_net_amount").over(per_entry),
    })  # fmt: skip
    expected, amount = F.col("expected_net_amount"), F.col("amount")
    share = (
        F.when(F.col("_payouts") == 1, amount)
        .when(amount == F.col("_sum"), expected)
        .when(amount == -F.col("_sum"), -expected)
    )
    tied = counted.withColumn("_share", share.cast("decimal(24,6)")).where("_share IS NOT NULL")
    is_back = (F.col("_share") < 0) != (expected < 0)
    last = F.max(F.struct("value_date", *ENTRY, F.col("_bank_account").alias("bank_account")))
    return (
        tied.groupBy("schedule_id")
        .agg(
            F.sum("_share").cast("decimal(24,6)").alias("actual_amount"),
            F.max(F.when(~is_back, F.col("value_date"))).alias("actual_value_date"),
            F.max(is_back).alias("is_given_back"),
            F.count("*").cast("int").alias("statement_entries"),
            last.alias("_last"),
        )
        .select(
            "schedule_id", "actual_amount", "actual_value_date", "is_given_back", "statement_entries",
            F.col("_last.bank_account").alias("bank_account"),
            F.col("_last.file_sha256").alias("statement_file_sha256"),
            F.col("_last.line").alias("statement_line"),
        )
    )  # fmt: skip


def _entries(statement_lines: DataFrame, as_of: date) -> DataFrame:
    """The booked entries up to the as-of date; one that the bank states in several files, as intraday and daily, once.

    The bank's own reference tells which they are. Entries of one file that look alike are several: of these the file with
    the most counts.
    """
    value_date = F.coalesce("value_date", "booking_date")
    booked = statement_lines.where(F.col("status") == BOOKED).withColumn("value_date", value_date)
    known = booked.where(F.col("value_date") <= F.lit(as_of))
    alike = ("account", "currency", "bank_reference", "amount", "value_date")
    nth_in_file = F.row_number().over(Window.partitionBy(*alike, "file_sha256").orderBy("line", "part"))
    of_all_files = Window.partitionBy(*alike, "_nth").orderBy(*ENTRY)
    once = F.col("bank_reference").isNull() | (F.row_number().over(of_all_files) == 1)
    said = F.upper(F.concat_ws(" ", "end_to_end_id", "reference", "remittance"))
    # a window may not stand in a filter
    return known.withColumn("_nth", nth_in_file).withColumn("_once", once).where("_once").select(
        *ENTRY, "currency", "amount", "value_date", F.col("account").alias("_bank_account"),
        F.array_distinct(F.regexp_extract_all(said, F.lit(WORD), F.lit(0))).alias("_words"),
    )  # fmt: skip


def _named(entries: DataFrame, payouts: DataFrame) -> DataFrame:
    """One row per entry and payout that it names."""
    words = entries.withColumn("_word", F.explode("_words"))
    known = payouts.select(
        "schedule_id", "expected_net_amount", F.col("currency").alias("_currency"), F.upper("payout_id").alias("_id"),
        F.upper("account").alias("_account"),
    )  # fmt: skip
    is_whole = (F.length("_id") >= SHORTEST_OWN_ID) | F.array_contains("_words", F.col("_account"))
    on = (F.col("_word") == F.col("_id")) & (F.col("currency") == F.col("_currency")) & is_whole
    return words.join(known, on=on, how="inner")
