"""Runs and their plans: how they are put on record, found and listed."""

from __future__ import annotations

import json
from collections.abc import Collection
from math import inf
from operator import attrgetter

import apsw

from penstock.errors import RunNotFound, StoreError
from penstock.store.base import Durations, RunRow
from penstock.store.lookup import given_twice, only_match
from penstock.store.pages import LAST, PAGES
from penstock.store.sqlite.connection import Reader, Row, storable, typed
from penstock.store.sqlite.writer import Writer
from penstock.store.ticks import has_tick, taken, tick_of

_TEXT, _MAYBE_TEXT, _NUMBER, _TIME, _MAYBE_TIME = (str,), (str, type(None)), (int,), (float,), (float, type(None))
_RUN = (
    *(_TEXT, _TEXT, _TEXT, _TEXT, _TEXT, _MAYBE_TEXT, _TIME, _MAYBE_TIME, _MAYBE_TIME, _MAYBE_TEXT, _NUMBER, _TEXT),
    *(_NUMBER, _MAYBE_TIME, _MAYBE_TEXT, _MAYBE_TEXT, _MAYBE_TIME, _MAYBE_TIME, _MAYBE_TIME, _MAYBE_TEXT, _TEXT),
)
_DURATIONS = (_TEXT, (bytes,))
_row = attrgetter(
    *("id", "workflow", "state", "params", "plan", "source"),
    *("created_at", "started_at", "ended_at", "error", "tasks", "counts", "undelivered", "wake_at", "parent", "part"),
    *("logical_at", "interval_start", "interval_end", "timezone", "trigger"),
)
tick_values = attrgetter("what", "first", "last", "count", "run_id", "decided_at")


class Rows:
    """The part of a SQLiteStore that knows the rows of runs."""

    _reader: Reader
    _writer: Writer
    _sql: dict[str, str]

    def create_run(self, run: RunRow, plan: bytes) -> None:
        """Put a new run on record, safely, with its plan."""
        self._writer.commit(lambda db: self._insert(db, run, plan), safe=True)

    def _insert(self, db: apsw.Connection, run: RunRow, plan: bytes) -> int:
        if has_tick(run):
            self._take_time(db, run)
        db.execute(self._sql["add_plan"], (run.plan, plan))
        try:
            rows: list[Row] = db.execute(self._sql["create_run"], storable(*_row(run))).fetchall()
        except apsw.ConstraintError as error:
            raise given_twice(run.id) from error
        number: int = rows[0][0]
        db.execute(self._sql["follow"], (number, run.plan))
        return number

    def _take_time(self, db: apsw.Connection, run: RunRow) -> None:
        found: list[Row] = db.execute(self._sql["taken"], storable(run.workflow, run.logical_at)).fetchall()
        if found:
            if db.execute(self._sql["number"], storable(run.id)).fetchall():
                raise given_twice(run.id)
            raise taken(run, found[0][0])
        db.execute(self._sql["keep_tick"], storable(run.workflow, *tick_values(tick_of(run))))

    def add_plan(self, run_id: str, fingerprint: str, plan: bytes) -> None:
        """Keep a plan that a run is about to follow, if it is not kept yet."""

        def write(db: apsw.Connection) -> None:
            rows = db.execute(self._sql["number"], storable(run_id)).fetchall()
            if not rows:
                raise not_found(run_id)
            db.execute(self._sql["add_plan"], (fingerprint, plan))
            db.execute(self._sql["follow"], (*rows[0], fingerprint))

        self._writer.commit(write)

    def plan(self, fingerprint: str) -> bytes:
        """A plan that was kept. StoreError if it is not there."""
        row = self._reader.row(self._sql["plan"], fingerprint)
        if row is None:
            raise StoreError(f"no plan {fingerprint} is kept")
        body: bytes = typed(row, ((bytes,),), "plan")[0]
        return body

    def run(self, run_id: str) -> RunRow:
        """The run with this id, or with the only id that begins so."""
        row = self._reader.row(self._sql["run"], run_id)
        if row is not None:
            return _run_row(row)
        return only_match(run_id, [_run_row(row) for row in self._reader.rows(self._sql["runs_by_prefix"], run_id)])

    def runs(
        self,
        workflow: str | None = None,
        *,
        limit: int | None = None,
        states: Collection[str] | None = None,
        trigger: str | None = None,
        since: float | None = None,
        before: tuple[float, str] | None = None,
    ) -> list[RunRow]:
        """Runs, newest first; see `Store.runs`."""
        page = -1 if limit is None else limit, -inf if since is None else since, *self._place(before), trigger
        query = PAGES[workflow is not None, states is not None]
        chosen = [] if states is None else [json.dumps(sorted(set(states)))]
        if workflow is not None:
            chosen.append(workflow)
        return [_run_row(row) for row in self._reader.rows(self._sql[query], *page, *chosen)]

    def _place(self, before: tuple[float, str] | None) -> tuple[float, int]:
        if before is None:
            return inf, LAST
        row = self._reader.row(self._sql["place"], before[1], before[0])
        return before[0], LAST if row is None else row[0]

    def newest_runs(self) -> list[RunRow]:
        """The newest run of each workflow."""
        return [_run_row(row) for row in self._reader.rows(self._sql["newest_runs"])]

    def run_counts(self) -> dict[tuple[str, str], int]:
        """How many runs there are, by workflow and state."""
        return {(workflow, state): count for workflow, state, count in self._reader.rows(self._sql["run_counts"])}

    def active_runs(self, workflow: str) -> int:
        """How many runs of a workflow have not ended."""
        count: int = self._reader.rows(self._sql["active_runs"], workflow)[0][0]
        return count

    def changes(self) -> int:
        """A number that is another one when anything was written."""
        number: int = self._reader.rows(self._sql["changes"])[0][0]
        return number

    def unfinished(self) -> list[RunRow]:
        """Runs that have not ended or have undelivered notices, oldest first."""
        return [_run_row(row) for row in self._reader.rows(self._sql["unfinished"])]

    def due(self, now: float) -> list[RunRow]:
        """Waiting runs whose time has come, those that have been due longest first."""
        return [_run_row(row) for row in self._reader.rows(self._sql["due"], now)]

    def children(self, run_id: str) -> list[RunRow]:
        """Runs that are a part of this one, oldest first."""
        return [_run_row(row) for row in self._reader.rows(self._sql["children"], run_id)]

    def durations(self, workflow: str) -> list[Durations]:
        """How long tasks took in the newest runs of a workflow."""
        rows = self._reader.rows(self._sql["durations"], workflow)
        return [Durations(*typed(row, _DURATIONS, "note of durations")) for row in rows]

    def _number(self, run_id: str) -> int:
        row = self._reader.row(self._sql["number"], run_id)
        if row is None:
            raise not_found(run_id)
        number: int = row[0]
        return number


def not_found(run_id: str) -> RunNotFound:
    """The error for an id that no run has."""
    return RunNotFound(f"no run has the id '{run_id}'")


def _run_row(row: Row) -> RunRow:
    return RunRow(*typed(row, _RUN, "run"))
