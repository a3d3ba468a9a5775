"""Taking over a run that nobody drives: to go on with a workflow that has changed, or only to cancel it."""

from __future__ import annotations

import json
from time import time

from penstock.engine.events import CancelRequested, DriverStopped, Event, PlanAdopted, RunStarted
from penstock.engine.run import RunEngine
from penstock.engine.states import RunState
from penstock.errors import PlanMismatch
from penstock.plan.codec import encode
from penstock.plan.fingerprint import fingerprint, fit, same_work
from penstock.plan.plan import Plan
from penstock.runtime.replay import replay
from penstock.store.base import RunChange, Store


def adopt_plan(store: Store, engine: RunEngine, plan: Plan, now: float) -> tuple[str, list[Event], tuple[str, ...]]:
    """What it takes for a run to follow a plan: the plan's fingerprint, the events, none if it is the plan the run
    follows already, and the names of done tasks whose code has changed. PlanMismatch if the plan does not fit."""
    encoded = encode(plan)
    name = fingerprint(encoded)
    if same_work(engine.plan, plan):
        return name, [], ()
    fitting = fit(engine.plan, plan, engine.done())
    if fitting.problems:
        problems = "".join(f"\n  {problem}" for problem in fitting.problems)
        raise PlanMismatch(
            f"run {engine.run_id} cannot go on with the workflow as it is now:{problems}\n"
            "Put these tasks back as they were, or start a new run."
        )
    store.add_plan(engine.run_id, name, encoded)
    return name, [DriverStopped(now, "lost"), PlanAdopted(now, name)], fitting.changed


def cancel_unheld(store: Store, run_id: str, by: str) -> None:
    """Cancel a run that has no driver, so that nobody would read its inbox."""
    lease = store.acquire(run_id)
    try:
        engine = replay(store, store.run(run_id))
        now = time()
        first = RunStarted(now) if engine.state is RunState.QUEUED else DriverStopped(now, "lost")
        events: list[Event] = [first, CancelRequested(now, by)]
        for event in events:
            engine.handle(event)
        store.append(lease, events, change=end_of(engine), safe=True)
    finally:
        lease.release()


def end_of(engine: RunEngine) -> RunChange:
    """What the row of a run says once its driver lets go of it."""
    ended = engine.state not in (RunState.QUEUED, RunState.RUNNING)
    return RunChange(
        state=str(engine.state) if ended else None,
        ended_at=engine.ended_at,
        error=engine.error,
        counts=json.dumps(engine.counts()),
    )
