"""What can be asked of a run: to end, to go on, to do parts again, and to take a decision."""

from __future__ import annotations

from fastapi import APIRouter

from penstock.api.models.runs import Accepted, By, Choice, Preview, Rerun, Verdict
from penstock.api.previewing import preview_of
from penstock.api.problems import Refused, described
from penstock.api.reading import Reading
from penstock.api.records import shown_state
from penstock.api.routes.given import Drives, Read, RunId, name_of
from penstock.runtime import choosing, deciding
from penstock.runtime.history import ENDED

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


def _decide(read: Reading, run: str, ask: Verdict, *, approved: bool) -> Accepted:
    def give_up() -> None:
        raise _Slow

    verdict = deciding.Verdict(approved, name_of(ask.by), ask.note, ask.values)
    row = read.row(run)
    told = "it is decided"
    try:
        read.manager.decide(row.id, ask.task, verdict, waiting=give_up)
    except _Slow:
        told = "the decision is on disk, and counts when the driver takes it"
    return _accepted(read, row.id, told)


def _choice(ask: Choice) -> choosing.Choice:
    return choosing.Choice(ask.only, ask.from_, ask.failed, ask.where)


def _accepted(read: Reading, run_id: str, told: str) -> Accepted:
    return Accepted(run=run_id, state=shown_state(read.store, read.row(run_id)), told=told)
