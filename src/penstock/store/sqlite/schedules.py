"""When workflows are due, and what was decided about it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import astuple, replace
from math import inf

import apsw

from penstock.errors import LogicalTimeTaken
from penstock.store.base import RunRow
from penstock.store.schedules import TICKS_KEPT, ScheduleRow, TickRow
from penstock.store.sqlite.connection import Row, storable, typed
from penstock.store.sqlite.rows import Rows, tick_values
from penstock.store.ticks import check_decision, merged, no_schedule

_TEXT, _MAYBE_TEXT, _NUMBER, _TIME, _MAYBE_TIME = (str,), (str, type(None)), (int,), (float,), (float, type(None))
_SCHEDULE = (
    *(_TEXT, _MAYBE_TEXT, _TEXT, _MAYBE_TEXT, _MAYBE_TEXT, _TEXT, _TEXT, _NUMBER, _MAYBE_TIME, _TIME),
    *(_NUMBER, _TIME, _MAYBE_TEXT, _TEXT),
)
_TICK = (_TEXT, _TIME, _TIME, _NUMBER, _MAYBE_TEXT, _TIME)


class Schedules(Rows):
    """The part of a SQLiteStore that is about schedules; see `penstock.store.schedules` for each method.

    Writers come one after the other: what a transaction has read holds until its end."""

    def put_schedules(self, rows: Sequence[ScheduleRow]) -> None:
        """Put schedules on record; their cursors and whether they are paused stay."""
        values = [storable(*astuple(row)) for row in rows]
        self._writer.commit(lambda db: db.executemany(self._sql["put_schedule"], values), safe=True)

    def schedules(self) -> list[ScheduleRow]:
        """All schedules, by the names of their workflows."""
        return [_schedule_row(row) for row in self._reader.rows(self._sql["schedules"])]

    def schedule(self, workflow: str) -> ScheduleRow:
        """The schedule of a workflow."""
        row = self._reader.row(self._sql["schedule"], workflow)
        if row is None:
            raise no_schedule(workflow)
        return _schedule_row(row)

    def pause(self, workflow: str, paused: bool) -> None:
        """Pause a schedule, or let it go on."""

        def write(db: apsw.Connection) -> None:
            db.execute(self._sql["pause"], storable(workflow, paused))
            if not db.changes():
                raise no_schedule(workflow)

        self._writer.commit(write, safe=True)

    def forget_schedule(self, workflow: str) -> None:
        """Forget a schedule, and not what was decided."""
        self._writer.commit(lambda db: db.execute(self._sql["forget_schedule"], storable(workflow)), safe=True)

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

        def write(db: apsw.Connection) -> bool:
            db.execute(self._sql["move_cursor"], storable(workflow, upto_was, upto))
            if not db.changes():
                return False
            for tick in missed:
                db.execute(self._sql["keep_tick"], storable(workflow, *tick_values(tick)))
            for run, plan in runs:
                with suppress(LogicalTimeTaken):
                    self._insert(db, run, plan)
            return True

        return self._writer.commit(write, safe=True)

    def ticks(
        self, workflow: str, *, limit: int | None = None, before: tuple[float, str] | None = None
    ) -> list[TickRow]:
        """What was decided about a workflow, the latest logical times first."""
        many = -1 if limit is None else limit
        return [_tick_row(row) for row in self._reader.rows(self._sql["ticks"], workflow, *(before or (inf, "")), many)]

    def merge_ticks(self, keep: int = TICKS_KEPT) -> int:
        """Merge what is old of what was decided."""
        long = self._reader.rows(self._sql["long_histories"], keep)
        return sum(self._writer.commit(lambda db: self._merge(db, name, keep)) for (name,) in long)  # noqa: B023

    def _merge(self, db: apsw.Connection, workflow: str, keep: int) -> int:
        rows = db.execute(self._sql["ticks"], (workflow, inf, "", -1)).fetchall()
        gone, new = merged([_tick_row(row) for row in reversed(rows)], keep)
        db.executemany(self._sql["delete_tick"], [(workflow, row.last, row.what) for row in gone])
        db.executemany(self._sql["keep_tick"], [(workflow, *tick_values(row)) for row in new])
        return len(gone) - len(new)


def _schedule_row(row: Row) -> ScheduleRow:
    found = ScheduleRow(*typed(row, _SCHEDULE, "schedule"))
    return replace(found, paused=bool(found.paused))


def _tick_row(row: Row) -> TickRow:
    return TickRow(*typed(row, _TICK, "tick"))
