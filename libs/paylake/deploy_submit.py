"""Job runs of EMR Serverless: started once for the same request, and followed to their end."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

from paylake.deploy_package import scripts
from paylake.deployment.job_runs import ENDS, Job, JobRunError, how_to_cancel
from paylake.deployment.release import MANIFEST, Manifest, Place, manifest_of
from paylake.errors import PaylakeError, SettingsError, SourceError
from paylake.settings import parse_settings

COMMANDS = {
    "quality": (("quality",), "paylake.quality_command", "QualitySettings"),
    "catalog": (("catalog", "register"), "paylake.catalog_command", "CatalogSettings"),
}
"""Jobs that are a sub-command of paylake: its words, and where its settings are."""


def jobs(checkout: Path) -> dict[str, Job]:
    """Name -> job, of all that a release holds scripts of."""
    found = {Path(script).stem: Job(Path(script).stem, script) for script in scripts(checkout) if "/" in script}
    topics = Job("create_topics", "create_topics.py", needs_delta=False)
    commands = {name: Job(name, "paylake.py", words) for name, (words, _, _) in COMMANDS.items()}
    return {**found, topics.name: topics, **commands}


def check_arguments(checkout: Path, job: Job, arguments: Sequence[str]) -> None:
    """Read a job's arguments as the job will; SettingsError where it would refuse them. `--help` prints its settings."""
    kind = _settings_of(checkout, job)
    # the variables of this machine are not those of EMR's
    parse_settings(kind, arguments, environ={}, prog=f"paylake deploy submit {job.name} ... --")


def _settings_of(checkout: Path, job: Job) -> type[Any]:
    if job.name in COMMANDS:
        _, module, name = COMMANDS[job.name]
        kind: type[Any] = getattr(importlib.import_module(module), name)
        return kind
    file = scripts(checkout)[job.script]
    spec = importlib.util.spec_from_file_location(f"paylake_deployed_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module_of_job = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module_of_job  # dataclasses look their own module up
    spec.loader.exec_module(module_of_job)
    found: type[Any] = get_type_hints(module_of_job.main)["settings"]
    return found


def read_manifest(s3: Any, release: Place) -> Manifest:
    """The manifest of a release in S3; SourceError where there is none, ContractError where it is something else."""
    from botocore.exceptions import ClientError

    try:
        body = s3.get_object(Bucket=release.bucket, Key=release.key(MANIFEST))["Body"].read()
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in ("NoSuchKey", "NoSuchBucket", "404"):
            raise SourceError(
                f"There is no release at {release.uri()}: put one there with "
                "`paylake deploy package --upload`, or correct --artefacts."
            ) from None
        raise
    return manifest_of(body.decode("utf-8", errors="replace"), release.uri(MANIFEST))


def check_script(s3: Any, release: Place, manifest: Manifest, job: Job) -> None:
    """SourceError where the release has no such script, or it is no longer there."""
    from botocore.exceptions import ClientError

    missing = job.script not in manifest.names()
    if not missing:
        try:
            s3.head_object(Bucket=release.bucket, Key=release.key(job.script))
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("404", "NoSuchKey"):
                raise
            missing = True
    if missing:
        raise SourceError(
            f"The script {release.uri(job.script)} is not there; package and upload the release again, "
            "from a checkout that has it."
        )


class Started(NamedTuple):
    """A run, as AWS names it."""

    application: str
    run: str


def start(emr: Any, asked: Mapping[str, Any], token: str) -> Started:
    """Start a job run, or find the one that was started with the same token."""
    answer = emr.start_job_run(clientToken=token, **asked)
    return Started(answer["applicationId"], answer["jobRunId"])


def follow(
    emr: Any,
    started: Started,
    say: Callable[[str], None],
    *,
    every_s: float,
    within_s: float,
    now: Callable[[], float],
    sleep: Callable[[float], None],
) -> dict[str, Any]:
    """Look at a run until it ends, and say each change of its state; returns the run as it ended.

    `now` is in seconds of any clock. Raises JobRunError where it has not ended within `within_s`.
    """
    began, said = now(), None
    while True:
        run: dict[str, Any] = emr.get_job_run(applicationId=started.application, jobRunId=started.run)["jobRun"]
        if run["state"] != said:
            said = run["state"]
            say(_line(now() - began, run))
        if said in ENDS:
            return run
        if now() - began >= within_s:
            raise JobRunError(
                f"The job run {started.run} is still {said} after {_elapsed(within_s)}, and is no longer followed; it goes "
                f"on. Submit the same again to follow it, or cancel it: {how_to_cancel(*started)}"
            )
        sleep(every_s)


def _line(elapsed_s: float, run: Mapping[str, Any]) -> str:
    details = " ".join(str(run.get("stateDetails") or "").split())
    return f"{_elapsed(elapsed_s)}  {run['state']}{'  ' + details if details else ''}"


def _elapsed(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def refused(error: Exception, application: str, role: str) -> PaylakeError:
    """What AWS answered to a request about a job run, as one sentence."""
    answered = getattr(error, "response", {}).get("Error", {})
    code = str(answered.get("Code", ""))
    said = " ".join(str(answered.get("Message") or error).split()).rstrip(".")
    if code == "ResourceNotFoundException":
        return SettingsError(
            f"--application: AWS knows no EMR Serverless application {application} in this account and region ({said}); "
            "`aws emr-serverless list-applications` lists them."
        )
    if code.startswith("AccessDenied") or code in ("403", "UnauthorizedOperation"):
        return SourceError(
            f"AWS denied it ({said}): whoever submits needs emr-serverless:GetApplication, StartJobRun and GetJobRun on "
            f"{application}, iam:PassRole on {role}, and s3:GetObject on the release."
        )
    if code == "ConflictException":
        return SourceError(f"AWS knows this request with other content ({said}); submit it with --again.")
    whole = " ".join(str(error).split()).rstrip(".")
    return SourceError(f"AWS did not do it: {whole}.")
