"""What a service puts on record of the workflows that it has found: their schedules, and what is wrong with them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from penstock.clock import Clock
from penstock.errors import ScheduleNotFound
from penstock.runtime.coming import schedule_on_record
from penstock.runtime.loader import split_target
from penstock.service.catalog import Known
from penstock.service.deciding import commit
from penstock.service.schedules import of_data
from penstock.store.base import RunRow, Store
from penstock.store.schedules import ScheduleRow
from penstock.timetable.base import MOMENT
from penstock.timetable.codec import encode
from penstock.timetable.due import pinned, settle

_SEEN = 3600.0
"""Seconds after which it is put on record again that a workflow was seen."""


class Recording:
    """See the module's text."""

    def __init__(self, store: Store, clock: Clock, folder: str) -> None:
        self._store = store
        self._clock = clock
        self._folder = folder

    def put(self, found: Iterable[Known]) -> list[RunRow]:
        """Put workflows on record as they are now. What was due by other timetables, which they had until now, is
        settled: the runs that come of it."""
        rows: list[ScheduleRow] = []
        settled: list[RunRow] = []
        for known in found:
            before = self._before(known.name)
            if known.error is not None and before is not None:  # what it had is what is known of it
                rows.append(replace(before, error=known.error, seen_at=self._clock.time()))
                continue
            row = self._row(known, before)
            if before is not None and before.timetable not in (None, row.timetable):
                settled += self._settle(known, before)
            if before is None or not _says_the_same(before, row):
                rows.append(row)
        if rows:
            self._store.put_schedules(rows)
        return settled

    def mark_gone(self, found: set[str]) -> None:
        """Say of those workflows that they are gone which came from a file of the folder, and are not among those that
        were found."""
        gone = []
        for row in self._store.schedules():
            path = split_target(row.source or "")[0]
            if row.workflow not in found and path.startswith(self._folder + os.sep):
                what = "defines it no more" if os.path.exists(path) else "is gone"
                if row.error != (error := f"{path} {what}"):
                    gone.append(replace(row, error=error))
        if gone:
            self._store.put_schedules(gone)

    def source_of(self, name: str) -> str | None:
        """Which file a workflow came from, as it is on record."""
        before = self._before(name)
        return split_target(before.source or "")[0] if before is not None else None

    def _before(self, name: str) -> ScheduleRow | None:
        try:
            return self._store.schedule(name)
        except ScheduleNotFound:
            return None

    def _row(self, known: Known, before: ScheduleRow | None) -> ScheduleRow:
        data: dict[str, Any] = dict(known.schedule or {})
        now = self._clock.time()
        timetable = None
        if data and data["timetable"] is not None:
            schedule = of_data(known.name, data, known.told["deadline"])
            kept = schedule_on_record(before) if before is not None else None
            assert schedule is not None
            moment = datetime.fromtimestamp(now, UTC)
            encoded = encode(pinned(schedule.timetable, kept.timetable if kept else None, moment))
            timetable = json.dumps(encoded, sort_keys=True)
        told = known.told
        about = {name: told[name] for name in ("parameters", "missing", "description", "where", "fault")}
        return ScheduleRow(
            workflow=known.name,
            source=known.source,
            version=known.version,
            timetable=timetable,
            text=data.get("text"),
            timezone=data.get("timezone", "UTC"),
            catchup=data.get("catchup", "latest"),
            max_active_runs=data.get("max_active_runs", 16),
            deadline=told["deadline"],
            upto=_first_cursor(data, now),
            seen_at=now,
            error=known.error,
            about=json.dumps(about),
        )

    def _settle(self, known: Known, before: ScheduleRow) -> list[RunRow]:
        schedule = schedule_on_record(before)
        if schedule is None or known.plan is None or before.paused or before.upto <= 0.0:
            return []
        now, upto = self._clock.time(), datetime.fromtimestamp(before.upto, UTC)
        active = self._store.active_runs(known.name)
        decision = settle(schedule, upto, datetime.fromtimestamp(now, UTC), active)
        return commit(self._store, known, before.upto, decision, now) or [] if decision.upto > upto else []


def _first_cursor(data: Mapping[str, Any], now: float) -> float:
    """Where the cursor stands of a workflow that was never seen before: before its start, or now; and at 0 without a
    schedule, until it gets one."""
    if not data:
        return 0.0
    return now if data["start"] is None else (datetime.fromisoformat(data["start"]) - MOMENT).timestamp()


def _says_the_same(before: ScheduleRow, now: ScheduleRow) -> bool:
    """Whether there is nothing new on record, but for when the workflow was seen, which is known well enough."""
    as_it_was = replace(now, upto=before.upto, paused=before.paused, seen_at=before.seen_at)
    return as_it_was == before and abs(now.seen_at - before.seen_at) < _SEEN
