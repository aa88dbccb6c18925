"""The layer that the slow tests put in front of S3 does what it says: a fault is seen by the client, and listed."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from tests.faulty_s3 import Fault, faulty_s3


@pytest.mark.parametrize(
    ("fault", "raised", "is_done"),
    [
        (Fault.INTERNAL_ERROR, ClientError, False),
        (Fault.SLOW_DOWN, ClientError, False),
        (Fault.LOST_ANSWER, ClientError, True),
        (Fault.CUT, ConnectionClosedError, True),
    ],
)
def test_a_fault_is_seen_by_the_client_and_only_some_leave_the_request_undone(
    fault: Fault, raised: type[Exception], is_done: bool
) -> None:
    with faulty_s3(1, share=1.0, faults=(fault,)) as store:
        client = store.client()
        with pytest.raises(raised):
            client.put_object(Bucket=store.bucket, Key="a", Body=b"once", IfNoneMatch="*")
        store.layer.heal()
        assert [o["Key"] for o in client.list_objects_v2(Bucket=store.bucket).get("Contents", ())] == ["a"] * is_done
        if is_done:
            with pytest.raises(ClientError, match="PreconditionFailed"):
                client.put_object(Bucket=store.bucket, Key="a", Body=b"once", IfNoneMatch="*")
    assert [(s.fault, s.method, s.conditional) for s in store.layer.spoilt] == [(fault, "PUT", True)]
    assert dict(store.layer.creations) == ({f"/{store.bucket}/a": 1} if is_done else {})


def test_the_same_seed_spoils_the_same_requests() -> None:
    drawn = []
    for _ in range(2):
        with faulty_s3(5, faults=(Fault.INTERNAL_ERROR,)) as store:
            client = store.client()
            for n in range(60):
                try:
                    client.head_bucket(Bucket=store.bucket)
                except ClientError:
                    drawn.append(n)
    assert drawn[: len(drawn) // 2] == drawn[len(drawn) // 2 :]
    assert 6 <= len(drawn) // 2 <= 20


def test_a_denied_secret_is_refused_and_a_granted_one_given() -> None:
    with faulty_s3(1, share=0.0) as store:
        client = store.client("secretsmanager")
        client.create_secret(Name="card", SecretBinary=b"k" * 32)
        assert client.get_secret_value(SecretId="card")["SecretBinary"] == b"k" * 32
        store.layer.key_is_denied = True
        with pytest.raises(ClientError, match="AccessDenied"):
            client.get_secret_value(SecretId="card")
