"""Rules of who may do what, read from the plan of a root with every name known."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

import pytest

from tests.infra import policies
from tests.infra.policies import CRYPTO, Statement
from tests.infra.tools import ACCOUNT, Stack

CARD_KEY_READERS = {"reconcile", "score", "alert", "history"}
"""The only components that may see the key of the card tokens: those that make tokens."""

LONGEST_INLINE_POLICY = 10_240
"""Characters of a role's own policies together; each role here has one."""

TAKES_NO_NARROWER_RESOURCE = {
    "autoscaling:DescribeAutoScalingGroups", "autoscaling:DescribeAutoScalingInstances",
    "autoscaling:DescribeLaunchConfigurations", "autoscaling:DescribeScalingActivities", "cloudwatch:PutMetricData",
    "ec2:DescribeImages", "ec2:DescribeInstanceTypes", "ec2:DescribeLaunchTemplateVersions", "ec2:DescribeTags",
    "ec2:DescribeVolumes",
    "ec2:GetInstanceTypesFromInstanceRequirements", "ecr:GetAuthorizationToken", "lakeformation:AddLFTagsToResource",
    "lakeformation:GetDataAccess", "logs:CreateLogDelivery", "logs:DeleteLogDelivery", "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies", "logs:GetLogDelivery", "logs:ListLogDeliveries", "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery", "xray:GetSamplingRules", "xray:GetSamplingTargets", "xray:PutTelemetryRecords",
    "xray:PutTraceSegments", "secretsmanager:GetRandomPassword",
}  # fmt: skip
"""Actions for which AWS knows no resource but *."""


class WhoMayDoWhat:
    """What every root has to keep; whoever inherits it says which, by a fixture `stack`."""

    @pytest.fixture
    def said(self, stack: Stack) -> list[Statement]:
        """Every statement of every policy."""
        found = policies.statements(stack.resources)
        assert len(found) > 100
        return found

    def test_nothing_is_allowed_by_a_wildcard(self, said: list[Statement]) -> None:
        granting = [s for s in said if s.allows and "aws_vpc_endpoint" not in s.of]
        assert [(s.of, a) for s in granting for a in s.actions if "*" in a] == []
        assert [s.of for s in said if "NotAction" in s.body or "NotResource" in s.body or "NotPrincipal" in s.body] == []

    def test_an_endpoint_lets_nobody_of_another_account_pass(self, stack: Stack, said: list[Statement]) -> None:
        passing = [s for s in said if "aws_vpc_endpoint.interface" in s.of]
        assert len(passing) == sum("aws_vpc_endpoint.interface" in address for address in stack.resources) > 5
        assert all(s.condition == {"StringEquals": {"aws:PrincipalAccount": ACCOUNT}} for s in passing)

    def test_a_role_names_its_resources(self, said: list[Statement]) -> None:
        broad = [
            (s.of, action)
            for s in said
            if s.allows and "*" in s.resources and "aws_iam_role_policy" in s.of
            for action in s.actions - TAKES_NO_NARROWER_RESOURCE
        ]
        assert broad == []

    def test_nothing_is_open_to_everybody(self, said: list[Statement]) -> None:
        named = ("aws:PrincipalArn", "kms:CallerAccount", "aws:ResourceAccount", "aws:PrincipalAccount")
        opened = [s for s in said if s.allows and s.is_public and not any(n in str(s.condition) for n in named)]
        # the layers of AWS's own images, which the endpoint lets be read
        assert {(s.of.rpartition(".")[2], s.body["Sid"]) for s in opened} == {('gateway["s3"]', "WhatAwsShips")}

    def test_services_act_for_this_account_only(self, said: list[Statement]) -> None:
        # EC2, EKS and the pods' agent: the first two cannot be asked for whom, the last names its cluster
        loose = {
            service
            for s in said
            if s.allows and s.kind == "assume_role_policy" and not {"aws:SourceAccount", "aws:SourceArn"} & _keys(s)
            for service in policies._list(s.body["Principal"].get("Service"))
        }
        assert loose <= {"ec2.amazonaws.com", "eks.amazonaws.com"}

    def test_every_bucket_refuses_plain_http_and_old_tls(self, stack: Stack, said: list[Statement]) -> None:
        buckets = stack.of_type("aws_s3_bucket")
        assert len(buckets) == 5
        for condition in ({"Bool": {"aws:SecureTransport": "false"}}, {"NumericLessThan": {"s3:TlsVersion": "1.2"}}):
            refusing = {
                resource
                for s in said
                if not s.allows and s.is_public and s.condition == condition and s.actions == {"s3:*"}
                for resource in s.resources
            }
            assert {b["arn"] for b in buckets.values()} | {f"{b['arn']}/*" for b in buckets.values()} == refusing

    def test_every_bucket_is_private_versioned_and_encrypted_with_our_key(self, stack: Stack) -> None:
        names = {b["bucket"] for b in stack.of_type("aws_s3_bucket").values()}
        closed = ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets")
        private = {
            b["bucket"]
            for b in stack.of_type("aws_s3_bucket_public_access_block").values()
            if all(b[what] for what in closed)
        }
        versioned = {
            b["bucket"]
            for b in stack.of_type("aws_s3_bucket_versioning").values()
            if b["versioning_configuration"][0]["status"] == "Enabled"
        }
        rules = {
            b["bucket"]: b["rule"][0]["apply_server_side_encryption_by_default"][0]
            for b in stack.of_type("aws_s3_bucket_server_side_encryption_configuration").values()
        }
        keys = {k["arn"] for k in stack.of_type("aws_kms_key").values()}
        encrypted = {name for name, rule in rules.items() if rule["kms_master_key_id"] in keys}
        assert private == versioned == names
        # S3 writes access logs into a bucket with its own key only
        assert names - encrypted == {stack.outputs["buckets"]["logs"]}
        assert rules[stack.outputs["buckets"]["logs"]]["sse_algorithm"] == "AES256"

    def test_what_is_deleted_is_gone_within_the_days_that_erasure_promises(self, stack: Stack) -> None:
        days = [
            rule["noncurrent_version_expiration"][0]["noncurrent_days"]
            for lifecycle in stack.of_type("aws_s3_bucket_lifecycle_configuration").values()
            for rule in lifecycle["rule"]
            if rule["id"] == "erase-what-was-deleted" and rule["status"] == "Enabled"
        ]
        assert len(days) == len(stack.of_type("aws_s3_bucket"))
        assert max(days) <= 30

    def test_no_door_is_open(self, stack: Stack) -> None:
        rules = stack.of_type("aws_vpc_security_group_ingress_rule")
        assert len(rules) >= 8
        assert [a for a, r in rules.items() if r["cidr_ipv4"] or r["cidr_ipv6"] or r["prefix_list_id"]] == []
        assert [a for a, g in stack.of_type("aws_default_security_group").items() if g["ingress"] or g["egress"]] == []
        assert not stack.of_type("aws_security_group_rule")
        assert not any(s["map_public_ip_on_launch"] for s in stack.of_type("aws_subnet").values())

    def test_only_the_named_roles_reach_the_card_key(self, stack: Stack, said: list[Statement]) -> None:
        (key,) = (k["arn"] for a, k in stack.of_type("aws_kms_key").items() if a.endswith('["card"]'))
        (secret,) = (s["arn"] for s in stack.of_type("aws_secretsmanager_secret").values())
        readers = {f"arn:aws:iam::{ACCOUNT}:role/{stack.outputs['name']}-{name}" for name in CARD_KEY_READERS}

        custodian = f"arn:aws:iam::{ACCOUNT}:role/{stack.outputs['name']}-custodian"

        of_roles = {
            re.search(r'component\["(\w+)"\]', s.of)[1] if "component[" in s.of else s.of  # type: ignore[index]
            for s in said
            if s.allows
            and "aws_iam_role_policy" in s.of
            and s.actions & {"secretsmanager:GetSecretValue", "kms:Decrypt"}
            and any(fnmatchcase(thing, pattern) for pattern in s.resources - {"*"} for thing in (key, secret))
        }
        keeper = "module.stack.module.identity.aws_iam_role_policy.custodian"
        assert of_roles == CARD_KEY_READERS | {keeper}
        assert not [s for s in said if s.of == keeper and "secretsmanager:GetSecretValue" in s.actions]

        of_key = [s for s in said if s.of.endswith('aws_kms_key.this["card"]')]
        reading = [s for s in of_key if s.allows and CRYPTO & s.actions]
        assert [set(s.condition["ArnEquals"]["aws:PrincipalArn"]) for s in reading] == [readers | {custodian}]
        assert "kms:ViaService" in reading[0].condition["StringEquals"]
        (refusal,) = (s for s in of_key if not s.allows)
        assert set(refusal.condition["ArnNotEquals"]["aws:PrincipalArn"]) == readers | {custodian}
        assert refusal.is_public
        assert {"kms:Decrypt", "kms:CreateGrant", "kms:ReEncryptFrom"} <= refusal.actions

        (closed,) = (s for s in said if "aws_secretsmanager_secret_policy" in s.of)
        assert not closed.allows
        assert set(closed.condition["ArnNotEquals"]["aws:PrincipalArn"]) == readers
        assert "secretsmanager:GetSecretValue" in closed.actions

    def test_a_key_is_used_for_its_purpose_only(self, stack: Stack) -> None:
        keys = {k["arn"]: a.rpartition("[")[2].strip('"]') for a, k in stack.of_type("aws_kms_key").items()}
        assert set(keys.values()) == {"lake", "logs", "stream", "cluster", "serving", "alerts", "card"}
        assert all(k["enable_key_rotation"] for k in stack.of_type("aws_kms_key").values())
        brokers = [c["encryption_info"][0] for c in stack.of_type("aws_msk_cluster").values()]
        clusters = [c["encryption_config"][0] for c in stack.of_type("aws_eks_cluster").values()]
        used = {
            "stream": [info["encryption_at_rest_kms_key_arn"] for info in brokers],
            "serving": [
                *(r["kms_key_id"] for r in stack.of_type("aws_elasticache_replication_group").values()),
                *(t["server_side_encryption"][0]["kms_key_arn"] for t in stack.of_type("aws_dynamodb_table").values()),
            ],
            "logs": [g["kms_key_id"] for g in stack.of_type("aws_cloudwatch_log_group").values()],
            "alerts": [t["kms_master_key_id"] for t in stack.of_type("aws_sns_topic").values()],
            "cluster": [config["provider"][0]["key_arn"] for config in clusters],
            "card": [s["kms_key_id"] for s in stack.of_type("aws_secretsmanager_secret").values()],
        }
        assert {purpose: {keys[arn] for arn in arns} for purpose, arns in used.items()} == {p: {p} for p in used}

    def test_no_credential_is_written_anywhere(self, stack: Stack) -> None:
        assert stack.of_type("aws_iam_user") == {}
        assert stack.of_type("aws_iam_access_key") == {}
        assert all(not g["auth_token"] for g in stack.of_type("aws_elasticache_replication_group").values())
        (cluster,) = stack.of_type("aws_msk_cluster").values()
        (authentication,) = cluster["client_authentication"]
        assert authentication["sasl"] == [{"iam": True, "scram": False}]
        assert not authentication["unauthenticated"]

    def test_continuous_integration_is_one_repository_in_one_environment(self, stack: Stack, said: list[Statement]) -> None:
        (trust,) = (s for s in said if s.actions == {"sts:AssumeRoleWithWebIdentity"})
        assert trust.condition == {
            "StringEquals": {
                "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
                "token.actions.githubusercontent.com:sub": (
                    f"repo:example/paylake:environment:{stack.outputs['name'].removeprefix('paylake-')}"
                ),
            }
        }

    def test_no_policy_is_longer_than_aws_takes(self, stack: Stack) -> None:
        lengths = {a: len(p["policy"]) for a, p in stack.of_type("aws_iam_role_policy").items()}
        assert {a: length for a, length in lengths.items() if length > LONGEST_INLINE_POLICY} == {}

    def test_passing_a_role_says_to_whom(self, said: list[Statement]) -> None:
        passing = [s for s in said if s.allows and "iam:PassRole" in s.actions]
        assert passing
        assert all("iam:PassedToService" in str(s.condition) and "*" not in s.resources for s in passing)


def _keys(statement: Statement) -> set[str]:
    return {key for test in statement.condition.values() for key in test}
