"""Plans with everything that the law knows of, and runs of them in which all that can happen does, drawn by chance."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random

from penstock.engine.events import (
    AttemptCancelled,
    AttemptDeferred,
    AttemptFailed,
    AttemptLost,
    AttemptSkipped,
    AttemptStarted,
    AttemptSucceeded,
    CancelRequested,
    DriverStopped,
    ErrorText,
    Event,
    ExpansionFailed,
    GroupRetryDue,
    MapExpanded,
    MessageReceived,
    NotifiersSet,
    PlanAdopted,
    RetryDue,
    RunResumed,
    RunStarted,
    RunTimedOut,
    TasksMarked,
    TasksRerun,
    TaskWoken,
    ValueRef,
)
from penstock.engine.run import RunEngine
from penstock.engine.states import TaskState
from penstock.plan.fulfilment import circles_of_units
from penstock.plan.gates import Facts, find_gates
from penstock.plan.plan import Group, Plan
from penstock.policy import RUN_NOTICES, TASK_NOTICES, Polling, TaskPolicy, TriggerRule
from tests.simulation.plans import make_plan

ERROR = ErrorText("ValueError", "as chance would have it")
POLLINGS = (Polling(), Polling(1.0, timeout=6.0), Polling(1.0, 2.0, timeout=6.0, soft_fail=True))
TOPICS = ("go", "stop")
VALUES = (None, ValueRef("json", 1, None, "1"), ValueRef("volatile", 0))
RULES = [rule for rule in TriggerRule if rule is not TriggerRule.ALL_DONE_SETUP_SUCCESS]
PLAIN, BRANCH, NEAR, FAR, SETUP, TEARDOWN = "plain", "branch", "near", "far", "setup", "teardown"
KINDS = (PLAIN, PLAIN, PLAIN, PLAIN, BRANCH, NEAR, FAR, SETUP, SETUP, TEARDOWN, TEARDOWN)


def draw_plan(
    chance: Random, *, maps: bool = False, rounds: bool = False, names: str = "abcdefgh", most: int = 7
) -> Plan:
    """A plan of a few tasks with rules, branches, short circuits, setups and teardowns; with `maps`, also with mapped
    tasks and a mapped group, with `rounds` with groups that are tried again."""
    size = chance.randint(1, most)
    numbers = list(range(size))
    chance.shuffle(numbers)
    upstreams: list[tuple[int, ...]] = [()] * size
    kinds = [PLAIN] * size
    for rank, task in enumerate(numbers):
        above = [other for other in numbers[:rank] if chance.random() < 2 / (rank + 1)]
        upstreams[task] = tuple(sorted(above))
        kind = chance.choice(KINDS)
        if kind != TEARDOWN or any(kinds[other] == SETUP for other in above):
            kinds[task] = kind
    expansion, inside = -1, list[int]()
    if maps and size > 1 and chance.random() < 0.6:
        rank = chance.randrange(size - 1)
        expansion = numbers[rank]
        kinds[expansion] = PLAIN
        upstreams = [tuple(other for other in above if other != expansion) for above in upstreams]
        inside = sorted(task for task in numbers[rank + 1 :] if chance.random() < 0.6) or [numbers[-1]]
    inputs = [tuple(other for other in above if chance.random() < 0.4) for above in upstreams]
    widths = {}
    for task in range(size):
        mappable = kinds[task] in (PLAIN, SETUP) and task not in inside and chance.random() < 0.3
        if maps and (task == expansion or mappable):
            widths[task] = inputs[task]
    kinds = [_kind(kinds, above, kind) for above, kind in zip(upstreams, kinds, strict=True)]
    groups = _groups(chance, upstreams, expansion, inside, rounds=rounds)
    tried = {task for group in groups if group.policy is not None for task in group.rows}
    policies = [_policy(chance, kind, fixed=task == expansion, again=task in tried) for task, kind in enumerate(kinds)]
    gates = find_gates(
        Facts(
            upstreams=upstreams,
            inputs=inputs,
            policies=policies,
            far_reaching=frozenset(task for task, kind in enumerate(kinds) if kind == FAR),
            widths=widths,
            expansions={expansion: tuple(inside)} if expansion >= 0 else {},
        )
    )
    plan = make_plan(
        upstreams,
        names=chance.sample(names, size),
        policies=policies,
        inputs=inputs,
        timeout=60.0,
        notices=tuple(name for name in RUN_NOTICES if chance.random() < 0.5),
        deciders=gates.deciders,
        guards=gates.guards,
        waits=gates.waits,
        setups=gates.setups,
        groups=groups,
        maps={task: "group" if task == expansion else "task" for task in widths},
        fail_fast=chance.random() < 0.15,
        run_state=chance.choice(["any", "any", "leaves"]),
    )
    if circles_of_units(plan):  # which is refused where workflows are compiled
        return replace(plan, groups=tuple(replace(group, policy=None) for group in plan.groups))
    return plan


def _kind(kinds: list[str], above: tuple[int, ...], kind: str) -> str:
    """Teardowns without a setup are none."""
    return PLAIN if kind == TEARDOWN and not any(kinds[other] == SETUP for other in above) else kind


def _groups(
    chance: Random, upstreams: list[tuple[int, ...]], expansion: int, inside: list[int], *, rounds: bool
) -> tuple[Group, ...]:
    """The mapped group, one in it, and two around it or beside it, which may be tried again if no way leads out of them
    and back."""
    above = [{*tasks, *([expansion] if row in inside else [])} for row, tasks in enumerate(upstreams)]
    mapped = {*inside}
    outer = _between(above, {row for row in range(len(above)) if chance.random() < 0.5}, mapped, expansion)
    middle = _between(above, {row for row in outer if chance.random() < 0.5}, mapped, expansion)
    inner = {row for row in inside if chance.random() < 0.5}
    members = [("outer", outer, rounds), ("middle", middle, rounds)]
    if expansion >= 0:
        members += [("mapped", mapped, False), ("inner", inner, rounds)]
    groups: list[Group] = []
    for name, rows, is_wanted in members:
        if not rows or not (is_wanted or name == "mapped"):
            continue
        parent = max((number for number, group in enumerate(groups) if rows <= {*group.rows}), default=-1)
        again = rounds and _between(above, {*rows}, set(), -1) == rows and chance.random() < 0.8
        policy = TaskPolicy(retries=chance.choice((1, 1, 2))) if again else None
        groups.append(Group(name, parent, tuple(sorted(rows)), expansion if name == "mapped" else -1, policy))
    return tuple(groups)


def _between(above: list[set[int]], rows: set[int], mapped: set[int], expansion: int) -> set[int]:
    """These, and what is on the ways between them; a mapped group as a whole."""
    size = -1
    while len(rows) != size:
        size = len(rows)
        if rows & {*mapped, expansion}:
            rows |= {*mapped, expansion}
        rows = rows | (_reach(above, rows) & _reach(_below(above), rows))
    return rows


def _reach(graph: list[set[int]], rows: set[int]) -> set[int]:
    found = [*rows]
    for row in found:
        found += [other for other in graph[row] if other not in found]
    return {*found}


def _below(above: list[set[int]]) -> list[set[int]]:
    return [{row for row, others in enumerate(above) if other in others} for other in range(len(above))]


def _policy(chance: Random, kind: str, *, fixed: bool, again: bool) -> TaskPolicy:
    if fixed:
        return TaskPolicy()
    once = chance.random() < 0.12 and not again
    rule = chance.choice(RULES) if chance.random() < 0.7 else TriggerRule.ALL_SUCCESS
    return TaskPolicy(
        retries=0 if once else chance.choice((0, 0, 1, 2)),
        at_most_once=once,
        notices=tuple(name for name in TASK_NOTICES if chance.random() < 0.3),
        trigger_rule=TriggerRule.ALL_DONE_SETUP_SUCCESS if kind == TEARDOWN else rule,
        allow_failure=chance.random() < 0.15,
        setup=kind == SETUP,
        teardown=kind == TEARDOWN,
        on_failure_fail_run=kind == TEARDOWN and chance.random() < 0.5,
        polling=chance.choice(POLLINGS) if kind != BRANCH and not once and chance.random() < 0.2 else None,
        decides="branch" if kind == BRANCH else "short_circuit" if kind in (NEAR, FAR) else "",
    )


class Chance:
    """What may happen next to a run, as its engine stands."""

    def __init__(self, engine: RunEngine, random: Random, *, fingerprints: str = "", calm: bool = False) -> None:
        self.engine = engine
        self.random = random
        self.fingerprints = fingerprints
        self.disturbances = (
            []
            if calm
            else [
                CancelRequested,
                RunTimedOut,
                DriverStopped,
                RunResumed,
                TasksRerun,
                TasksMarked,
            ]
        )
        self.at = 1.0
        self.driven = True

    def events(self, count: int) -> Iterator[Event]:
        """So many events, each of which is to be handed to the engine before the next is asked for."""
        yield NotifiersSet(self.at, self.random.choice([(), ("x",), ("y/", "x")]))
        yield RunStarted(self.at)
        for _ in range(count):
            self.at += 1.0
            yield from self._next()

    def _next(self) -> Iterator[Event]:
        if self.fingerprints and self.random.random() < 0.04:
            yield PlanAdopted(self.at, self.random.choice(self.fingerprints))
            yield RunResumed(self.at, by_hand=self.random.random() < 0.5)
            self.driven = True
        elif not self.driven:
            self.driven = True
            yield from self._of_the_run(self.random.choice([RunResumed, RunResumed, TasksRerun, CancelRequested]))
        elif self.disturbances and self.random.random() < 0.12:
            yield from self._of_the_run(self.random.choice(self.disturbances))
        elif self.random.random() < 0.06:
            yield MessageReceived(self.at, self.random.choice(TOPICS), self.random.choice(VALUES[:2]), "ann")
        elif (event := self._work()) is not None:
            yield event
        elif self.disturbances:
            yield from self._of_the_run(self.random.choice([RunResumed, TasksRerun, TasksMarked, CancelRequested]))

    def _of_the_run(self, kind: type) -> Iterator[Event]:
        engine, random = self.engine, self.random
        if kind is CancelRequested:
            yield CancelRequested(self.at, "ann")
        elif kind is RunTimedOut:
            yield RunTimedOut(self.at)
        elif kind is DriverStopped:
            self.driven = False
            yield DriverStopped(self.at, "SIGINT")
        elif kind is RunResumed:
            yield RunResumed(self.at, by_hand=random.random() < 0.6)
        elif kind is TasksMarked:
            yield from self._marks()
        elif TaskState.RUNNING not in engine.states:
            among = [slot for slot in range(len(engine.states)) if self._may_be_rerun(slot)]
            yield TasksRerun(self.at, tuple(slot for slot in among if random.random() < 0.3))

    def _marks(self) -> Iterator[Event]:
        engine, random = self.engine, self.random
        tasks = tuple(
            slot for slot in range(len(engine.states)) if random.random() < 0.3 and engine.can_be_marked(slot)
        )
        if not engine.in_the_way(tasks) and not any(map(engine.waits_for_round, tasks)):
            yield TasksMarked(self.at, tasks, random.choice(("success", "failed", "skipped")), "ann")

    def _may_be_rerun(self, slot: int) -> bool:
        """Whether a slot is there, and does not only stand for the instances of a task in a mapped group."""
        plan, states = self.engine.plan, self.engine.states
        return states[slot] != TaskState.REMOVED and (slot in plan.maps or slot not in plan.mapped)

    def _work(self) -> Event | None:
        engine, random = self.engine, self.random
        slots: list[int | tuple[int, int]] = [
            slot for slot, state in enumerate(engine.states) if TaskState(state) in _WORK
        ]
        slots += engine.rounds_due
        if not slots:
            return None
        slot = random.choice(slots)
        if isinstance(slot, tuple):
            return GroupRetryDue(*slot, self.at)
        state = engine.task_state(slot)
        if state is TaskState.RETRYING:
            return RetryDue(slot, self.at)
        if state is TaskState.DEFERRED:
            if engine.retries_due[slot] < float("inf"):
                return TaskWoken(slot, self.at)
            return MessageReceived(self.at, engine.topics[slot], None, "ann")
        if state is TaskState.READY:
            return self._expansion(slot) if slot in engine.plan.maps else self._start(slot)
        return self._outcome(slot, engine.attempts[slot])

    def _start(self, slot: int) -> Event:
        return AttemptStarted(slot, self.engine.attempts[slot] + 1, self.at)

    def _expansion(self, slot: int) -> Event:
        if self.random.random() < 0.1:
            return ExpansionFailed(slot, self.at, ERROR)
        return MapExpanded(slot, self.at, self.random.choice((0, 1, 2, 2, 3)))

    def _outcome(self, slot: int, attempt: int) -> Event:
        engine, random = self.engine, self.random
        polls = engine.policy(slot).polling is not None
        kinds: list[Callable[[], Event]] = [
            *(() if engine._cause is None else [lambda: AttemptCancelled(slot, attempt, self.at)] * 4),
            *[lambda: AttemptSucceeded(slot, attempt, self.at, random.choice(VALUES), self._choice(slot))] * 10,
            *[lambda: AttemptFailed(slot, attempt, self.at, ERROR, delay=random.choice((None, 2.0)))] * 3,
            *[lambda: AttemptFailed(slot, attempt, self.at, ERROR, retryable=False)] * 2,
            *[lambda: AttemptSkipped(slot, attempt, self.at, "nothing to do")] * 2,
            *[lambda: AttemptDeferred(slot, attempt, self.at, None if polls else self.at + 5.0)] * (6 if polls else 1),
            lambda: AttemptDeferred(
                slot, attempt, self.at, random.choice((None, self.at + 5.0)), random.choice(TOPICS)
            ),
            lambda: AttemptLost(slot, attempt, self.at, ERROR),
        ]
        return random.choice(kinds)()

    def _choice(self, slot: int) -> tuple[int, ...] | None:
        row = self.engine.row(slot)
        kind = self.engine.plan.policies[row].decides
        if not kind or self.random.random() < 0.3:
            return None
        if kind == "short_circuit":
            return ()
        return tuple(down for down in self.engine.plan.downstreams[row] if self.random.random() < 0.5)


_WORK = (TaskState.READY, TaskState.RUNNING, TaskState.RETRYING, TaskState.DEFERRED)
