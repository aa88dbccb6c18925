"""Write terraform/stack/contracts.json: what Terraform has to know of the contracts.

Run `.venv/bin/python infra/contracts_file.py` after a contract changes; a test says when it was forgotten.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from paylake.contracts import ALL
from paylake.contracts.compliance import RESTRICTED
from paylake.contracts.questions import QUESTIONS
from paylake.contracts.table import TableContract
from paylake.contracts.topics import TOPICS
from paylake.contracts.view import View
from paylake.contracts.views import VIEWS

FILE = Path(__file__).parent / "terraform" / "stack" / "contracts.json"

INTERNAL, CARD = "internal", "card"
SENSITIVITIES = (INTERNAL, CARD, RESTRICTED)

AS_IT_CAME = {"quarantine", "fraud_quarantine", "fraud_profiles"}
"""Tables that hold records as somebody sent them, or are looked up by the token of a card: no question needs them."""

OF_CARDS = "card_"
"""How columns begin that say something of a card: its token, its first and last digits."""


def sensitivity(source: TableContract | View) -> str:
    """Who may read a table or view: that of a view is the highest of all that it rests on."""
    if isinstance(source, View):
        return max((sensitivity(read) for read in source.reads), key=SENSITIVITIES.index)
    if source.layer == RESTRICTED:
        return RESTRICTED
    return CARD if source.name in AS_IT_CAME else INTERNAL


def card_columns() -> dict[str, list[str]]:
    """Table -> its columns that say something of a card, where the rest of it may be read by more people."""
    found = {c.name: [name for name in c.columns if name.startswith(OF_CARDS)] for c in ALL if sensitivity(c) == INTERNAL}
    return {name: columns for name, columns in found.items() if columns}


def described() -> dict[str, Any]:
    """What the file holds."""
    sources: tuple[TableContract | View, ...] = (*ALL, *VIEWS)
    return {
        "card_columns": card_columns(),
        "questions": {q.name: {"team": q.team, "asks": q.asks, "sql": q.sql} for q in QUESTIONS},
        "sensitivities": list(SENSITIVITIES),
        "tables": {source.name: sensitivity(source) for source in sources},
        "topics": {
            name: {"doc": topic.doc, "partitions": topic.partitions, "retention_ms": topic.retention_ms}
            for name, topic in TOPICS.items()
        },
    }


def text() -> str:
    """The file's text."""
    return json.dumps(described(), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
