"""When workflows are due, and what was decided about it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from penstock.api.cursors import cursor as cursor_of
from penstock.api.cursors import place_of
from penstock.api.flows import schedule_record
from penstock.api.models.base import Page
from penstock.api.models.workflows import Due, Schedule, Tick
from penstock.api.problems import described
from penstock.api.reading import Reading
from penstock.api.records import timestamp
from penstock.api.routes.given import Cursor, Limit, Read
from penstock.api.routes.workflows import Name
from penstock.runtime.times import moment

router = APIRouter(tags=["schedules"], responses=described(422))


@router.get("/schedules")
def list_schedules(
    request: Request,
    by_hand: Annotated[bool, Query(description="Also the workflows that are run by hand alone")] = False,
) -> list[Schedule]:
    """The schedules of all workflows that have one, by name."""
    return request.app.state.all_schedules(by_hand)  # type: ignore[no-any-return]


@router.get("/next", responses=described(404))
def list_next(
    request: Request,
    days: Annotated[float, Query(gt=0, le=400, description="How far to look ahead")] = 1,
    workflow: Annotated[str | None, Query(max_length=1_000, description="Of this workflow alone")] = None,
    limit: Limit = 100,
) -> list[Due]:
    """What is due next, in order, by the timetables of what is not paused."""
    return request.app.state.due_next(days, limit, workflow)  # type: ignore[no-any-return]


@router.post("/workflows/{workflow:path}/pause", responses=described(404))
def pause(request: Request, read: Read, workflow: Name) -> Schedule:
    """Begin no runs of a workflow by its schedule, till that is wanted again. Runs that go on do so."""
    return _paused(request, read, workflow, paused=True)


@router.post("/workflows/{workflow:path}/unpause", responses=described(404))
def unpause(request: Request, read: Read, workflow: Name) -> Schedule:
    """Let the schedule of a workflow go on. What was missed meanwhile is treated as it says."""
    return _paused(request, read, workflow, paused=False)


def _paused(request: Request, read: Reading, workflow: str, *, paused: bool) -> Schedule:
    read.store.pause(workflow, paused)
    for kept in (read.schedules, request.app.state.due_next, request.app.state.all_schedules):
        kept.forget()
    return schedule_record(read.store.schedule(workflow))  # type: ignore[return-value]


@router.get("/workflows/{workflow:path}/ticks")
def list_ticks(read: Read, workflow: Name, limit: Limit = 50, cursor: Cursor = None) -> Page[Tick]:
    """What was decided about the times at which a workflow was due: which have had runs, and which were missed."""
    place = place_of(cursor, float, str) if cursor is not None else None
    before = (float(place[0]), str(place[1])) if place is not None else None
    rows = read.store.ticks(workflow, limit=limit, before=before)
    items = [
        {
            "what": row.what,
            "first": timestamp(moment(row.first)),
            "last": timestamp(moment(row.last)),
            "count": row.count,
            "run": row.run_id,
            "decided_at": timestamp(moment(row.decided_at)),
        }
        for row in rows
    ]
    more = cursor_of(float(rows[-1].last), rows[-1].what) if len(rows) == limit else None
    return Page.model_construct(items=items, next=more)
