"""A driver without threads, clocks and files: it lets bodies do what their scripts say, and draws from a seed what
happens next. So the engine meets every order that there can be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any

from penstock.engine.commands import (
    CancelAttempts,
    Command,
    DispatchTasks,
    EndRun,
    ExpandMaps,
    SendNotices,
    SetGroupTimer,
    SetTimer,
    TasksSettled,
    WithdrawTasks,
)
from penstock.engine.events import (
    AttemptCancelled,
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
    RetryDue,
    RunResumed,
    RunStarted,
    RunTimedOut,
)
from penstock.engine.run import RunEngine
from penstock.engine.states import ENDED, TaskState
from penstock.plan.plan import Plan
from tests.law.description import FATAL, RETURNS, SKIPS, Act, Bodies, Body
from tests.law.disturbed import CANCEL, FAIL_FAST, TIMEOUT, Disturbance, Key
from tests.law.graph import Graph
from tests.law.law import UNEXPANDED, Outcome

ERROR = ErrorText("ValueError", "as the script says")
BEGINNING = 1_000_000.0


class Trouble(Exception):
    """The engine asked for something that no driver could do."""


class Play:
    """One run. `journal` is what was written of it."""

    def __init__(self, plan: Plan, graph: Graph, bodies: Bodies, seed: int) -> None:
        self.plan = plan
        self.graph = graph
        self.bodies = bodies
        self.random = Random(seed)
        self.engine = RunEngine(plan, run_id="run")
        self.journal: list[Event] = []
        self.now = BEGINNING
        self.ready: set[int] = set()
        self.running: dict[int, int] = {}
        """Slot -> the number of its attempt."""
        self.expanding: set[int] = set()
        self.timers: list[tuple[float, int]] = []
        self.group_timers: list[tuple[float, int, int]] = []
        self.asked_to_end: set[int] = set()
        self.failures: dict[int, int] = {}
        """How many attempts of each slot have failed in this round."""
        self.acts: dict[int, Act] = {}
        """What the last attempt of each slot did."""
        self.widths: dict[str, int] = {}
        self.rounds: dict[tuple[str, int], int] = {}
        """How many rounds each group of each index has behind it, in this round of the groups around it."""
        self.disturbance: Disturbance | None = None
        self.verdict = ""
        self.loses = False
        """Whether workers die now and then."""
        self.lost: set[int] = set()
        self.watch: Callable[[Event], None] | None = None
        """Asked after every event."""

    # --- What a driver does

    def begin(self) -> None:
        self.feed(RunStarted(self._tick()))

    def step(self) -> None:
        """Let one of the things happen that could happen next."""
        choices: list[Callable[[], None]] = [
            *((lambda slot=slot: self._start(slot)) for slot in sorted(self.ready)),
            *((lambda slot=slot: self._finish(slot)) for slot in self.running),
            *((lambda slot=slot: self._expand(slot)) for slot in sorted(self.expanding)),
        ]
        if self.timers:
            choices.append(self._wake)
        if self.group_timers:
            choices.append(self._wake_group)
        if not choices:
            raise Trouble(f"nothing is left to do, and the run has not ended: {self.labels()}")
        self.random.choice(choices)()

    def _start(self, slot: int) -> None:
        self.ready.remove(slot)
        self.running[slot] = self.engine.attempts[slot] + 1
        self.feed(AttemptStarted(slot, self.running[slot], self._tick()))

    def _finish(self, slot: int) -> None:
        """Let a body come out as its script says, unless it was asked to end and heeds it."""
        attempt = self.running.pop(slot)
        if slot in self.asked_to_end:
            self.asked_to_end.remove(slot)
            if self.random.random() < 0.6:
                self.feed(AttemptCancelled(slot, attempt, self._tick()))
                return
        if self.loses and slot not in self.lost and self.random.random() < 0.02:
            self.lost.add(slot)
            self.feed(AttemptLost(slot, attempt, self._tick(), ERROR))
            return
        script = self.bodies.script(self.body(slot))
        act = script[min(self.failures.get(slot, 0), len(script) - 1)]
        self.acts[slot] = act
        if act.what == RETURNS:
            self.feed(AttemptSucceeded(slot, attempt, self._tick(), None, self._chosen(slot, act)))
        elif act.what == SKIPS:
            self.feed(AttemptSkipped(slot, attempt, self._tick(), "nothing to do"))
        else:
            self.failures[slot] = self.failures.get(slot, 0) + 1
            self.feed(AttemptFailed(slot, attempt, self._tick(), ERROR, act.what != FATAL))

    def _chosen(self, slot: int, act: Act) -> tuple[int, ...] | None:
        row = self.row(slot)
        if not self.graph.tasks[row].decides or act.chosen is None:
            return None
        return tuple(sorted(self.plan.numbers[child] for child in self.graph.chosen(row, act.chosen)))

    def _expand(self, slot: int) -> None:
        """Find out how many instances a map has."""
        self.expanding.remove(slot)
        row = self.row(slot)
        width = 1
        for source in self.graph.sources(row):
            length = source if isinstance(source, int) else self._length(source)
            if length < 0:
                self.feed(ExpansionFailed(slot, self._tick(), ERROR))
                return
            width *= length
        self.widths[row] = width
        self.feed(MapExpanded(slot, self._tick(), width))

    def _length(self, source: str) -> int:
        """The length of the list that a task has returned."""
        of_map = source if self.graph.is_mapped(source) else self.graph.map_around(source)
        if of_map:
            return self.widths[of_map]
        return self.acts[self.plan.numbers[source]].width

    def _wake(self) -> None:
        due, slot = min(self.timers)
        self.timers.remove((due, slot))
        self.now = max(self.now, due)
        self.feed(RetryDue(slot, self._tick()))

    def _wake_group(self) -> None:
        due, group, index = min(self.group_timers)
        self.group_timers.remove((due, group, index))
        self.now = max(self.now, due)
        if self.disturbance is None:
            self._begin_anew(self.plan.groups[group].name, index)
        self.feed(GroupRetryDue(group, index, self._tick()))

    def _begin_anew(self, group: str, index: int) -> None:
        """All that is in a group, of this index if it is in a map, has nothing behind it in its next round."""
        for slot in self.all_slots():
            if group in self.graph.groups_around(self.row(slot)) and index in (-1, self.engine.index(slot)):
                self.failures.pop(slot, None)
        self.rounds[group, index] = self.rounds.get((group, index), 0) + 1
        for inner, place in [*self.rounds]:
            if inner != group and self._is_inside(inner, group) and index in (-1, place):
                del self.rounds[inner, place]
        if index == -1:
            self.widths = {
                row: width for row, width in self.widths.items() if group not in self.graph.groups_around(row)
            }

    def _is_inside(self, inner: str, group: str) -> bool:
        while inner and inner != group:
            inner = self.graph.groups[inner].parent
        return bool(inner)

    def feed(self, event: Event) -> None:
        """Step the engine and obey it."""
        before = (self.ended(), self.running_keys(event)) if self.disturbance is None else None
        commands = self.engine.handle(event)
        self.journal.append(event)
        if before and (kind := self._disturbs(event, commands)):
            self.disturbance = Disturbance(kind, *before)
        for command in commands:
            self._obey(command)
        if self.watch:
            self.watch(event)

    def _disturbs(self, event: Event, commands: Sequence[Command]) -> str:
        """What disturbs the run now, if anything does."""
        if isinstance(event, CancelRequested):
            return CANCEL
        if isinstance(event, RunTimedOut):
            return TIMEOUT
        for command in commands:
            if isinstance(command, CancelAttempts):
                return FAIL_FAST
            if isinstance(command, TasksSettled) and command.state == TaskState.CANCELLED:
                return FAIL_FAST
        return ""

    def _obey(self, command: Command) -> None:
        if self.verdict:
            raise Trouble(f"{command} comes after the end of the run")
        if isinstance(command, SetTimer):
            self.timers.append((command.due, command.task))
        elif isinstance(command, SetGroupTimer):
            self.group_timers.append((command.due, command.group, command.index))
        elif isinstance(command, EndRun):
            self._is_to_hold(not self.running and not self.ready, command)
            self.verdict = str(command.state)
        elif not isinstance(command, SendNotices):
            self._obey_for(command, {*command.tasks})

    def _obey_for(
        self, command: DispatchTasks | ExpandMaps | WithdrawTasks | CancelAttempts | TasksSettled, slots: set[int]
    ) -> None:
        """Obey a command that is about these tasks."""
        if isinstance(command, DispatchTasks):
            self._is_to_hold(not slots & {*self.ready, *self.running} and len(slots) == len(command.tasks), command)
            self.ready |= slots
        elif isinstance(command, ExpandMaps):
            self._is_to_hold(not slots & self.expanding, command)
            self.expanding |= slots
        elif isinstance(command, WithdrawTasks):
            self._forget(slots)
        elif isinstance(command, CancelAttempts):
            self._is_to_hold(slots <= {*self.running}, command)
            self.asked_to_end |= slots
        elif command.state == TaskState.CANCELLED:
            self._forget(slots)

    def _is_to_hold(self, holds: bool, command: Command) -> None:
        if not holds:
            raise Trouble(f"that cannot be done: {command}")

    def _forget(self, slots: set[int]) -> None:
        """Nothing is to be done any more for these."""
        self.ready -= slots
        self.expanding -= slots
        self.timers = [(due, slot) for due, slot in self.timers if slot not in slots]

    def _tick(self) -> float:
        self.now += 1.0
        return self.now

    # --- What people and machines do to a run

    def cancel(self) -> None:
        if self.disturbance:
            self.disturbance.again = True
        self.feed(CancelRequested(self._tick(), "somebody"))

    def time_out(self) -> None:
        if self.disturbance:
            self.disturbance.again = True
        self.feed(RunTimedOut(self._tick()))

    def stop(self, *, orderly: bool) -> None:
        """The driver stops, or dies."""
        if self.disturbance:
            self.disturbance.again = True
        if orderly:
            self.running.clear()
            self.feed(DriverStopped(self._tick(), "its machine goes down"))

    def resume(self) -> None:
        """Another driver takes the run over, and reads what was written of it."""
        engine = RunEngine(self.plan, run_id="run")
        for event in self.journal:
            engine.handle(event)
        mine, others = _columns(self.engine), _columns(engine)
        if mine != others:
            wrong = {name: (mine[name], others.get(name)) for name in mine if mine[name] != others.get(name)}
            raise Trouble(f"an engine that is told everything anew differs: {wrong}")
        self.engine = engine
        self.running.clear()
        self.ready.clear()
        self.expanding.clear()
        self.asked_to_end.clear()
        self.timers.clear()
        self.group_timers.clear()
        self.feed(RunResumed(self._tick(), by_hand=False))

    # --- What there is to see

    def row(self, slot: int) -> str:
        return self.plan.names[self.engine.row(slot)]

    def key(self, slot: int) -> Key:
        """The row and place of a slot."""
        row, index = self.row(slot), self.engine.index(slot)
        in_map = self.graph.is_mapped(row) or bool(self.graph.map_around(row))
        return row, (UNEXPANDED if in_map and index < 0 else index)

    def body(self, slot: int) -> Body:
        """Whose body it is that runs in a slot."""
        row, place = self.key(slot)
        around = (
            self.rounds.get((group, place if self.graph.map_of_group(group) else -1), 0)
            for group in self.graph.retried_around(row)
        )
        return Body(row, place, tuple(around))

    def all_slots(self) -> Iterator[int]:
        """All that there are: rows, and instances of the maps that are expanded."""
        for row in range(len(self.plan)):
            yield row
            for slot in self.engine.slots(row):
                if slot != row:
                    yield slot

    def state_of(self, slot: int) -> TaskState:
        return self.engine.task_state(slot)

    def labels(self) -> dict[Key, str]:
        """The states of all, as users see them."""
        return {self.key(slot): self.state_of(slot).label for slot in self.all_slots()}

    def is_expanded(self, row: str) -> bool:
        """Whether a map that a row is, or is in, has instances in this round of the groups around it."""
        return bool(self.widths.get(row if self.graph.is_mapped(row) else self.graph.map_around(row)))

    def instances(self, row: str) -> list[int]:
        """The slots of what a row is in its map, or the row itself."""
        number = self.plan.numbers[row]
        if not self.is_expanded(row):
            return [number]
        return [slot for slot in self.engine.slots(number) if self.state_of(slot) != TaskState.REMOVED]

    def map_state(self, row: str) -> str:
        """What became of a map as a whole: success, if it was expanded."""
        if self.graph.is_mapped(row) and self.is_expanded(row):
            return "success"
        state = self.state_of(self.plan.numbers[row])
        return "success" if state == TaskState.EXPANDED else state.label

    def left_over(self) -> list[str]:
        """Instances that a map has from an earlier round, if they stand otherwise than the row that speaks for them."""
        found = []
        for row in self.graph.tasks:
            number = self.plan.numbers[row]
            for slot in () if self.is_expanded(row) else self.engine.slots(number):
                if self.state_of(slot) not in (TaskState.REMOVED, self.state_of(number)):
                    found.append(f"{self.engine.name(slot)} is {self.state_of(slot).label}, and {row} was not expanded")
        return found

    def ended(self) -> dict[Key, str]:
        """The states of what has ended; of maps as wholes too."""
        found = {self.key(slot): self.state_of(slot).label for slot in self._last() if self.state_of(slot) in ENDED}
        for row in self.graph.rows:
            if row not in self.graph.tasks or self.graph.is_mapped(row):
                state = self.map_state(row)
                if state in ("success", "failed", "upstream_failed", "skipped", "cancelled"):
                    found[self.map_key(row)] = state
        return found

    def map_key(self, row: str) -> Key:
        """The key of a map as a whole."""
        return row, UNEXPANDED if row in self.graph.tasks else -1

    def running_keys(self, event: Event) -> dict[Key, int]:
        """The instances whose bodies ran before an event, and how many of their attempts had failed; and the map
        that is expanded by it."""
        found = {self.key(slot): self.failures.get(slot, 0) for slot in self.running}
        if isinstance(event, (AttemptSucceeded, AttemptSkipped, AttemptFailed, AttemptLost, AttemptCancelled)):
            just_now = isinstance(event, AttemptFailed)
            found[self.key(event.task)] = self.failures.get(event.task, 0) - just_now
        if isinstance(event, (MapExpanded, ExpansionFailed)):
            found[self.map_key(self.row(event.task))] = 0
        return found

    def _last(self) -> Iterator[int]:
        for row in self.graph.tasks:
            yield from self.instances(row)

    def outcome(self) -> Outcome:
        """How the run has ended."""
        states = {self.key(slot): self.state_of(slot).label for slot in self._last()}
        maps = {
            row: self.map_state(row)
            for row in self.graph.rows
            if row not in self.graph.tasks or self.graph.is_mapped(row)
        }
        return Outcome(states, maps, self.verdict)


def _columns(engine: RunEngine) -> dict[str, Any]:
    return {name: value for name, value in vars(engine).items() if name not in ("_handlers", "_plans")}
