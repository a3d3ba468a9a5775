"""What is true of a run between any two events: tests ask after every one.

Counts kept by the way (how many upstreams are missing, how many tasks are unfinished) must agree with the states that
they sum up; states must agree with the graph and with each other.
"""

from __future__ import annotations

from penstock.engine.run import RunEngine
from penstock.engine.states import ENDED, RunState, TaskState
from penstock.errors import PenstockError
from penstock.policy import Notice

_ACTIVE = frozenset({TaskState.READY, TaskState.RUNNING, TaskState.RETRYING})
"""States of tasks for which something will happen without anything else happening first."""
_OPEN = frozenset({RunState.QUEUED, RunState.RUNNING})


class ContradictionError(PenstockError, AssertionError):
    """The columns of an engine contradict each other: an error in Penstock. `contradictions` holds one line each."""

    def __init__(self, contradictions: list[str]) -> None:
        super().__init__("".join(f"\n  {line}" for line in contradictions))
        self.contradictions = tuple(contradictions)


def check(engine: RunEngine) -> None:
    """Raise ContradictionError if what an engine holds cannot be true all at once. Reads the whole graph each time.

    Not to be asked between PlanAdopted and what follows it in the same batch: till then the run has the new plan's
    tasks and still the old one's state.
    """
    found = _columns(engine)
    if not found:
        found = [line for task in range(len(engine.plan)) for line in _task(engine, task)]
        found += _run(engine)
        found += [line for key, notice in engine.notices.items() for line in _notice(engine, key, notice)]
    if found:
        raise ContradictionError(found)


def _columns(engine: RunEngine) -> list[str]:
    """Whether each column speaks of the plan's tasks, and of no others."""
    size = len(engine.plan)
    found = []
    for name in ("states", "missing", "attempts", "started", "ended"):
        if len(getattr(engine, name)) != size:
            found.append(f"column {name} has {len(getattr(engine, name))} entries for {size} tasks")
    for name in ("generations", "failures", "lost", "errors", "values", "retries_due"):
        strangers = [task for task in getattr(engine, name) if not 0 <= task < size]
        if strangers:
            found.append(f"column {name} speaks of tasks {strangers}, of which the plan has none")
    if returned := [name for name in engine.retired if name in engine.plan.numbers]:
        found.append(f"tasks {returned} are retired, and the plan has them")
    return found


def _task(engine: RunEngine, task: int) -> list[str]:
    """Whether what is known of one task agrees."""
    state = engine.task_state(task)
    upstreams = [engine.task_state(upstream) for upstream in engine.plan.upstreams[task]]
    missing = sum(upstream is not TaskState.SUCCESS for upstream in upstreams)
    found = []
    if engine.missing[task] != missing:
        found.append(f"{missing} upstreams have not succeeded, {engine.missing[task]} are counted")
    if state in _ACTIVE and missing:
        found.append(f"it is {state.label} before its upstreams have succeeded")
    if state is TaskState.PENDING and engine.state is RunState.RUNNING:
        found += _dead_ends(upstreams)
    found += _attempts(engine, task, state)
    return [f"{engine.story(task)}: {line}" for line in found]


def _dead_ends(upstreams: list[TaskState]) -> list[str]:
    """Whether a task that waits, in a run under way, has something to wait for."""
    if all(upstream is TaskState.SUCCESS for upstream in upstreams):
        return ["all its upstreams have succeeded, and nobody made it ready"]
    lost = [upstream.label for upstream in upstreams if upstream in ENDED and upstream is not TaskState.SUCCESS]
    return [f"it waits for upstreams that will not succeed any more: {', '.join(lost)}"] if lost else []


def _attempts(engine: RunEngine, task: int, state: TaskState) -> list[str]:
    """Whether a task's attempts, times and errors agree with its state."""
    found = []
    if state in (TaskState.RUNNING, TaskState.RETRYING, TaskState.SUCCESS, TaskState.FAILED):
        if engine.attempts[task] < 1:
            found.append("it had no attempt")
        if not engine.started[task]:
            found.append("it has no time at which it started")
    if state in ENDED and not engine.ended[task]:
        found.append("it has no time at which it ended")
    if (state is TaskState.RETRYING) != (task in engine.retries_due):
        found.append(f"its retry is {'' if task in engine.retries_due else 'not '}due")
    if state is TaskState.SUCCESS and task in engine.errors:
        found.append("it has an error")
    if state is TaskState.FAILED and task not in engine.errors:
        found.append("it has no error")
    if engine.is_spent(task) and state is not TaskState.RUNNING and state not in ENDED:
        found.append("it may begin only one attempt, has begun it, and could begin another")
    return found


def _run(engine: RunEngine) -> list[str]:
    """Whether the run as a whole agrees with its tasks."""
    states = [engine.task_state(task) for task in range(len(engine.plan))]
    unfinished = sum(state not in ENDED for state in states)
    found = []
    if engine.unfinished != unfinished:
        found.append(f"{unfinished} tasks are unfinished, {engine.unfinished} are counted")
    if engine.state in _OPEN and engine.ended_at is not None:
        found.append(f"the run is {engine.state} and has ended at {engine.ended_at}")
    if engine.state not in _OPEN and engine.ended_at is None:
        found.append(f"the run is {engine.state} and has no time at which it ended")
    if engine.state not in _OPEN and unfinished:
        found.append(f"the run is {engine.state} with {unfinished} tasks unfinished")
    if engine.state not in _OPEN and not engine.ends:
        found.append(f"the run is {engine.state} and has never ended")
    if engine.state is not RunState.QUEUED and engine.started_at is None:
        found.append(f"the run is {engine.state} and has no time at which it started")
    if engine.state is RunState.QUEUED and any(state is not TaskState.PENDING for state in states):
        found.append("tasks have moved in a run that has not begun")
    if engine.state is RunState.RUNNING and not _ACTIVE.intersection(states):
        found.append("the run is running, and nothing in it is ready, running or to be tried again")
    if engine.state is RunState.SUCCESS and any(state is not TaskState.SUCCESS for state in states):
        found.append("the run is success, and not every task is")
    return found


def _notice(engine: RunEngine, key: str, notice: Notice) -> list[str]:
    """Whether a notice tells of something that has happened, and is told under one name."""
    found = []
    if key != notice.id:
        found.append(f"it is kept as {key}")
    if key in engine.dropped:
        found.append("it was given up, and is still to be delivered")
    if notice.run_id != engine.run_id:
        found.append(f"it is of run {notice.run_id}")
    subject, _, what = notice.kind.partition("_")
    if (notice.task is None) != (subject == "run"):
        found.append(f"it is a {notice.kind} of task {notice.task}")
    if (notice.error is None) != (what == "success"):
        found.append(f"it is a {notice.kind} with the error {notice.error}")
    if notice.task is None:
        last = (engine.ends - 1, 0)
    elif (number := engine.plan.numbers.get(notice.task)) is not None:
        last = (engine.generation(number), engine.attempts[number])
    else:
        attempts, generation = engine.retired.get(notice.task, (0, 0))
        last = (generation, attempts)
    if (notice.generation, notice.attempt) > last:
        found.append(f"it tells of {(notice.generation, notice.attempt)}, and no more than {last} has been")
    return [f"notice {notice.id}: {line}" for line in found]
