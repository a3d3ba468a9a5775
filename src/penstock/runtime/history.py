"""The runs on record, as their users see them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from penstock.engine.run import RunEngine
from penstock.errors import RunNotFound
from penstock.logs.base import Logs
from penstock.results.base import ResultStore
from penstock.results.tagged_json import loads
from penstock.results.values import load_value
from penstock.runtime.replay import kept_plan, replay
from penstock.store.base import Holder, RunRow, Store

if TYPE_CHECKING:
    from penstock.runtime.record import Control, Run

ENDED = ("success", "failed", "cancelled")
"""States of runs in which nothing is left to do."""


@dataclass(frozen=True, slots=True)
class History:
    """Reads what stores, results and logs keep of runs."""

    store: Store
    results: ResultStore
    logs: Logs
    control: Control | None = None

    def row(self, run_id: str | None) -> RunRow:
        """The row of the run with this id or unique prefix; by default of the newest that is no task of another.
        RunNotFound if there is none."""
        if run_id is not None:
            return self.store.run(run_id)
        found = newest(self.store, 1)
        if not found:
            raise RunNotFound("there are no runs yet")
        return found[0]

    def run(self, row: RunRow) -> Run:
        """The run behind a row. Its journal is read when its tasks are first asked for."""
        if row.state in ENDED:
            return self._run(row, row.state, None)
        driver = self.store.holder(row.id)
        if driver is None:
            row = self.store.run(row.id)  # it may have ended in between
        state = "interrupted" if driver is None and row.state == "running" else row.state
        return self._run(row, state, None, driver)

    def driven(self, row: RunRow, engine: RunEngine, state: str, params: Mapping[str, Any]) -> Run:
        """A run that this process has driven, and so need not read."""
        return self._run(row, state, engine, params=params)

    def unfinished(self, workflow: str, wanted: str, at: float | None = None) -> str | None:
        """The newest run of a whole workflow for this logical time, or for none, with these parameters, as they are
        kept, if it has not succeeded."""
        for row in self.store.runs(workflow):
            if (
                row.part is None
                and (row.logical_at, row.params) == (at, wanted)
                and not kept_plan(self.store, row.plan).selection
            ):
                return row.id if row.state != "success" else None
        return None

    def _run(
        self,
        row: RunRow,
        state: str,
        engine: RunEngine | None,
        driver: Holder | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> Run:
        from penstock.runtime.record import Run
        from penstock.runtime.why_sent import sent_to
        from penstock.runtime.why_slots import SlotWaits

        return Run(
            row,
            state=state,
            params=cast("dict[str, Any]", loads(row.params)) if params is None else params,
            engine=engine,
            replay=partial(replay, self.store, row),
            load=partial(load_value, results=self.results),
            log=partial(_log, self.store, self.logs, row.id),
            driver=driver,
            control=self.control,
            find_children=partial(self.children, row.id),
            slot_waits=partial(SlotWaits, self.store),
            find_sent=partial(sent_to, self.store, row.id),
        )

    def children(self, run_id: str) -> list[Run]:
        """The runs that tasks of a run have begun, oldest first."""
        return [self.run(row) for row in self.store.children(run_id)]


def newest(store: Store, limit: int, workflow: str | None = None) -> list[RunRow]:
    """The newest runs, of all workflows or of one, that are no tasks of others."""
    wanted = limit
    while True:
        rows = store.runs(workflow, limit=wanted)
        found = [row for row in rows if row.part is None][:limit]
        if len(found) == limit or len(rows) < wanted:
            return found
        wanted *= 4


def _log(store: Store, logs: Logs, run_id: str, task: str) -> str:
    from penstock.runtime.logbook import Logbook

    return "".join(entry.chunk.text for entry in Logbook(store, logs, run_id, task=task).read())
