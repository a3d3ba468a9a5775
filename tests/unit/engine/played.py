"""Plans with rules in a few words, and runs of them that are played step by step.

A plan is made of names: `plan_of({"a": "", "b": "a"})` is b after a. A run is told what its bodies do, by the names of
the tasks ("load[3]" for an instance of a map), and is looked at in letters, one a task.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from penstock.engine.audit import Audit
from penstock.engine.commands import Command, DispatchTasks, EndRun
from penstock.engine.events import (
    AttemptCancelled,
    AttemptFailed,
    AttemptSkipped,
    AttemptStarted,
    AttemptSucceeded,
    CancelRequested,
    ErrorText,
    Event,
    ExpansionFailed,
    MapExpanded,
    PlanAdopted,
    RunStarted,
    TasksRerun,
)
from penstock.engine.invariants import check
from penstock.engine.run import RunEngine
from penstock.engine.states import TaskState
from penstock.plan.plan import Group, Plan
from penstock.policy import TaskPolicy, TriggerRule
from tests.simulation.plans import make_plan
from tests.simulation.simulator import snapshot
from tests.unit.engine.followed import agree

ERROR = ErrorText("ValueError", "no")
LETTERS = {
    TaskState.PENDING: ".",
    TaskState.READY: "r",
    TaskState.RUNNING: ">",
    TaskState.RETRYING: "~",
    TaskState.DEFERRED: "d",
    TaskState.EXPANDED: "E",
    TaskState.SUCCESS: "S",
    TaskState.FAILED: "F",
    TaskState.SKIPPED: "K",
    TaskState.UPSTREAM_FAILED: "U",
    TaskState.CANCELLED: "C",
    TaskState.REMOVED: "-",
}

Words = Mapping[str, str]
"""Names -> names, with blanks between."""


def plan_of(
    tasks: Words,
    *,
    rules: Words | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    deciders: Words | None = None,
    guards: Words | None = None,
    waits: Words | None = None,
    setups: Words | None = None,
    maps: str = "",
    groups: Mapping[str, str] | None = None,
    retried: Mapping[str, TaskPolicy] | None = None,
    **fields: Any,
) -> Plan:
    """A plan of tasks and what each comes after. `options` are those of its policy; `setups` of a teardown are among
    what it comes after; `maps` are the mapped tasks; `groups` are mapped, named as the row that expands them; `retried`
    are the mapped groups, or the tasks of others, that are tried again as a unit."""
    names = list(tasks)
    numbers = {name: number for number, name in enumerate(names)}

    def rows(words: str) -> tuple[int, ...]:
        return tuple(sorted(numbers[name] for name in words.split()))

    def some(column: Words | None) -> dict[int, tuple[int, ...]]:
        return {numbers[name]: rows(words) for name, words in (column or {}).items()}

    torn_down, deciding = some(setups), {row for above in some(deciders).values() for row in above}
    policies = []
    for name in names:
        given: dict[str, Any] = {**(options or {}).get(name, {})}
        if name in (rules or {}):
            given["trigger_rule"] = TriggerRule((rules or {})[name])
        if numbers[name] in torn_down:
            given |= {"teardown": True, "trigger_rule": TriggerRule.ALL_DONE_SETUP_SUCCESS}
        if any(numbers[name] in above for above in torn_down.values()):
            given["setup"] = True
        if numbers[name] in deciding:
            given.setdefault("decides", "branch")
        policies.append(TaskPolicy(**given))
    return make_plan(
        [rows(above) for above in tasks.values()],
        names=names,
        policies=policies,
        deciders=some(deciders),
        guards={**some(guards), **_expansions(some(guards), numbers, groups or {})},
        waits=some(waits),
        setups=torn_down,
        maps={**dict.fromkeys(rows(maps), "task"), **{numbers[name]: "group" for name in groups or {}}},
        groups=tuple(_groups(numbers, groups or {}, retried or {}, rows)),
        **fields,
    )


def _expansions(guards: Mapping[int, Iterable[int]], numbers: Mapping[str, int], groups: Words) -> dict[int, Any]:
    """What expands a group is a guard of all that is in it."""
    return {
        numbers[task]: tuple(sorted({*guards.get(numbers[task], ()), numbers[name]}))
        for name, inside in groups.items()
        for task in inside.split()
    }


def _groups(
    numbers: Mapping[str, int], groups: Words, retried: Mapping[str, TaskPolicy], rows: Callable[[str], tuple[int, ...]]
) -> Iterator[Group]:
    """The larger before the smaller, so that each comes after the one around it."""
    words = {name: groups.get(name, name) for name in {**groups, **retried}}
    around: list[tuple[int, ...]] = []
    for name in sorted(words, key=lambda name: -len(words[name].split())):
        inside = rows(words[name])
        parents = [number for number, outer in enumerate(around) if set(inside) < set(outer)]
        around.append(inside)
        expansion = numbers[name] if name in groups else -1
        yield Group(name, parents[-1] if parents else -1, inside, expansion, retried.get(name))


def _as_lists(command: Command) -> Command:
    """A command that compares by what is dispatched, not by what holds it."""
    return DispatchTasks(list(command.tasks)) if isinstance(command, DispatchTasks) else command


class Played:
    """A run, looked at after every event; the audit reads along, and is to find nothing and see the same. Not so if the
    run is `odd`: the engine is told what no journal of a driver tells, and what it makes of that is all that counts."""

    def __init__(self, plan: Plan, *, odd: bool = False, **plans: Plan) -> None:
        self.plans = {"same": plan, **plans}
        self.engine = RunEngine(plan, run_id="run", plans=self.plans.__getitem__)
        self.audit = None if odd else Audit(plan, plans=self.plans.__getitem__)
        self.journal: list[Event] = []
        self.commands: list[Command] = []
        """Those of the last event."""
        self.now = 1.0
        self.feed(RunStarted(self.now))

    # --- What happens

    def feed(self, *events: Event) -> Played:
        """Hand in events."""
        for event in events:
            self.commands = [_as_lists(command) for command in self.engine.handle(event)]
            self.journal.append(event)
            found = [] if self.audit is None else self.audit.see(event)
            assert found == []
            if isinstance(event, PlanAdopted):
                continue  # what follows it in the same batch belongs to it
            check(self.engine)
            if self.audit is not None:
                agree(self.engine, self.audit)
        return self

    def tick(self) -> float:
        """The time, a second later each time it is asked for."""
        self.now += 1.0
        return self.now

    def slot(self, name: str) -> int:
        """The slot of a task or of an instance, by its name."""
        return next(slot for slot in range(len(self.engine.states)) if self.engine.name(slot) == name)

    def start(self, *names: str) -> Played:
        """Attempts begin."""
        for slot in map(self.slot, names):
            self.feed(AttemptStarted(slot, self.engine.attempts[slot] + 1, self.tick()))
        return self

    def ok(self, *names: str, chosen: str | None = None) -> Played:
        """Bodies return; of a branch or a short circuit, with these tasks `chosen`."""
        for slot, number in self._begun(names):
            rows = None if chosen is None else tuple(sorted(map(self.slot, chosen.split())))
            self.feed(AttemptSucceeded(slot, number, self.tick(), chosen=rows))
        return self

    def fail(self, *names: str, retryable: bool = True) -> Played:
        """Bodies raise."""
        for slot, number in self._begun(names):
            self.feed(AttemptFailed(slot, number, self.tick(), ERROR, retryable))
        return self

    def skip(self, *names: str) -> Played:
        """Bodies say that there is nothing to do."""
        for slot, number in self._begun(names):
            self.feed(AttemptSkipped(slot, number, self.tick(), "nothing to do"))
        return self

    def heed(self, *names: str) -> Played:
        """Bodies end because they were asked to."""
        for slot, number in self._begun(names):
            self.feed(AttemptCancelled(slot, number, self.tick()))
        return self

    def _begun(self, names: Iterable[str]) -> Iterator[tuple[int, int]]:
        """Their slots and attempts, which are begun where they are not under way."""
        for name in names:
            if self[name] != ">":
                self.start(name)
            yield self.slot(name), self.engine.attempts[self.slot(name)]

    def end(self, name: str, letter: str) -> Played:
        """An attempt ends in the state that the letter stands for."""
        ends: dict[str, Callable[..., Played]] = {"S": self.ok, "F": self.fail, "K": self.skip, "C": self.heed}
        return ends[letter](name)

    def expand(self, name: str, width: int) -> Played:
        """It is known how wide a map is."""
        return self.feed(MapExpanded(self.slot(name), self.tick(), width))

    def fail_to_expand(self, name: str) -> Played:
        """What a task is mapped over cannot be iterated."""
        return self.feed(ExpansionFailed(self.slot(name), self.tick(), ERROR))

    def cancel(self) -> Played:
        """Somebody wants the run to end."""
        return self.feed(CancelRequested(self.tick(), "ann"))

    def rerun(self, *names: str) -> Played:
        """Somebody wants tasks to run again."""
        return self.feed(TasksRerun(self.tick(), tuple(map(self.slot, names))))

    # --- What one sees

    def __getitem__(self, name: str) -> str:
        """The letter of a task or of an instance."""
        return LETTERS[self.engine.task_state(self.slot(name))]

    @property
    def letters(self) -> str:
        """The letters of all tasks of the plan."""
        return "".join(LETTERS[self.engine.task_state(row)] for row in range(self.engine.size))

    def of(self, name: str) -> str:
        """The letters of the instances that a map has or had."""
        slots = self.engine.instances.get(self.engine.plan.numbers[name], ())
        return "".join(LETTERS[self.engine.task_state(slot)] for slot in slots)

    def command(self, kind: type[Command]) -> list[str]:
        """The names of the tasks that the last event's commands of a kind are about."""
        commands: list[Any] = [command for command in self.commands if isinstance(command, kind)]
        return [self.engine.name(slot) for command in commands for slot in command.tasks]

    @property
    def verdict(self) -> str:
        """What the run came to, and why; nothing while it goes on."""
        ends = [command for command in self.commands if isinstance(command, EndRun)]
        return f"{ends[0].state}: {ends[0].error}" if ends and ends[0].error else str(ends[0].state) if ends else ""

    def replayed(self) -> bool:
        """Whether the journal alone gives the same run."""
        engine = RunEngine(self.plans["same"], run_id="run", plans=self.plans.__getitem__)
        for event in self.journal:
            engine.handle(event)
        return snapshot(engine) == snapshot(self.engine)
