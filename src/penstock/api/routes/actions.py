"""What can be asked of a run: to end, to go on, to do parts again, to take marks, messages and decisions, to go."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi import APIRouter
from starlette.responses import Response

from penstock.api.idempotency import IdempotencyKey
from penstock.api.marking import preview_of_mark
from penstock.api.models.runs import (
    Accepted,
    By,
    Choice,
    Deletion,
    Letter,
    Mark,
    MarkPreview,
    Marks,
    Preview,
    Rerun,
    Verdict,
)
from penstock.api.previewing import preview_of
from penstock.api.problems import Refused, described
from penstock.api.reading import Reading
from penstock.api.records import shown_state
from penstock.api.routes.given import Drives, Read, RunId, name_of
from penstock.errors import RunNotFound
from penstock.runtime import choosing, deciding
from penstock.runtime.history import ENDED
from penstock.store.base import RunRow

router = APIRouter(tags=["actions"], responses=described(404, 409, 422))


@router.post("/runs/{run}/cancel", status_code=202)
def cancel_run(read: Read, run: RunId, ask: By | None = None) -> Accepted:
    """Ask a run to end: tasks that run are asked to, the others are cancelled. It may be resumed later."""
    found = read.manager.cancel(run, by=name_of(ask.by if ask is not None else None))
    told = f"it is {found.state}" if found.state in ENDED else "it is asked to end"
    return Accepted(run=found.id, state=found.state, told=told)


@router.post("/runs/{run}/resume", status_code=202, responses=described(503))
def resume_run(read: Read, drives: Drives, run: RunId, ask: By | None = None) -> Accepted:
    """Go on with a run: what is done stays done, everything else runs. A service drives it."""
    row = read.row(run)
    drives.resume(row.id, name_of(ask.by if ask is not None else None))
    return _accepted(read, row.id, "it is to go on")


@router.post("/runs/{run}/rerun/preview")
def preview_rerun(read: Read, run: RunId, ask: Choice) -> Preview:
    """What would run again, in order, and why; and what would be kept. Nothing is done."""
    with read.run(run) as (found, known):
        newest = read.service.plan_of(found.id) if read.service is not None else None
        choice = _choice(ask)
        return preview_of(  # type: ignore[return-value]
            known.engine, newest or known.engine.plan, choice, current=newest is not None
        )


@router.post("/runs/{run}/rerun", status_code=202, responses=described(503))
def rerun(read: Read, drives: Drives, run: RunId, ask: Rerun) -> Accepted:
    """Run parts of a run again, done or not, with their recorded inputs. A service drives it."""
    with read.run(run) as (found, known):
        if found.state not in ENDED:
            raise Refused(
                409, "run-not-ended", f"run {found.id} is {found.state}: parts of it run again when it has ended"
            )
        choice = _choice(ask)
        choosing.choose_again(known.engine, drives.plan_of(found.id) or known.engine.plan, choice)
        run_id = found.id
    drives.rerun(run_id, choice, name_of(ask.by))
    return _accepted(read, run_id, "what you chose is to run again")


@router.post("/runs/{run}/mark/preview")
def preview_mark(read: Read, run: RunId, ask: Marks) -> MarkPreview:
    """What marking tasks would do, to them and to what comes after them. Nothing is done."""
    return preview_of_mark(read, read.row(run), ask.tasks, ask.state)  # type: ignore[return-value]


@router.post("/runs/{run}/mark")
def mark(read: Read, run: RunId, ask: Mark) -> Accepted:
    """Take tasks for a success, a failure or as skipped, without running them. What waited for them is weighed anew."""
    row, name = read.row(run), name_of(ask.by)
    told = f"what you chose is marked as {ask.state}"
    try:
        read.manager.mark(row.id, ask.tasks, ask.state, note=ask.note, by=name, waiting=_give_up)
    except _Slow:
        told = "the marks are on disk, and count when the driver takes them"
    return _accepted(read, row.id, told)


@router.post("/runs/{run}/messages", status_code=202)
def send_message(read: Read, run: RunId, ask: Letter, idempotency_key: IdempotencyKey = None) -> Accepted:
    """Send a run a message, for the task that receives its topic: now, later, or when the run goes on. With an
    Idempotency-Key, it is sent once, as long as the server remembers the key."""
    row, name = read.row(run), name_of(ask.by)

    def send() -> None:
        read.manager.send(row.id, ask.topic, ask.value, by=name)

    if idempotency_key is None:
        send()
    else:
        read.keys.once(f"{row.id} {idempotency_key}", ask.model_dump_json(), send)
    state = shown_state(read.store, read.row(row.id))
    later = "" if state == "running" else f": it counts when the run goes on, which is {state}"
    return Accepted(run=row.id, state=state, told=f"it is sent{later}")


@router.post("/runs/{run}/delete/preview")
def preview_deletion(read: Read, run: RunId) -> Deletion:
    """What would be forgotten with a run. Nothing is done."""
    rows = [*_with_parts(read, read.row(run))]
    return Deletion(id=rows[0].id, runs=[row.id for row in rows], tasks=sum(row.tasks for row in rows))


@router.delete("/runs/{run}", status_code=204, response_class=Response)
def delete_run(read: Read, run: RunId) -> None:
    """Forget a run that has ended, with its journal and its logs, and the runs that its tasks are. It is named by its
    whole id. Large values go when the store is pruned."""
    row = read.row(run)
    if row.id != run:
        raise RunNotFound(f"a run is deleted by its whole id, which is {row.id}")
    if row.state not in ENDED:
        raise Refused(409, "run-not-ended", f"run {row.id} is {shown_state(read.store, row)}: cancel it first")
    read.manager.delete(row.id)


def _with_parts(read: Reading, row: RunRow) -> Iterator[RunRow]:
    yield row
    for child in read.store.children(row.id):
        if child.part is not None:
            yield from _with_parts(read, child)


@router.post("/runs/{run}/approve")
def approve(read: Read, run: RunId, ask: Verdict) -> Accepted:
    """Approve what a task waits for, and answer what it asks. All is checked before anything is sent."""
    return _decide(read, run, ask, approved=True)


@router.post("/runs/{run}/reject")
def reject(read: Read, run: RunId, ask: Verdict) -> Accepted:
    """Reject what a task waits for. A task that does not ask for `approved` is skipped."""
    return _decide(read, run, ask, approved=False)


class _Slow(Exception):  # it ends a wait
    """The driver takes long."""


def _give_up() -> None:
    raise _Slow


def _decide(read: Reading, run: str, ask: Verdict, *, approved: bool) -> Accepted:
    verdict = deciding.Verdict(approved, name_of(ask.by), ask.note, ask.values)
    row = read.row(run)
    told = "it is decided"
    try:
        read.manager.decide(row.id, ask.task, verdict, waiting=_give_up)
    except _Slow:
        told = "the decision is on disk, and counts when the driver takes it"
    return _accepted(read, row.id, told)


def _choice(ask: Choice) -> choosing.Choice:
    return choosing.Choice(ask.only, ask.from_, ask.failed, ask.where)


def _accepted(read: Reading, run_id: str, told: str) -> Accepted:
    return Accepted(run=run_id, state=shown_state(read.store, read.row(run_id)), told=told)
