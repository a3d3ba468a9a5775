"""A driver and its workers in one thread, with their chances drawn from a seed: it finds what some order could do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import deepcopy
from random import Random
from typing import Any

from penstock.engine.commands import (
    CancelAttempts,
    Command,
    DispatchTasks,
    EndRun,
    SendNotices,
    SetTimer,
    WithdrawTasks,
)
from penstock.engine.events import (
    AttemptCancelled,
    AttemptFailed,
    AttemptLost,
    AttemptStarted,
    AttemptSucceeded,
    ErrorText,
    Event,
    NoticeDelivered,
    NoticeDropped,
    NotifiersSet,
    PlanAdopted,
    RetryDue,
    RunResumed,
    RunStarted,
    TasksRerun,
    ValueRef,
)
from penstock.engine.invariants import check
from penstock.engine.run import RunEngine
from penstock.plan.plan import Plan
from penstock.policy import Notice
from tests.simulation.model import FAILURE, FATAL, LOST, SUCCESS, Script, outcome, worth_telling

ERROR = ErrorText("ValueError", "as the script says")
BEGINNING = 1_000_000.0
VOLATILE, KEPT = ValueRef("volatile", 0), ValueRef("json", 1, None, "1")


def snapshot(engine: RunEngine) -> dict[str, Any]:
    """Everything that an engine knows, copied."""
    return {name: deepcopy(value) for name, value in vars(engine).items() if name not in ("_handlers", "_plans")}


def labels(engine: RunEngine) -> list[str]:
    """The state of each task, as users see it."""
    return [engine.task_state(task).label for task in range(len(engine.plan))]


class Witness:
    """Knows what somebody should be told of a run, from what its plan names and how its tasks move; and so sees whether
    everything is told, once, to whom it should be, and nothing again that was delivered."""

    def __init__(self) -> None:
        self.notifiers: list[str] = []
        self.told: dict[str, Notice] = {}
        """Every notice that there was, by id."""
        self.gone: set[str] = set()
        """Those that were delivered or given up."""
        self.ends = 0
        """How often the run has ended."""

    @property
    def due(self) -> list[str]:
        """Those that are still to be delivered, in the order in which they were made."""
        return [notice for notice in self.told if notice not in self.gone]

    def see(
        self,
        event: Event,
        before: Sequence[str],
        engine: RunEngine,
        commands: Sequence[Command],
        followed: Plan | None = None,
    ) -> None:
        """An event has moved the run on from these states of its tasks, which were those of the plan it `followed`."""
        if isinstance(event, NotifiersSet):
            self.notifiers = [*event.names]
        if isinstance(event, (NoticeDelivered, NoticeDropped)) and event.notice in self.told:
            self.gone.add(event.notice)
        sent = [notice for command in commands if isinstance(command, SendNotices) for notice in command.notices]
        new = [notice for notice in sent if notice.id not in self.told]
        again = [notice.id for notice in sent if notice.id in self.told]
        takes_over = isinstance(event, (RunResumed, TasksRerun))
        assert again == (self.due if takes_over else []), "what nobody has taken is for whoever takes the run over"
        ended = any(isinstance(command, EndRun) for command in commands) and engine.ended_at == event.at
        plan = followed or engine.plan
        if isinstance(event, PlanAdopted):  # what ran fails if it may not run again
            running = (task for task, label in enumerate(before) if label == "running")
            moved = [(task, "failed") for task in running if plan.policies[task].at_most_once]
        else:
            moved = worth_telling(before, labels(engine))
        assert [(notice.kind, notice.task, notice.receiver) for notice in new] == [
            *(self._of_run(engine, "started") if isinstance(event, RunStarted) else ()),
            *self._of_tasks(moved, plan),
            *(self._of_run(engine, str(engine.state)) if ended else ()),
        ]
        for notice in new:
            if not isinstance(event, PlanAdopted):  # the task may be gone with the old plan
                self._check(notice, event, engine)
            self.told[notice.id] = notice
        self.ends += ended
        assert list(engine.notices) == self.due
        assert all(engine.notices[notice] == self.told[notice] for notice in self.due)

    def _of_tasks(self, moved: Sequence[tuple[int, str]], plan: Plan) -> Iterator[tuple[str, str | None, str]]:
        for task, what in moved:
            callback = [""] if what in plan.policies[task].notices else []
            for receiver in [*callback, *(self.notifiers if what == "failed" else ())]:
                yield f"task_{what}", plan.names[task], receiver

    def _of_run(self, engine: RunEngine, what: str) -> Iterator[tuple[str, str | None, str]]:
        callback = [""] if what in engine.plan.notices else []
        for receiver in [*callback, *(self.notifiers if what != "started" else ())]:
            yield f"run_{what}", None, receiver

    def _check(self, notice: Notice, event: Event, engine: RunEngine) -> None:
        assert (notice.run_id, notice.workflow, notice.at) == (engine.run_id, engine.plan.workflow, event.at)
        if notice.task is None:
            assert (notice.generation, notice.attempt) == (self.ends, 0)
            assert (notice.error and notice.error.message) == (None if notice.kind == "run_started" else engine.error)
        else:
            task = engine.plan.numbers[notice.task]
            assert (notice.generation, notice.attempt) == (engine.generation(task), engine.attempts[task])
            has_error = notice.kind in ("task_failed", "task_retry")
            assert notice.error == (engine.errors.get(task) if has_error else None)
            assert (notice.error is None) == (not has_error)


class Simulation:
    """One driver's time with a run. `journal` is what it wrote, `snapshots[n]` the engine after n of its events."""

    def __init__(
        self,
        plan: Plan,
        scripts: Sequence[Script],
        *,
        seed: int,
        workers: int,
        journal: Iterable[Event] = (),
        engine: RunEngine | None = None,
        volatile: Iterable[int] = (),
        watch: bool = False,
    ) -> None:
        self.plan = plan
        self.scripts = scripts
        self.random = Random(seed)
        self.workers = workers
        self.watch = watch
        self.engine = engine or RunEngine(plan, run_id="run")
        self.volatile = frozenset(volatile)
        """Tasks whose values no codec takes."""
        self.alive: set[int] = set()
        """Those of them whose values this driver has, having made them itself."""
        self.journal: list[Event] = []
        self.snapshots = [snapshot(self.engine)]
        self.commands: list[Command] = []
        self.now = BEGINNING
        self.spoken = [0] * len(plan)
        """How many attempts of each body have come out."""
        self.succeeded: set[int] = set()
        self.ready: list[int] = []
        self.timers: list[tuple[float, int]] = []
        self.running: dict[int, int] = {}
        self.asked_to_end: set[int] = set()
        self.over = False
        self.undelivered: dict[str, Notice] = {}
        self.witness = Witness()
        for event in journal:
            self._replay(event)

    # --- What a driver does

    def begin(self) -> Simulation:
        """Start the run and drive it to its end."""
        self.feed(RunStarted(self.tick()))
        return self.go_on()

    def go_on(self) -> Simulation:
        """Drive the run to its end."""
        while not self.over:
            assert self.step(), f"nothing is left to do, and the run has not ended: {labels(self.engine)}"
        assert not self.running
        return self

    def step(self) -> bool:
        """Do one of the things that could happen next, by chance; False if nothing could."""
        choices: list[Callable[[], None]] = []
        if len(self.running) < self.workers:
            choices += [lambda task=task: self.start(task) for task in self.ready]  # type: ignore[misc]
        choices += [lambda task=task: self.finish(task) for task in self.running]  # type: ignore[misc]
        if self.timers:
            choices.append(self.wake)
        if self.undelivered:
            choices.append(self.deliver)
        if not choices:
            return False
        self.random.choice(choices)()
        return True

    def start(self, task: int) -> None:
        """Hand a ready task to a worker."""
        missing = [upstream for upstream in self.plan.upstreams[task] if upstream not in self.succeeded]
        assert not missing, f"task {task} starts before {missing} have succeeded"
        dead = [upstream for upstream in self._dead_inputs(task) if not self.plan.policies[upstream].at_most_once]
        assert not dead, f"task {task} starts without the values of {dead}"
        self.ready.remove(task)
        number = self.engine.attempts[task] + 1
        self.running[task] = number
        self.feed(AttemptStarted(task, number, self.tick()))

    def finish(self, task: int) -> None:
        """Let a body come out as its script says, unless it was asked to end and heeds it."""
        number = self.running.pop(task)
        if task in self.asked_to_end and self.random.random() < 0.5:
            self.feed(AttemptCancelled(task, number, self.tick()))
            return
        if self._dead_inputs(task):  # the body never began
            self.feed(AttemptFailed(task, number, self.tick(), ERROR))
            return
        ending = outcome(self.scripts[task], self.spoken[task])
        self.spoken[task] += 1
        at = self.tick()
        if ending == SUCCESS:
            self.succeeded.add(task)
            self.alive.add(task)
            self.feed(AttemptSucceeded(task, number, at, VOLATILE if task in self.volatile else KEPT))
        elif ending == LOST:
            self.feed(AttemptLost(task, number, at, ERROR))
        else:
            assert ending in (FAILURE, FATAL)
            self.feed(AttemptFailed(task, number, at, ERROR, retryable=ending == FAILURE))

    def wake(self) -> None:
        """Let the next timer ring."""
        due, task = min(self.timers)
        self.timers.remove((due, task))
        self.now = max(self.now, due)
        self.feed(RetryDue(task, self.tick()))

    def deliver(self) -> None:
        """Let a receiver take one of its notices, or give the notice up."""
        notice = self.undelivered.pop(self.random.choice([*self.undelivered]))
        if self.random.random() < 0.8:
            self.feed(NoticeDelivered(self.tick(), notice.id))
        else:
            self.feed(NoticeDropped(self.tick(), notice.id, "as chance would have it"))

    def deliver_all(self) -> Simulation:
        """Do the same with all that are left."""
        while self.undelivered:
            self.deliver()
        assert not self.engine.notices
        return self

    def tick(self) -> float:
        """The time, a second later each time it is asked for."""
        self.now += 1.0
        return self.now

    def feed(self, event: Event) -> None:
        """Step the engine and obey it."""
        before = labels(self.engine)
        commands = self.engine.handle(event)
        check(self.engine)
        self.witness.see(event, before, self.engine, commands)
        self.journal.append(event)
        if self.watch:
            self.snapshots.append(snapshot(self.engine))
        for command in commands:
            self.commands.append(deepcopy(command))
            self._obey(command)

    def _obey(self, command: Command) -> None:
        if isinstance(command, DispatchTasks):
            assert not set(command.tasks) & {*self.ready, *self.running}, "a task is dispatched twice"
            self.ready += command.tasks
        elif isinstance(command, SetTimer):
            self.timers.append((command.due, command.task))
        elif isinstance(command, WithdrawTasks):
            self.ready = [task for task in self.ready if task not in command.tasks]
        elif isinstance(command, CancelAttempts):
            assert set(command.tasks) <= set(self.running)
            self.asked_to_end |= set(command.tasks)
        elif isinstance(command, SendNotices):
            assert not self.over, "somebody is to be told of a run after its end"
            self.undelivered |= {notice.id: notice for notice in command.notices}
        elif isinstance(command, EndRun):
            assert not self.over, "the run ends twice"
            self.over = True

    def _dead_inputs(self, task: int) -> list[int]:
        """Those that the task takes the values of, and whose values died with an earlier driver."""
        return [upstream for upstream in self.plan.inputs[task] if upstream in self.volatile - self.alive]

    # --- What a driver does that takes a run over

    def _replay(self, event: Event) -> None:
        before = labels(self.engine)
        self.witness.see(event, before, self.engine, self.engine.handle(event))
        self.journal.append(event)
        self.now = max(self.now, event.at)
        if isinstance(event, (AttemptSucceeded, AttemptFailed, AttemptLost)):
            self.spoken[event.task] += 1
        if isinstance(event, AttemptSucceeded):
            self.succeeded.add(event.task)
