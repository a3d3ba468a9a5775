"""The schedules of workflows as data, so that the service decides from them without the code."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from penstock.timetable import At, Schedule, deadline_of, schedule_of
from penstock.timetable.codec import decode, encode

if TYPE_CHECKING:
    from penstock.runtime.loader import Flow

TOLD = 200
"""How many instants are told at a time of a timetable that only its own code knows."""


def as_data(flow: Flow) -> dict[str, Any] | None:
    """The schedule of a workflow; None if it has none. ScheduleError for what cannot be."""
    schedule = schedule_of(flow)
    if schedule is None:
        return None
    timetable = encode(schedule.timetable)
    return {
        "timetable": timetable,
        "text": schedule.text,
        "timezone": schedule.timezone,
        "catchup": schedule.catchup,
        "max_active_runs": schedule.max_active_runs,
        "start": None if schedule.start is None else schedule.start.isoformat(),
    }


def deadline_as_data(flow: Flow) -> float | None:
    """Within how many seconds a run should have ended."""
    return deadline_of(flow)


def ticks_as_data(flow: Flow, after: float, count: int = TOLD) -> dict[str, Any]:
    """The next instants of a workflow, in seconds since 1970."""
    schedule = schedule_of(flow)
    times: list[float] = []
    moment = datetime.fromtimestamp(after, UTC)
    while schedule is not None and len(times) < count:
        tick = schedule.next(moment)
        if tick is None:
            break
        moment = tick.at
        times.append(tick.at.timestamp())
    return {"times": times}


def of_data(workflow: str, data: Mapping[str, Any], deadline: float | None) -> Schedule | None:
    """The schedule that was told; None for one that only its own code knows."""
    if data["timetable"] is None:
        return None
    return Schedule(
        workflow,
        decode(data["timetable"]),
        data["timezone"],
        data["catchup"],
        data["max_active_runs"],
        deadline,
    )


def at(times: list[float]) -> At | None:
    """A timetable of instants that were told; None if there are none."""
    return None if not times else At(datetime.fromtimestamp(time, UTC) for time in times)
