"""Job runs of EMR Serverless: which jobs there are, what starts one, which it is, and how it ended."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paylake.deployment.release import EMR_RELEASE, Manifest, Place
from paylake.errors import PaylakeError, SettingsError

DELTA = "local:///usr/share/aws/delta/lib"
DELTA_JARS = (f"{DELTA}/delta-spark.jar", f"{DELTA}/delta-storage.jar")
"""Delta lies in EMR's image and is not on its class path. Its Python module lies in the first of the two jars."""

SIZES = ("spark.driver.memory=8g", "spark.executor.memory=8g", "spark.executor.cores=4")

UNPACKED = "./environment"
"""Where EMR unpacks the environment, below the folder of each driver and executor."""

ENDS = {"SUCCESS": 0, "FAILED": 1, "CANCELLED": 3}
"""State that is never left -> exit code of whoever followed the run."""


class JobRunError(PaylakeError):
    """A job run that ended otherwise than well, or could not be followed to its end."""


@dataclass(frozen=True)
class Job:
    """A job: its script below the release, the words that come before its flags, and whether it needs Delta."""

    name: str
    script: str
    words: tuple[str, ...] = ()
    needs_delta: bool = True


@dataclass(frozen=True)
class Runtime:
    """What a job finds beside EMR's own: the application's image, or what the release packs."""

    archive: str | None = None
    jars: tuple[str, ...] = ()


def spark_parameters(job: Job, runtime: Runtime) -> str:
    """Arguments of spark-submit: those of the night's steps, and those that bring the packed environment along."""
    jars = (*(DELTA_JARS if job.needs_delta else ()), *runtime.jars)
    conf = list(SIZES if job.needs_delta else ("spark.executor.instances=1",))
    if runtime.archive is not None:
        python = f"{UNPACKED}/bin/python"
        conf += [
            f"spark.archives={runtime.archive}#{UNPACKED.removeprefix('./')}",
            f"spark.emr-serverless.driverEnv.PYSPARK_DRIVER_PYTHON={python}",
            f"spark.emr-serverless.driverEnv.PYSPARK_PYTHON={python}",
            f"spark.executorEnv.PYSPARK_PYTHON={python}",
        ]
    said = [f"--jars {','.join(jars)}"] if jars else []
    said += [f"--py-files {DELTA_JARS[0]}"] if job.needs_delta else []
    return " ".join([*said, *(f"--conf {one}" for one in conf)])


@dataclass(frozen=True)
class Monitoring:
    """Where a run's logs go: a prefix of S3, a log group, and the key that encrypts both."""

    log_uri: str | None = None
    log_group: str | None = None
    key_arn: str | None = None

    def overrides(self, name: str) -> dict[str, Any]:
        """Configuration overrides of a run; none where no place is said."""
        key = {"encryptionKeyArn": self.key_arn} if self.key_arn else {}
        found: dict[str, Any] = {}
        if self.log_uri:
            found["s3MonitoringConfiguration"] = {"logUri": self.log_uri, **key}
        if self.log_group:
            found["cloudWatchLoggingConfiguration"] = {
                "enabled": True, "logGroupName": self.log_group, "logStreamNamePrefix": name, **key,
            }  # fmt: skip
        return {"monitoringConfiguration": found} if found else {}

    def logs(self, application: str, run: str) -> str:
        """Where the logs of a run's driver are, as the end of a sentence."""
        if self.log_uri:
            folder = f"{self.log_uri.rstrip('/')}/applications/{application}/jobs/{run}"
            return f"the driver's log is {folder}/SPARK_DRIVER/stderr.gz"
        if self.log_group:
            return f"the driver's log is in the log group {self.log_group}"
        return "its logs are in the application's page of EMR Studio, since no --log-uri was given"


def request(
    application: str, role: str, job: Job, arguments: Sequence[str], release: Place, runtime: Runtime,
    monitoring: Monitoring, timeout_minutes: int,
) -> dict[str, Any]:  # fmt: skip
    """Arguments of StartJobRun, but for its token."""
    driver = {
        "entryPoint": release.uri(job.script),
        "entryPointArguments": [*job.words, *arguments],
        "sparkSubmitParameters": spark_parameters(job, runtime),
    }
    overrides = monitoring.overrides(job.name)
    return {
        "applicationId": application,
        "executionRoleArn": role,
        "name": job.name,
        "executionTimeoutMinutes": timeout_minutes,
        "jobDriver": {"sparkSubmit": driver},
        **({"configurationOverrides": overrides} if overrides else {}),
    }


def client_token(asked: Mapping[str, Any], manifest: Manifest, again: str = "") -> str:
    """A token by which AWS knows the run again: the same for the same request of a release with the same content.

    `again` is anything that was not said before; it makes the token, and so the run, another one.
    """
    said = json.dumps([asked, manifest.text(), again], sort_keys=True)
    return f"paylake-{hashlib.sha256(said.encode()).hexdigest()[:48]}"


def runtime_of(
    application: Mapping[str, Any], manifest: Manifest, release: Place, *, image: bool, environment: bool
) -> Runtime:
    """What the job will run in; without a wish, the application's image, or the packed environment where it has none.

    Raises SettingsError where the application has no image, or is of another architecture than the environment.
    """
    name = application["applicationId"]
    has_image = bool((application.get("imageConfiguration") or {}).get("imageUri"))
    if image or (has_image and not environment):
        if not has_image:
            raise SettingsError(
                f"--image: the application {name} has no image of paylake; give it one (custom_image in Terraform), "
                "or say --environment."
            )
        return Runtime()
    if manifest.environment is None or manifest.architecture is None:
        raise SettingsError(
            f"{release.uri()} has no packed environment, and the application {name} would run without paylake: "
            "package the release without --no-environment, or give the application the batch image."
        )
    theirs = str(application.get("architecture") or "X86_64").lower()
    if theirs != manifest.architecture:
        raise SettingsError(
            f"The application {name} is {theirs.upper()}, and the environment of {release.uri()} is for "
            f"{manifest.architecture.upper()}: package it with --architecture {theirs}."
        )
    label = application.get("releaseLabel")
    if label != manifest.emr_release:
        raise SettingsError(
            f"The application {name} is of {label}, and the environment of {release.uri()} is for {EMR_RELEASE} "
            f"with Python {manifest.python}: use an application of that release, or one with an image."
        )
    return Runtime(release.uri(manifest.environment), tuple(release.uri(jar) for jar in manifest.jars))


def ended(run: Mapping[str, Any], monitoring: Monitoring) -> str:
    """What to say of a run that did not end well, in one sentence."""
    application, name = run["applicationId"], run["jobRunId"]
    details = " ".join(str(run.get("stateDetails") or "").split()).rstrip(".")
    why = f": {details}" if details else ""
    what = "failed" if run["state"] == "FAILED" else "was cancelled"
    return f"The job run {name} {what}{why}; {monitoring.logs(application, name)}."


def how_to_cancel(application: str, run: str) -> str:
    """The command that cancels a run."""
    return f"aws emr-serverless cancel-job-run --application-id {application} --job-run-id {run}"
