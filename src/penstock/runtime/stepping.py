"""What happens to a run is handed to its engine, written, and followed by what the engine says: on whichever thread has
it, under one lock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from penstock.clock import SYSTEM, Clock
from penstock.engine.columns import UNMAPPED
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
    Event,
    GroupRetryDue,
    NoticeDelivered,
    NoticeDropped,
    RetryDue,
    TaskWoken,
)
from penstock.engine.run import RunEngine
from penstock.engine.states import ENDED, RunState, TaskState
from penstock.errors import StoreError
from penstock.executor.base import Attempt, Ending, Outcome
from penstock.executor.context import RunContext
from penstock.logs.base import LogWriter
from penstock.runtime.audience import Audience
from penstock.runtime.durations import durations_of
from penstock.runtime.ending import Endings
from penstock.runtime.host import Host
from penstock.runtime.journal import JournalWriter
from penstock.runtime.limits import queue_of
from penstock.runtime.lines import LimitedQueue
from penstock.runtime.observer import Observer
from penstock.runtime.outbox import Deliver, Outbox
from penstock.runtime.signals import StopSignals
from penstock.runtime.slots import Slots
from penstock.runtime.takeover import end_of
from penstock.runtime.timers import Timers
from penstock.store.base import Lease, RunChange, Store

if TYPE_CHECKING:
    from penstock.runtime.children import Children


class Stepping:
    """A run, its engine, and all that the engine speaks to. `grace` and `deliver` are those of RunDriver."""

    children: Children | None = None
    """The runs of its tasks, if any of these runs a workflow."""
    _given_up = 0
    """How many attempts that were given up may still run."""
    _careful = False
    """Whether the driver before may have died of a task: then starts are on record before their bodies begin, so that a
    body which kills its driver at once is counted."""
    _is_patient = False
    """Whether it is being stopped, and what runs is left to end by itself."""

    def __init__(
        self,
        *,
        engine: RunEngine,
        context: RunContext,
        store: Store,
        lease: Lease,
        host: Host,
        observers: Sequence[Observer] = (),
        log: LogWriter,
        deliver: Deliver,
        full: bool = True,
        grace: float = 5.0,
        clock: Clock = SYSTEM,
        catch_signals: bool = True,
        ranks: Sequence[float] = (),
        fingerprint: str = "",
        park_after: float | None = None,
    ) -> None:
        self.context = context
        self._engine = engine
        self._store = store
        self._host = host
        self._outlived = store.durable
        """Whether the store outlives this process: else nothing needs to be in it before something else happens."""
        self._log = log
        self._grace = grace
        self._lease = lease
        self._clock = clock
        self._time = clock.time
        self.lock = clock.lock()
        self._listener = store.listen(lease.run_id)
        self._journal = JournalWriter(store, lease, self.lock, full=full, wake=self._listener.poke, clock=clock)
        self._audience = Audience(observers, self.lock, self._journal, clock)
        self._timers = Timers(clock)
        self._outbox = Outbox(deliver, self._note_delivery, self._journal, clock)
        self._ready, shared = queue_of(context.plan, engine.row, ranks, self._listener.poke)
        self._slots: Slots | None = None
        """None for a run that shares no slots with others."""
        if shared and isinstance(self._ready, LimitedQueue):
            self._slots = Slots(self._ready, shared, store, lease, self.lock, clock)
        self._fingerprint = fingerprint
        self._park_after = park_after
        self._maps: deque[int] = deque()
        """What is to be expanded."""
        self._running: dict[int, Attempt] = {}
        self._endings = Endings(host.executor, self._running, self._arm, self.close_attempt, grace)
        self._obedience: dict[type, Callable[[Any], None]] = {
            ExpandMaps: self._expand_soon,
            SetTimer: self._set_timer,
            SetGroupTimer: self._set_group_timer,
            TasksSettled: self._note_settled,
            WithdrawTasks: self._withdraw,
            CancelAttempts: self._cancel_attempts,
            SendNotices: lambda command: self._outbox.add(command.notices),
            EndRun: self._end_run,
        }
        self._stopping: str | None = None
        self._over = False
        self._answered: set[int] = set()
        """Messages of the inbox that have been read."""
        self._look_at = 0.0
        """When to look into the inbox next, by the monotonic clock."""
        self._blind_since: float | None = None
        """Since when the store could not be read."""
        self._failure: BaseException | None = None
        self._signals = StopSignals(self._listener.poke)
        self._catch_signals = catch_signals

    @property
    def starts_no_more(self) -> bool:
        """Whether nothing will be ready any more."""
        return self._over or self._stopping is not None

    def close_attempt(self, attempt: Attempt, outcome: Outcome) -> None:
        """Record how an attempt ended. The caller holds the lock."""
        raise NotImplementedError

    def look_around(self) -> None:
        """Have the thread that serves the run see what there is to do."""
        self._listener.poke()

    # --- Events and commands; the caller holds the lock

    def _feed(self, event: Event, taken: int | None = None, *, safe: bool = False) -> None:
        commands = self._engine.handle(event)
        self._journal.add(event, taken, safe=safe)
        for command in commands:
            self._obey(command)

    def _obey(self, command: Command) -> None:
        if type(command) is DispatchTasks:  # what there is most of
            self._ready.add(command.tasks, self._journal.added)
        else:
            self._obedience[type(command)](command)

    def _let_go(self, task: int) -> None:
        """A task has ended: what it took, and with the last of its map what the map took, may go."""
        self.context.values.consumed(task)
        if task < self._engine.size:
            return
        head = self._engine.row(task)
        if self._engine.states[head] in ENDED:
            self.context.values.consumed(head)
            self.context.filling.forget(head)

    def _expand_soon(self, command: ExpandMaps) -> None:
        self._maps.extend(row for row in command.tasks if row not in self._maps)
        self._listener.poke()

    def _withdraw(self, command: WithdrawTasks) -> None:
        self._ready.withdraw(command.tasks)
        gone = {*command.tasks}
        self._maps = deque(row for row in self._maps if row not in gone)

    def _set_timer(self, command: SetTimer) -> None:
        longest = self._engine.retry_pause(command.task)  # the clock may have been set back since
        self._arm(min(command.due - self._time(), longest), partial(self._retry, command.task))

    def _set_group_timer(self, command: SetGroupTimer) -> None:
        unit = command.group, command.index
        self._arm(min(command.due - self._time(), self._engine.round_pause(unit)), partial(self._retry_group, unit))

    def _note_settled(self, command: TasksSettled) -> None:
        for task in command.tasks:
            self.context.values.consumed(task)
        if self._audience.observers:
            self._audience.note("tasks_settled", self._places(command.tasks), command.state)

    def _places(self, tasks: Sequence[int]) -> list[tuple[int, int]]:
        """Tasks as observers know them: their numbers in the plan, and indexes."""
        return [*map(self._place, tasks)]

    def _place(self, task: int) -> tuple[int, int]:
        engine = self._engine
        return (task, UNMAPPED) if task < engine.size else (engine.row(task), engine.index(task))

    def _cancel_attempts(self, command: CancelAttempts) -> None:
        for task in command.tasks:
            if task in self._running:
                self._endings.ask(self._running[task], Ending.CANCEL)

    def _end_run(self, command: EndRun) -> None:
        change = replace(end_of(self._engine), durations=durations_of(self._engine, self._fingerprint))
        self._journal.change(change)  # in one batch with the event that ends the run
        self._leave()

    def _note_delivery(self, event: NoticeDelivered | NoticeDropped) -> None:
        with self.lock:
            self._feed(event)
            if self._engine.state is not RunState.RUNNING:
                self._journal.change(RunChange(undelivered=len(self._engine.notices)))
            self._look_if_idle()
        self._journal.offer()
        self._audience.pass_on()

    def _arm(self, seconds: float, action: Callable[[], None]) -> None:
        if self._timers.after(seconds, action):
            self._listener.poke()

    def _leave(self) -> None:
        """Nothing is left to do: everybody may go."""
        self._over = True
        self._host.rouse()
        self._listener.poke()

    def _leave_if_stopped(self) -> None:
        if self._stopping is not None and not self._running:
            self._leave()

    def _look_if_idle(self) -> None:
        """Have the thread that serves look whether the run may be parked, if it is to be."""
        if self._park_after is not None and not self._running and not self._ready:
            self._listener.poke()

    # --- Timers; called under the lock

    def _retry(self, task: int) -> None:
        state = self._engine.task_state(task)
        if state is TaskState.RETRYING:
            self._feed(RetryDue(task, self._time()))
        elif state is TaskState.DEFERRED:
            self._feed(TaskWoken(task, self._time()))

    def _retry_group(self, unit: tuple[int, int]) -> None:
        if unit in self._engine.rounds_due:
            self._feed(GroupRetryDue(*unit, self._time()))

    # --- Stopping

    def stop(self, reason: str, *, patient: bool = False) -> None:
        """Start nothing more, ask what runs to end, and leave the run to be resumed. With `patient` what runs is left
        to end by itself, until this is called again without."""
        with self.lock:
            is_first = self._stopping is None and not self._over
            if not is_first and (patient or not self._is_patient):
                return
            self._is_patient = patient
            if is_first:
                self._stopping = reason
            if not patient:
                for attempt in self._running.values():
                    self._endings.ask(attempt, Ending.INTERRUPT)
            self._host.rouse()
            self._leave_if_stopped()
        if self.children is not None:
            self.children.stop(reason, patient=patient)
        if is_first:
            self._announce_stop(reason)

    def hurry(self) -> None:
        """End what runs, and was asked to end."""
        with self.lock:
            for attempt in self._running.values():
                self._endings.hurry(attempt)
        if self.children is not None:
            self.children.hurry()

    def _announce_stop(self, reason: str) -> None:
        self._audience.tell("stopping", reason, len(self._running))

    def broke(self, error: BaseException) -> None:
        """Something that must not fail has failed: stop, and let `drive` raise it."""
        if self._failure is None:
            self._failure = error
        reason = "the store failed" if isinstance(error, StoreError) else f"an error in Penstock: {error!r}"
        self.stop(reason)
        with self.lock:
            if not self._running:
                self._leave()
        self._listener.poke()
