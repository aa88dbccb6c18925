"""Items in DynamoDB: the arguments of one conditional PutItem each."""

from __future__ import annotations

from typing import Any

from paylake.serving.items import Item, Value

IF_NEWER = "attribute_not_exists(valid_from) OR valid_from < :valid_from"
"""A run that is repeated, or an older one that is late, changes nothing."""


def arguments(item: Item, prefix: str, expires_at: int) -> dict[str, Any]:
    """What PutItem is asked; `expires_at`, in seconds since 1970, is when the table may forget the item.

    What a run took back keeps its key and its version, so that no older item comes again, and says `is_withdrawn`.
    """
    said = {"is_withdrawn": True} if item.attributes is None else dict(item.attributes)
    return {
        "TableName": f"{prefix}{item.subject.name}",
        "Item": {
            **{name: _attribute(value) for name, value in said.items()},
            item.subject.owner: {"S": item.owner},
            item.subject.place: {"S": item.place},
            "valid_from": {"S": item.version},
            "expires_at": {"N": str(expires_at)},
        },
        "ConditionExpression": IF_NEWER,
        "ExpressionAttributeValues": {":valid_from": {"S": item.version}},
    }


def _attribute(value: Value) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"BOOL": value}
    return {"N": str(value)} if isinstance(value, int) else {"S": value}
