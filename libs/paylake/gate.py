"""The gate before publishing: what a run is about to publish keeps every promise of its contracts, or is refused."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from pyspark.sql import DataFrame

from paylake.contracts.table import Action, TableContract
from paylake.errors import ControlError
from paylake.quality import KEY_UNIQUE, Finding, audit, conform, example_key, findings

log = logging.getLogger(__name__)


def refuse_unless_kept(frames: Mapping[TableContract, DataFrame]) -> None:
    """Let rows pass that keep the contract they are published under; what only warns is logged, a sentence each.

    Each frame is read once where it keeps its promises, and once more per broken one, for an example: give frames that are
    checkpointed, since they are written next.
    Raises ControlError, with a sentence per broken promise of all frames, where one rejects.
    """
    refused = []
    for contract, frame in frames.items():
        df = conform(frame, contract)
        audited = audit(df, contract).first()
        assert audited is not None
        for finding in findings(audited, contract):
            sentence = _sentence(df, contract, finding)
            if finding.action is Action.REJECT:
                refused.append(sentence)
            else:
                log.warning(sentence)
    if refused:
        raise ControlError("Nothing is published, since its rows break what their tables promise:\n" + "\n".join(refused))


def _sentence(df: DataFrame, contract: TableContract, finding: Finding) -> str:
    example = example_key(df, contract, finding).first()
    assert example is not None
    is_one = finding.rows == 1
    if finding.check == KEY_UNIQUE:
        does = "repeats the key of another one" if is_one else "repeat the keys of others"
    else:
        does = f"{'fails' if is_one else 'fail'} {finding.check}"
    return f"{finding.table}: {finding.rows:,} {'row' if is_one else 'rows'} {does}, for example {example['key']}."
