"""EMR Serverless as moto has it, with what moto lacks: tokens that are known again, and runs that take their time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from moto.core.exceptions import JsonRESTError
from moto.emrserverless.models import Application, EMRServerlessBackend, JobRun

State = tuple[str, str]
"""State and its details."""

ENDED = {"SUCCESS", "FAILED", "CANCELLED"}


@dataclass
class Runs:
    """What happens to each run: the states that it shows one after the other, of which the last one stays."""

    course: Sequence[State] = (("SUCCESS", ""),)
    looked: dict[str, int] = field(default_factory=dict)
    asked: dict[str, tuple[Any, JobRun]] = field(default_factory=dict)
    denied: bool = False

    @property
    def started(self) -> list[JobRun]:
        """The runs in the order of their start."""
        return [run for _, run in self.asked.values()]


@contextmanager
def emr_serverless(label: str, architecture: str, image: str | None = None) -> Iterator[Runs]:
    """Applications made within are of a release label and an architecture, with an image or without."""
    runs = Runs()
    create, start = EMRServerlessBackend.create_application, EMRServerlessBackend.start_job_run
    look, cancel = EMRServerlessBackend.get_job_run, EMRServerlessBackend.cancel_job_run

    def create_of_label(self: Any, **kwargs: Any) -> Application:
        application = create(self, **{**kwargs, "release_label": "emr-7.9.0"})
        application.release_label = label
        application.architecture = architecture  # type: ignore[attr-defined]
        application.image_configuration = {"imageUri": image} if image else None  # type: ignore[attr-defined]
        return application

    def start_once(self: Any, client_token: str, **kwargs: Any) -> JobRun:
        if runs.denied:
            raise JsonRESTError("AccessDeniedException", "User is not authorized to perform: iam:PassRole")
        if client_token in runs.asked:
            before, run = runs.asked[client_token]
            if before != kwargs:
                raise JsonRESTError("ConflictException", "The token was used with other parameters")
            return run
        run = start(self, client_token=client_token, **kwargs)
        run.state = "SUBMITTED"
        runs.asked[client_token] = (kwargs, run)
        return run

    def look_on(self: Any, application_id: str, job_run_id: str) -> JobRun:
        run = look(self, application_id, job_run_id)
        at = runs.looked[run.id] = runs.looked.get(run.id, -1) + 1
        if run.state not in ENDED:
            run.state, run.state_details = runs.course[min(at, len(runs.course) - 1)]
        return run

    with (
        patch.object(EMRServerlessBackend, "create_application", create_of_label),
        patch.object(EMRServerlessBackend, "start_job_run", start_once),
        patch.object(EMRServerlessBackend, "get_job_run", look_on),
        patch.object(EMRServerlessBackend, "cancel_job_run", cancel),
    ):
        yield runs


def interrupting(after: int) -> Callable[[float], None]:
    """A sleep that a person interrupts, after so many that passed."""
    passed = iter(range(after))

    def sleep(_: float) -> None:
        if next(passed, None) is None:
            raise KeyboardInterrupt

    return sleep
