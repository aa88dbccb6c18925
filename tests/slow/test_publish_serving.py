"""A date's figures in a real Redis and in DynamoDB's stand-in: written once, by the newest run, and read again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import boto3
import pytest
from moto.dynamodb.models import dynamodb_backends
from moto.server import ThreadedMotoServer
from pyspark.sql import SparkSession

from paylake import cli, tables
from paylake.contracts import MERCHANT_INDEX, OPERATIONS_INDEX, RUN_CONTROLS, USER_SPEND_INDEX
from paylake.contracts.table import TableContract
from paylake.serving.items import SUBJECTS
from tests.builders import rows
from tests.slow.test_sinks import TestServer, cache, client  # noqa: F401

DAY = date(2026, 3, 31)
FIRST, SECOND, LATE = "2026-03-31-001", "2026-03-31-002", "2026-03-31-003"
AT = {FIRST: datetime(2026, 4, 1, 2, tzinfo=UTC), SECOND: datetime(2026, 4, 2, 2, tzinfo=UTC),
      LATE: datetime(2026, 4, 3, 2, tzinfo=UTC)}  # fmt: skip
REGION, PREFIX = "eu-central-1", "paylake-test-"
MONEY = Decimal("1234567890.120000")


@pytest.fixture
def dynamodb(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, ThreadedMotoServer]]:
    """DynamoDB with the three tables that Terraform makes."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    # what moto holds is its process's, which another file with this fixture may share
    dynamodb_backends.reset()
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", f"http://{host}:{port}")
    dynamo = boto3.client("dynamodb", region_name=REGION)
    for subject in SUBJECTS:
        dynamo.create_table(
            TableName=f"{PREFIX}{subject.name}",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[
                {"AttributeName": subject.owner, "KeyType": "HASH"},
                {"AttributeName": subject.place, "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in (subject.owner, subject.place)],
        )
    yield dynamo, server
    server.stop()


def say(spark: SparkSession, lake: str, contract: TableContract, *said: dict[str, Any]) -> None:
    """Replace what an index says: its versions, each of the run that wrote it."""
    full = [
        {**row, "valid_from": AT[row["run_id"]], "is_current": "closed_by_run_id" not in row,
         "valid_to": AT.get(row.get("closed_by_run_id", ""))}
        for row in said
    ]  # fmt: skip
    tables.overwrite(rows(spark, contract, *full), lake, contract)


def publish_run(spark: SparkSession, lake: str, run: str) -> None:
    control = {"run_id": run, "run_at": AT[run], "business_date": DAY, "row_kind": "PUBLISHED", "outcome": "closed"}
    tables.append(rows(spark, RUN_CONTROLS, control), lake, RUN_CONTROLS)


def test_the_newest_run_counts_in_every_place_and_a_repetition_changes_nothing(
    spark: SparkSession, lake: str, cache: TestServer, dynamodb: tuple[Any, ThreadedMotoServer],  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    client(cache).flushall()
    dynamo, server = dynamodb
    tables.create(spark, lake, MERCHANT_INDEX, USER_SPEND_INDEX, OPERATIONS_INDEX, RUN_CONTROLS)

    def publish(*places: str) -> str:
        """What it says, which is one sentence where it fails."""
        known = places or ("--redis", cache.url, "--dynamodb", PREFIX)
        code = cli.main(["publish-serving", "--lake", lake, "--business-date", str(DAY), "--region", REGION,
                         "--patience", "1s", *known])  # fmt: skip
        told = capsys.readouterr()
        assert code == (1 if told.err.startswith("paylake: ") else 0), told.err
        return told.out if code == 0 else told.err

    def stored() -> dict[str, Any]:
        r = client(cache)
        found: dict[str, Any] = {
            key: r.zrange(key, 0, -1) if ":places:" in key else r.hgetall(key) for key in r.scan_iter("paylake:*")
        }
        return found | {
            subject.name: sorted(map(str, dynamo.scan(TableName=PREFIX + subject.name)["Items"])) for subject in SUBJECTS
        }

    def merchant(place: str, of: str = "m1") -> tuple[dict[str, str], dict[str, Any]]:
        key = {"merchant_id": {"S": of}, "day_currency": {"S": place}}
        return (
            client(cache).hgetall(f"paylake:merchant-totals:{place}:{of}"),
            dynamo.get_item(TableName=f"{PREFIX}merchant-totals", Key=key).get("Item", {}),
        )

    assert publish().endswith("run `paylake nightly` for it first.\n")

    # two merchants, one of which the second run takes back; a run that is not published yet says nothing
    first = {"run_id": FIRST, "approved_amount": MONEY}
    say(spark, lake, MERCHANT_INDEX, first, {**first, "merchant_id": "m2"}, {**first, "business_date": date(2026, 3, 30)})
    say(spark, lake, USER_SPEND_INDEX, {"run_id": FIRST}, {"run_id": FIRST, "currency": "USD"})
    say(spark, lake, OPERATIONS_INDEX, {"run_id": FIRST, "job": "reconcile_ledgers"})
    publish_run(spark, lake, FIRST)
    assert publish().splitlines() == [
        "Redis, merchant-totals: 2 written, 0 already as new", "DynamoDB, merchant-totals: 2 written, 0 already as new",
        "Redis, user-profiles: 2 written, 0 already as new", "DynamoDB, user-profiles: 2 written, 0 already as new",
        "Redis, operations: 1 written, 0 already as new", "DynamoDB, operations: 1 written, 0 already as new",
    ]  # fmt: skip
    hashed, held = merchant("2026-03-31#INR")
    assert (hashed["approved_amount"], hashed["currency"], hashed["version"]) == (
        "1234567890.120000", "INR", "2026-04-01T02:00:00.000000Z",
    )  # fmt: skip
    assert held["approved_amount"] == {"S": "1234567890.120000"}
    assert held["valid_from"] == {"S": hashed["version"]}
    assert int(held["expires_at"]["N"]) > AT[LATE].timestamp()
    assert client(cache).zrange("paylake:operations:places:reconcile_ledgers", 0, -1) == [
        "2026-03-31T12:00:00Z#pg-transactions"
    ]
    before = stored()
    assert "0 written, 2 already as new" in publish()
    assert stored() == before

    # what the second run says counts from its publication on
    changed = {"run_id": SECOND, "approved_amount": Decimal("1.000000")}
    closed = {**first, "closed_by_run_id": SECOND}
    say(spark, lake, MERCHANT_INDEX, changed, closed, {**closed, "merchant_id": "m2"})
    assert publish().count("0 written") == 6
    assert stored() == before
    publish_run(spark, lake, SECOND)
    assert "merchant-totals: 2 written" in publish()
    hashed, held = merchant("2026-03-31#INR")
    assert (hashed["approved_amount"], held["approved_amount"]["S"], held["run_id"]["S"]) == ("1.000000", "1.000000", SECOND)
    hashed, held = merchant("2026-03-31#INR", of="m2")
    assert (set(hashed), held["is_withdrawn"]) == ({"version"}, {"BOOL": True})
    assert client(cache).zrange("paylake:merchant-totals:places:m2", 0, -1) == []

    # an older state that comes late: the lake as the first run left it
    after = stored()
    say(spark, lake, MERCHANT_INDEX, first, {**first, "merchant_id": "m2"})
    assert "merchant-totals: 0 written, 2 already as new" in publish()
    assert stored() == after

    # servers that are away, and what is not as it should be
    assert publish("--dynamodb", "other-").endswith("has no table other-merchant-totals; see --dynamodb and --region, and "
                                                    "that the stack is applied.\n")  # fmt: skip
    cache.kill()
    told = publish("--redis", cache.url)
    assert "could not be used for 1 s (no connection); see that it runs" in told
    server.stop()
    told += publish("--dynamodb", PREFIX)
    assert told.count("could not be used for 1 s (no connection)") == 2
    assert told.count("paylake: ") == 2
    assert "Traceback" not in told
    assert "seen" not in told
    cache.start()
