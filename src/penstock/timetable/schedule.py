"""The schedule of a workflow: its timetable, and how it is kept."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches
from typing import Any, get_args

from penstock.definition.workflow import Workflow
from penstock.definition.workflow_function import WorkflowFunction
from penstock.errors import ScheduleError
from penstock.policy import CatchUp
from penstock.timetable.base import MOMENT, Instants, Tick
from penstock.timetable.bounds import Bounded
from penstock.timetable.reading import timetable_of
from penstock.timetable.zones import in_utc, zone_name

_LONG_AGO = datetime(1900, 1, 1, tzinfo=UTC)
_CATCH_UPS = get_args(CatchUp)


@dataclass(frozen=True, slots=True)
class Schedule:
    """When the runs of a workflow are due, and what becomes of those that are late."""

    workflow: str
    timetable: Instants
    timezone: str = "UTC"
    catchup: CatchUp = "latest"
    """What becomes of ticks that were missed: each gets its run, they are collapsed into the latest, or skipped."""
    max_active_runs: int = 16
    """How many runs may be under way for it to begin another."""
    deadline: float | None = None
    """Within how many seconds after its tick a run should have ended."""

    @property
    def text(self) -> str:
        """The timetable in words."""
        return self.timetable.text

    @property
    def start(self) -> datetime | None:
        """Before which there is no tick."""
        return self.timetable.start if isinstance(self.timetable, Bounded) else None

    def next(self, after: datetime) -> Tick | None:
        """The first tick strictly after an instant."""
        return self.timetable.next(after)


def schedule_of(workflow: Workflow | WorkflowFunction[..., Any]) -> Schedule | None:
    """The schedule that a workflow declares; None if it has none. ScheduleError, with the workflow and the place, for
    what cannot be."""
    flow = workflow.unfilled() if isinstance(workflow, WorkflowFunction) else workflow
    try:
        return _read(flow)
    except ScheduleError as error:
        message = f"workflow '{flow.name}': {error.message}"
        raise ScheduleError(message, where=flow.where, span=error.span) from error.__cause__


def deadline_of(workflow: Workflow | WorkflowFunction[..., Any]) -> float | None:
    """Within how many seconds a run of a workflow should have ended, scheduled or not; None for no bound."""
    flow = workflow.unfilled() if isinstance(workflow, WorkflowFunction) else workflow
    return _deadline(flow)


def _read(flow: Workflow) -> Schedule | None:
    timezone, catchup = zone_name(flow.timezone), _catchup(flow.catchup)
    start, end = _bound(flow.start, "start", timezone), _bound(flow.end, "end", timezone)
    if start is not None and end is not None and start > end:
        raise ScheduleError(f"end={flow.end!r} is before start={flow.start!r}")
    runs = flow.max_active_runs
    if not isinstance(runs, int) or isinstance(runs, bool) or runs < 1:
        raise ScheduleError(f"max_active_runs={runs!r:.60} is no number of runs: it is 1 or more")
    deadline = _deadline(flow)
    if flow.on_deadline is not None and not callable(flow.on_deadline):
        raise ScheduleError(f"on_deadline={flow.on_deadline!r:.60} cannot be called")
    if flow.on_deadline is not None and deadline is None:
        raise ScheduleError("on_deadline is never called without a deadline: say by when a run should have ended")
    if flow.schedule is None:
        return None
    timetable = timetable_of(flow.schedule).placed(timezone, start)
    missing = [name for name, parameter in flow.parameters.items() if parameter.required]
    if missing:
        raise ScheduleError(f"it has a schedule, and its parameter '{missing[0]}' no default: give it one")
    if start is not None or end is not None:
        timetable = Bounded(timetable, start, end, timezone)
        if timetable.after(_LONG_AGO if start is None else start - MOMENT) is None:
            raise ScheduleError(f"there is no time when it is due: {timetable.text}")
    return Schedule(flow.name, timetable, timezone, catchup, runs, deadline)


def _catchup(given: Any) -> CatchUp:
    if given is True:
        return "all"
    if given is False:
        return "latest"
    for known in _CATCH_UPS:
        if given == known:
            return known  # type: ignore[no-any-return]
    near = get_close_matches(given, _CATCH_UPS, 1) if isinstance(given, str) else []
    hint = f"did you mean '{near[0]}'?" if near else "it is 'all' (True), 'latest' (False) or 'none'"
    raise ScheduleError(f"catchup={given!r:.60} is not known; {hint}")


def _bound(given: Any, name: str, timezone: str) -> datetime | None:
    """A time from which on, or up to which, a schedule holds; the day that is its end belongs to it."""
    if given is None:
        return None
    try:
        read = given
        if isinstance(given, str):
            read = date.fromisoformat(given) if len(given) <= len("2026-01-31") else datetime.fromisoformat(given)
        if isinstance(read, datetime):
            return in_utc(read, timezone)
        if isinstance(read, date):
            day = read if name == "start" else read + timedelta(days=1)
            midnight = in_utc(datetime(day.year, day.month, day.day), timezone)  # noqa: DTZ001  (of that zone)
            return midnight if name == "start" else midnight - MOMENT
    except (ValueError, OverflowError):
        pass
    raise ScheduleError(f"{name}={given!r:.60} is no time: give a date, a datetime, or a text as '2026-01-31'")


def _deadline(flow: Workflow) -> float | None:
    given = flow.deadline
    if given is None:
        return None
    seconds = given.total_seconds() if isinstance(given, timedelta) else given
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds < math.inf:
        raise ScheduleError(f"deadline={given!r:.60} is no length of time: give seconds or a timedelta, more than 0")
    return float(seconds)
