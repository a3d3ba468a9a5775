"""Workflows: what they are, what became of their runs, and runs that are wanted."""

from __future__ import annotations

from pathlib import Path as File
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from penstock.api.cursors import cursor as cursor_of
from penstock.api.cursors import place_of
from penstock.api.flows import Flows, counts_by_workflow, source_of, workflow_detail
from penstock.api.grids import grid_of
from penstock.api.idempotency import IdempotencyKey, run_id_for
from penstock.api.models.base import Page
from penstock.api.models.runs import RunSummary
from penstock.api.models.tasks import Past
from penstock.api.models.workflows import Grid, Source, Trigger, WorkflowDetail, WorkflowSummary
from penstock.api.pasts import Pasts
from penstock.api.problems import Refused, described
from penstock.api.reading import Reading
from penstock.api.routes.given import Cursor, Drives, Limit, Read, name_of
from penstock.api.selecting import Wanted, page_of
from penstock.errors import PenstockError, RunNotFound

router = APIRouter(tags=["workflows"])
Name = Annotated[str, Path(min_length=1, max_length=1_000, openapi_examples={"workflow": {"value": "daily"}})]
LARGEST_FILE = 5_000_000


@router.get("/workflows", responses=described(422))
def list_workflows(
    read: Read,
    search: Annotated[str | None, Query(max_length=200, description="Those with this in their name")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[WorkflowSummary]:
    """The workflows that a service has found, and all others of which there are runs, by name."""
    after = str(place_of(cursor, str)[0]) if cursor is not None else ""
    flows = Flows(read)
    names = [name for name in flows.names if name > after and (search or "").lower() in name.lower()]
    counts = counts_by_workflow(read, names[:limit])
    more = cursor_of(names[limit - 1]) if len(names) > limit else None
    return Page.model_construct(items=[flows.summary(name, counts[name]) for name in names[:limit]], next=more)


@router.get("/workflows/{workflow:path}/source", responses=described(404))
def get_source(read: Read, workflow: Name) -> Source:
    """The file that a workflow is in, as it is now."""
    file = source_of(read, workflow)
    try:
        if file is None or not file.endswith(".py") or File(file).stat().st_size > LARGEST_FILE:
            raise Refused(404, "no-source", f"workflow '{workflow}' came from no file that can be shown")
        return Source(file=file, text=File(file).read_text("utf-8", "replace"))
    except OSError as error:
        raise Refused(404, "no-source", f"{file} cannot be read: {error.strerror}") from error


@router.get("/workflows/{workflow:path}/grid", responses=described(404, 422))
def get_grid(
    read: Read,
    workflow: Name,
    limit: Annotated[int, Query(ge=1, le=100, description="How many runs at most")] = 25,
    cursor: Cursor = None,
) -> Grid:
    """The newest runs of a workflow by its tasks."""
    after = place_of(cursor, float, str) if cursor is not None else None
    place = (float(after[0]), str(after[1])) if after is not None else None
    rows, following = page_of(read.store, Wanted(workflow=workflow, parts=True), limit, place)
    return grid_of(read, rows) | {"next": following}  # type: ignore[return-value]


@router.get("/workflows/{workflow:path}/history", responses=described(404, 422))
def get_history(
    request: Request,
    read: Read,
    workflow: Name,
    task: Annotated[str, Query(min_length=1, max_length=1_000, description="Of this task, or this instance of a map")],
    limit: Annotated[int, Query(ge=1, le=200, description="In how many runs at most")] = 50,
) -> list[Past]:
    """How long a task waited and ran in the newest runs of its workflow, and what it took; the oldest first."""
    rows, _ = page_of(read.store, Wanted(workflow=workflow, parts=True), limit, None)
    pasts: Pasts = request.app.state.pasts
    return pasts.of(rows, task)  # type: ignore[return-value]


@router.post("/workflows/{workflow:path}/runs", status_code=201, responses=described(404, 409, 422, 503))
def trigger_run(
    read: Read,
    drives: Drives,
    workflow: Name,
    response: Response,
    ask: Trigger | None = None,
    idempotency_key: IdempotencyKey = None,
) -> RunSummary:
    """Put a run of a workflow on record, for the service to drive. With an Idempotency-Key, it is put there once."""
    ask = ask or Trigger()
    run_id = run_id_for(workflow, idempotency_key)
    if idempotency_key is not None:
        read.keys.check(run_id, ask.model_dump_json())
    if not _is_there(read, run_id):
        name = name_of(ask.by)
        try:
            drives.trigger(workflow, ask.params, run_id=run_id, by=name, logical_at=ask.logical_time)
        except PenstockError:
            if not _is_there(read, run_id):  # else somebody has asked the same meanwhile
                read.keys.forget(run_id)
                raise
    response.headers["Location"] = f"/api/v1/runs/{run_id}"
    return read.summary(read.row(run_id))  # type: ignore[return-value]


def _is_there(read: Reading, run_id: str) -> bool:
    try:
        return bool(read.row(run_id).id == run_id)
    except RunNotFound:
        return False


@router.get("/workflows/{workflow:path}", responses=described(404))
def get_workflow(read: Read, workflow: Name) -> WorkflowDetail:
    """A workflow: its parameters, schedule and graph, its newest runs and the versions of it that they followed."""
    return workflow_detail(read, workflow)  # type: ignore[return-value]
