"""The workflows that a service has put on record, as commands name them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from difflib import get_close_matches

from penstock.cli.failures import NotFound
from penstock.errors import ScheduleNotFound
from penstock.runtime.coming import schedule_on_record
from penstock.store.base import Store
from penstock.store.schedules import ScheduleRow
from penstock.timetable.zones import zone


def find(store: Store, workflow: str) -> ScheduleRow:
    """The row of a workflow. NotFound with the nearest if there is none."""
    try:
        return store.schedule(workflow)
    except ScheduleNotFound:
        pass
    names = [row.workflow for row in store.schedules()]
    if not names:
        raise NotFound(f"no workflow '{workflow}' is known here: a service finds them, penstock serve FOLDER")
    near = get_close_matches(workflow, names, 1)
    hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(_some(names))}"
    raise NotFound(f"no service has found a workflow '{workflow}'; {hint}")


def next_at(row: ScheduleRow, now: float) -> datetime | None:
    """When a workflow is due next; None if that is never, or is not known here."""
    schedule = schedule_on_record(row)
    if schedule is None or schedule.timetable.at_once:
        return None
    tick = schedule.next(datetime.fromtimestamp(max(row.upto, now) if row.upto > 0.0 else now, UTC))
    return tick.at if tick is not None else None


def local(moment: datetime, timezone: str) -> str:
    """A time as it is in a workflow's zone."""
    return moment.astimezone(zone(timezone)).strftime("%Y-%m-%d %H:%M:%S")


def _some(names: Sequence[str]) -> list[str]:
    return [*names[:5], *(["..."] if len(names) > 5 else [])]
