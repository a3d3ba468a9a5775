"""Runs: lists of them, and one with all that belongs to it."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from penstock.api.cursors import place_of
from penstock.api.details import run_detail
from penstock.api.models.base import Moment, Page
from penstock.api.models.runs import RunDetail, RunSummary
from penstock.api.models.tasks import Why
from penstock.api.problems import described
from penstock.api.reading import Reading
from penstock.api.records import why_record
from penstock.api.routes.given import OF_A_RUN, Cursor, Limit, Read, RunId
from penstock.api.selecting import Wanted, page_of

router = APIRouter(tags=["runs"])

State = Literal["queued", "running", "waiting", "interrupted", "success", "failed", "cancelled"]
Part = Literal["graph", "attempts", "why"]


@router.get("/runs", responses=described(422))
async def list_runs(
    read: Read,
    workflow: Annotated[str | None, Query(max_length=1_000, description="Those of this workflow")] = None,
    state: Annotated[list[State] | None, Query(description="Those in one of these states")] = None,
    trigger: Annotated[
        Literal["schedule", "manual", "workflow"] | None, Query(description="Those that this has begun")
    ] = None,
    since: Annotated[Moment | None, Query(description="Those created at this time or later")] = None,
    until: Annotated[Moment | None, Query(description="Those created before this time")] = None,
    parts: Annotated[bool, Query(description="Also those that are tasks of others")] = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[RunSummary]:
    """The runs on record, newest first."""
    wanted = Wanted(workflow, frozenset(state or ()), trigger, since, until, parts)
    place = None if cursor is None else _place(cursor)
    return await run_in_threadpool(_page, read, wanted, limit, place)


def _page(read: Reading, wanted: Wanted, limit: int, place: tuple[float, str] | None) -> Page[RunSummary]:
    rows, following = page_of(read.store, wanted, limit, place)
    return Page.model_construct(items=read.summaries(rows), next=following)


def _place(text: str) -> tuple[float, str]:
    at, run_id = place_of(text, float, str)
    return float(at), str(run_id)


@router.get("/runs/{run}", responses=OF_A_RUN)
def get_run(
    read: Read,
    run: RunId,
    include: Annotated[list[Part] | None, Query(description="What else to tell")] = None,
    maps: Annotated[
        Literal["whole", "fold"],
        Query(description="fold leaves out instances of maps that need no attention: the graph has their counts"),
    ] = "whole",
) -> RunDetail:
    """A run with its tasks: what `penstock show --json` tells, and more."""
    with read.run(run) as (found, known):
        told = run_detail(read, found, known, frozenset(include or ()), fold=maps == "fold")
    return JSONResponse(told)  # type: ignore[return-value]  # of 10,000 tasks, to check what was just made takes long


@router.get("/runs/{run}/why", responses=OF_A_RUN)
def why_run(read: Read, run: RunId) -> Why:
    """Why a run stands where it does: what has ended it, or what it waits for, the most important first."""
    with read.run(run) as (found, _):
        return why_record(found.why())  # type: ignore[return-value]
