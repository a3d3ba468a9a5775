"""Taking over a run that nobody drives: to go on with it, only to cancel it, or to deliver what it has to tell."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from penstock.clock import SYSTEM, Clock
from penstock.engine.events import (
    CancelRequested,
    DriverStopped,
    Event,
    PlanAdopted,
    RunResumed,
    RunStarted,
)
from penstock.engine.run import RunEngine
from penstock.engine.states import RunState
from penstock.errors import PlanMismatch, StoreError, TryLater
from penstock.plan.codec import encode
from penstock.plan.compile import Compiled
from penstock.plan.fingerprint import fingerprint, fit, same_work
from penstock.plan.plan import Plan
from penstock.policy import USUAL_NOTICES, Notice
from penstock.runtime.outbox import NOBODY, Deliver, folded, notifiers_set, tell
from penstock.runtime.pools import check_pools
from penstock.runtime.replay import replay
from penstock.store.base import Lease, RunChange, RunRow, Store

if TYPE_CHECKING:
    from penstock.runtime.session import Session

Again = Callable[[RunEngine, Plan, float], list[Event]]
"""What sets a run going again, given its engine, the plan it is to follow and the time; nothing if it is to rest."""


class TakenOver(NamedTuple):
    """A run in the hands of a new driver."""

    session: Session
    changed: tuple[str, ...]
    """Done tasks whose code has changed since."""


def adopt(engine: RunEngine, plan: Plan, at: float) -> list[Event]:
    """What a driver does that takes a run over without being asked: lost attempts count, and what has ended stays."""
    if engine.state is RunState.QUEUED:
        return [RunStarted(at)]
    return [RunResumed(at, by_hand=False)] if engine.state is RunState.RUNNING else []


def resume(engine: RunEngine, plan: Plan, at: float) -> list[Event]:
    """What sets a run going that somebody resumes: nothing, if all of it has succeeded."""
    if engine.state is RunState.QUEUED:
        return [RunStarted(at)]  # who had it before died before it began
    is_over = engine.state is RunState.SUCCESS and set(plan.names) <= set(engine.plan.names)
    return [] if is_over else [RunResumed(at)]


def take_over(
    store: Store,
    row: RunRow,
    lease: Lease,
    engine: RunEngine,
    compiled: Compiled,
    params: Mapping[str, Any],
    again: Again,
    notifiers: Mapping[str, str] = NOBODY,
    stale: Sequence[int] = (),
    clock: Clock = SYSTEM,
    since: float | None = None,
) -> TakenOver | None:
    """Bring a run's plan up to date and see what is to be done; None if nothing is. PlanMismatch if the workflow has
    become another than the one the run has begun with. `since` is when a run was set going that is only woken."""
    from penstock.runtime.session import Session

    now = clock.time()
    events = again(engine, compiled.plan, now)
    if not events:
        return None
    check_pools(store, compiled)
    name, adoption, changed = adopt_plan(store, engine, compiled.plan, now)
    change = RunChange(
        state="running",
        started_at=row.started_at or now,
        tasks=len(compiled.plan),
        reopened=row.ended_at is not None or row.error is not None,
    )
    opening = [*_told(engine, notifiers, now), *adoption, *events]
    return TakenOver(Session(row, lease, engine, compiled, name, params, opening, change, stale, since), changed)


def _told(engine: RunEngine, notifiers: Mapping[str, str], now: float) -> list[Event]:
    """What it takes for these notifiers, and no others, to be told of a run from now on, each of its kinds."""
    wanted = {name: tuple(kinds.split()) or USUAL_NOTICES for name, kinds in notifiers.items()}
    return [notifiers_set(now, notifiers)] if wanted != engine.notifiers else []


def adopt_plan(store: Store, engine: RunEngine, plan: Plan, now: float) -> tuple[str, list[Event], tuple[str, ...]]:
    """What it takes for a run to follow a plan: the plan's fingerprint, the events, none if it is the plan the run
    follows already, and the names of done tasks whose code has changed. PlanMismatch if the plan does not fit."""
    encoded = encode(plan)
    name = fingerprint(encoded)
    if same_work(engine.plan, plan):
        store.add_plan(engine.run_id, name, encoded)  # its logs are kept under this name
        return name, [], ()
    fitting = fit(engine.plan, plan, engine.done())
    if fitting.problems:
        problems = "".join(f"\n  {problem}" for problem in fitting.problems)
        raise PlanMismatch(
            f"run {engine.run_id} cannot go on with the workflow as it is now:{problems}\n"
            "Put these tasks back as they were, or start a new run."
        )
    store.add_plan(engine.run_id, name, encoded)
    return name, [PlanAdopted(now, name)], fitting.changed


def cancel_unheld(
    store: Store,
    run_id: str,
    by: str,
    notifiers: Mapping[str, str] = NOBODY,
    clock: Clock = SYSTEM,
    *,
    once: bool = False,
) -> bool:
    """Cancel a run that has no driver, so that nobody would read its inbox. With `once`, only if it is not to end
    already, since who cancels twice wants no teardowns. Whether it was."""
    lease = store.acquire(run_id)
    try:
        row = store.run(run_id)
        engine = replay(store, row)
        before = engine.disturbed_by is not None
        if once and before:
            return before
        now = clock.time()
        first = RunStarted(now) if engine.state is RunState.QUEUED else DriverStopped(now, "lost")
        events = [*_told(engine, notifiers, now), first, CancelRequested(now, by)]
        for event in events:
            engine.handle(event)
        store.append(lease, events, change=left_waiting(row, end_of(engine)), safe=True)
        return before
    finally:
        lease.release()


def note_failure(store: Store, row: RunRow, lease: Lease, error: BaseException) -> None:
    """Say on the row of a parked run why it could not be woken. It stays parked."""
    text = f"it could not be woken: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
    if row.state == "waiting" and row.error != text:
        with suppress(StoreError):
            change = RunChange(state="waiting", wake_at=row.wake_at, error=text)
            store.append(lease, [], change=change, safe=True)


def finish_unheld(
    store: Store, row: RunRow, engine: RunEngine, lease: Lease, deliver: Deliver, clock: Clock = SYSTEM
) -> None:
    """Do what the driver of a run that has ended left undone: say on its row that it has, and deliver what it has to
    tell, each notice once more. What is refused stays for later."""
    change = end_of(engine)
    if change.state is not None and (row.state, row.undelivered) != (change.state, change.undelivered):
        store.append(lease, [], change=change, safe=True)
    held: dict[str, list[Notice]] = {}

    def send(notice: Notice) -> None:
        event = tell(deliver, notice, clock.time)
        if isinstance(event, TryLater) and event.fold:
            held.setdefault(notice.receiver, []).append(notice)
        elif event is not None and not isinstance(event, TryLater):
            events = [replace(event, notice=id) for id in notice.stands_for or (notice.id,)]
            for each in events:
                engine.handle(each)
            store.append(lease, events, change=RunChange(undelivered=len(engine.notices)), safe=True)

    for notice in [*engine.notices.values()]:
        send(notice)
    for notices in [*held.values()]:
        send(folded(notices))


def left_waiting(row: RunRow, change: RunChange) -> RunChange:
    """What the row of a run says once somebody lets go of it who has not driven it: that of a parked one which has not
    ended, that it is to be woken now, since there may be something to do."""
    if row.state == "waiting" and change.state is None:
        return replace(change, state="waiting", wake_at=0.0)
    return change


def end_of(engine: RunEngine) -> RunChange:
    """What the row of a run says once its driver lets go of it."""
    ended = engine.state not in (RunState.QUEUED, RunState.RUNNING)
    return RunChange(
        state=str(engine.state) if ended else None,
        ended_at=engine.ended_at,
        error=engine.error,
        counts=json.dumps(engine.counts()),
        undelivered=len(engine.notices),
    )
