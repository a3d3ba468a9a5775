"""The course of one run in the words of the law: in which round each group is, what bodies came to, and how the run
stood when it was disturbed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

from penstock.engine.commands import CancelAttempts, Command
from penstock.engine.events import (
    AttemptCancelled,
    AttemptFailed,
    AttemptLost,
    AttemptSkipped,
    AttemptSucceeded,
    CancelRequested,
    DriverStopped,
    Event,
    ExpansionFailed,
    GroupRetryDue,
    MapExpanded,
    PlanAdopted,
    RunResumed,
    RunTimedOut,
    TasksRerun,
)
from penstock.engine.run import RunEngine
from penstock.engine.states import ENDED, TaskState
from tests.law.description import FATAL, RAISES, RETURNS, SKIPS, Act, Body
from tests.law.disturbed import CANCEL, FAIL_FAST, TIMEOUT, Disturbance, Key
from tests.law.graph import Graph
from tests.law.law import UNEXPANDED, C, F, K, Outcome, S, U
from tests.simulation.work import Work

Place: TypeAlias = tuple[str, int]
"""A task, and its index in a map; -1 for what is no instance."""
Outcomes: TypeAlias = AttemptSucceeded | AttemptSkipped | AttemptFailed | AttemptLost | AttemptCancelled
OUTCOMES = (AttemptSucceeded, AttemptSkipped, AttemptFailed, AttemptLost, AttemptCancelled)


class Course:
    """Follows one run. It looks at the engine that reads the journal for where tasks stand, and for nothing else."""

    def __init__(self, work: Work, engine: RunEngine) -> None:
        self.work = work
        self.graph: Graph = work.graph_of(engine.plan.names)
        self.rounds: dict[tuple[str, int], int] = {}
        """How many rounds each group of each index has behind it, in this round of the groups around it."""
        self.failures: dict[Place, int] = {}
        """How many attempts have failed since a task was last given a fresh budget."""
        self.endings: dict[Body, Act] = {}
        """What bodies came to, at last."""
        self.last: dict[Place, Body] = {}
        """Whose attempt was the last of a task that came out."""
        self.disturbance: Disturbance | None = None
        self.by_hand = False
        """Whether somebody has had parts of the run done anew, or the workflow has changed: then what had ended stays
        as it was, and the law holds for the rest alone."""
        self.rerun = False
        """Whether somebody had chosen these parts."""
        self.remade = False
        """Whether a body that had returned came to another end since, as one may whose value died with its process."""
        self._engine = engine

    # --- Events

    def before(self, event: Event) -> None:
        """Note what an event is about to change."""
        if isinstance(event, (CancelRequested, RunTimedOut, DriverStopped, RunResumed)) and self.disturbance:
            self.disturbance.again = True
        if self.disturbance is None:
            self._stood = self.ended(), self._running(event)
        if isinstance(event, GroupRetryDue) and (event.group, event.index) in self._engine.rounds_due:
            self._begin_anew(self._engine.plan.groups[event.group].name, event.index)
        elif isinstance(event, RunResumed) and event.by_hand:
            self._begin_by_hand()
        elif isinstance(event, TasksRerun):
            self.rerun = True
            self._begin_by_hand()

    def after(self, event: Event, commands: Sequence[Command]) -> None:
        """Note what an event has changed."""
        if isinstance(event, PlanAdopted):
            self.by_hand = True
            self.graph = self.work.graph_of(self._engine.plan.names)
        elif self.disturbance is None and (kind := self._disturbs(event, commands)):
            self.disturbance = Disturbance(kind, *self._stood)

    def came_out(self, place: Place, event: Outcomes) -> None:
        """An attempt came out, and that counts; before the event is taken."""
        if isinstance(event, AttemptCancelled):
            return
        body = self.last[place] = self.body(place)
        before = self.endings.get(body)
        self.endings[body] = self._act(body, event)
        if isinstance(event, AttemptFailed):
            self.failures[place] = self.failures.get(place, 0) + 1
        if before is not None and before.what == RETURNS != self.endings[body].what:
            self.remade = True

    def _act(self, body: Body, event: Outcomes) -> Act:
        if isinstance(event, AttemptSucceeded):
            said = self.work.script(body)[-1]  # what it chooses, and how long its list is, stands in the script
            return Act(RETURNS, said.chosen, said.width)
        if isinstance(event, AttemptSkipped):
            return Act(SKIPS)
        return Act(RAISES if isinstance(event, AttemptFailed) and event.retryable else FATAL)

    def _disturbs(self, event: Event, commands: Sequence[Command]) -> str:
        if isinstance(event, CancelRequested):
            return CANCEL
        if isinstance(event, RunTimedOut):
            return TIMEOUT
        asked_to_end = any(isinstance(command, CancelAttempts) for command in commands)
        disturbed = asked_to_end or TaskState.CANCELLED in self._engine.states
        return FAIL_FAST if disturbed and self.graph.flow.fail_fast else ""

    def _begin_by_hand(self) -> None:
        self.by_hand = True
        self.rounds.clear()
        self.failures.clear()

    def _begin_anew(self, group: str, index: int) -> None:
        """The next round of a group begins; the groups in it have all their rounds again."""
        self.rounds[group, index] = self.rounds.get((group, index), 0) + 1
        for inner, place in [*self.rounds]:
            if group in self.graph.groups_above(inner) and index in (-1, place):
                del self.rounds[inner, place]
        for name, place in [*self.failures]:
            if group in self.graph.groups_around(name) and index in (-1, place):
                del self.failures[name, place]

    def happened(self) -> set[str]:
        """What there is in the workflow beside edges, and what came of it."""
        graph, flow = self.graph, self.graph.flow
        told = {
            "a rule": any(task.rule != "all_success" for task in flow.tasks),
            "a branch": any(task.decides == "branch" for task in flow.tasks),
            "a short circuit": any(task.decides == "short_circuit" for task in flow.tasks),
            "a setup and teardown": any(task.teardown for task in flow.tasks),
            "a mapped task": any(task.over is not None for task in flow.tasks),
            "a mapped group": any(group.over is not None for group in flow.groups),
            "a group in a group": any(group.parent for group in flow.groups),
            "a failure that is allowed": any(task.allow_failure for task in flow.tasks),
            "a limit of instances": any(self.work.steps[name].at_once for name in graph.tasks),
            "a width known at run time": any(isinstance(one, str) for row in graph.rows for one in graph.sources(row)),
            "fail_fast": flow.fail_fast,
            "the leaves' verdict": flow.run_state == "leaves",
            "instances": bool(self._engine.widths),
            "another round": bool(self.rounds),
            "a skip": any(act.what == SKIPS for act in self.endings.values()),
            f"judged: {self.judged_by()}": True,
        }
        return {what for what, holds in told.items() if holds}

    def judged_by(self) -> str:
        """How much of the end of the run follows from the law."""
        if self.rerun or self.remade:
            return "single bodies"
        if self.by_hand:
            return "single tasks"
        return f"by {self.disturbance.kind}" if self.disturbance else "as a whole"

    # --- Places

    def place(self, slot: int) -> Place:
        """The task and index of a slot."""
        return self._engine.plan.names[self._engine.row(slot)], self._engine.index(slot)

    def key(self, slot: int) -> Key:
        """The same as the law has it."""
        row, index = self.place(slot)
        in_map = self.graph.is_mapped(row) or bool(self.graph.map_around(row))
        return row, (UNEXPANDED if in_map and index < 0 else index)

    def body(self, place: Place) -> Body:
        """Whose body it is that runs now in a place."""
        row, index = place
        around = (
            self.rounds.get((group, index if self.graph.map_of_group(group) else -1), 0)
            for group in self.graph.retried_around(row)
        )
        return Body(row, index, tuple(around))

    def slots(self, row: str, other: str, index: int) -> Iterator[int]:
        """The slots of another task that an instance of a row has to do with."""
        number = self._engine.plan.numbers[other]
        if index >= 0 and self.graph.same_map(row, other):
            yield self._engine.slot(number, index)
        else:
            yield from self.instances(other)

    def instances(self, row: str) -> Sequence[int]:
        """The slots of the instances of a task; of one that is not mapped, or not expanded, its own."""
        return [*self._engine.slots(self._engine.plan.numbers[row])]

    def label(self, slot: int) -> str:
        return self._engine.task_state(slot).label

    # --- How it stands

    def ended(self) -> dict[Key, str]:
        """The states of what has ended, maps as a whole too."""
        found = {}
        for row in self.graph.tasks:
            for slot in self.instances(row):
                if self._engine.task_state(slot) in ENDED:
                    found[self.key(slot)] = self.label(slot)
        maps = {self._map_key(row): state for row, state in self.maps().items() if state in (S, F, U, K, C)}
        return {**found, **maps}

    def maps(self) -> dict[str, str]:
        """What became of maps as a whole: success, if they were expanded."""
        return {row: self._map_state(row) for row in self.graph.rows if self._is_map(row)}

    def outcome(self) -> Outcome:
        """How the run has ended."""
        states = {self.key(slot): self.label(slot) for row in self.graph.tasks for slot in self.instances(row)}
        return Outcome(states, self.maps(), str(self._engine.state))

    def _is_map(self, row: str) -> bool:
        return row not in self.graph.tasks or self.graph.is_mapped(row)

    def _map_state(self, row: str) -> str:
        number = self._engine.plan.numbers[row]
        state = self._engine.task_state(number)
        is_expanded = number in self._engine.widths and state not in (TaskState.PENDING, TaskState.READY)
        return S if is_expanded or state is TaskState.EXPANDED else state.label

    def _map_key(self, row: str) -> Key:
        return row, UNEXPANDED if row in self.graph.tasks else -1

    def _running(self, event: Event) -> dict[Key, int]:
        """The instances whose bodies ran before an event, and how many of their attempts had failed; and the map that
        is expanded by it."""
        engine, found = self._engine, dict[Key, int]()
        for row in self.graph.tasks:
            for slot in self.instances(row):
                if engine.task_state(slot) is TaskState.RUNNING:
                    found[self.key(slot)] = self.failures.get(self.place(slot), 0)
        if isinstance(event, OUTCOMES) and isinstance(event, AttemptFailed):
            key = self.key(event.task)
            if key in found:
                found[key] -= 1  # it was counted when it came out
        if isinstance(event, (MapExpanded, ExpansionFailed)):
            found[self._map_key(self.place(event.task)[0])] = 0
        return found
