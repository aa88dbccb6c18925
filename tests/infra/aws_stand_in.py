"""AWS for the tests of Terraform: moto's server, and beside it the few calls that the provider makes and moto lacks.

Run as a process of its own, since it changes moto: `python -m tests.infra.aws_stand_in`. It prints its port, and ends
when its standard input ends, so none is left behind. What differs from AWS is here and nowhere in the configuration.
"""

# mypy: disable-error-code="method-assign,attr-defined,assignment,index"

from __future__ import annotations

import inspect
import json
import re
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote

from moto.applicationautoscaling import models as scaling_models
from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse
from moto.athena.responses import AthenaResponse
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult, EmptyResult
from moto.ec2.models.launch_templates import LaunchTemplateVersion
from moto.ec2.models.security_groups import SecurityGroupRule
from moto.eks import models as eks_models
from moto.eks.responses import EKSResponse
from moto.elasticache.models import ElastiCacheBackend
from moto.elasticache.responses import ElastiCacheResponse
from moto.emr.responses import ElasticMapReduceResponse
from moto.emrserverless import models as serverless_models
from moto.emrserverless.responses import EMRServerlessResponse
from moto.iam.access_control import IAMPolicyStatement, PermissionResult
from moto.iam.models import AWSManagedPolicy, IAMBackend
from moto.kafka import models as kafka_models
from moto.kms.responses import KmsResponse
from moto.lakeformation.models import lakeformation_backends
from moto.lakeformation.responses import LakeFormationResponse
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.s3.models import LOGGING_SERVICE_PRINCIPAL, FakeBucket
from moto.stepfunctions.responses import StepFunctionResponse
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

ACCOUNT = "123456789012"
REGION = "eu-central-1"
WHEN = "2026-01-01T00:00:00Z"
EPOCH = 1_767_225_600
CLUSTER_GROUP = "sg-0123456789abcdef0"
"""The security group that EKS makes for itself."""

MANAGED_POLICIES = (
    "AmazonEKSClusterPolicy", "AmazonEKSWorkerNodePolicy", "AmazonEKS_CNI_Policy", "AmazonEC2ContainerRegistryPullOnly",
    "service-role/AmazonEMRServicePolicy_v2",
)  # fmt: skip
"""AWS's own policies that the stack attaches; moto knows all of them only after it has read 13 seconds long."""


# --- services that moto has, but for a part ---


def complete_iam() -> None:
    """AWS's own policies are there, by name; nothing here evaluates what they say."""

    def policies(self: IAMBackend) -> list[AWSManagedPolicy]:
        data = {"DefaultVersionId": "v1", "Document": {}, "CreateDate": WHEN, "UpdateDate": WHEN}
        parts = [name.rpartition("/") for name in MANAGED_POLICIES]
        return [
            AWSManagedPolicy.from_data(
                name, self.account_id, self.region_name, {**data, "Path": f"/{path}/" if path else "/"}
            )
            for path, _, name in parts
        ]

    IAMBackend._init_aws_policies = policies


def complete_s3() -> None:
    """A statement with a condition decides nothing: moto cannot work conditions out, and takes each for a refusal.

    The access log may be written where a statement lets S3's logging service, whatever else the policy says.
    """
    permits = IAMPolicyStatement.is_action_permitted

    def without_conditions(self: Any, *args: Any, **kwargs: Any) -> Any:
        return PermissionResult.NEUTRAL if "Condition" in self._statement else permits(self, *args, **kwargs)

    def logs(target_bucket: Any, target_prefix: str | None) -> bool:
        statements = json.loads(target_bucket.policy or b'{"Statement": []}')["Statement"]
        return any(s["Effect"] == "Allow" and LOGGING_SERVICE_PRINCIPAL in str(s["Principal"]) for s in statements)

    IAMPolicyStatement.is_action_permitted = without_conditions
    FakeBucket._log_permissions_enabled_policy = staticmethod(logs)


def complete_step_functions() -> None:
    """Every definition counts as valid; a test of ours reads them instead."""
    StepFunctionResponse.validate_state_machine_definition = lambda self: json.dumps(
        {"result": "OK", "diagnostics": [], "truncated": False}
    )
    StepFunctionResponse.list_state_machine_versions = lambda self: json.dumps({"stateMachineVersions": []})


def complete_cloudwatch() -> None:
    """A composite alarm is kept as any other."""
    CloudWatchResponse.put_composite_alarm = CloudWatchResponse.put_metric_alarm


def complete_kafka() -> None:
    """A cluster is active at once, and says nothing of a configuration that it does not have."""
    make = kafka_models.FakeKafkaCluster.__init__

    def active(self: Any, *args: Any, **kwargs: Any) -> None:
        make(self, *args, **kwargs)
        self.state = "ACTIVE"

    kafka_models.FakeKafkaCluster.__init__ = active


def complete_eks() -> None:
    """What a cluster and a node group were asked for is kept, and a cluster has a security group of its own."""
    eks_models.DEFAULT_REMOTE_ACCESS = None
    create_cluster, create_nodegroup = EKSResponse.create_cluster, EKSResponse.create_nodegroup

    def cluster_as_asked(self: Any) -> Any:
        said = create_cluster(self)
        cluster = said.result["cluster"]
        cluster.access_config = self._get_param("accessConfig")
        cluster.resources_vpc_config["clusterSecurityGroupId"] = CLUSTER_GROUP
        return said

    def nodegroup_as_asked(self: Any) -> Any:
        said = create_nodegroup(self)
        said.result["nodegroup"].update_config = self._get_param("updateConfig")
        return said

    EKSResponse.create_cluster, EKSResponse.create_nodegroup = cluster_as_asked, nodegroup_as_asked


def complete_ec2() -> None:
    """A rule of a security group keeps its description, also where it names a group or a list of addresses.

    The tags of a launch template are its own, and none of what it launches.
    """
    make_version = LaunchTemplateVersion.__init__

    def make_without_own_tags(self: Any, template: Any, number: int, data: dict[str, Any], description: str) -> None:
        specified = [tags for tags in data.get("TagSpecifications", []) if tags["ResourceType"] != "launch-template"]
        rest = {name: value for name, value in data.items() if name != "TagSpecifications"}
        make_version(
            self, template, number, {**rest, **({"TagSpecifications": specified} if specified else {})}, description
        )

    LaunchTemplateVersion.__init__ = make_without_own_tags

    make = SecurityGroupRule.__init__

    def make_with_description(self: Any, *args: Any, **kwargs: Any) -> None:
        make(self, *args, **kwargs)
        asked = inspect.signature(make).bind(self, *args, **kwargs).arguments
        places = [asked.get(place) for place in ("ip_range", "source_group", "prefix_list_id")]
        self.said = next((place["Description"] for place in places if place and place.get("Description")), None)

    SecurityGroupRule.__init__ = make_with_description
    SecurityGroupRule.description = property(lambda self: self.said)


def complete_kms() -> None:
    """The period of a key's rotation is kept."""
    periods: dict[str, int] = {}
    enable, status = KmsResponse.enable_key_rotation, KmsResponse.get_key_rotation_status

    def key(self: Any) -> str:
        return str(self._get_param("KeyId")).rpartition("/")[2]

    def enable_with_period(self: Any) -> Any:
        periods[key(self)] = self._get_param("RotationPeriodInDays") or 365
        return enable(self)

    def status_with_period(self: Any) -> str:
        said = json.loads(status(self))
        if said["KeyRotationEnabled"]:
            said["RotationPeriodInDays"] = periods.get(key(self), 365)
        return json.dumps(said)

    KmsResponse.enable_key_rotation, KmsResponse.get_key_rotation_status = enable_with_period, status_with_period


def complete_athena() -> None:
    """A named query can be deleted."""

    def delete(self: Any) -> str:
        self.athena_backend.named_queries.pop(self._get_param("NamedQueryId"), None)
        return "{}"

    AthenaResponse.delete_named_query = delete


def complete_emr() -> None:
    """An idle cluster's end, and how far it scales, are kept; any label of a release is one."""
    ends: dict[str, Any] = {}
    run = ElasticMapReduceResponse.run_job_flow

    def run_and_keep(self: Any) -> Any:
        answer = run(self)
        if policy := self._get_param("AutoTerminationPolicy"):
            ends[list(self.backend.clusters)[-1]] = policy
        return answer

    def put(self: Any) -> Any:
        ends[self._get_param("ClusterId")] = self._get_param("AutoTerminationPolicy")
        return EmptyResult()

    def get(self: Any) -> Any:
        policy = ends.get(self._get_param("ClusterId"))
        return ActionResult({"AutoTerminationPolicy": policy} if policy else {})

    limits: dict[str, Any] = {}

    def put_limits(self: Any) -> Any:
        limits[self._get_param("ClusterId")] = self._get_param("ManagedScalingPolicy")
        return EmptyResult()

    def get_limits(self: Any) -> Any:
        return ActionResult({"ManagedScalingPolicy": limits[self._get_param("ClusterId")]})

    ElasticMapReduceResponse.put_managed_scaling_policy = put_limits
    ElasticMapReduceResponse.get_managed_scaling_policy = get_limits
    ElasticMapReduceResponse.remove_managed_scaling_policy = lambda self: EmptyResult()
    ElasticMapReduceResponse.run_job_flow = run_and_keep
    ElasticMapReduceResponse.put_auto_termination_policy = put
    ElasticMapReduceResponse.get_auto_termination_policy = get
    ElasticMapReduceResponse.list_instance_fleets = lambda self: ActionResult({"InstanceFleets": []})
    ElasticMapReduceResponse.remove_auto_termination_policy = lambda self: EmptyResult()


def complete_emr_serverless() -> None:
    """An application rests until a job comes, keeps its architecture and image, and may be of a Spark release.

    moto takes labels of the form emr-7.9.0 only, and AWS has had emr-spark-8.0.0 since May 2026.
    """
    create, respond = serverless_models.EMRServerlessBackend.create_application, EMRServerlessResponse.create_application

    def create_of_any_release(self: Any, *args: Any, **kwargs: Any) -> Any:
        label = kwargs["release_label"]
        application = create(self, *args, **{**kwargs, "release_label": "emr-7.9.0"})
        application.release_label, application.state = label, "CREATED"
        return application

    def respond_and_keep(self: Any) -> Any:
        answer = respond(self)
        application = list(self.emrserverless_backend.applications.values())[-1]
        application.architecture = self._get_param("architecture") or "X86_64"
        application.image_configuration = self._get_param("imageConfiguration")
        return answer

    serverless_models.EMRServerlessBackend.create_application = create_of_any_release
    EMRServerlessResponse.create_application = respond_and_keep


def complete_scaling() -> None:
    """The disks of Kafka's brokers scale too, and a target of theirs is an ARN."""
    valid = scaling_models._target_params_are_valid

    def valid_or_kafka(namespace: str, r_id: str, dimension: str) -> bool:
        return namespace == "kafka" or bool(valid(namespace, r_id, dimension))

    scaling_models._target_params_are_valid = valid_or_kafka

    tags: dict[str, dict[str, str]] = {}
    register = ApplicationAutoScalingResponse.register_scalable_target

    def register_with_tags(self: Any) -> str:
        said = str(register(self))
        tags.setdefault(json.loads(said)["ScalableTargetARN"], self._get_param("Tags") or {})
        return said

    ApplicationAutoScalingResponse.register_scalable_target = register_with_tags
    ApplicationAutoScalingResponse.list_tags_for_resource = lambda self: json.dumps(
        {"Tags": tags.get(self._get_param("ResourceARN"), {})}
    )


class Member:
    """A node of a replication group, as described; whatever it was not asked for is None."""

    def __init__(self, group: Any, name: str, asked: dict[str, Any]) -> None:
        known = {
            "cache_cluster_id": name, "replication_group_id": group.replication_group_id, "num_cache_nodes": 1,
            "arn": group.arn.replace(":replicationgroup:", ":cluster:").replace(group.replication_group_id, name),
            "cache_cluster_status": "available", "auto_minor_version_upgrade": True, "tags": asked.get("tags") or [],
            "security_group_ids": asked.get("security_group_ids") or [],
        }  # fmt: skip
        copied = ("engine", "engine_version", "cache_node_type", "at_rest_encryption_enabled", "transit_encryption_enabled",
                  "cache_subnet_group_name")  # fmt: skip
        self.__dict__.update({name: asked.get(name) for name in copied} | known)

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)


def complete_elasticache() -> None:
    """The members of a replication group can be described, as many as were asked for."""
    create, delete = ElastiCacheBackend.create_replication_group, ElastiCacheBackend.delete_replication_group

    def create_with_members(self: Any, *args: Any, **kwargs: Any) -> Any:
        group = create(self, *args, **kwargs)
        count = kwargs.get("num_cache_clusters") or len(group.member_clusters)
        group.member_clusters[:] = [f"{group.replication_group_id}-{n:03d}" for n in range(1, count + 1)]
        self.cache_clusters.update({name: Member(group, name, kwargs) for name in group.member_clusters})
        return group

    def delete_with_members(self: Any, *args: Any, **kwargs: Any) -> Any:
        group = delete(self, *args, **kwargs)
        for name in group.member_clusters:
            self.cache_clusters.pop(name, None)
        self.replication_groups.pop(group.replication_group_id, None)
        return group

    groups: dict[str, dict[str, Any]] = {}

    def create_group(self: Any) -> Any:
        name = self._get_param("UserGroupId")
        groups[name] = {
            "UserGroupId": name, "Status": "active", "Engine": self._get_param("Engine"),
            "UserIds": self._get_params().get("UserIds", []), "MinimumEngineVersion": "6.0",
            "ARN": f"arn:aws:elasticache:{REGION}:{ACCOUNT}:usergroup:{name}",
        }  # fmt: skip
        self.elasticache_backend.tagging_service.tag_resource(groups[name]["ARN"], self._get_params().get("Tags") or [])
        return ActionResult(groups[name])

    def describe_groups(self: Any) -> Any:
        name = self._get_param("UserGroupId")
        return ActionResult({"UserGroups": [group for key, group in groups.items() if name in (None, key)]})

    def delete_group(self: Any) -> Any:
        return ActionResult({**groups.pop(self._get_param("UserGroupId")), "Status": "deleting"})

    tags = ElastiCacheBackend.list_tags_for_resource

    def tags_of_groups_too(self: Any, arn: str) -> Any:
        return self.tagging_service.list_tags_for_resource(arn) if ":usergroup:" in arn else tags(self, arn)

    ElastiCacheBackend.list_tags_for_resource = tags_of_groups_too
    ElastiCacheResponse.create_user_group = create_group
    ElastiCacheResponse.describe_user_groups = describe_groups
    ElastiCacheResponse.delete_user_group = delete_group
    ElastiCacheBackend.create_replication_group = create_with_members
    ElastiCacheBackend.delete_replication_group = delete_with_members


def complete_lake_formation() -> None:
    """Grants by tag, and on tags, are found again."""
    respond = LakeFormationResponse.list_permissions

    def with_tags(self: Any) -> str:
        resource, principal = self._get_param("Resource") or {}, self._get_param("Principal")
        kind = next((kind for kind in ("LFTag", "LFTagPolicy") if kind in resource), None)
        if kind is None:
            return str(respond(self))
        grants = lakeformation_backends[ACCOUNT][self.region].grants.get(ACCOUNT)
        found = [
            grant.to_external_form()
            for grant in (grants.permissions if grants else ())
            if grant.principal == principal and grant.permissions and _same(grant.resource.get(kind), resource[kind])
        ]
        return json.dumps({"PrincipalResourcePermissions": found})

    LakeFormationResponse.list_permissions = with_tags


def _same(ours: dict[str, Any] | None, asked: dict[str, Any]) -> bool:
    return ours is not None and all(ours.get(key) == value for key, value in asked.items() if key != "CatalogId")


# --- services, or parts of them, that moto has not at all: what is put can be got ---

Handler = Callable[[Request, "re.Match[str]"], Response]


def answer(content: Any, status: int = 200, **headers: str) -> Response:
    """An answer in JSON."""
    return Response(json.dumps(content), status=status, content_type="application/json", headers=headers)


def not_found(kind: str = "ResourceNotFoundException") -> Response:
    """What AWS says of a thing that is not there."""
    return answer({"message": "not found", "__type": kind}, 404, **{"x-amzn-errortype": kind})


class Shelf:
    """Things of one kind that are put, got, listed, changed and deleted by their identifier, per parent."""

    def __init__(
        self, many: str, make: Callable[[str, dict[str, Any]], tuple[str, dict[str, Any]]], one: str | None = None,
        missing: str = "ResourceNotFoundException",
    ) -> None:  # fmt: skip
        self.many, self.make, self.one, self.missing = many, make, one, missing
        self.things: dict[str, dict[str, dict[str, Any]]] = {}

    def __call__(self, request: Request, match: re.Match[str]) -> Response:
        named = match.groupdict()
        things = self.things.setdefault(named.get("parent") or "", {})
        body = request.get_json(silent=True) or {}
        if named.get("id") is None:
            if request.method == "GET":
                return answer({self.many: list(things.values())})
            identifier, thing = self.make(named.get("parent") or "", body)
            things[identifier] = thing
            return answer(self._wrapped(thing))
        identifier = unquote(named["id"])
        if identifier not in things:
            return not_found(self.missing)
        if request.method == "DELETE":
            return answer(self._wrapped(things.pop(identifier)))
        if request.method in ("POST", "PUT"):
            things[identifier].update(body)
        return answer(self._wrapped(things[identifier]))

    def _wrapped(self, thing: dict[str, Any]) -> dict[str, Any]:
        return {self.one: thing} if self.one else thing


def addon(cluster: str, body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """An EKS add-on, at work at once."""
    name = body["addonName"]
    kept = {key: body[key] for key in ("configurationValues", "serviceAccountRoleArn") if body.get(key)}
    return name, {
        "addonName": name, "clusterName": cluster, "status": "ACTIVE", "addonVersion": "v1.0.0-eksbuild.1",
        "addonArn": f"arn:aws:eks:{REGION}:{ACCOUNT}:addon/{cluster}/{name}/0", "createdAt": EPOCH, "modifiedAt": EPOCH,
        "tags": body.get("tags", {}), **kept,
    }  # fmt: skip


def pod_identity(cluster: str, body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Which role the pods of a service account become."""
    place = f"{body['namespace']}-{body['serviceAccount']}"
    identifier = f"a-{place}"
    return identifier, {
        "associationId": identifier, "clusterName": cluster, "createdAt": EPOCH, "modifiedAt": EPOCH,
        "associationArn": f"arn:aws:eks:{REGION}:{ACCOUNT}:podidentityassociation/{cluster}/{identifier}",
        "tags": body.get("tags", {}), **{key: body[key] for key in ("namespace", "serviceAccount", "roleArn")},
    }  # fmt: skip


def access_entry(cluster: str, body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """A role that may use the cluster."""
    arn = body["principalArn"]
    return arn, {
        "principalArn": arn, "clusterName": cluster, "type": body.get("type", "STANDARD"), "username": arn,
        "accessEntryArn": f"arn:aws:eks:{REGION}:{ACCOUNT}:access-entry/{cluster}/role/{arn.rpartition('/')[2]}/0",
        "kubernetesGroups": [], "tags": body.get("tags", {}), "createdAt": EPOCH, "modifiedAt": EPOCH,
    }  # fmt: skip


def access_policy(entry: str, body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """What it may do there."""
    return body["policyArn"], {
        "policyArn": body["policyArn"], "accessScope": body["accessScope"], "associatedAt": EPOCH, "modifiedAt": EPOCH,
    }  # fmt: skip


def kafka_configuration(_: str, body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """A configuration of Kafka's brokers, in its first revision."""
    arn = f"arn:aws:kafka:{REGION}:{ACCOUNT}:configuration/{body['name']}/0-1"
    return arn, {
        "arn": arn, "name": body["name"], "description": body.get("description", ""), "state": "ACTIVE",
        "kafkaVersions": body.get("kafkaVersions", []), "serverProperties": body["serverProperties"], "creationTime": WHEN,
        "latestRevision": {"creationTime": WHEN, "revision": 1, "description": body.get("description", "")},
    }  # fmt: skip


CONFIGURATIONS = Shelf("configurations", kafka_configuration, missing="NotFoundException")


def kafka_revision(request: Request, match: re.Match[str]) -> Response:
    """A revision of such a configuration."""
    thing = CONFIGURATIONS.things.get("", {}).get(unquote(match["id"]))
    return answer({**thing, "revision": int(match["revision"])}) if thing else not_found("NotFoundException")


def bootstrap_brokers(request: Request, match: re.Match[str]) -> Response:
    """Three addresses for clients with an IAM identity, and none for others."""
    hosts = (f"b-{n}.paylake.stand-in.kafka.{REGION}.amazonaws.com:9098" for n in (1, 2, 3))
    return answer({"bootstrapBrokerStringSaslIam": ",".join(hosts)})


PATHS: tuple[tuple[str, str, Handler], ...] = (
    ("eks", r"/clusters/(?P<parent>[^/]+)/addons(/(?P<id>[^/]+))?(/update)?$", Shelf("addons", addon, "addon")),
    (
        "eks", r"/clusters/(?P<parent>[^/]+)/pod-identity-associations(/(?P<id>[^/]+))?$",
        Shelf("associations", pod_identity, "association"),
    ),
    (
        "eks", r"/clusters/(?P<parent>[^/]+/access-entries/.+)/access-policies(/(?P<id>.+))?$",
        Shelf("associatedAccessPolicies", access_policy, "associatedAccessPolicy"),
    ),
    (
        "eks",
        r"/clusters/(?P<parent>[^/]+)/access-entries(/(?P<id>.+))?$",
        Shelf("accessEntries", access_entry, "accessEntry"),
    ),
    ("kafka", r"/v1/configurations/(?P<id>.+)/revisions/(?P<revision>\d+)$", kafka_revision),
    ("kafka", r"/v1/configurations(/(?P<id>.+))?$", CONFIGURATIONS),
    ("kafka", r"/v1/clusters/.+/bootstrap-brokers$", bootstrap_brokers),
)  # fmt: skip


class StandIn:
    """What moto lacks, in front of moto: a request is ours where its service and path are named above."""

    def __init__(self, moto: Any) -> None:
        self.moto = moto
        self.paths = [(service, re.compile(path), handler) for service, path, handler in PATHS]

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        signed = re.search(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/", environ.get("HTTP_AUTHORIZATION", ""))
        path = unquote((environ.get("RAW_URI") or environ["PATH_INFO"]).partition("?")[0])
        for service, pattern, handler in self.paths:
            match = pattern.match(path) if signed and signed[1] == service else None
            if match:
                return handler(Request(environ), match)(environ, start_response)
        return self.moto(environ, start_response)  # type: ignore[no-any-return]


class KeepAlive(WSGIRequestHandler):
    """The provider keeps its connections."""

    protocol_version = "HTTP/1.1"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say only what failed, for whoever adds a resource that moto does not know."""
        if int(code) >= 400:
            sys.stderr.write(f"{code} {self.command} {self.path} {self.headers.get('X-Amz-Target', '')}\n")


COMPLETED = (
    complete_iam,
    complete_s3,
    complete_step_functions,
    complete_cloudwatch,
    complete_kafka,
    complete_ec2,
    complete_eks,
    complete_kms,
    complete_athena,
    complete_emr,
    complete_emr_serverless,
    complete_scaling,
    complete_elasticache,
    complete_lake_formation,
)
"""All that makes moto answer what the provider asks."""


def main() -> None:
    """Serve on a free port of this machine until standard input ends."""
    for complete in COMPLETED:
        complete()
    application = StandIn(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=KeepAlive)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    sys.stdin.read()
    server.shutdown()


if __name__ == "__main__":
    main()
