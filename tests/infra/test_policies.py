"""How policies are read: what the rules of both stacks look for is found where it is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.infra.policies import Statement, statements

pytestmark = pytest.mark.infra


def read(**arguments: Any) -> list[Statement]:
    """The statements of a resource with these arguments."""
    return statements({"aws_thing.one": {"values": arguments}})


def test_a_statement_and_an_action_need_not_be_in_a_list() -> None:
    (found,) = read(policy=json.dumps({"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}))
    assert found.allows
    assert found.actions == {"s3:*"}
    assert found.resources == {"*"}


@pytest.mark.parametrize("principal", ["*", {"AWS": "*"}, {"AWS": ["arn:aws:iam::1:root", "*"]}])
def test_anybody_is_anybody_however_it_is_written(principal: Any) -> None:
    (found,) = read(assume_role_policy=json.dumps({"Statement": [{"Effect": "Allow", "Principal": principal}]}))
    assert found.is_public


def test_a_service_is_not_anybody_and_a_refusal_allows_nothing() -> None:
    body = {"Effect": "Deny", "Principal": {"Service": "s3.amazonaws.com"}, "Action": ["s3:GetObject"]}
    (found,) = read(policy=json.dumps({"Statement": [body]}))
    assert not found.is_public
    assert not found.allows
    assert found.condition == {}


def test_what_is_no_policy_is_left_alone() -> None:
    assert read(policy=None) == read(policy=json.dumps({"rules": []})) == read(name="one") == []
