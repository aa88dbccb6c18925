"""The development root, really applied: what exists in AWS's stand-in afterwards, and that nothing is left to change."""

from __future__ import annotations

import json

import pytest

from infra import card_key
from infra.contracts_file import described
from paylake.errors import SourceError
from paylake.serving.items import SUBJECTS, Subject
from tests.infra.night_rules import TheNight
from tests.infra.policy_rules import WhoMayDoWhat
from tests.infra.tools import ACCOUNT, REPOSITORY, Stack

pytestmark = pytest.mark.infra

NAME = "paylake-dev"
STREAMS = ("reconcile-ledgers", "score-transactions", "alert-transactions")


def test_it_applies_and_a_second_plan_finds_nothing_to_change(dev: Stack) -> None:
    assert "Apply complete!" in dev.applied
    assert "0 changed, 0 destroyed" in dev.applied
    assert "No changes." in dev.planned_again


def test_resting_takes_what_costs_by_the_hour_and_leaves_what_holds_data(dev: Stack) -> None:
    dev.terraform(
        "plan", "-refresh=false", "-out=rest.tfplan", *dev.variables, "-var=running=false", "-var=schedule_enabled=false"
    )
    changes = dev.terraform.show("rest.tfplan")["resource_changes"]
    gone = {change["type"] for change in changes if change["change"]["actions"] == ["delete"]}
    assert {
        "aws_msk_cluster", "aws_eks_cluster", "aws_eks_node_group", "aws_emr_cluster", "aws_elasticache_replication_group",
        "aws_nat_gateway", "aws_vpc_endpoint", "aws_emrserverless_application",
    } <= gone  # fmt: skip
    assert not gone & {
        "aws_s3_bucket", "aws_kms_key", "aws_dynamodb_table", "aws_secretsmanager_secret", "aws_ecr_repository",
        "aws_cloudtrail", "aws_glue_catalog_database", "aws_vpc",
    }  # fmt: skip
    assert not [change["address"] for change in changes if change["change"]["actions"] == ["delete", "create"]]


# --- the state ---


def test_the_state_is_encrypted_and_versioned(dev: Stack) -> None:
    s3 = dev.client("s3")
    bucket = f"paylake-state-{ACCOUNT}"
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    state = s3.get_object(Bucket=bucket, Key="dev/terraform.tfstate")
    assert state["ServerSideEncryption"] in ("AES256", "aws:kms")


def test_the_card_key_is_made_once_and_terraform_never_sees_it(dev: Stack) -> None:
    secrets, name = dev.client("secretsmanager"), dev.outputs["token_key"].removeprefix("aws-secret:")
    assert card_key.make(secrets, name)
    first = secrets.get_secret_value(SecretId=name)["SecretString"]
    assert len(first) == 64
    assert not card_key.make(secrets, name)
    assert secrets.get_secret_value(SecretId=name)["SecretString"] == first
    assert card_key.make(secrets, name, replace=True)
    assert secrets.get_secret_value(SecretId=name)["SecretString"] != first

    state = (
        dev.client("s3").get_object(Bucket=f"paylake-state-{ACCOUNT}", Key="dev/terraform.tfstate")["Body"].read().decode()
    )
    assert name in state
    assert "aws_secretsmanager_secret_version" not in state


def test_a_stack_without_the_secret_is_told_in_a_sentence(dev: Stack) -> None:
    with pytest.raises(SourceError, match="no secret nothing/here; name the stack"):
        card_key.make(dev.client("secretsmanager"), "nothing/here")


def test_two_cannot_change_the_state_at_once(dev: Stack) -> None:
    s3, lock = dev.client("s3"), {"Bucket": f"paylake-state-{ACCOUNT}", "Key": "dev/terraform.tfstate.tflock"}
    s3.put_object(**lock, Body=json.dumps({"ID": "0", "Who": "somebody else"}).encode())
    try:
        said = dev.terraform("plan", "-refresh=false", "-target=module.stack.module.registry", *dev.variables, expect=1)
    finally:
        s3.delete_object(**lock)
    assert "Error acquiring the state lock" in said
    assert "somebody else" in said


# --- the lake ---


def test_the_buckets_take_objects_and_keep_versions(dev: Stack) -> None:
    s3 = dev.client("s3")
    assert set(dev.outputs["buckets"]) == {"raw", "processed", "logs", "artefacts", "audit"}
    for bucket in dev.outputs["buckets"].values():
        assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
        assert s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]["RestrictPublicBuckets"]
    assert (
        s3.get_bucket_logging(Bucket=dev.outputs["buckets"]["processed"])["LoggingEnabled"]["TargetBucket"]
        == (dev.outputs["buckets"]["logs"])
    )
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=dev.outputs["buckets"]["logs"])


def test_the_jobs_of_the_release_lie_where_the_night_looks_for_them(dev: Stack) -> None:
    s3, bucket = dev.client("s3"), dev.outputs["buckets"]["artefacts"]
    keys = {item["Key"] for item in s3.list_objects_v2(Bucket=bucket, Prefix="jobs/")["Contents"]}
    assert "jobs/0.1.0/batch/build_batch_index.py" in keys
    assert "jobs/0.1.0/paylake.py" in keys
    assert not [key for key in keys if "streaming" in key]
    body = s3.get_object(Bucket=bucket, Key="jobs/0.1.0/aggregate/build_final_aggregate.py")["Body"].read()
    assert body == (REPOSITORY / "jobs/aggregate/build_final_aggregate.py").read_bytes()


# --- the stream ---


def test_three_brokers_speak_tls_and_know_iam_only(dev: Stack) -> None:
    (found,) = dev.client("kafka").list_clusters_v2()["ClusterInfoList"]
    cluster = found["Provisioned"]
    assert (cluster["NumberOfBrokerNodes"], found["State"]) == (3, "ACTIVE")
    assert cluster["EncryptionInfo"]["EncryptionInTransit"] == {"ClientBroker": "TLS", "InCluster": True}
    assert cluster["ClientAuthentication"]["Sasl"]["Iam"]["Enabled"]
    assert not cluster["ClientAuthentication"]["Unauthenticated"]["Enabled"]
    assert all(server.endswith(":9098") for server in dev.outputs["bootstrap_servers"].split(","))
    (configuration,) = dev.of_type("aws_msk_configuration").values()
    assert "auto.create.topics.enable=false" in configuration["server_properties"]
    assert "min.insync.replicas=2" in configuration["server_properties"]


def test_the_brokers_stand_in_three_private_subnets(dev: Stack) -> None:
    (cluster,) = dev.of_type("aws_msk_cluster").values()
    subnets = {s["SubnetId"]: s for s in dev.client("ec2").describe_subnets()["Subnets"]}
    mine = [subnets[i] for i in cluster["broker_node_group_info"][0]["client_subnets"]]
    assert len({s["AvailabilityZone"] for s in mine}) == 3
    assert not any(s["MapPublicIpOnLaunch"] for s in mine)


# --- compute ---


def test_kubernetes_has_nodes_that_scale_and_pods_with_roles_of_their_own(dev: Stack) -> None:
    eks = dev.client("eks")
    cluster = eks.describe_cluster(name=NAME)["cluster"]
    assert cluster["status"] == "ACTIVE"
    assert cluster["resourcesVpcConfig"]["publicAccessCidrs"] == ["203.0.113.0/28"]
    names = eks.list_nodegroups(clusterName=NAME)["nodegroups"]
    groups = {n: eks.describe_nodegroup(clusterName=NAME, nodegroupName=n)["nodegroup"] for n in names}
    assert {name: g["capacityType"] for name, g in groups.items()} == {"drivers": "ON_DEMAND", "executors": "SPOT"}
    assert all(g["scalingConfig"]["maxSize"] > g["scalingConfig"]["minSize"] for g in groups.values())
    addons = {a["addon_name"] for a in dev.of_type("aws_eks_addon").values()}
    assert {"eks-pod-identity-agent", "vpc-cni", "metrics-server"} <= addons
    associations = eks.list_pod_identity_associations(clusterName=NAME)["associations"]
    roles = {(a["namespace"], a["serviceAccount"]) for a in associations}
    assert {("paylake", stream) for stream in STREAMS} <= roles
    assert ("fraud-detection", "anomaly-detector") in roles


def test_a_node_has_an_encrypted_disk_and_lends_its_role_to_nobody(dev: Stack) -> None:
    (version,) = dev.client("ec2").describe_launch_template_versions(LaunchTemplateName=f"{NAME}-node")[
        "LaunchTemplateVersions"
    ]
    data = version["LaunchTemplateData"]
    assert data["BlockDeviceMappings"][0]["Ebs"]["Encrypted"]
    assert data["MetadataOptions"]["HttpTokens"] == "required"
    assert data["MetadataOptions"]["HttpPutResponseHopLimit"] == 1


def test_the_nightly_work_has_the_release_whose_spark_the_twin_tests(dev: Stack) -> None:
    emr = dev.client("emr-serverless")
    (application,) = emr.list_applications()["applications"]
    found = emr.get_application(applicationId=application["id"])["application"]
    assert found["releaseLabel"] == "emr-spark-8.0.0"
    assert found["networkConfiguration"]["subnetIds"]
    (values,) = dev.of_type("aws_emrserverless_application").values()
    assert values["image_configuration"][0]["image_uri"].endswith("/paylake-dev/batch:0.1.0")


def test_the_cluster_on_ec2_has_the_same_release_and_ends_when_idle(dev: Stack) -> None:
    emr = dev.client("emr")
    (listed,) = emr.list_clusters()["Clusters"]
    cluster = emr.describe_cluster(ClusterId=listed["Id"])["Cluster"]
    assert cluster["ReleaseLabel"] == "emr-spark-8.0.0"
    assert cluster["LogUri"].startswith(f"s3://{dev.outputs['buckets']['logs']}/jobs/")
    assert cluster["SecurityConfiguration"] == NAME
    (values,) = dev.of_type("aws_emr_cluster").values()
    assert values["auto_termination_policy"] == [{"idle_timeout": 3600}]


def test_a_step_on_the_cluster_has_its_components_role(dev: Stack) -> None:
    iam, emr = dev.client("iam"), dev.client("emr")
    told = json.loads(emr.describe_security_configuration(Name=NAME)["SecurityConfiguration"])
    assert told["AuthorizationConfiguration"]["IAMConfiguration"]["EnableApplicationScopedIAMRole"]
    machines = iam.get_role(RoleName=f"{NAME}-emr-machines")["Role"]["Arn"]
    (allowed,) = (
        set(statement["Resource"])
        for statement in iam.get_role_policy(RoleName=f"{NAME}-emr-machines", PolicyName="run-steps")["PolicyDocument"][
            "Statement"
        ]
        if "sts:AssumeRole" in statement["Action"]
    )
    assert allowed == {
        iam.get_role(RoleName=f"{NAME}-{c}")["Role"]["Arn"] for c in ("batch", "catalog", "quality", "serving")
    }
    for role in allowed:
        trusted = iam.get_role(RoleName=role.rpartition("/")[2])["Role"]["AssumeRolePolicyDocument"]["Statement"]
        assert {"aws:PrincipalArn": machines} in [s["Condition"].get("ArnEquals") for s in trusted]


def test_repositories_whose_tags_never_move(dev: Stack) -> None:
    repositories = dev.client("ecr").describe_repositories()["repositories"]
    names = {r["repositoryName"] for r in repositories}
    assert names == {f"{NAME}/{image}" for image in ("streaming", "batch", "cluster-autoscaler")}
    assert {r["imageTagMutability"] for r in repositories} == {"IMMUTABLE"}
    assert all(r["imageScanningConfiguration"]["scanOnPush"] for r in repositories)
    assert {r["encryptionConfiguration"]["encryptionType"] for r in repositories} == {"KMS"}


# --- the catalog ---


def test_athena_answers_encrypted_with_engine_three(dev: Stack) -> None:
    group = dev.client("athena").get_work_group(WorkGroup=NAME)["WorkGroup"]["Configuration"]
    assert group["EnforceWorkGroupConfiguration"]
    assert group["ResultConfiguration"]["EncryptionConfiguration"]["EncryptionOption"] == "SSE_KMS"
    (values,) = dev.of_type("aws_athena_workgroup").values()
    assert values["configuration"][0]["engine_version"][0]["selected_engine_version"] == "Athena engine version 3"


def test_every_question_of_the_teams_is_a_named_query(dev: Stack) -> None:
    athena = dev.client("athena")
    ids = [i for page in athena.get_paginator("list_named_queries").paginate(WorkGroup=NAME) for i in page["NamedQueryIds"]]
    found = {q["Name"]: q["QueryString"] for q in (athena.get_named_query(NamedQueryId=i)["NamedQuery"] for i in ids)}
    assert found == {name: question["sql"] for name, question in described()["questions"].items()}


def test_the_restricted_tables_are_compliances_alone(dev: Stack) -> None:
    granted = {
        grant["principal"].rpartition("/")[2]: set(grant["lf_tag_policy"][0]["expression"][0]["values"])
        for grant in dev.of_type("aws_lakeformation_permissions").values()
        if grant["lf_tag_policy"]
    }
    assert {role for role, values in granted.items() if "restricted" in values} == {f"{NAME}-team-compliance"}
    assert {role for role, values in granted.items() if "card" in values} == {
        f"{NAME}-team-{t}" for t in ("compliance", "fraud")
    }
    tagged = dev.client("lakeformation").get_resource_lf_tags(Resource={"Database": {"Name": "paylake_dev"}})
    assert tagged["LFTagOnDatabase"][0]["TagValues"] == ["restricted"]


def test_nobody_reads_a_new_table_by_default(dev: Stack) -> None:
    settings = dev.client("lakeformation").get_data_lake_settings()["DataLakeSettings"]
    assert not [default for default in settings["CreateTableDefaultPermissions"] if default["Permissions"]]
    assert settings["DataLakeAdmins"]


# --- serving ---


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda s: s.name)
def test_what_dashboards_read_is_encrypted_recoverable_and_leaves_by_itself(dev: Stack, subject: Subject) -> None:
    dynamodb, table = dev.client("dynamodb"), f"{NAME}-{subject.name}"
    described_table = dynamodb.describe_table(TableName=table)["Table"]
    assert [k["AttributeName"] for k in described_table["KeySchema"]] == [subject.owner, subject.place]
    assert described_table["SSEDescription"]["SSEType"] == "KMS"
    backups = dynamodb.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    assert dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]["AttributeName"] == "expires_at"


def test_redis_speaks_tls_and_knows_no_password(dev: Stack) -> None:
    (group,) = dev.client("elasticache").describe_replication_groups()["ReplicationGroups"]
    assert group["TransitEncryptionEnabled"]
    assert group["AtRestEncryptionEnabled"]
    assert not group["AuthTokenEnabled"]
    users = {u["user_name"]: u for u in dev.of_type("aws_elasticache_user").values()}
    assert users["default"]["access_string"].startswith("off ")
    assert users[f"{NAME}-serving"]["authentication_mode"][0]["type"] == "iam"


# --- what watches ---


def test_alarms_wake_somebody_by_way_of_one(dev: Stack) -> None:
    alarms = {a["alarm_name"] for a in dev.of_type("aws_cloudwatch_metric_alarm").values()}
    pages = dev.client("cloudwatch").get_paginator("describe_alarms").paginate()
    there = {alarm["AlarmName"] for page in pages for alarm in page["MetricAlarms"]}
    assert alarms <= there
    needed = {"nightly-late", "nightly-failed", "nightly-not-started", "money-not-conserved", "fraud-score-spike",
              "kafka-offline-partitions", "reconcile_ledgers-silent", "key-access-denied"}  # fmt: skip
    assert {f"{NAME}-{name}" for name in needed} <= alarms
    (page,) = dev.of_type("aws_cloudwatch_composite_alarm").values()
    assert f'ALARM("{NAME}-nightly-late")' in page["alarm_rule"]
    assert page["alarm_actions"] == [dev.outputs["topic_arns"]["page"]]


def test_every_alarm_reaches_somebody(dev: Stack) -> None:
    (page,) = dev.of_type("aws_cloudwatch_composite_alarm").values()
    silent = [
        a["alarm_name"]
        for a in dev.of_type("aws_cloudwatch_metric_alarm").values()
        if not a["alarm_actions"] and f'"{a["alarm_name"]}"' not in page["alarm_rule"]
    ]
    assert silent == []


def test_logs_are_kept_encrypted_and_for_a_time(dev: Stack) -> None:
    groups = dev.client("logs").describe_log_groups()["logGroups"]
    names = {g["logGroupName"] for g in groups}
    assert {
        f"/{NAME}/jobs",
        f"/{NAME}/streaming",
        f"/{NAME}/kafka",
        f"/{NAME}/audit/trail",
        f"/{NAME}/network/flow",
    } <= names
    assert all(g["kmsKeyId"] and g["retentionInDays"] >= 90 for g in groups)


def test_people_are_told(dev: Stack) -> None:
    subscriptions = dev.client("sns").list_subscriptions()["Subscriptions"]
    assert {s["Endpoint"] for s in subscriptions} >= {"page@example.com", "ticket@example.com"}
    dashboards = dev.client("cloudwatch").list_dashboards()["DashboardEntries"]
    assert {d["DashboardName"] for d in dashboards} == {f"{NAME}-operations", f"{NAME}-business"}


# --- the audit ---


def test_the_trail_holds_every_access_to_data_and_cannot_be_deleted(dev: Stack) -> None:
    trail = dev.client("cloudtrail").describe_trails()["trailList"][0]
    assert trail["LogFileValidationEnabled"]
    assert trail["KmsKeyId"]
    assert trail["IsMultiRegionTrail"]
    (selector,) = dev.client("cloudtrail").get_event_selectors(TrailName=NAME)["EventSelectors"]
    recorded = {value for resource in selector["DataResources"] for value in resource["Values"]}
    assert f"arn:aws:s3:::{dev.outputs['buckets']['processed']}/" in recorded
    assert all(any(value.endswith(f"table/{NAME}-{subject.name}") for value in recorded) for subject in SUBJECTS)
    lock = dev.client("s3").get_object_lock_configuration(Bucket=dev.outputs["buckets"]["audit"])["ObjectLockConfiguration"]
    assert lock["ObjectLockEnabled"] == "Enabled"
    assert lock["Rule"]["DefaultRetention"]["Mode"] == "GOVERNANCE"


class TestPolicies(WhoMayDoWhat):
    """Who may do what here."""

    @pytest.fixture
    def stack(self, dev: Stack) -> Stack:
        """This stack."""
        return dev


class TestNight(TheNight):
    """The nightly run here."""
