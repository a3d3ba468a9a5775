"""The schedules of a MemoryStore."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from penstock.store.base import RunRow
from penstock.store.schedules import ScheduleRow, TickRow
from penstock.store.ticks import CREATED, has_tick, merged, no_schedule, taken, tick_of


class MemorySchedules:
    """What is on record of schedules and of what was decided. Not for several threads at a time."""

    def __init__(self) -> None:
        self._rows: dict[str, ScheduleRow] = {}
        self._ticks: dict[str, dict[tuple[float, str], TickRow]] = {}

    def put(self, rows: Sequence[ScheduleRow]) -> None:
        """Put schedules on record; their cursors and whether they are paused stay."""
        for row in rows:
            old = self._rows.get(row.workflow)
            self._rows[row.workflow] = row if old is None else replace(row, upto=old.upto, paused=old.paused)

    def all(self) -> list[ScheduleRow]:
        """All schedules, by name."""
        return [self._rows[name] for name in sorted(self._rows)]

    def one(self, workflow: str) -> ScheduleRow:
        """One schedule."""
        if workflow not in self._rows:
            raise no_schedule(workflow)
        return self._rows[workflow]

    def pause(self, workflow: str, paused: bool) -> None:
        """Pause a schedule, or let it go on."""
        self._rows[workflow] = replace(self.one(workflow), paused=paused)

    def forget(self, workflow: str) -> None:
        """Forget a schedule, and not what was decided."""
        self._rows.pop(workflow, None)

    def may_move(self, workflow: str, upto_was: float) -> bool:
        """Whether a cursor is where it was, and may be moved."""
        row = self._rows.get(workflow)
        return row is not None and not row.paused and row.upto == upto_was

    def move(self, workflow: str, upto: float) -> None:
        """Move a cursor."""
        self._rows[workflow] = replace(self._rows[workflow], upto=upto)

    def note(self, workflow: str, tick: TickRow) -> None:
        """Keep what was decided."""
        self._ticks.setdefault(workflow, {})[tick.last, tick.what] = tick

    def check_free(self, run: RunRow) -> None:
        """LogicalTimeTaken if the workflow of a run has had one for its logical time."""
        if not has_tick(run):
            return
        tick = tick_of(run)
        for other in self._ticks.get(run.workflow, {}).values():
            if other.what == CREATED and other.first <= tick.last <= other.last:
                raise taken(run, other.run_id)

    def note_run(self, run: RunRow) -> None:
        """Keep that a run is the one for its logical time, if it has one."""
        if has_tick(run):
            self.note(run.workflow, tick_of(run))

    def ticks(self, workflow: str, limit: int | None, before: tuple[float, str] | None) -> list[TickRow]:
        """What was decided about a workflow, the latest logical times first."""
        rows = self._ticks.get(workflow, {})
        return [rows[key] for key in sorted(rows, reverse=True) if before is None or key < before][:limit]

    def merge(self, keep: int) -> int:
        """Merge what is old; how many rows are there less."""
        fewer = 0
        for rows in self._ticks.values():
            gone, new = merged([rows[key] for key in sorted(rows)], keep)
            for row in gone:
                del rows[row.last, row.what]
            rows.update({(row.last, row.what): row for row in new})
            fewer += len(gone) - len(new)
        return fewer
