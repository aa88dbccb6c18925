"""What the policies of a plan say: pure reading of its JSON, since nothing here can evaluate IAM."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

CRYPTO = {"kms:Decrypt", "kms:GenerateMac", "kms:ReEncryptFrom", "kms:CreateGrant"}
"""What lets somebody read what a key has encrypted, or let others."""


@dataclass(frozen=True)
class Statement:
    """One statement of one policy; `of` is the address of the resource that holds it, `kind` the argument."""

    of: str
    kind: str
    body: Mapping[str, Any]

    @property
    def allows(self) -> bool:
        """True where it lets, false where it refuses."""
        return bool(self.body["Effect"] == "Allow")

    @property
    def actions(self) -> set[str]:
        """The actions, as written."""
        return set(_list(self.body.get("Action")))

    @property
    def resources(self) -> set[str]:
        """The resources, as written."""
        return set(_list(self.body.get("Resource")))

    @property
    def condition(self) -> Mapping[str, Any]:
        """The condition; empty where there is none."""
        found: Mapping[str, Any] = self.body.get("Condition", {})
        return found

    @property
    def is_public(self) -> bool:
        """True where anybody in the world is meant."""
        principal = self.body.get("Principal")
        return principal == "*" or (isinstance(principal, dict) and "*" in _list(principal.get("AWS")))


def statements(resources: Mapping[str, Mapping[str, Any]]) -> list[Statement]:
    """Every statement of every policy of a plan's resources."""
    return [
        Statement(address, kind, body)
        for address, resource in resources.items()
        for kind in ("policy", "assume_role_policy")
        for body in _statements(resource["values"].get(kind))
    ]


def _statements(policy: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(policy, str) and '"Statement"' in policy:
        yield from _list(json.loads(policy)["Statement"])


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
