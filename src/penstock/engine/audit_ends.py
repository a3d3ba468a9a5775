"""How a run ends, by what has become of its tasks: read independently of the engine."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from penstock.engine.audit_law import AuditLaw
from penstock.engine.audit_states import CANCELLED, FAILED, UPSTREAM_FAILED
from penstock.engine.events import CancelRequested, RunTimedOut
from penstock.engine.states import RunState


class FirstFailure(NamedTuple):
    """What ends a run that is to end with its first failure."""

    task: str


Cause: TypeAlias = CancelRequested | RunTimedOut | FirstFailure | None
"""Why a run is to end before its tasks have."""


class Ending(NamedTuple):
    """How a run ends, and what makes it so: a word, and the tasks to blame."""

    state: RunState
    why: str = ""
    tasks: tuple[str, ...] = ()


def ending(tasks: AuditLaw, cause: Cause) -> Ending:
    """How a run ends whose tasks have."""
    cancelled = _those(tasks, CANCELLED)
    if cancelled and isinstance(cause, RunTimedOut):
        return Ending(RunState.FAILED, "timed out")
    if cancelled and isinstance(cause, CancelRequested):
        return Ending(RunState.CANCELLED, "cancelled")
    if isinstance(cause, FirstFailure):
        return Ending(RunState.FAILED, "failed first", (cause.task,))
    only_leaves = tasks.plan.run_state == "leaves"
    failed = [slot for slot in _those(tasks, FAILED) if tasks.policy(slot).failure_counts]
    if failed := [slot for slot in failed if not only_leaves or _is_leaf(tasks, slot)]:
        return Ending(RunState.FAILED, "failed", _names(tasks, failed))
    held_up = [slot for slot in _those(tasks, UPSTREAM_FAILED) if _counts(tasks, slot, only_leaves=only_leaves)]
    if held_up:
        return Ending(RunState.FAILED, "did not run", _names(tasks, held_up))
    if cancelled:
        return Ending(RunState.CANCELLED, "did not run again", _names(tasks, cancelled))
    return Ending(RunState.SUCCESS)


def _those(tasks: AuditLaw, state: int) -> list[int]:
    """The tasks in a state, maps as their instances."""
    return [slot for slot in tasks.those(state) if not tasks.is_whole(slot)]


def _is_leaf(tasks: AuditLaw, slot: int) -> bool:
    """Whether nothing but teardowns comes after a task; of teardowns, whether its failure is the run's. The tasks of a
    mapped group come after what expands it."""
    plan, row, policy = tasks.plan, tasks.rows[slot], tasks.policy(slot)
    if policy.teardown or row in plan.expanded_by:
        return policy.on_failure_fail_run
    return all(plan.policies[down].teardown for down in plan.downstreams[row])


def _counts(tasks: AuditLaw, slot: int, *, only_leaves: bool) -> bool:
    """Whether a task that did not run fails the run: if it is a leaf, where only these count; else if it would run
    today, so that it was left over when something was run again."""
    return _is_leaf(tasks, slot) if only_leaves else not tasks.is_still_held_up(slot)


def _names(tasks: AuditLaw, slots: list[int]) -> tuple[str, ...]:
    return tuple(map(tasks.name, slots))
