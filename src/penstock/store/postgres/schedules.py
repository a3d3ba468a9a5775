"""When workflows are due, and what was decided about it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import astuple
from math import inf

from psycopg import errors

from penstock.errors import LogicalTimeTaken
from penstock.store.base import RunRow
from penstock.store.lookup import given_twice
from penstock.store.postgres.connection import Connection, execute, storable
from penstock.store.postgres.logical_times import take_time, tick_values
from penstock.store.postgres.rows import Rows
from penstock.store.postgres.upkeep import PLANS
from penstock.store.schedules import TICKS_KEPT, ScheduleRow, TickRow
from penstock.store.ticks import check_decision, has_tick, merged, no_schedule


class Schedules(Rows):
    """The part of a PostgresStore that is about schedules; see `penstock.store.schedules` for each method."""

    def put_schedules(self, rows: Sequence[ScheduleRow]) -> None:
        """Put schedules on record; their cursors and whether they are paused stay."""
        with self._pool.connection() as db, db.transaction():
            for row in sorted(
                rows, key=lambda row: row.workflow
            ):  # one order for all, or two would wait for each other
                execute(db, "put_schedule", *storable(*astuple(row)))

    def schedules(self) -> list[ScheduleRow]:
        """All schedules, by the names of their workflows."""
        return [ScheduleRow(*row) for row in self._pool.read("schedules")]

    def schedule(self, workflow: str) -> ScheduleRow:
        """The schedule of a workflow."""
        rows = self._pool.read("schedule", *storable(workflow))
        if not rows:
            raise no_schedule(workflow)
        return ScheduleRow(*rows[0])

    def pause(self, workflow: str, paused: bool) -> None:
        """Pause a schedule, or let it go on."""
        if not self._pool.rows("pause", *storable(workflow), paused):
            raise no_schedule(workflow)

    def forget_schedule(self, workflow: str) -> None:
        """Forget a schedule, and not what was decided."""
        self._pool.rows("forget_schedule", *storable(workflow))

    def decide(
        self,
        workflow: str,
        upto_was: float,
        upto: float,
        runs: Sequence[tuple[RunRow, bytes]] = (),
        missed: Sequence[TickRow] = (),
    ) -> bool:
        """Move a cursor, with all that was decided."""
        check_decision(workflow, upto_was, upto, runs)
        with self._pool.connection() as db, db.transaction():
            execute(db, "gate", self._key, PLANS)
            if not execute(db, "move_cursor", *storable(workflow), upto_was, upto):
                return False
            for tick in missed:
                execute(db, "keep_tick", *storable(workflow, *tick_values(tick)))
            for run, plan in runs:
                with suppress(LogicalTimeTaken):
                    self._create(db, run, plan)
            return True

    def _create(self, db: Connection, run: RunRow, plan: bytes) -> None:
        try:
            if has_tick(run):
                take_time(db, run)
            execute(db, "create_run", *self._new(run, plan))
        except errors.UniqueViolation as error:
            raise given_twice(run.id) from error

    def ticks(
        self, workflow: str, *, limit: int | None = None, before: tuple[float, str] | None = None
    ) -> list[TickRow]:
        """What was decided about a workflow, the latest logical times first."""
        return _ticks(self._pool.read("ticks", *storable(workflow, *(before or (inf, ""))), limit))

    def merge_ticks(self, keep: int = TICKS_KEPT) -> int:
        """Merge what is old of what was decided."""
        return sum(self._merge(name, keep) for (name,) in self._pool.read("long_histories", keep))

    def _merge(self, workflow: str, keep: int) -> int:
        with self._pool.connection() as db, db.transaction():
            execute(db, "lock_plans", self._key, PLANS)
            rows = _ticks(execute(db, "ticks", workflow, inf, "", None))
            gone, new = merged(rows[::-1], keep)
            for tick in gone:
                execute(db, "delete_tick", workflow, tick.last, tick.what)
            for tick in new:
                execute(db, "keep_tick", workflow, *tick_values(tick))
            return len(gone) - len(new)


def _ticks(rows: Sequence[tuple[object, ...]]) -> list[TickRow]:
    return [TickRow(*row) for row in rows]  # type: ignore[arg-type]
