"""Items in Redis: a hash each, and for each owner a sorted set of its places, written by one script."""

from __future__ import annotations

from collections.abc import Mapping

from paylake.serving.items import Item, Subject, Value

PLACES_KEPT = 1_000
"""Places of an owner that its set names at most, the newest ones."""
VERSION = "version"

HASH_IF_NEWER = """\
local known = redis.call('HGET', KEYS[1], 'version')
if known and known >= ARGV[1] then
  return 0
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'version', ARGV[1], unpack(ARGV, 5))
redis.call('EXPIRE', KEYS[1], ARGV[2])
"""
"""The beginning of a script: write a hash, unless what is there is as new; then it returns 0.

KEYS[1]: the hash. ARGV: its version, seconds to live, two of the script's own, then names and values in turn.
"""

IF_NEWER = f"""\
{HASH_IF_NEWER}\
if #ARGV > 4 then
  redis.call('ZADD', KEYS[2], 0, ARGV[4])
  redis.call('ZREMRANGEBYRANK', KEYS[2], 0, ARGV[3])
  redis.call('EXPIRE', KEYS[2], ARGV[2])
else
  redis.call('ZREM', KEYS[2], ARGV[4])
end
return 1
"""
"""Write an item where it is newer than what is there; returns 1 where it was.

KEYS: the item, the owner's places. ARGV: version, seconds to live, the last rank of the places that go, the place, then
names and values in turn. Without these the item is taken back: its version stays, so that no older one comes again.
"""


def item_key(subject: Subject, owner: str, place: str) -> str:
    """The hash of an item; the owner stands last, since its name may hold anything."""
    return f"paylake:{subject.name}:{place}:{owner}"


def places_key(subject: Subject, owner: str) -> str:
    """The sorted set of an owner's places; no place is called so, since each begins with a date."""
    return f"paylake:{subject.name}:places:{owner}"


def arguments(item: Item, seconds_to_live: int) -> tuple[list[str], list[str]]:
    """The keys and the arguments of IF_NEWER."""
    keys = [item_key(item.subject, item.owner, item.place), places_key(item.subject, item.owner)]
    said = [part for name, value in (item.attributes or {}).items() for part in (name, _text(value))]
    return keys, [item.version, str(seconds_to_live), str(-PLACES_KEPT - 1), item.place, *said]


def attributes(subject: Subject, known: Mapping[str, str]) -> dict[str, Value]:
    """What a hash says; nothing where the item was taken back, or is no longer there."""
    return {name: subject.value(name, text) for name, text in known.items() if name != VERSION}


def _text(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
