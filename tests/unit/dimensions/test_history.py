"""Type 2 history: collapsed, without overlaps, and the same whatever the order in which deliveries came."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from paylake.contracts import DIMENSION_DELIVERIES, LOCATIONS
from paylake.dimensions.history import attributes, deliveries, news, versions
from tests.builders import as_dicts, rows

LOW, MEDIUM, HIGH = "LOW", "MEDIUM", "HIGH"


def at(hour: int) -> datetime:
    return datetime(2026, 3, 31, tzinfo=UTC) + timedelta(hours=hour)


def said(
    risk: str | None,
    since: int,
    delivered: int = 100,
    until: int | None = None,
    of: str = "l1",
    file: str = "f",
    line: int = 1,
) -> dict[str, Any]:
    """What a source says of a place, hour by hour; of one that ends, no risk."""
    return {
        "location_id": of, "city": None if risk is None else "Pune", "country": None if risk is None else "IN",
        "risk_level": risk, "valid_from": at(since), "valid_to": None if until is None else at(until),
        "delivered_at": at(delivered), "file_sha256": file, "line": line, "is_deleted": risk is None,
    }  # fmt: skip


SCHEMA = (
    "location_id string, city string, country string, risk_level string, utc_offset string, valid_from timestamp, "
    "valid_to timestamp, delivered_at timestamp, file_sha256 string, line int, is_deleted boolean"
)


def delivered(spark: SparkSession, *records: dict[str, Any]) -> DataFrame:
    return deliveries(spark.createDataFrame(list(records), SCHEMA), LOCATIONS)


CASES: dict[str, tuple[list[dict[str, Any]], list[tuple[str, int, int | None]]]] = {
    "one": ([said(LOW, 0)], [(LOW, 0, None)]),
    "a change ends what was before": ([said(LOW, 0), said(HIGH, 2)], [(LOW, 0, 2), (HIGH, 2, None)]),
    "saying the same again begins nothing": ([said(LOW, 0), said(LOW, 1), said(LOW, 2)], [(LOW, 0, None)]),
    "what comes back is a version of its own": (
        [said(LOW, 0), said(HIGH, 1), said(LOW, 2)], [(LOW, 0, 1), (HIGH, 1, 2), (LOW, 2, None)],
    ),
    "an end closes": ([said(LOW, 0), said(None, 3)], [(LOW, 0, 3)]),
    "after an end the same begins anew": (
        [said(LOW, 0), said(None, 1), said(LOW, 2)], [(LOW, 0, 1), (LOW, 2, None)],
    ),
    "an end of nothing is no version": ([said(None, 1)], []),
    "a stated end leaves a gap": ([said(LOW, 0, until=1), said(HIGH, 2)], [(LOW, 0, 1), (HIGH, 2, None)]),
    "a stated end that is overtaken does not count": (
        [said(LOW, 0, until=5), said(HIGH, 2)], [(LOW, 0, 2), (HIGH, 2, None)],
    ),
    "the same straight after a stated end is one version": (
        [said(LOW, 0, until=2), said(LOW, 2, until=4)], [(LOW, 0, 4)],
    ),
    "the later delivery of one time wins": (
        [said(LOW, 0, delivered=9), said(HIGH, 0, delivered=8)], [(LOW, 0, None)],
    ),
    "said again, it wins again": (
        [said(LOW, 0, delivered=7), said(HIGH, 0, delivered=8), said(LOW, 0, delivered=9)], [(LOW, 0, None)],
    ),
    "an end can be taken back": (
        [said(LOW, 0), said(None, 2, delivered=7), said(HIGH, 2, delivered=8)], [(LOW, 0, 2), (HIGH, 2, None)],
    ),
    "at one time the end wins": ([said(LOW, 0), said(HIGH, 2), said(None, 2)], [(LOW, 0, 2)]),
    "a stated end can be taken back": (
        [said(LOW, 0, until=3, delivered=7), said(LOW, 0, delivered=8)], [(LOW, 0, None)],
    ),
    # a table of collapsed rows would have lost that LOW was said again at 2
    "a late correction parts what had collapsed": (
        [said(LOW, 0), said(LOW, 2), said(HIGH, 4), said(MEDIUM, 0, delivered=200)],
        [(MEDIUM, 0, 2), (LOW, 2, 4), (HIGH, 4, None)],
    ),
}  # fmt: skip


def spans(df: DataFrame) -> dict[str, list[tuple[str, datetime, datetime | None]]]:
    """Id -> its versions in order of time."""
    found: dict[str, list[tuple[str, datetime, datetime | None]]] = {}
    for row in df.orderBy("location_id", "valid_from").collect():
        assert row["is_current"] == (row["valid_to"] is None)
        ends = row["valid_to"] and row["valid_to"].astimezone(UTC)
        found.setdefault(row["location_id"], []).append((row["risk_level"], row["valid_from"].astimezone(UTC), ends))
    return found


def learned(spark: SparkSession, *parts: list[dict[str, Any]]) -> DataFrame:
    """What is known after the parts were taken one by one, as the lake's merge does: said again replaces said before."""
    known = rows(spark, DIMENSION_DELIVERIES)
    for part in parts:
        came = news(delivered(spark, *part), known)
        kept = known.join(came.select(*DIMENSION_DELIVERIES.key), on=list(DIMENSION_DELIVERIES.key), how="left_anti")
        known = kept.unionByName(came).localCheckpoint()
    return known


def test_each_case_gives_the_versions_that_it_says_in_whatever_parts_it_comes(spark: SparkSession) -> None:
    records = [{**record, "location_id": name} for name, (given, _) in CASES.items() for record in given]
    other_way = [{**record, "location_id": f"{record['location_id']}, other way round"} for record in reversed(records)]
    expected = {
        f"{name}{way}": [(risk, at(since), None if until is None else at(until)) for risk, since, until in wanted]
        for name, (_, wanted) in CASES.items()
        for way in ("", ", other way round")
        if wanted
    }
    known = learned(spark, records[::2] + other_way[::3], [*records[1::2], *other_way[1::3], *other_way[2::3], *other_way])
    assert spans(versions(known, LOCATIONS)) == expected


def test_a_version_is_known_by_the_delivery_that_began_it_and_keeps_every_attribute(spark: SparkSession) -> None:
    end = said(LOW, 9, until=10, of="l2")
    records = [
        said(LOW, 0, delivered=5, file="first"), said(LOW, 0, delivered=4, file="z"),
        said(LOW, 2, delivered=9, file="again"), end, end | {"valid_to": at(10) + timedelta(microseconds=1)},
    ]  # fmt: skip
    known = delivered(spark, *(record | {"utc_offset": "+05:30"} for record in records)).localCheckpoint()
    assert sorted((row["id"], row["file_sha256"]) for row in as_dicts(known)) == [
        ("l1", "again"), ("l1", "first"), ("l2", "f"), ("l2", "f"),
    ]  # fmt: skip
    made = versions(known.where("id = 'l1'"), LOCATIONS)
    assert made.columns == list(LOCATIONS.columns)
    assert as_dicts(made.withColumns({c: F.unix_seconds(c) - F.unix_seconds(F.lit(at(0)))
                                      for c in ("valid_from", "delivered_at")})) == [{
        "location_id": "l1", "city": "Pune", "country": "IN", "risk_level": LOW, "utc_offset": "+05:30", "valid_from": 0,
        "valid_to": None, "is_current": True, "delivered_at": 5 * 3600, "file_sha256": "first",
    }]  # fmt: skip


def random_history(rng: random.Random, of: str) -> list[dict[str, Any]]:
    """A few deliveries that repeat, contradict, end and restate each other, in any order."""
    return [
        said(rng.choice((LOW, LOW, HIGH, None)), since, delivered=rng.randrange(3), of=of, file=f"f{rng.randrange(2)}",
             until=rng.choice((None, None, since + rng.randrange(1, 3))))
        for since in (rng.randrange(4) for _ in range(rng.randrange(1, 7)))
    ]  # fmt: skip


@pytest.mark.slow
def test_any_order_any_grouping_and_repetition_give_the_same_versions_without_overlaps(spark: SparkSession) -> None:
    rng = random.Random(11)
    records = [record for n in range(300) for record in random_history(rng, f"l{n:03d}")]
    expected = as_dicts(versions(delivered(spark, *records), LOCATIONS))
    shuffled = rng.sample(records, k=len(records)) + rng.choices(records, k=len(records))
    known = learned(spark, *(shuffled[part::3] for part in range(3)))
    assert as_dicts(versions(known, LOCATIONS)) == expected
    assert news(delivered(spark, *records), known).count() == 0

    by_id: dict[str, list[dict[str, Any]]] = {}
    for row in sorted(expected, key=lambda row: (row["location_id"], row["valid_from"])):
        by_id.setdefault(row["location_id"], []).append(row)
    assert len(by_id) > 200
    for found in by_id.values():
        for one, following in zip(found, found[1:], strict=False):
            assert one["valid_to"] is not None
            assert one["valid_to"] <= following["valid_from"]
            assert one["valid_to"] < following["valid_from"] or one["risk_level"] != following["risk_level"]


def test_attributes_are_the_content_without_the_id_and_the_times() -> None:
    assert [f.name for f in attributes(LOCATIONS)] == ["city", "country", "risk_level", "utc_offset"]
