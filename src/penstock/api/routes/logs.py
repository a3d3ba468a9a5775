"""What the tasks of a run printed and logged."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from time import monotonic
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from penstock.api.models.base import Page
from penstock.api.models.others import LogEntry
from penstock.api.problems import described
from penstock.api.reading import Reading
from penstock.api.reading_logs import PLACE, LogsFrom, position_of, range_of
from penstock.api.routes.given import OF_A_RUN, Read, RunId
from penstock.api.streams import BEAT, HEARTBEAT, RETRY, STREAM, EventStream, event
from penstock.runtime.history import ENDED

router = APIRouter(tags=["logs"], responses=OF_A_RUN)

MOST_ENTRIES = 5_000
PAUSE = 0.1
"""Seconds between two looks at logs that are followed."""
OfTask = Annotated[str | None, Query(max_length=1_000, description="Of this task, or this instance, alone")]
OfAttempt = Annotated[int | None, Query(ge=1, le=1_000_000_000, description="Of attempts with this number alone")]
OfGeneration = Annotated[
    int | None, Query(ge=0, le=1_000_000_000, description="Of attempts alone that were made after so many reruns")
]
After = Annotated[str | None, Query(pattern=PLACE, description="The position of the entry after which to go on")]


@router.get("/runs/{run}/logs", responses=described(422))
def get_logs(
    read: Read,
    run: RunId,
    task: OfTask = None,
    attempt: OfAttempt = None,
    generation: OfGeneration = None,
    after: After = None,
    limit: Annotated[int, Query(ge=1, le=MOST_ENTRIES, description="How many entries at most")] = 1_000,
    newest: Annotated[bool, Query(description="The last so many entries in the place of the first")] = False,
) -> Page[LogEntry]:
    """What was written, in the order in which it was. `next` is the position to go on `after`, if there is more."""
    place = position_of(after)
    run_id = _known(read, run, task)
    book = LogsFrom(read, run_id, task=task, attempt=attempt, generation=generation, after=place)
    items, more = range_of(book, run_id, limit, newest=newest)
    return Page.model_construct(items=items, next=items[-1]["position"] if more else None)


@router.get("/runs/{run}/logs/follow", responses={**STREAM, **described(422)}, response_class=Response)
async def follow_logs(
    read: Read,
    run: RunId,
    task: OfTask = None,
    attempt: OfAttempt = None,
    generation: OfGeneration = None,
    after: After = None,
    last_event_id: Annotated[str | None, Header(pattern=PLACE, description="The last one heard")] = None,
) -> EventStream:
    """What was written and is being written, as server-sent events: `log` with a list of entries, and `end` when the
    run has ended. Who comes back with Last-Event-ID goes on after that."""
    place = position_of(last_event_id or after)
    run_id = await run_in_threadpool(_known, read, run, task)
    return EventStream(
        _followed(read, run_id, LogsFrom(read, run_id, task=task, attempt=attempt, generation=generation, after=place))
    )


def _known(read: Reading, run: str, task: str | None) -> str:
    """The whole id. RunNotFound; TaskNotFound."""
    if task is None:
        return read.row(run).id
    with read.run(run) as (found, _):
        found.task(task)
        return found.id


async def _followed(read: Reading, run_id: str, book: LogsFrom) -> AsyncIterator[str]:
    yield RETRY
    quiet = monotonic()
    while not read.stopping.is_set():
        over, items = await run_in_threadpool(_look, read, run_id, book)
        if items:
            yield event("log", items, items[-1]["position"])
            quiet = monotonic()
        elif over:
            yield event("end", {"run": run_id})
            return
        elif monotonic() - quiet > HEARTBEAT:
            yield BEAT
            quiet = monotonic()
        if len(items) < MOST_ENTRIES:
            await asyncio.sleep(PAUSE)


def _look(read: Reading, run_id: str, book: LogsFrom) -> tuple[bool, list[dict[str, Any]]]:
    over = read.row(run_id).state in ENDED and read.store.holder(run_id) is None  # asked first: then nothing is missed
    items, _ = range_of(book, run_id, MOST_ENTRIES, newest=False)
    return over, items
