"""Why tasks and runs stand where they do, in words. The reasons are the engine's own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from shlex import quote
from typing import Any

from penstock.engine.explain import Explainer, Kind, Reason, SlotWait, held_up, no_slot_wait, outcomes_above
from penstock.engine.run import RunEngine
from penstock.engine.states import TaskState
from penstock.policy import RUN_ENDS, TriggerRule
from penstock.runtime.attempts import AttemptRun, Chronicle
from penstock.runtime.part import child_of
from penstock.runtime.times import local, moment

_SAID = {
    TaskState.SUCCESS: "'{}' succeeded",
    TaskState.FAILED: "'{}' failed",
    TaskState.SKIPPED: "'{}' was skipped",
    TaskState.UPSTREAM_FAILED: "'{}' did not run",
    TaskState.CANCELLED: "'{}' was cancelled",
    TaskState.REMOVED: "'{}' was removed",
    TaskState.RUNNING: "'{}' runs",
}
_TOLD = {TaskState.SKIPPED: "was skipped", TaskState.CANCELLED: "was cancelled"}
_MOST_BEHIND = 3
"""So many tasks are told that are right behind one; of others, how many there are."""
_MOST_STEPS = 1_000
_MOST_OF_A_RUN = 100
"""Of a run, so many tasks are told: those that hold up the most."""
_ACTIVE = (TaskState.RUNNING, TaskState.READY, TaskState.RETRYING, TaskState.DEFERRED)
_BY_LAW = (TaskState.SKIPPED, TaskState.UPSTREAM_FAILED)


@dataclass(frozen=True, slots=True)
class Step:
    """Why one task stands where it does."""

    task: str
    """The task's name, of an instance of a map with its index."""
    state: str
    kind: str
    """What sort of reason it is: penstock.engine.explain.Kind."""
    text: str
    """The reason as the rest of a sentence that begins with the task."""
    behind: tuple[str, ...] = ()
    """The first few of the tasks that are right behind it."""
    at: datetime | None = None
    """Of what waits for a time, that; else when it came to this, if that is known."""
    holds_up: int = 0
    """How many tasks have not run because of it, or not yet: only told of what holds up others."""
    child: str | None = None
    """The run that the task is, of one that waits for that or has failed with it."""


@dataclass(frozen=True, slots=True)
class Why:
    """Why a task stands where it does: a step for it, and after that one for each task that is behind it, down to those
    that have nobody behind them. Of a run: what has ended it, or what it waits for, the most important first."""

    run: str
    task: str | None
    state: str
    text: str
    """The answer in a sentence."""
    steps: list[Step]
    notes: list[str] = field(default_factory=list)
    """What else there is to say: why it ran again, or did not."""
    attempts: list[AttemptRun] = field(default_factory=list)
    """Those of the task."""

    @property
    def first_causes(self) -> list[Step]:
        """The steps that nobody is behind."""
        return [step for step in self.steps if not step.behind]

    def __str__(self) -> str:
        steps = self.steps if self.task is None else self.steps[1:]
        return "\n".join([self.text, *(f"  {step.task} {step.text}" for step in steps), *self.notes])


class Whys:
    """Answers in short for the tasks of one run that the law kept from running."""

    def __init__(self, engine: RunEngine) -> None:
        self._engine = engine
        self._explainer = Explainer(engine)

    def why(self, slot: int) -> str | None:
        """Why a task that is skipped or upstream_failed did not run; None for any other."""
        engine = self._engine
        if engine.task_state(slot) not in _BY_LAW or slot in engine.skips or slot in engine.marks:
            return None
        return _in_short(engine, self._explainer.reason(slot))


def _in_short(engine: RunEngine, reason: Reason) -> str | None:
    """What was decided by others, in a few words."""
    kind = reason.kind
    if kind is Kind.NOT_CHOSEN:
        return _choice(engine, reason.slots[0])
    if kind is Kind.NOTHING:
        return "it is mapped over nothing"
    if kind is Kind.RULE and not reason.slots:
        return f"its upstreams are not as {reason.text} wants them"
    if not reason.slots:
        return None
    first = reason.slots[0]
    said = _SAID.get(engine.task_state(first), "'{}' has not ended").format(engine.name(first))
    by_rule = kind is Kind.RULE and reason.text != TriggerRule.ALL_SUCCESS
    return f"{said} ({reason.text})" if by_rule else said


def _choice(engine: RunEngine, decider: int) -> str:
    """What a branch or short circuit has chosen."""
    name, chosen = engine.name(decider), engine.chosen.get(decider, ())
    if engine.policy(decider).decides == "short_circuit":
        return f"'{name}' was false"
    names = [engine.plan.names[row] for row in chosen]
    return f"'{name}' chose {_list(names)}" if names else f"'{name}' chose nothing"


# --- Of a task


def why_task(
    engine: RunEngine,
    chronicle: Chronicle,
    slot: int,
    *,
    interrupted: bool,
    parked: str | None = None,
    slot_wait: SlotWait = no_slot_wait,
) -> Why:
    """Why a task stands where it does. `interrupted` says that nobody drives the run, `parked` when it goes on if it is
    parked, `slot_wait` for which slots tasks wait."""
    name, state = engine.name(slot), engine.task_state(slot)
    steps = _steps(engine, slot, slot_wait)
    text = steps[0].text
    if interrupted and state is TaskState.RUNNING:
        text = f"was running when its driver died; it had begun at {local(engine.started[slot])}"
    waits = state < TaskState.SUCCESS
    nobody = "; nobody drives the run: penstock resume goes on with it" if interrupted and waits else ""
    if parked is not None and waits:
        nobody = f"; the run is parked, and goes on {parked}"
    attempts = [attempt for attempt in chronicle.attempts if attempt.task == name]
    return Why(
        engine.run_id,
        name,
        state.label,
        f"Task {name} {text}{nobody}",
        steps,
        _notes(engine, chronicle, slot, attempts),
        attempts,
    )


def _steps(engine: RunEngine, slot: int, slot_wait: SlotWait) -> list[Step]:
    """A task, and all that is behind it, each once."""
    explainer = Explainer(engine, slot_wait)
    frontier, steps = [slot], []
    known = {slot}
    for one in frontier:
        reason = explainer.reason(one)
        behind = reason.slots[:_MOST_BEHIND]
        steps.append(_step(engine, one, reason, behind))
        new = [other for other in behind if other not in known]
        known.update(new)
        frontier += new
        if len(steps) == _MOST_STEPS:
            break
    return steps


def _step(engine: RunEngine, slot: int, reason: Reason, behind: Iterable[int] = (), holds_up: int = 0) -> Step:
    return Step(
        engine.name(slot),
        engine.task_state(slot).label,
        str(reason.kind),
        _sentence(engine, slot, reason),
        tuple(map(engine.name, behind)),
        moment(reason.at),
        holds_up,
        child_of(engine, slot) if engine.states[slot] in (TaskState.DEFERRED, TaskState.FAILED) else None,
    )


def _notes(engine: RunEngine, chronicle: Chronicle, slot: int, attempts: Sequence[AttemptRun]) -> list[str]:
    """Why it was attempted more than once, and why it was not when the run was set going again."""
    notes = []
    for place, attempt in enumerate(attempts):
        if attempt.because or place:
            ended = f" ({attempts[place - 1].error})" if place and attempts[place - 1].error else ""
            because = attempt.because or "the one before was not the last"
            notes.append(f"Attempt {_number(attempt)} began at {local(attempt.began)}, since {because}{ended}")
    state, last = engine.task_state(slot), engine.ended[slot]
    for turn in chronicle.turns:
        if not turn.goes_on or state < TaskState.SUCCESS or not 0.0 < last < turn.at:
            continue
        when = f"It did not run again when {turn.text} at {local(turn.at)}: "
        if state is TaskState.SUCCESS:
            notes.append(f"{when}it had succeeded, and what is done is kept")
        elif engine.is_spent(slot):
            notes.append(f"{when}it is at_most_once, and had begun")
        elif state in (TaskState.SKIPPED, TaskState.UPSTREAM_FAILED):
            notes.append(f"{when}what kept it from running had not changed")
    return notes


def _number(attempt: AttemptRun) -> str:
    return f"{attempt.number} of generation {attempt.generation}" if attempt.generation else str(attempt.number)


# --- Of a run


def why_run(engine: RunEngine, state: str, parked: str | None = None, slot_wait: SlotWait = no_slot_wait) -> Why:
    """Why a run stands where it does: what ended it, or what it waits for. `parked` says when it goes on if it is
    parked, `slot_wait` for which slots tasks wait."""
    explainer = Explainer(engine, slot_wait)
    counts = engine.counts()
    wanted = {TaskState.FAILED} if engine.ended_at is not None else {TaskState.FAILED, *_ACTIVE}
    slots = [
        slot
        for slot, one in enumerate(engine.states)
        if one in wanted and not (slot < engine.size and slot in engine.widths)
    ]
    if not slots and engine.ended_at is None:
        slots = [slot for slot, one in enumerate(engine.states) if one == TaskState.PENDING][:_MOST_STEPS]
    below: dict[int, int] = {}
    for slot in slots:
        row = engine.row(slot)
        if row not in below and len(below) < _MOST_STEPS:
            below[row] = held_up(engine, slot)
    slots.sort(key=lambda slot: (-below.get(engine.row(slot), 0), slot))
    steps = [
        _step(engine, slot, explainer.reason(slot), (), below.get(engine.row(slot), 0))
        for slot in slots[:_MOST_OF_A_RUN]
    ]
    more = len(slots) - len(steps)
    notes = [f"{more:,} more tasks are not told here: penstock show --state tells them"] if more else []
    return Why(engine.run_id, None, state, _of_run(engine, state, counts, parked), steps, notes)


def when_it_goes_on(wake_at: float | None, topics: Collection[int]) -> str:
    """When a parked run goes on, as the end of a sentence; `topics` has the tasks that wait for messages."""
    if wake_at is None:
        return "when a message comes"
    if not wake_at:
        return "as soon as somebody wakes it"
    return f"at {local(wake_at)}, or when a message comes" if topics else f"at {local(wake_at)}"


def _of_run(engine: RunEngine, state: str, counts: dict[str, int], parked: str | None) -> str:
    told = ", ".join(f"{number:,} {label}" for label, number in counts.items())
    if state == "queued":
        return f"Run {engine.run_id} has not begun: nobody has taken it"
    if state == "interrupted":
        return f"Run {engine.run_id} is interrupted: nobody drives it, and penstock resume goes on with it ({told})"
    if parked is not None:
        return f"Run {engine.run_id} is parked, and goes on {parked}: penstock resume --all takes it up then ({told})"
    if engine.ended_at is None:
        return f"Run {engine.run_id} is {state}: {told}"
    error = f": {engine.error}" if engine.error else ""
    return f"Run {engine.run_id} is {state}{error} ({told})"


# --- Words


def _sentence(engine: RunEngine, slot: int, reason: Reason) -> str:
    """A reason as the rest of a sentence that begins with the task."""
    kind = reason.kind
    said: Callable[[RunEngine, int, Reason], str] | None = _SENTENCES.get(kind)
    if said is not None:
        return said(engine, slot, reason)
    told = _TOLD.get(engine.task_state(slot), "did not run")
    if kind is Kind.RULE and not reason.slots:
        seen = _counted(outcomes_above(engine, slot))
        return f"{told}: its upstreams are not as {reason.text} wants them ({seen})"
    return f"{told}, since {_in_short(engine, reason)}"


def _upstreams(engine: RunEngine, slot: int, reason: Reason) -> str:
    told = [f"'{engine.name(one)}' ({engine.task_state(one).label})" for one in reason.slots[:_MOST_BEHIND]]
    more = len(reason.slots) - len(told)
    return f"waits for {', '.join(told)}{f' and {more:,} more' if more else ''}"


def _expansion(engine: RunEngine, slot: int, reason: Reason) -> str:
    if reason.slots:
        return f"waits for '{engine.name(reason.slots[0])}' to be expanded"
    return "is about to be expanded"


def _worker(engine: RunEngine, slot: int, reason: Reason) -> str:
    running = engine.states.count(TaskState.RUNNING)
    return f"is ready, and waits for a worker: {running:,} {'task runs' if running == 1 else 'tasks run'} now"


def _instances(engine: RunEngine, slot: int, reason: Reason) -> str:
    state = engine.task_state(slot)
    width = engine.widths.get(slot, 0)
    number = len(reason.slots)
    if state is TaskState.EXPANDED:
        return f"waits for {number:,} of its {width:,} instances"
    return f"is {state.label}, since {number:,} of its {width:,} instances {'is' if number == 1 else 'are'}"


def _decision(engine: RunEngine, slot: int, reason: Reason) -> str:
    asking = engine.policy(slot).asking
    question = asking.text.partition("\n\n")[0] if asking is not None else ""
    default = "its default counts" if asking is not None and asking.default is not None else "it fails"
    until = f"; after {local(reason.at)} {default}" if reason.at is not None else ""
    asks = f": {' '.join(question.split())}" if question else ""
    command = f"penstock approve {engine.run_id} {quote(engine.name(slot))}"
    return f"waits for somebody to decide{asks} ({command}{until})"


def _awaited(engine: RunEngine, slot: int, topic: str) -> str:
    child = child_of(engine, slot)
    if child is not None and topic == RUN_ENDS + child:
        return f"waits for run {child} of '{engine.policy(slot).workflow}'"
    return f"waits for a message '{topic}'"


def _waits_for(engine: RunEngine, slot: int) -> str:
    what = engine.policy(slot).waits_for
    return f"waits for {what}: it " if what else ""


def _ran(engine: RunEngine, slot: int) -> str:
    attempts = engine.attempts[slot]
    return f" on attempt {attempts}" if attempts > 1 else ""


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number:,} times"


_SENTENCES: dict[Kind, Any] = {
    Kind.NOT_BEGUN: lambda engine, slot, reason: "waits for the run to go on",
    Kind.UPSTREAMS: _upstreams,
    Kind.EXPANSION: _expansion,
    Kind.WORKER: _worker,
    Kind.LIMIT: lambda engine, slot, reason: (
        f"is ready, and waits for another {'task' if 'tasks' in reason.text else 'instance'}: "
        f"{len(reason.slots)} run, and {reason.text}"
    ),
    Kind.SLOT: lambda engine, slot, reason: f"is ready, and waits {reason.text}",
    Kind.RUNNING: lambda engine, slot, reason: f"has been running since {local(reason.at)}{_ran(engine, slot)}",
    Kind.RETRY: lambda engine, slot, reason: (
        f"waits until {local(reason.at)} for its next attempt; attempt {engine.attempts[slot]} failed: {reason.text}"
    ),
    Kind.EARLY: lambda engine, slot, reason: (
        f"{_waits_for(engine, slot)}has come too early {_times(engine.deferrals.get(slot, 0))}, "
        f"and is called again at {local(reason.at)}"
    ),
    Kind.DECISION: _decision,
    Kind.MESSAGE: lambda engine, slot, reason: (
        _awaited(engine, slot, reason.text) + (f", until {local(reason.at)}" if reason.at is not None else "")
    ),
    Kind.ROUND: lambda engine, slot, reason: (
        f"will begin anew with its group at {local(reason.at)}"
        + (f"; it failed: {reason.text}" if reason.text else f", since {_in_short(engine, reason)}")
    ),
    Kind.INSTANCES: _instances,
    Kind.SUCCEEDED: lambda engine, slot, reason: f"succeeded{_ran(engine, slot)} at {local(reason.at)}",
    Kind.FAILED: lambda engine, slot, reason: f"failed{_ran(engine, slot)}: {reason.text}",
    Kind.SAID: lambda engine, slot, reason: f"skipped itself: {reason.text}" if reason.text else "skipped itself",
    Kind.MARKED: lambda engine, slot, reason: f"was {reason.text} at {local(reason.at)}",
    Kind.CANCELLED_BY: lambda engine, slot, reason: (
        f"was cancelled, since {reason.text} cancelled the run at {local(reason.at)}"
    ),
    Kind.TIMED_OUT: lambda engine, slot, reason: f"was cancelled, since the run took longer than {reason.text} s",
    Kind.FAILED_FAST: lambda engine, slot, reason: (
        f"was cancelled, since {_in_short(engine, reason) or 'a task failed'} and fail_fast ended the run"
    ),
    Kind.SPENT: lambda engine, slot, reason: "was cancelled: it had begun, and at_most_once forbids another attempt",
    Kind.LEFT_OVER: lambda engine, slot, reason: "was settled earlier, and has not been set going since",
    Kind.REMOVED: lambda engine, slot, reason: f"was removed at {local(reason.at)}: its map has become narrower",
    Kind.NOTHING: lambda engine, slot, reason: "was skipped, since it is mapped over nothing",
}


def _list(names: Sequence[str]) -> str:
    told = ", ".join(f"'{name}'" for name in names[:_MOST_BEHIND])
    return f"{told} and {len(names) - _MOST_BEHIND:,} more" if len(names) > _MOST_BEHIND else told


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{number:,} {label}" for label, number in counts.items())
