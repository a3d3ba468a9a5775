"""Runs and their plans: how they are put on record, found and listed."""

from __future__ import annotations

from collections.abc import Collection
from math import inf
from operator import attrgetter

from psycopg import errors

from penstock.errors import RunNotFound, StoreError
from penstock.store.base import Durations, RunRow
from penstock.store.lookup import given_twice, only_match
from penstock.store.pages import LAST, PAGES
from penstock.store.postgres.connection import execute, storable
from penstock.store.postgres.connection_pool import ConnectionPool
from penstock.store.postgres.logical_times import taking_its_time
from penstock.store.postgres.upkeep import PLANS

_row = attrgetter(
    *("id", "workflow", "state", "params", "source", "created_at", "started_at", "ended_at"),
    *("error", "tasks", "counts", "undelivered", "wake_at", "parent", "part"),
    *("logical_at", "interval_start", "interval_end", "timezone", "trigger"),
)


class Rows:
    """The part of a PostgresStore that knows the rows of runs."""

    _pool: ConnectionPool
    _key: int

    def create_run(self, run: RunRow, plan: bytes) -> None:
        """Put a new run on record with its plan."""
        with self._pool.connection() as db:
            try:
                with taking_its_time(db, self._key, run):
                    execute(db, "create_run", *self._new(run, plan))
            except errors.UniqueViolation as error:
                raise given_twice(run.id) from error

    def _new(self, run: RunRow, plan: bytes) -> list[object]:
        return [self._key, PLANS, *storable(run.plan), plan, *storable(*_row(run))]

    def add_plan(self, run_id: str, fingerprint: str, plan: bytes) -> None:
        """Keep a plan that a run is about to follow, if it is not kept yet."""
        self._put(run_id, "add_plan", self._key, PLANS, *storable(run_id, fingerprint), plan)

    def plan(self, fingerprint: str) -> bytes:
        """A plan that was kept. StoreError if it is not there."""
        rows = self._pool.read("plan", *storable(fingerprint))
        if not rows:
            raise StoreError(f"no plan {fingerprint} is kept")
        body: bytes = rows[0][0]
        return body

    def run(self, run_id: str) -> RunRow:
        """The run with this id, or with the only id that begins so."""
        rows = self._pool.read("run", *storable(run_id))
        if rows:
            return RunRow(*rows[0])
        return only_match(run_id, [RunRow(*row) for row in self._pool.read("runs_by_prefix", *storable(run_id))])

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
        page = limit, -inf if since is None else since, *self._place(before), *storable(trigger)
        query = PAGES[workflow is not None, states is not None]
        chosen: list[object] = [] if states is None else [storable(*sorted(set(states)))]
        if workflow is not None:
            chosen += storable(workflow)
        return [RunRow(*row) for row in self._pool.read(query, *page, *chosen)]

    def _place(self, before: tuple[float, str] | None) -> tuple[float, int]:
        if before is None:
            return inf, LAST
        rows = self._pool.read("place", *storable(before[1]), before[0])
        return before[0], rows[0][0] if rows else LAST

    def newest_runs(self) -> list[RunRow]:
        """The newest run of each workflow."""
        return [RunRow(*row) for row in self._pool.read("newest_runs")]

    def run_counts(self) -> dict[tuple[str, str], int]:
        """How many runs there are, by workflow and state."""
        return {(workflow, state): count for workflow, state, count in self._pool.read("run_counts")}

    def active_runs(self, workflow: str) -> int:
        """How many runs of a workflow have not ended."""
        count: int = self._pool.read("active_runs", *storable(workflow))[0][0]
        return count

    def changes(self) -> int:
        """A number that is another one when anything was written."""
        number: int = self._pool.read("changes")[0][0]
        return number

    def unfinished(self) -> list[RunRow]:
        """Runs that have not ended or have undelivered notices, oldest first."""
        return [RunRow(*row) for row in self._pool.read("unfinished")]

    def due(self, now: float) -> list[RunRow]:
        """Waiting runs whose time has come, those that have been due longest first."""
        return [RunRow(*row) for row in self._pool.read("due", now)]

    def children(self, run_id: str) -> list[RunRow]:
        """Runs that are a part of this one, oldest first."""
        return [RunRow(*row) for row in self._pool.read("children", *storable(run_id))]

    def durations(self, workflow: str) -> list[Durations]:
        """How long tasks took in the newest runs of a workflow."""
        return [Durations(*row) for row in self._pool.read("durations", *storable(workflow))]

    def _put(self, run_id: str, name: str, *values: object) -> None:
        """Write something that belongs to a run, which may be deleted meanwhile."""
        try:
            found = self._pool.rows(name, *values)
        except StoreError as error:
            if not isinstance(error.__cause__, errors.ForeignKeyViolation):
                raise
            found = []
        if not found:
            raise not_found(run_id)


def not_found(run_id: str) -> RunNotFound:
    """The error for an id that no run has."""
    return RunNotFound(f"no run has the id '{run_id}'")
