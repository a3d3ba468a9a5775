"""Why a task stands where it does, found by the predicates by which the engine decides.

A reason names what is right behind it: other tasks, a time, or what somebody said. Whoever asks for the reasons of
those tasks in turn comes down to the first cause. Asking changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from penstock.engine.columns import (
    CANCELLED,
    DEFERRED,
    EXPANDED,
    FAILED,
    PENDING,
    READY,
    REMOVED,
    RETRYING,
    RUNNING,
    SKIPPED,
    SUCCESS,
    UPSTREAM_FAILED,
)
from penstock.engine.ends import FailedFast
from penstock.engine.events import CancelRequested, RunTimedOut
from penstock.engine.law import LAW, OUTCOME, Verdict
from penstock.engine.run import RunEngine
from penstock.engine.states import RunState
from penstock.policy import DECISIONS


class Kind(StrEnum):
    """What sort of reason it is."""

    NOT_BEGUN = "not_begun"
    """The run has not begun, or nobody has set it going again."""
    UPSTREAMS = "upstreams"
    """It waits for others, which have not ended."""
    EXPANSION = "expansion"
    """It is not known yet how many instances there are."""
    WORKER = "worker"
    """It is ready, and nobody has taken it."""
    LIMIT = "limit"
    """As many instances of it run as may, or as many tasks of the run: which, the text says."""
    SLOT = "slot"
    """All slots that it could have are taken: of which pool and by whom, the text says."""
    RUNNING = "running"
    RETRY = "retry"
    """An attempt failed, and the next waits for its time."""
    EARLY = "early"
    """It came too early, and is called again when its time has come."""
    MESSAGE = "message"
    """It waits for a message, whose topic is the text, and not beyond a time if there is one."""
    DECISION = "decision"
    """It waits for somebody to decide, and not beyond a time if there is one. The text is the topic, too."""
    ROUND = "round"
    """It has ended, and will begin anew with its group."""
    INSTANCES = "instances"
    """It is a map, and stands as its instances do."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SAID = "said"
    """It skipped itself."""
    NOT_CHOSEN = "not_chosen"
    """A branch or a short circuit left it out."""
    GUARD = "guard"
    """Something that must have succeeded, whatever its rule, has not."""
    RULE = "rule"
    """Its trigger rule made that of what its upstreams came to."""
    NOTHING = "nothing"
    """It is mapped over nothing."""
    MARKED = "marked"
    """Somebody said what became of it."""
    CANCELLED_BY = "cancelled_by"
    TIMED_OUT = "timed_out"
    """The run ran out of time."""
    FAILED_FAST = "failed_fast"
    """Another task failed, and with it the run was to end."""
    SPENT = "spent"
    """It may begin only once, and has."""
    LEFT_OVER = "left_over"
    """It was cancelled earlier, and has not been set going since."""
    REMOVED = "removed"
    """Its map has become narrower."""


class Reason(NamedTuple):
    """Why a task stands where it does."""

    kind: Kind
    slots: tuple[int, ...] = ()
    """The tasks that are right behind it."""
    at: float | None = None
    """When it will change, for what waits for a time; else when it happened, if that is known."""
    text: str = ""
    """What an error or somebody said, or the name of the rule."""


_OUTCOMES = tuple((int(state), int(outcome)) for state, outcome in OUTCOME.items())
_BAD = (FAILED, UPSTREAM_FAILED)


SlotWait: TypeAlias = Callable[[int], str]
"""For which slots a task waits that is ready, as the rest of a sentence that begins with "it waits"; "" if for none."""


def no_slot_wait(slot: int) -> str:
    """Of a run that shares no slots, or that nobody drives."""
    return ""


class Explainer:
    """Answers for the tasks of one run. For which slots they wait, which no run knows by itself, `slot_wait` says."""

    def __init__(self, engine: RunEngine, slot_wait: SlotWait = no_slot_wait) -> None:
        self._engine = engine
        self._slot_wait = slot_wait
        self._found: dict[tuple[int, tuple[int, ...]], int | None] = {}
        """The first instance of a map in one of these states: many tasks may ask for the same."""
        self._by_state: dict[int, Callable[[int], Reason]] = {
            PENDING: self._pending,
            READY: self._ready,
            RUNNING: lambda slot: Reason(Kind.RUNNING, at=engine.started[slot]),
            RETRYING: self._retrying,
            DEFERRED: self._deferred,
            EXPANDED: lambda slot: Reason(Kind.INSTANCES, self._open_instances(slot)),
            SUCCESS: lambda slot: Reason(Kind.SUCCEEDED, at=engine.ended[slot]),
            FAILED: self._failed,
            SKIPPED: self._skipped,
            UPSTREAM_FAILED: lambda slot: self._by_law(slot, _BAD),
            CANCELLED: self._cancelled,
            REMOVED: lambda slot: Reason(Kind.REMOVED, (engine.row(slot),), engine.ended[slot]),
        }

    def reason(self, slot: int) -> Reason:
        """Why a task stands where it does."""
        engine = self._engine
        state = engine.states[slot]
        if slot in engine.marks and state >= SUCCESS:
            return Reason(Kind.MARKED, at=engine.ended[slot], text=engine.marks[slot])
        unit = engine.round_due(slot) if SUCCESS <= state < REMOVED and engine.rounds_due else None
        if unit is not None:
            inside = [one for one in engine.in_unit(unit) if one != slot and one not in engine.widths]
            failed = tuple(one for one in inside if engine.states[one] == FAILED)
            return Reason(Kind.ROUND, failed[:1] if state != FAILED else (), engine.rounds_due[unit], self._error(slot))
        if state >= SUCCESS and slot in engine.widths:
            return Reason(Kind.INSTANCES, tuple(one for one in engine.slots(slot) if engine.states[one] == state))
        return self._by_state[state](slot)

    # --- What has not ended

    def _pending(self, slot: int) -> Reason:
        engine = self._engine
        if engine.state is RunState.QUEUED:
            return Reason(Kind.NOT_BEGUN)
        if engine.plan.maps and engine.is_on_hold(slot):
            head = engine.row(slot)
            expansion = engine.plan.mapped.get(head, head)
            return Reason(Kind.EXPANSION, (expansion,))
        behind = tuple(dict.fromkeys(self._open_above(slot)))
        return Reason(Kind.UPSTREAMS, behind) if behind else Reason(Kind.NOT_BEGUN)

    def _open_above(self, slot: int) -> Iterator[int]:
        """What has not ended of all that a task waits for: of a group that is not settled, what keeps it from that."""
        engine = self._engine
        row = engine.row(slot)
        for other in engine.plan.all_upstreams[row]:
            above = engine.slot_beside(slot, other)
            if engine.is_seen_to_end(above, row):
                continue
            if engine.states[above] < SUCCESS:
                yield above
                continue
            unit = engine.unit_seen_by(above, row)
            if unit is None or unit in engine.rounds_due:
                yield above
            else:
                inside = engine.in_unit(unit)
                yield from (one for one in inside if engine.states[one] < SUCCESS or engine.round_due(one) is not None)

    def _ready(self, slot: int) -> Reason:
        engine = self._engine
        if slot in engine.plan.maps:
            return Reason(Kind.EXPANSION)
        limits: tuple[tuple[str, int | None, Iterable[int]], ...] = (
            ("max_active_tasks", engine.plan.max_active_tasks, range(len(engine.states))),
            ("max_active_instances", engine.policy(slot).max_active_instances, engine.slots(engine.row(slot))),
        )
        for name, limit, among in limits:
            if limit is None:
                continue
            running = tuple(one for one in among if engine.states[one] == RUNNING)
            if len(running) >= limit:
                return Reason(Kind.LIMIT, running, text=f"{name} is {limit}")
        waits = self._slot_wait(slot)
        return Reason(Kind.SLOT, text=waits) if waits else Reason(Kind.WORKER)

    def _retrying(self, slot: int) -> Reason:
        return Reason(Kind.RETRY, at=self._engine.retries_due.get(slot), text=self._error(slot))

    def _deferred(self, slot: int) -> Reason:
        due = self._engine.retries_due.get(slot)
        topic = self._engine.topics.get(slot)
        if topic is None:
            return Reason(Kind.EARLY, at=due)
        kind = Kind.DECISION if topic.startswith(DECISIONS) else Kind.MESSAGE
        return Reason(kind, at=None if due == float("inf") else due, text=topic)

    def _open_instances(self, head: int) -> tuple[int, ...]:
        engine = self._engine
        return tuple(one for one in engine.slots(head) if not engine.counts_for_map(one))

    # --- What has ended

    def _failed(self, slot: int) -> Reason:
        return Reason(Kind.FAILED, at=self._engine.ended[slot], text=self._error(slot))

    def _skipped(self, slot: int) -> Reason:
        engine = self._engine
        if slot in engine.skips:
            return Reason(Kind.SAID, at=engine.ended[slot], text=engine.skips[slot])
        row = engine.row(slot)
        for decider in engine.plan.deciders.get(row, ()):
            above = engine.slot_beside(slot, decider)
            for one in engine.slots(decider) if above == decider else (above,):
                if engine.states[one] == SUCCESS and engine.leaves_out(one, row):
                    return Reason(Kind.NOT_CHOSEN, (one,), engine.ended[slot])
        return self._by_law(slot, (SKIPPED,))

    def _cancelled(self, slot: int) -> Reason:
        engine, cause = self._engine, self._engine.disturbed_by
        at = engine.ended[slot]
        if cause is None:
            return Reason(Kind.SPENT if engine.is_spent(slot) else Kind.LEFT_OVER, at=at)
        if not engine.is_to_end(slot):
            return self._by_law(slot, (CANCELLED,))
        if isinstance(cause, CancelRequested):
            return Reason(Kind.CANCELLED_BY, at=cause.at, text=cause.by)
        if isinstance(cause, RunTimedOut):
            return Reason(Kind.TIMED_OUT, at=cause.at, text=f"{engine.plan.timeout:g}")
        return Reason(Kind.FAILED_FAST, tuple(_named(engine, cause)), at)

    def _by_law(self, slot: int, states: Collection[int]) -> Reason:
        """What the law goes through before its rule, and then that."""
        engine = self._engine
        row = engine.row(slot)
        at = engine.ended[slot]
        deciders = engine.plan.deciders.get(row, ()) if CANCELLED in states else ()
        guard = self._first(slot, (*engine.plan.guards.get(row, ()), *deciders), states)
        return Reason(Kind.GUARD, (guard,), at) if guard is not None else self._by_rule(slot, row, states)

    def _by_rule(self, slot: int, row: int, states: Collection[int]) -> Reason:
        """What its trigger rule says of its upstreams: the first clause of it that holds."""
        plan, at = self._engine.plan, self._engine.ended[slot]
        rule, parents = plan.policies[row].trigger_rule, plan.setups.get(row, plan.upstreams[row])
        if CANCELLED in states:
            above = self._first(slot, parents, states)
            return Reason(Kind.RULE, () if above is None else (above,), at, str(rule))
        for outcomes, verdict in LAW[rule]:
            wanted = tuple(state for state, outcome in _OUTCOMES if outcome & outcomes)
            above = self._first(slot, parents, wanted)
            if verdict is Verdict.RUN and (above is not None or not parents):
                break  # it could have run
            if above is not None:
                return Reason(Kind.RULE, (above,) if len(wanted) < _ALL else (), at, str(rule))
        return Reason(Kind.NOTHING if SKIPPED in states and slot in plan.maps else Kind.LEFT_OVER, at=at)

    def _first(self, slot: int, rows: Iterable[int], states: Collection[int]) -> int | None:
        """The first of some tasks that has come to one of these states."""
        engine = self._engine
        for row in rows:
            above: int | None = engine.slot_beside(slot, row)
            if above == row and row in engine.widths:
                above = self._instance(row, tuple(states))
            if above is not None and engine.states[above] in states:
                return above
        return None

    def _instance(self, row: int, states: tuple[int, ...]) -> int | None:
        if (row, states) not in self._found:
            slots = self._engine.slots(row)
            self._found[row, states] = next((one for one in slots if self._engine.states[one] in states), None)
        return self._found[row, states]

    def _error(self, slot: int) -> str:
        error = self._engine.errors.get(slot)
        return f"{error.type}: {error.message}" if error is not None else ""


_ALL = 4
"""How many outcomes a task can have that nobody cancelled."""


def _named(engine: RunEngine, cause: FailedFast) -> Iterator[int]:
    """The task by which a run failed fast."""
    name, _, index = cause.name.removesuffix("]").rpartition("[")
    row = engine.plan.numbers.get(cause.name)
    if row is not None:
        yield row
    elif name in engine.plan.numbers and int(index) < engine.widths.get(engine.plan.numbers[name], 0):
        yield engine.slot(engine.plan.numbers[name], int(index))


def outcomes_above(engine: RunEngine, slot: int) -> dict[str, int]:
    """What the direct upstreams of a task have come to, or stand at: state -> how many, of maps their instances."""
    row = engine.row(slot)
    counts: dict[str, int] = {}
    for other in engine.plan.setups.get(row, engine.plan.upstreams[row]):
        above = engine.slot_beside(slot, other)
        for one in engine.slots(other) if above == other else (above,):
            label = engine.task_state(one).label
            counts[label] = counts.get(label, 0) + 1
    return counts


def held_up(engine: RunEngine, slot: int) -> int:
    """How many rows have not ended, or did not run, that lie below a task."""
    plan = engine.plan
    frontier = [engine.row(slot)]
    found = {*frontier}
    for row in frontier:
        for down in (*plan.downstreams[row], *plan.followers.get(row, ())):
            if down not in found and (engine.states[down] < SUCCESS or engine.states[down] == UPSTREAM_FAILED):
                found.add(down)
                frontier.append(down)
    return len(frontier) - 1
