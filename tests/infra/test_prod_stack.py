"""The production root, applied: what is larger and stricter there, and that nothing which holds data can be destroyed."""

from __future__ import annotations

import pytest

from tests.infra.policy_rules import WhoMayDoWhat
from tests.infra.tools import Stack

pytestmark = pytest.mark.infra

RAW = "module.stack.module.lake.module.raw.aws_s3_bucket.this"
REFUSED = "Instance cannot be destroyed"


def test_it_applies_and_a_second_plan_finds_nothing_to_change(prod: Stack) -> None:
    assert "0 changed, 0 destroyed" in prod.applied
    assert "No changes." in prod.planned_again


def test_the_trail_cannot_be_deleted_by_anybody_for_more_than_a_year(prod: Stack) -> None:
    lock = prod.client("s3").get_object_lock_configuration(Bucket=prod.outputs["buckets"]["audit"])[
        "ObjectLockConfiguration"
    ]
    assert (lock["Rule"]["DefaultRetention"]["Mode"], lock["Rule"]["DefaultRetention"]["Days"]) == ("COMPLIANCE", 400)


def test_logs_are_kept_for_more_than_a_year(prod: Stack) -> None:
    assert {g["retention_in_days"] for g in prod.of_type("aws_cloudwatch_log_group").values()} == {400}


def test_each_part_survives_the_loss_of_a_zone(prod: Stack) -> None:
    assert {len(e["subnet_ids"]) for a, e in prod.of_type("aws_vpc_endpoint").items() if "interface" in a} == {3}
    (cache,) = prod.of_type("aws_elasticache_replication_group").values()
    assert cache["automatic_failover_enabled"]
    assert cache["num_cache_clusters"] == 2
    groups = {g["node_group_name"]: g["scaling_config"][0] for g in prod.of_type("aws_eks_node_group").values()}
    assert groups["drivers"]["min_size"] == 3


def test_it_is_reached_from_inside_only_and_has_no_way_out(prod: Stack) -> None:
    (cluster,) = prod.of_type("aws_eks_cluster").values()
    assert not cluster["vpc_config"][0]["endpoint_public_access"]
    assert prod.of_type("aws_nat_gateway") == {}
    assert prod.of_type("aws_internet_gateway") == {}


def test_what_nobody_asked_for_is_not_there(prod: Stack) -> None:
    assert prod.of_type("aws_emr_cluster") == {}


def test_nothing_that_holds_data_goes_with_what_is_in_it(prod: Stack) -> None:
    assert {b["force_destroy"] for b in prod.of_type("aws_s3_bucket").values()} == {False}
    assert {r["force_delete"] for r in prod.of_type("aws_ecr_repository").values()} == {False}
    assert {t["deletion_protection_enabled"] for t in prod.of_type("aws_dynamodb_table").values()} == {True}
    assert {k["deletion_window_in_days"] for k in prod.of_type("aws_kms_key").values()} == {30}


@pytest.mark.parametrize(
    "attempt",
    [
        pytest.param(("-destroy",), id="the whole stack"),
        pytest.param((f"-replace={RAW}",), id="a bucket, for another"),
        pytest.param(("-var=running=false",), id="Kafka, to save money"),
    ],
)
def test_destroying_what_holds_data_is_refused_before_anything_happens(prod: Stack, attempt: tuple[str, ...]) -> None:
    said = prod.terraform("plan", "-refresh=false", *attempt, *prod.variables, expect=1)
    assert REFUSED in said


def test_everything_that_holds_data_is_guarded(prod: Stack) -> None:
    (guard,) = prod.of_type("terraform_data").values()
    guarded = set(guard["triggers_replace"].values())
    holding = {
        v["arn"]
        for kind in ("aws_s3_bucket", "aws_kms_key", "aws_dynamodb_table", "aws_msk_cluster", "aws_secretsmanager_secret")
        for v in prod.of_type(kind).values()
    }
    assert guarded == holding


class TestPolicies(WhoMayDoWhat):
    """Who may do what here."""

    @pytest.fixture
    def stack(self, prod: Stack) -> Stack:
        """This stack."""
        return prod
