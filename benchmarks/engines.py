"""The same question to four engines: one class per payment, from the same three files, under the same rules.

Each states the rules in its own terms: a ledger's leg is its earliest posting with its most advanced status; another
amount or currency of the same ledger is a duplicate; one minor unit and five seconds are tolerated; the first class of
the taxonomy that applies counts.
"""

from __future__ import annotations

from functools import reduce
from itertools import combinations
from pathlib import Path
from typing import Any

from paylake.contracts.currencies import OTHER_MINOR_UNITS
from paylake.contracts.taxonomy import KINDS, PAYMENT_STATUSES
from paylake.contracts.topics import LEDGERS

NONE = "NONE"
THREADS = 2
DRIFT_US = 5_000_000
PAIRS = tuple(combinations(LEDGERS, 2))


class DuckDb:
    """Three aggregates and two full joins in SQL."""

    def __init__(self, folder: Path) -> None:
        import duckdb

        self.connection = duckdb.connect()
        self.connection.execute(f"SET threads = {THREADS}; SET TimeZone = 'UTC'")
        order = ", ".join(f"'{s}'" for s in PAYMENT_STATUSES)
        self.connection.execute(f"CREATE TYPE payment_status AS ENUM ({order})")
        self.query = self._classes(folder)

    def counts(self) -> dict[str, int]:
        rows = self.connection.execute(f"SELECT kind, count(*) FROM ({self.query}) GROUP BY kind").fetchall()
        return dict(rows)

    def write(self, path: Path) -> None:
        self.connection.execute(f"COPY ({self.query}) TO '{path}' (FORMAT parquet)")

    def _classes(self, folder: Path) -> str:
        legs = [
            f"""{ledger} AS (
                SELECT transaction_id, arg_min(amount, event_at) AS amount, arg_min(currency, event_at) AS currency,
                    max(status::payment_status) AS status, min(event_at) AS at,
                    min(amount) <> max(amount) OR min(currency) <> max(currency) AS is_duplicated
                FROM '{folder}/{ledger}.parquet' GROUP BY transaction_id)"""
            for ledger in LEDGERS
        ]
        parts = ("amount", "currency", "status", "at", "is_duplicated")
        columns = ", ".join(f"{ledger}.{part} AS {ledger}_{part}" for ledger in LEDGERS for part in parts)
        three = {part: [f"{ledger}_{part}" for ledger in LEDGERS] for part in parts}
        digits = {n: [c for c, d in OTHER_MINOR_UNITS.items() if d == n] for n in sorted({*OTHER_MINOR_UNITS.values()})}
        units = " ".join(
            f"WHEN currency IN ({', '.join(map(repr, codes))}) THEN {10 ** (4 - n)}" for n, codes in digits.items()
        )
        apart = [f"coalesce(abs({a}_amount - {b}_amount) > tolerance, false)" for a, b in PAIRS]
        differ = {
            part: " OR ".join(f"coalesce({a}_{part} <> {b}_{part}, false)" for a, b in PAIRS)
            for part in ("currency", "status")
        }
        present = " + ".join(f"({c} IS NOT NULL)::int" for c in three["amount"])
        rules = {
            "DUPLICATE_POSTING": " OR ".join(f"coalesce({c}, false)" for c in three["is_duplicated"]),
            "CURRENCY_MISMATCH": "currencies_differ",
            "CRITICAL_MISSING": "legs = 1",
            "MISSING_PG": "gateway_amount IS NULL",
            "MISSING_CBS": "core_amount IS NULL",
            "MISSING_MOBILE": "mobile_amount IS NULL",
            "FRAUD_ATTEMPT": "largest - smallest > tolerance AND largest - smallest > 10 * smallest",
            "TRIPLE_MISMATCH": " AND ".join(apart),
            "AMOUNT_MISMATCH": "largest - smallest > tolerance",
            "STATUS_MISMATCH": differ["status"],
            "TIMESTAMP_DRIFT": f"epoch_us(greatest({', '.join(three['at'])})) - epoch_us(least({', '.join(three['at'])})) "
            f"> {DRIFT_US}",
        }
        case = " ".join(f"WHEN {rules[kind.name]} THEN '{kind.name}'" for kind in KINDS)
        return f"""WITH {", ".join(legs)},
            joined AS (
                SELECT {columns},
                    coalesce(gateway.transaction_id, core.transaction_id, mobile.transaction_id) AS transaction_id
                FROM gateway FULL JOIN core ON gateway.transaction_id = core.transaction_id
                FULL JOIN mobile ON mobile.transaction_id = coalesce(gateway.transaction_id, core.transaction_id)),
            facts AS (
                SELECT *, {present} AS legs, {differ["currency"]} AS currencies_differ,
                    coalesce({", ".join(three["currency"])}) AS currency,
                    greatest({", ".join(three["amount"])}) AS largest, least({", ".join(three["amount"])}) AS smallest
                FROM joined),
            tolerated AS (SELECT *, (CASE {units} ELSE 100 END / 10000)::decimal(18, 4) AS tolerance FROM facts)
            SELECT transaction_id, CASE {case} ELSE '{NONE}' END AS kind FROM tolerated"""


class Polars:
    """Three aggregates and two full joins in the streaming engine."""

    def __init__(self, folder: Path) -> None:
        import polars

        self.polars = polars
        self.folder = folder

    def counts(self) -> dict[str, int]:
        rows = self._classes().group_by("kind").len().collect(engine="streaming")
        return dict(rows.rows())

    def write(self, path: Path) -> None:
        self._classes().select("transaction_id", "kind").collect(engine="streaming").write_parquet(path)

    def _leg(self, ledger: str) -> Any:
        pl = self.polars
        rows = pl.scan_parquet(self.folder / f"{ledger}.parquet").with_columns(
            rank=pl.col("status").replace_strict({s: i for i, s in enumerate(PAYMENT_STATUSES)}, return_dtype=pl.Int8)
        )
        earliest = pl.col("event_at").arg_min()
        differ = [pl.col(part).min() != pl.col(part).max() for part in ("amount", "currency")]
        return rows.group_by("transaction_id").agg(
            pl.col("amount").get(earliest).alias(f"{ledger}_amount"),
            pl.col("currency").get(earliest).alias(f"{ledger}_currency"),
            pl.col("rank").max().alias(f"{ledger}_status"),
            pl.col("event_at").min().alias(f"{ledger}_at"),
            (differ[0] | differ[1]).alias(f"{ledger}_is_duplicated"),
        )

    def _classes(self) -> Any:
        pl = self.polars

        def joined(left: Any, right: Any) -> Any:
            return left.join(right, on="transaction_id", how="full", coalesce=True)

        def three(part: str) -> list[str]:
            return [f"{ledger}_{part}" for ledger in LEDGERS]

        def differ(part: str) -> Any:
            found = [(pl.col(f"{a}_{part}") != pl.col(f"{b}_{part}")).fill_null(False) for a, b in PAIRS]
            return reduce(lambda a, b: a | b, found)

        units = {code: 10 ** (4 - digits) for code, digits in OTHER_MINOR_UNITS.items()}
        money = pl.Decimal(18, 4)
        payments = reduce(joined, map(self._leg, LEDGERS)).with_columns(
            legs=pl.sum_horizontal(pl.col(c).is_not_null() for c in three("amount")),
            spread=pl.max_horizontal(three("amount")) - pl.min_horizontal(three("amount")),
            smallest=pl.min_horizontal(three("amount")),
            tolerance=(
                pl.coalesce(three("currency")).replace_strict(units, default=100, return_dtype=pl.Int64).cast(money)
                / pl.lit(10_000).cast(money)
            ).cast(money),
        )
        tolerance = pl.col("tolerance")
        apart = [((pl.col(f"{a}_amount") - pl.col(f"{b}_amount")).abs() > tolerance).fill_null(False) for a, b in PAIRS]
        drift = pl.max_horizontal(three("at")) - pl.min_horizontal(three("at"))
        rules = {
            "DUPLICATE_POSTING": pl.any_horizontal(pl.col(c).fill_null(False) for c in three("is_duplicated")),
            "CURRENCY_MISMATCH": differ("currency"),
            "CRITICAL_MISSING": pl.col("legs") == 1,
            "MISSING_PG": pl.col("gateway_amount").is_null(),
            "MISSING_CBS": pl.col("core_amount").is_null(),
            "MISSING_MOBILE": pl.col("mobile_amount").is_null(),
            "FRAUD_ATTEMPT": (pl.col("spread") > tolerance)
            & (pl.col("spread") > pl.col("smallest") * pl.lit(10).cast(pl.Decimal(18, 0))),
            "TRIPLE_MISMATCH": reduce(lambda a, b: a & b, apart),
            "AMOUNT_MISMATCH": pl.col("spread") > tolerance,
            "STATUS_MISMATCH": differ("status"),
            "TIMESTAMP_DRIFT": drift > pl.duration(microseconds=DRIFT_US),
        }
        case = pl.when(False).then(pl.lit(None, pl.String))
        for kind in KINDS:
            case = case.when(rules[kind.name]).then(pl.lit(kind.name))
        return payments.select("transaction_id", case.otherwise(pl.lit(NONE)).alias("kind"))


class Paylake:
    """paylake's own functions, as the stream and the nightly run call them."""

    def __init__(self, folder: Path) -> None:
        from benchmarks import stage

        self.spark = stage.session("nightly")
        self.entries = self.spark.read.parquet(*(str(folder / f"{ledger}.parquet") for ledger in LEDGERS))

    def counts(self) -> dict[str, int]:
        return {row["kind"]: row["count"] for row in self._classes().groupBy("kind").count().collect()}

    def write(self, path: Path) -> None:
        self._classes().write.parquet(str(path))

    def _partial_items(self) -> Any:
        from paylake.reconciliation import items

        return items.from_entries(self.entries)

    def _classes(self) -> Any:
        from pyspark.sql import functions as F

        from paylake.reconciliation import items
        from paylake.reconciliation.decisions import decide
        from paylake.reconciliation.rules import Rules

        combined = items.combine(self._partial_items()).withColumn("is_overdue", F.lit(True))
        return decide(combined, Rules()).select("transaction_id", F.coalesce("kind", F.lit(NONE)).alias("kind"))


class PaylakeRepartitioned(Paylake):
    """An experiment: paylake's own functions, with each payment's rows brought together before they are combined."""

    def _partial_items(self) -> Any:
        return super()._partial_items().repartition("transaction_id")


class NarrowSpark(Paylake):
    """An experiment: rows of fixed width under a hashed key, brought together, and one aggregate that hashes.

    A buffer of fixed width keeps the aggregate from sorting, and a second hash proves that no two payments shared a key.
    A class needs no more: a leg with two amounts or currencies is a duplicate whichever of them came first.
    """

    def _classes(self) -> Any:
        from pyspark.sql import functions as F

        payments = self._payments().withColumns(self._facts())
        tolerance = F.col("tolerance")
        amounts = [F.col(f"{ledger}_amount") for ledger in LEDGERS]

        def differ(part: str) -> Any:
            return F.coalesce(F.greatest(*_three(part)) > F.least(*_three(part)), F.lit(False))

        apart = [F.abs(a - b) > tolerance for a, b in combinations(amounts, 2)]
        rules = {
            "DUPLICATE_POSTING": reduce(lambda a, b: a | b, (
                F.coalesce(F.col(f"{one}_{part}") < F.col(f"{one}_{part}_max"), F.lit(False))
                for one in LEDGERS for part in ("amount", "currency")
            )),
            "CURRENCY_MISMATCH": differ("currency"),
            "CRITICAL_MISSING": F.col("legs") == 1,
            "MISSING_PG": amounts[0].isNull(),
            "MISSING_CBS": amounts[1].isNull(),
            "MISSING_MOBILE": amounts[2].isNull(),
            "FRAUD_ATTEMPT": (F.col("spread") > tolerance) & (F.col("spread") > 10 * F.least(*amounts)),
            "TRIPLE_MISMATCH": reduce(lambda a, b: a & b, apart),
            "AMOUNT_MISMATCH": F.col("spread") > tolerance,
            "STATUS_MISMATCH": differ("status"),
            "TIMESTAMP_DRIFT": F.greatest(*_three("at")) - F.least(*_three("at")) > DRIFT_US,
        }  # fmt: skip
        case = F.when(F.col("is_shared"), F.raise_error(F.lit("two payments share a hashed key")).cast("string"))
        for kind in KINDS:
            case = case.when(rules[kind.name], kind.name)
        return payments.select(*self._identity(), case.otherwise(NONE).alias("kind"))

    def _identity(self) -> list[str]:
        return ["key"]

    def write(self, path: Path) -> None:
        """With the payments' names again, which the counts do not need."""
        from pyspark.sql import functions as F

        named = self.entries.select("transaction_id", F.xxhash64("transaction_id").alias("key")).distinct()
        self._classes().join(named, "key").select("transaction_id", "kind").write.parquet(str(path))

    def _payments(self) -> Any:
        """One row per payment, every column a number."""
        from pyspark.sql import functions as F

        letters = [F.ascii(F.substring("currency", i, 1)) for i in (1, 2, 3)]
        ranks = F.array(*(F.lit(s) for s in PAYMENT_STATUSES))
        sources = F.array(*(F.lit(ledger) for ledger in LEDGERS))
        narrow = self.entries.select(
            F.xxhash64("transaction_id").alias("key"),
            F.xxhash64(F.lit(1), "transaction_id").alias("proof"),
            F.array_position(sources, F.col("source")).cast("tinyint").alias("source"),
            (F.col("amount") * 10_000).cast("bigint").alias("amount"),
            (letters[0] * 65_536 + letters[1] * 256 + letters[2]).alias("currency"),
            F.array_position(ranks, F.col("status")).cast("tinyint").alias("status"),
            F.unix_micros("event_at").alias("at"),
        )
        aggregates = [(F.min("proof") < F.max("proof")).alias("is_shared")]
        for number, ledger in enumerate(LEDGERS, 1):

            def of(part: str, number: int = number) -> Any:
                return F.when(F.col("source") == number, F.col(part))

            aggregates += [
                F.min(of("amount")).alias(f"{ledger}_amount"),
                F.max(of("amount")).alias(f"{ledger}_amount_max"),
                F.min(of("currency")).alias(f"{ledger}_currency"),
                F.max(of("currency")).alias(f"{ledger}_currency_max"),
                F.max(of("status")).alias(f"{ledger}_status"),
                F.min(of("at")).alias(f"{ledger}_at"),
            ]
        return narrow.repartition("key").groupBy("key").agg(*aggregates)

    def _facts(self) -> dict[str, Any]:
        from pyspark.sql import functions as F

        currency, units = F.coalesce(*_three("currency")), F.when(F.lit(False), 0)
        for digits in sorted({*OTHER_MINOR_UNITS.values()}):
            codes = [c for c, d in OTHER_MINOR_UNITS.items() if d == digits]
            numbers = [ord(c[0]) * 65_536 + ord(c[1]) * 256 + ord(c[2]) for c in codes]
            units = units.when(currency.isin(numbers), 10 ** (4 - digits))
        amounts = _three("amount")
        return {
            "legs": sum((c.isNotNull().cast("int") for c in amounts), F.lit(0)),
            "spread": F.greatest(*amounts) - F.least(*amounts),
            "tolerance": units.otherwise(100),
        }


def _three(part: str) -> list[Any]:
    from pyspark.sql import functions as F

    return [F.col(f"{ledger}_{part}") for ledger in LEDGERS]


ENGINES: dict[str, type[DuckDb] | type[Polars] | type[Paylake]] = {
    "DuckDB": DuckDb,
    "Polars": Polars,
    "paylake": Paylake,
    "paylake, repartitioned": PaylakeRepartitioned,
    "Spark, narrow rows": NarrowSpark,
}
EXPERIMENTS = ("paylake, repartitioned", "Spark, narrow rows")
