"""`paylake publish-scores`: scored payments for Redis and PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence

from paylake.pipeline import job
from paylake.settings import parse_settings

PUBLISH_JOB = "streaming/publish_scores.py"


def main(argv: Sequence[str]) -> int:
    """`paylake publish-scores`: the job, with its own settings."""
    from paylake.session import build_session, log_to_stderr

    module = job(PUBLISH_JOB)
    settings = parse_settings(module.PublishScoresSettings, argv, prog="paylake publish-scores")
    settings.sinks()  # a wrong URL is told before Spark starts
    log_to_stderr()
    module.main(build_session("publish_scores"), settings)
    return 0
