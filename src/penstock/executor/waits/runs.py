"""`wait_for_run`: a task that waits until another run has ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.definition.decorators import task
from penstock.errors import Fail, RunNotFound
from penstock.executor.current import current, running
from penstock.policy import Done

_ENDED = ("success", "failed", "cancelled")


@task.sensor(poll_interval=5, waits_for="the end of run {run_id}")
def wait_for_run(run_id: str, *, states: Sequence[str] = ("success",)) -> Any:
    """Wait until another run in the same store has ended. The state in which it did, if that is one of `states`; else
    the task fails, and is not tried again. A run may be named by the beginning of its id."""
    attempt = running.get()
    unknown = [state for state in states if state not in _ENDED]
    if isinstance(states, str) or unknown or attempt is None:
        raise Fail(f"states={states!r}: a run ends as {', '.join(_ENDED[:-1])} or {_ENDED[-1]}")
    try:
        run_id, state = attempt.context.state_of(run_id)
    except RunNotFound as error:
        raise Fail(str(error)) from None
    if run_id == current().run_id:
        raise Fail("a run that waits for its own end waits for ever")
    if state not in _ENDED:
        return False
    if state not in states:
        raise Fail(f"run {run_id} has ended, and is {state}")
    return Done(state)
