"""One action on one table: what was there before it, and the rows of table_maintenance that tell of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, NamedTuple

from paylake.contracts.compliance import RESTRICTED
from paylake.contracts.maintenance import TABLE_MAINTENANCE, Action, Stage
from paylake.contracts.table import TableContract

ALL_TABLES = "*"


@dataclass(frozen=True)
class Figures:
    """What a table is at a moment: rows, files, their bytes, and the version."""

    rows: int | None = None
    files: int | None = None
    bytes: int | None = None
    version: int | None = None


class Step(NamedTuple):
    """An action that is due. `detail` is what its repetition after a crash has to know, or its evidence, as JSON."""

    action: Action
    table: str
    as_of: date
    policy: str
    outcome: str
    before: Figures = Figures()
    request_id: str | None = None
    detail: str | None = None

    @property
    def subject(self) -> tuple[str, str, str | None, date]:
        """What the action is about: the same for a repetition after a crash, whatever the table's version."""
        return self.action.value, self.table, self.request_id, self.as_of

    @property
    def action_id(self) -> str:
        """The same for the same action on the same version of the table."""
        said = "|".join(str(part) for part in (*self.subject, self.before.version))
        return hashlib.sha256(said.encode()).hexdigest()[:32]

    def row(self, stage: Stage, after: Figures = Figures()) -> dict[str, Any]:
        """The row of table_maintenance before the action, or after it."""
        figures = {f"{name}_before": value for name, value in asdict(self.before).items()}
        if stage is Stage.DONE:
            figures |= {f"{name}_after": value for name, value in asdict(after).items()}
        return {
            **dict.fromkeys(TABLE_MAINTENANCE.columns), "action_id": self.action_id, "stage": stage.value,
            "as_of": self.as_of, "table_name": self.table, "action": self.action.value, "request_id": self.request_id,
            "policy": self.policy, "outcome": self.outcome, "detail": self.detail, **figures,
        }  # fmt: skip


def step_of(row: Mapping[str, Any]) -> Step:
    """The step that a row of table_maintenance tells of."""
    before = Figures(row["rows_before"], row["files_before"], row["bytes_before"], row["version_before"])
    return Step(
        Action(row["action"]), row["table_name"], row["as_of"], row["policy"], row["outcome"], before, row["request_id"],
        row["detail"],
    )  # fmt: skip


def unfinished(log: Iterable[Mapping[str, Any]]) -> list[Step]:
    """The steps that were begun and never done: a run crashed in them."""
    rows = list(log)
    done = {row["action_id"] for row in rows if row["stage"] == Stage.DONE.value}
    return [step_of(row) for row in rows if row["stage"] == Stage.BEGUN.value and row["action_id"] not in done]


def told(contract: TableContract, figures: Figures, action: Action) -> Figures:
    """What may be said: in a restricted table a count of rows would tell of somebody, and a change by an erasure too."""
    if contract.layer != RESTRICTED:
        return figures
    return Figures() if action is Action.ERASE else Figures(None, figures.files, figures.bytes, figures.version)
