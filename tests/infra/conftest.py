"""The two roots, each applied once to a stand-in for AWS of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.infra import tools

EVERYTHING_ON = {
    "cluster_enabled": True,
    "nat_enabled": True,
    "guardduty_enabled": True,
    "schedule_enabled": True,
    "eks_public_cidrs": ["203.0.113.0/28"],
    "page_emails": ["page@example.com"],
    "ticket_emails": ["ticket@example.com"],
    "ci": {"repository": "example/paylake", "environment": "dev"},
    "kube_access": {
        f"arn:aws:iam::{tools.ACCOUNT}:role/engineers": {"policy": "AmazonEKSEditPolicy", "namespaces": ["paylake"]}
    },
}
"""Development, with each part that costs, so that all of it is applied once."""

AS_IT_IS = {"ci": {"repository": "example/paylake", "environment": "prod"}, "page_emails": ["page@example.com"]}
"""Production, with what it has by itself."""


def _applied(name: str, variables: Mapping[str, object], folder: Path) -> Iterator[tools.Stack]:
    with tools.stand_in(folder / "stand-in.log") as endpoint:
        yield tools.applied(name, variables, folder, endpoint)


@pytest.fixture(scope="session")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tools.Stack]:
    """The development stack with everything on."""
    yield from _applied("dev", EVERYTHING_ON, tmp_path_factory.mktemp("dev"))


@pytest.fixture(scope="session")
def prod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tools.Stack]:
    """The production stack."""
    yield from _applied("prod", AS_IT_IS, tmp_path_factory.mktemp("prod"))
