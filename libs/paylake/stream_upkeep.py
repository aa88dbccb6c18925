"""What a stream's driver does for its own tables between two batches, since nobody else may write them."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import date

from pyspark.sql import SparkSession

from paylake import maintain_erasure, tables
from paylake.contracts.maintenance import LEAST_VACUUM_HOURS, UPKEEP
from paylake.contracts.table import TableContract
from paylake.errors import ContractError

log = logging.getLogger(__name__)


@dataclass
class StreamUpkeep:
    """The tables that a stream appends to, and the one that it replaces with each batch or day."""

    spark: SparkSession
    lake: str
    appended: tuple[TableContract, ...]
    replaced: TableContract
    _day: date | None = None

    def between_batches(self, today: date) -> None:
        """Compact what was appended, and remove the old files of what is replaced; the rest once a day."""
        for contract in self.appended:
            tables.compact(self.spark, self.lake, contract)
        tables.vacuum(self.spark, self.lake, self.replaced)
        if today != self._day:
            self._daily()
            self._day = today

    def _daily(self) -> None:
        """Erase the customers who asked for it, and remove files that no version of the last seven days needs.

        With these files the last of an erased customer goes: no stream's table keeps statistics of customers in its log.
        """
        erase_asked(self.spark, self.lake, (*self.appended, self.replaced))
        for contract in self.appended:
            tables.vacuum(self.spark, self.lake, contract, LEAST_VACUUM_HOURS)


def erase_asked(spark: SparkSession, lake: str, contracts: tuple[TableContract, ...]) -> None:
    """Take the customers of all open requests out of these tables; `paylake maintain` proves it and closes the requests.

    A request that cannot be read is told and left. Raises ControlError where an erasure would change a total.
    """
    try:
        asked = maintain_erasure.requests(spark, lake)
    except ContractError as error:  # payments go on, and the night says it too
        log.warning("%s", error)
        return
    for request in asked:
        for contract in (c for c in contracts if UPKEEP[c.name].personal):
            if count := maintain_erasure.rows_of(spark, lake, contract, request).count():
                maintain_erasure.erase(spark, lake, contract, request)
                log.info("Request %s: erased %d rows of %s.", request.request_id, count, contract.name)
