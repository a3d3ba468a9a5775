"""What changes, told as it comes, as server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from time import monotonic
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from penstock.api.following import Follower
from penstock.api.problems import described
from penstock.api.routes.given import OF_A_RUN, Read, RunId
from penstock.api.streams import BEAT, HEARTBEAT, RETRY, STREAM, EventStream, event
from penstock.api.watching import GAP, Watch
from penstock.errors import PenstockError, RunNotFound

router = APIRouter(tags=["events"])
LastEventId = Annotated[str | None, Header(max_length=100, description="The id of the last event that was heard")]
_NET = 1.0
"""Seconds after which it is looked at a run even if nothing was written."""


@router.get("/events", responses=STREAM, response_class=Response)
async def follow_all(
    request: Request,
    after: Annotated[str | None, Query(max_length=100, description="The `position` of what one has")] = None,
    last_event_id: LastEventId = None,
) -> EventStream:
    """What becomes of runs: `runs` with those that have changed, as in a list, and the ids of those that are gone; at
    most 10 a second. `reset` says that something was missed: ask anew for what you show. Who comes back with
    Last-Event-ID misses nothing, or is told."""
    watch: Watch = request.app.state.watch
    return EventStream(_all(watch, last_event_id or after))


async def _all(watch: Watch, position: str | None) -> AsyncIterator[str]:
    yield RETRY
    with watch.ear() as ear:
        here = await run_in_threadpool(lambda: watch.position)
        if position is None:
            yield event("begin", {}, here)
        position = position or here
        while not watch.stopping:
            updates = watch.after(position)
            if updates is None:
                position = watch.position
                yield event("reset", {}, position)
            for update in updates or ():
                position = watch.name(update)
                yield event(update.name, update.data, position)
            ear.clear()
            try:
                await asyncio.wait_for(ear.wait(), HEARTBEAT)
            except TimeoutError:
                yield BEAT


@router.get("/runs/{run}/events", responses={**STREAM, **OF_A_RUN, **described(422)}, response_class=Response)
async def follow_run(
    request: Request,
    read: Read,
    run: RunId,
    after: Annotated[int | None, Query(ge=0, le=1 << 32, description="The `position` of the run that one has")] = None,
    last_event_id: Annotated[str | None, Header(pattern=r"^[0-9]{1,10}$", description="The `position` of it")] = None,
) -> EventStream:
    """What becomes of a run: `run` with its state and counts, the tasks that have changed and their attempts; at most
    10 a second. `reload` in it says that the graph is another, so that one asks for the run anew. `gone` is the last if
    the run is deleted. Also runs that have ended are told of, should they go on."""
    position = int(last_event_id) if last_event_id is not None else after
    follower = await run_in_threadpool(lambda: Follower(read, read.row(run).id, position))
    return EventStream(_one(request.app.state.watch, follower))


async def _one(watch: Watch, follower: Follower) -> AsyncIterator[str]:
    yield RETRY
    with watch.ear() as ear:
        await run_in_threadpool(lambda: watch.position)
        quiet = monotonic()
        while not watch.stopping:
            ear.clear()
            try:
                update = await run_in_threadpool(follower.look)
            except RunNotFound:
                yield event("gone", {"id": follower.run_id})
                return
            except PenstockError as error:
                yield event("problem", {"detail": str(error)})
                return
            if update is not None:
                yield event("run", update, str(update["position"]))
                quiet = monotonic()
                await asyncio.sleep(GAP)
            elif monotonic() - quiet > HEARTBEAT:
                yield BEAT
                quiet = monotonic()
            try:
                await asyncio.wait_for(ear.wait(), _NET)
            except TimeoutError:
                pass
