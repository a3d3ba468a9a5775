"""A task of a run once more, in this process, with the inputs that it had; nothing of it is recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from inspect import iscoroutine
from shlex import quote
from typing import Any

from penstock.engine.events import PlanAdopted
from penstock.engine.run import RunEngine
from penstock.engine.states import TaskState
from penstock.errors import ApprovalTimeout, Defer, PenstockError, RunLocked, Skip, TaskNotFound, ValueUnavailable
from penstock.executor.base import Attempt
from penstock.executor.context import RunContext
from penstock.executor.current import running
from penstock.executor.handling import PLAIN
from penstock.executor.values import RunValues
from penstock.plan.codec import encode
from penstock.plan.compile import Compiled
from penstock.plan.fingerprint import fingerprint
from penstock.plan.plan import Plan
from penstock.runtime.choosing import choose_named
from penstock.runtime.history import History
from penstock.runtime.logical_times import time_of
from penstock.runtime.part import child_of
from penstock.runtime.replay import replay
from penstock.runtime.why import Whys
from penstock.store.base import RunRow

Call = Callable[..., Any]
"""Calls a body with its arguments: `call(body, *args, **kwargs)`."""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A task that is about to be called once more."""

    name: str
    """The task's name, of an instance of a map with its index."""
    run_id: str
    attempt: Attempt
    body: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    warnings: Sequence[str]
    """What may not be as it was."""

    def call(self, call: Call | None = None) -> Any:
        """Call the body; what it returned. Whatever it raises is raised."""
        token = running.set(self.attempt)
        try:
            value = call(self.body, *self.args, **self.kwargs) if call else self.body(*self.args, **self.kwargs)
            if not iscoroutine(value):
                return value
            import asyncio

            return asyncio.run(value)
        finally:
            running.reset(token)


def rehearse(
    kept: History,
    row: RunRow,
    task: str,
    index: int | None,
    again: Callable[[], tuple[Compiled, Mapping[str, Any]]],
) -> Rehearsal:
    """Prepare a task of a run to be called once more. `again` gives the workflow as it is now, with the parameters of
    the run.

    TaskNotFound for an unknown task, RunLocked if it is running just now, ValueUnavailable if an input is gone, and
    PenstockError for what has no body or no inputs yet."""
    recorded = replay(kept.store, row)
    name = task if index is None else f"{task}[{index}]"
    slot = _slot(recorded, name)
    if recorded.states[slot] == TaskState.RUNNING and kept.store.holder(row.id) is not None:
        raise RunLocked(
            f"task '{recorded.name(slot)}' of run {row.id} is running just now: wait for it, or cancel the run"
        )
    if recorded.policy(slot).workflow is not None:
        run = f"its run {child}" if (child := child_of(recorded, slot)) is not None else "its run"
        raise PenstockError(f"task '{name}' runs a workflow and has no body of its own: debug a task of {run}")
    compiled, params = again()
    _check_inputs(recorded, slot, row.id)
    engine = _as_of_now(kept, row, recorded, compiled.plan)
    name = recorded.name(slot)
    slot = _slot(engine, name)
    context = RunContext(
        run_id=row.id,
        engine=engine,
        plan=compiled.plan,
        tasks=compiled.tasks,
        defaults=compiled.defaults,
        params=params,
        results=kept.results,
        values=RunValues(compiled.plan, engine, kept.results),
        write_log=lambda *_: None,
        logical_time=time_of(row),
    )
    attempt = Attempt(context, slot, recorded.generation(_slot(recorded, name)), max(1, engine.attempts[slot]), None, 0)
    try:
        args, kwargs = context.arguments(slot)
        kwargs = {**kwargs, **_answers(attempt, context)}
    except ValueUnavailable as error:
        raise ValueUnavailable(f"{error}. {_made_again(row.id, engine, slot)}") from error
    warnings = [*_warnings(recorded, _slot(recorded, name)), *_changed(recorded, compiled.plan, name)]
    return Rehearsal(name, row.id, attempt, context.function(slot), args, kwargs, warnings)


def _answers(attempt: Attempt, context: RunContext) -> Mapping[str, Any]:
    """What somebody has decided, of a task that asks."""
    handling = context.handling(attempt.task)
    if handling is PLAIN or handling.asks is None:
        return {}
    from penstock.executor.decisions import decided

    where = f"task '{attempt.name}' of run {context.run_id}"
    try:
        return decided(attempt, handling.asks)
    except Defer:
        command = f"penstock approve {context.run_id} {quote(attempt.name)}"
        raise PenstockError(
            f"{where} waits for somebody to decide, so there is no answer to call it with: {command}"
        ) from None
    except (Skip, ApprovalTimeout) as error:
        raise PenstockError(f"the body of {where} is not called: {error}") from None


def _slot(engine: RunEngine, name: str) -> int:
    """The slot of a task that has a body: of a map an instance, the first that failed if none is named."""
    try:
        slots = choose_named(engine, [name])
    except PenstockError as error:
        raise TaskNotFound(str(error)) from None
    rows = {engine.row(slot) for slot in slots}
    if len(rows) > 1 or rows & engine.plan.expanded_by.keys():
        raise PenstockError(f"'{name}' is a group: name one of the tasks in it")
    failed = [slot for slot in slots if engine.states[slot] == TaskState.FAILED]
    slot = (failed or slots)[0]
    if len(slots) > 1 and not failed:
        raise PenstockError(f"'{name}' is mapped: say which instance, --index 0 to {len(slots) - 1}")
    if engine.is_head(slot):
        state = engine.task_state(slot).label
        raise PenstockError(
            f"'{name}' is mapped, and has no instances yet, since it is {state}: there is no body to call"
        )
    return slot


def _check_inputs(engine: RunEngine, slot: int, run_id: str) -> None:
    """See that what the task takes is there to be taken."""
    for row in engine.plan.inputs[engine.row(slot)]:
        above = engine.slot_beside(slot, row)
        if engine.states[above] < TaskState.SUCCESS:
            state = engine.task_state(above).label
            raise PenstockError(
                f"task '{engine.name(slot)}' takes the value of '{engine.name(above)}', which is {state}: there is "
                f"nothing to give it yet; penstock resume {run_id} goes on with the run"
            )
        for one in engine.slots(row) if above == row else (above,):
            value = engine.values.get(one)
            if value is not None and value.codec == "volatile":
                raise ValueUnavailable(
                    f"the value of task '{engine.name(one)}' was not kept, since it cannot be pickled: it died with "
                    f"its process. Run the two in one process, with breakpoint() in the body: penstock rerun {run_id} "
                    f"--from {engine.plan.names[row]} --executor inline"
                )


def _made_again(run_id: str, engine: RunEngine, slot: int) -> str:
    names = [engine.plan.names[row] for row in engine.plan.inputs[engine.row(slot)]]
    only = " ".join(f"--only {name}" for name in names)
    return f"It may have been pruned; penstock rerun {run_id} {only} makes it again"


def _as_of_now(kept: History, row: RunRow, recorded: RunEngine, plan: Plan) -> RunEngine:
    """The run as it would be taken over by the workflow as it is now."""
    name = fingerprint(encode(plan))
    if name == fingerprint(encode(recorded.plan)):
        return recorded
    engine = replay(kept.store, row, known={name: plan})
    engine.handle(PlanAdopted(0.0, name))
    return engine


def _warnings(engine: RunEngine, slot: int) -> list[str]:
    """What may not be there any more, or what should not be done twice."""
    told = []
    plan, row = engine.plan, engine.row(slot)
    if not engine.attempts[slot]:
        why = Whys(engine).why(slot)
        told.append(f"it has not run in this run{f', since {why}' if why else ''}")
    if engine.policy(slot).at_most_once and engine.attempts[slot]:
        told.append("it is at_most_once, and has begun before: whatever it does to the world may be done twice")
    for teardown, setups in plan.setups.items():
        scope = {*plan.upstreams[teardown], *plan.waits.get(teardown, ())}
        if row in scope and any(engine.attempts[one] for one in engine.slots(teardown)):
            names = ", ".join(f"'{plan.names[setup]}'" for setup in setups)
            told.append(f"what {names} set up has been torn down by '{plan.names[teardown]}'")
    return told


def _changed(engine: RunEngine, plan: Plan, name: str) -> list[str]:
    """That its code is not what ran."""
    task = name if name in plan.numbers else name.rpartition("[")[0]
    old, new = engine.plan.numbers.get(task), plan.numbers.get(task)
    if old is None or new is None or engine.plan.digests[old] == plan.digests[new]:
        return []
    return ["its code has changed since; this is the code as it is now"]
