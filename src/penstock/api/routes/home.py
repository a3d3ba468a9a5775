"""What the first page shows, and how the service is."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, Response

from penstock.api.failures import failure_record
from penstock.api.flows import late
from penstock.api.models.others import Health, Home
from penstock.api.reading import Reading
from penstock.api.records import timestamp
from penstock.api.routes.given import Read
from penstock.api.selecting import Wanted, page_of
from penstock.errors import StoreError
from penstock.runtime.times import moment
from penstock.store.base import RunRow

router = APIRouter(tags=["service"])
_UNDER_WAY = ("queued", "running", "waiting")
_MOST_UNDER_WAY = 10_000
"""So many runs that go on are looked at for late ones: the newest."""


@router.get("/home")
def get_home(
    request: Request,
    read: Read,
    limit: Annotated[int, Query(ge=1, le=100, description="How many of each kind at most")] = 20,
) -> Home:
    """Everything that the first page shows: what runs, what failed lately and why, what waits for a decision, and what
    comes next."""
    position = request.app.state.watch.position  # before anything is read, so that nothing is missed
    unfinished = [*_runs(read, limit, "running", "queued", "interrupted"), *_runs(read, limit, "waiting")]
    failures = _runs(read, 5, "failed")
    return {  # type: ignore[return-value]
        "health": health_of(read),
        "unfinished": read.summaries(unfinished[:limit]),
        "failures": [failure_record(read, row) for row in failures],
        "late": read.summaries(late(read, read.store.runs(states=_UNDER_WAY, limit=_MOST_UNDER_WAY))[:limit]),
        "approvals": [read.approval(one) for one in read.manager.approvals()[:limit]],
        "recent": read.summaries(_runs(read, limit)),
        "next": request.app.state.due_next(7.0, limit, None),
        "position": position,
    }


def _runs(read: Reading, limit: int, *states: str) -> list[RunRow]:
    return page_of(read.store, Wanted(states=states), limit, None)[0]


@router.get("/health", responses={503: {"model": Health, "description": "Something is wrong"}})
def get_health(read: Read) -> Health:
    """How the service is: whether the store answers, and what the scheduler says. 503 if something is wrong."""
    told = health_of(read)
    if told["status"] != "ok":
        return JSONResponse(told, 503)  # type: ignore[return-value]
    return told  # type: ignore[return-value]


def health_of(read: Reading) -> dict[str, Any]:
    """How the service is."""
    from penstock.api.app import program_version

    status, details = "ok", dict[str, Any]()
    try:
        read.store.runs(limit=1)
    except StoreError as error:
        status = str(error)
    if read.service is not None:
        details = dict(read.service.health())
        status = str(details.get("problem") or status) if status == "ok" else status
    return {
        "status": status,
        "version": program_version(),
        "started_at": timestamp(moment(read.began)),
        "store": type(read.store).__name__.removesuffix("Store").lower(),
        "durable": read.store.durable,
        "drives": read.service is not None,
        "details": details,
    }


@router.get(
    "/metrics", response_class=Response, responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}
)
def get_metrics(request: Request) -> Response:
    """Figures for Prometheus: runs by workflow and state, pools, requests and how long they took."""
    text, kind = request.app.state.metrics.exposition()
    return Response(text, media_type=kind)
