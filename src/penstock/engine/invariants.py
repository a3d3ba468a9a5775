"""What is true of a run between any two events: tests ask after every one.

Counts kept by the way (how many upstreams are missing, how many tasks are unfinished) must agree with the states that
they sum up; states must agree with the graph and with each other.
"""

from __future__ import annotations

from penstock.engine.columns import SPARSE, UNMAPPED
from penstock.engine.law import Verdict
from penstock.engine.run import RunEngine
from penstock.engine.states import ENDED, RunState, TaskState
from penstock.errors import PenstockError
from penstock.policy import Notice

_PAUSING = frozenset({TaskState.RETRYING, TaskState.DEFERRED})
_ACTIVE = frozenset({TaskState.READY, TaskState.RUNNING, *_PAUSING})
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
        found = [line for task in range(len(engine.states)) for line in _task(engine, task)]
        found += _run(engine)
        found += [line for key, notice in engine.notices.items() for line in _notice(engine, key, notice)]
    if found:
        raise ContradictionError(found)


def _columns(engine: RunEngine) -> list[str]:
    """Whether each column speaks of the plan's tasks, and of no others."""
    size = engine.size + len(engine.rows)
    found = []
    for name in ("states", "missing", "masks", "attempts", "started", "ended"):
        if len(getattr(engine, name)) != size:
            found.append(f"column {name} has {len(getattr(engine, name))} entries for {size} tasks")
    for name in SPARSE:
        strangers = [task for task in getattr(engine, name) if not 0 <= task < size]
        if strangers:
            found.append(f"column {name} speaks of tasks {strangers}, of which the plan has none")
    here = {(engine.plan.names[engine.row(slot)], engine.index(slot)) for slot in range(size)}
    if returned := [key for key in engine.retired if key in here]:
        found.append(f"tasks {returned} are retired, and the plan has them")
    for row, width in engine.widths.items():
        if row not in engine.plan.mapped or not 0 < width <= len(engine.instances[row]):
            found.append(f"row {row} has {width} instances")
    return found


def _task(engine: RunEngine, task: int) -> list[str]:
    """Whether what is known of one task agrees."""
    state = engine.task_state(task)
    found = _map(engine, task) if task in engine.widths else _waiting(engine, task, state)
    found += _attempts(engine, task, state)
    return [f"{engine.story(task)}: {line}" for line in found]


def _waiting(engine: RunEngine, task: int, state: TaskState) -> list[str]:
    """Whether what a task waits for is counted as it stands, and what follows from that was done."""
    kept = engine.missing[task], engine.masks[task], engine.held.get(task)
    verdict, counted = engine.weigh_anew(task)
    found = []
    waits_for_nothing = engine.is_head(task) or engine.is_on_hold(task) or state is TaskState.REMOVED
    if kept != counted and not waits_for_nothing:
        found.append(f"upstreams missing, outcomes seen and tasks that hold it are {counted}, kept is {kept}")
    if state in _ACTIVE and verdict is not Verdict.RUN:
        found.append(f"it is {state.label}, and the law says {verdict.name}")
    waits = state is TaskState.PENDING and engine.state is RunState.RUNNING and not engine.is_on_hold(task)
    if waits and verdict is not Verdict.WAIT:
        found.append(f"it waits, and the law says {verdict.name}")
    return found


def _map(engine: RunEngine, head: int) -> list[str]:
    """Whether the head of a map agrees with its instances."""
    states = [engine.task_state(slot) for slot in engine.slots(head)]
    unfinished = sum(not engine.counts_for_map(slot) for slot in engine.slots(head))
    found = []
    if engine.task_state(head) not in (TaskState.PENDING, TaskState.READY) and engine.open[head] != unfinished:
        found.append(f"{unfinished} of its instances have not ended, {engine.open[head]} are counted")
    if engine.task_state(head) is TaskState.EXPANDED and not unfinished:
        found.append("all its instances have ended, and it has not")
    if engine.task_state(head) in ENDED and unfinished:
        found.append("it has ended, and not all of its instances have")
    if engine.task_state(head) is TaskState.SUCCESS and TaskState.FAILED in states:
        found.append("it is a success, and an instance failed")
    return found


def _attempts(engine: RunEngine, task: int, state: TaskState) -> list[str]:
    """Whether a task's attempts, times and errors agree with its state."""
    found = []
    began = state in (TaskState.RUNNING, *_PAUSING, TaskState.SUCCESS, TaskState.FAILED)
    if began and not engine.is_head(task) and task not in engine.plan.maps and task not in engine.marks:
        if engine.attempts[task] < 1:
            found.append("it had no attempt")
        if not engine.started[task]:
            found.append("it has no time at which it started")
    if state in ENDED and not engine.ended[task]:
        found.append("it has no time at which it ended")
    if (state in _PAUSING) != (task in engine.retries_due):
        found.append(f"its next attempt is {'' if task in engine.retries_due else 'not '}due")
    if task in engine.topics and state is not TaskState.DEFERRED:
        found.append(f"it waits for a message '{engine.topics[task]}'")
    if state is TaskState.SUCCESS and task in engine.errors:
        found.append("it has an error")
    if state is TaskState.FAILED and task not in engine.errors and task not in engine.widths:
        found.append("it has no error")
    if engine.is_spent(task) and state is not TaskState.RUNNING and state not in ENDED:
        found.append("it may begin only one attempt, has begun it, and could begin another")
    return found


def _run(engine: RunEngine) -> list[str]:
    """Whether the run as a whole agrees with its tasks."""
    states = [engine.task_state(task) for task in range(len(engine.states))]
    unfinished = sum(state not in ENDED for state in states[: engine.size])
    found = []
    if engine.unfinished != unfinished:
        found.append(f"{unfinished} tasks are unfinished, {engine.unfinished} are counted")
    for topic in sorted({*engine.topics.values()}.intersection(engine.mailbox)):
        found.append(f"a task waits for a message '{topic}', and there is one")
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
    if engine.state is RunState.RUNNING and not engine.rounds_due and not _ACTIVE.intersection(states):
        found.append("the run is running, and nothing in it is ready, running or to be tried again")
    if engine.state is RunState.SUCCESS and TaskState.CANCELLED in states:
        found.append("the run is success, and a task is cancelled")
    if engine.state is RunState.SUCCESS and any(_fails_run(engine, task) for task in range(len(states))):
        found.append("the run is success, and a task failed")
    return found


def _fails_run(engine: RunEngine, task: int) -> bool:
    """Whether a task's failure is the run's."""
    counts = engine.policy(task).failure_counts and engine.plan.run_state == "any" and task not in engine.widths
    return counts and engine.task_state(task) is TaskState.FAILED


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
    if (notice.error is None) != (what in ("success", "skipped", "started", "asks")):
        found.append(f"it is a {notice.kind} with the error {notice.error}")
    ends = engine.ends - (what != "started")
    last = (ends, 0) if notice.task is None else _last_attempt(engine, notice.task)
    if (notice.generation, notice.attempt) > last:
        found.append(f"it tells of {(notice.generation, notice.attempt)}, and no more than {last} has been")
    return [f"notice {notice.id}: {line}" for line in found]


def _last_attempt(engine: RunEngine, name: str) -> tuple[int, int]:
    """Generation and number of the latest attempt of a task, or instance, by its name."""
    for slot in range(len(engine.states)):
        if engine.name(slot) == name:
            return engine.generation(slot), engine.attempts[slot]
    for (task, index), (attempts, generation) in engine.retired.items():
        if name == (task if index == UNMAPPED else f"{task}[{index}]"):
            return generation, attempts
    return 0, 0
