"""What happens to a run is handed to its engine, written, and followed by what the engine says: on whichever thread has
it, under one lock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from penstock.clock import SYSTEM, Clock
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
    AttemptDeferred,
    AttemptFailed,
    AttemptSkipped,
    AttemptStarted,
    AttemptSucceeded,
    ErrorText,
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
from penstock.executor.base import Attempt, Ending, Outcome, StoreFailed
from penstock.executor.context import RunContext
from penstock.logs.base import LogWriter, place
from penstock.policy import TaskPolicy
from penstock.runtime.audience import Audience
from penstock.runtime.children import Children
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


class Stepping:
    """A run, its engine, and all that the engine speaks to. `grace` and `deliver` are those of RunDriver."""

    children: Children | None = None
    """The runs of its tasks, if any of these runs a workflow."""
    has_begun = False
    """Whether an attempt was started."""
    _given_up = 0
    """How many attempts that were given up may still run."""
    _careful = False
    """Whether the driver before may have died of a task: then starts are on record before their bodies begin, so that a
    body which kills its driver at once is counted."""

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

    # --- Attempts, as the host's workers ask for them

    @property
    def has_ready(self) -> bool:
        """Whether a task could be started at once. To be asked under the lock, or as a hint."""
        return self._stopping is None and bool(self._ready)

    @property
    def starts_no_more(self) -> bool:
        """Whether nothing will be ready any more."""
        return self._over or self._stopping is not None

    def announce(self, attempt: Attempt | None) -> None:
        """See that what happened is on its way to the store and told, and that an attempt that was started may begin.
        Not under the lock."""
        journal, audience = self._journal, self._audience
        if attempt is None:
            journal.offer()
            audience.pass_on()
            return
        if attempt.committed or attempt.requires > journal.written or attempt.timeout is not None:
            self._make_way(attempt)
        else:
            journal.offer()
        if audience.observers:
            audience.pass_on()
            if attempt.task not in self._engine.deferrals:
                where = self._engine.row(attempt.task), self._engine.index(attempt.task)
                audience.tell("attempt_started", *where, attempt.number)

    def _make_way(self, attempt: Attempt) -> None:
        """Return when what an attempt depends on is written, and its time counts."""
        try:
            if attempt.committed or attempt.requires > self._journal.written:
                self._journal.flush(attempt.requires, safe=attempt.committed)
            if attempt.timeout is not None:
                with self.lock:  # only now, since a body does not wait for its start at its own expense
                    self._arm(attempt.timeout, partial(self._endings.time_out, attempt))
            self._journal.offer()
        except BaseException:
            with self.lock:
                self._running.pop(attempt.task, None)
            raise

    def commit_start(self, attempt: Attempt) -> None:
        """Return when the start of an attempt is safe. StoreError if it cannot be made so: then the run is stopped."""
        if attempt.committed:
            return
        try:
            self._journal.flush(self._journal.added, safe=True)
        except StoreError as error:
            self.broke(error)  # first, so that what the body makes of the error is not taken for its own failure
            raise
        attempt.committed = True
        self._audience.pass_on()

    def start_next(self) -> Attempt | None:
        """Begin the attempt at the head of the queue. The caller holds the lock."""
        if not self._ready or self._stopping is not None:
            return None
        task, requires = self._ready.take()
        engine, journal = self._engine, self._journal
        number = engine.attempts[task] + 1
        started = AttemptStarted(task, number, self._time())
        commands = engine.handle(started)
        journal.add(started)
        for command in commands:  # somebody may want to know
            self._obedience[type(command)](command)
        policy = engine.policy(task)
        attempt = Attempt(self.context, task, engine.generation(task), number, policy.timeout, requires)
        if policy.at_most_once or policy.commit_first:
            attempt.requires, attempt.committed = journal.added, True
        elif self._careful or policy.teardown:  # whoever resumes must know that it has begun
            attempt.requires = journal.added
        self._running[task] = attempt
        self.has_begun = True
        return attempt

    def close_attempt(self, attempt: Attempt, outcome: Outcome) -> None:
        """Record how an attempt ended. The caller holds the lock."""
        task, engine = attempt.task, self._engine
        self._running.pop(task, None)
        if attempt.abandoned:
            self._ready.given_up(task)
            self._given_up += 1
        else:
            self._ready.ended(task)
        if isinstance(outcome, StoreFailed):
            raise StoreError(outcome.message)  # it stays on record as running
        if attempt.ending is Ending.INTERRUPT and not isinstance(outcome, AttemptSucceeded):
            self._leave_if_stopped()  # it stays on record as running, and runs again when the run is resumed
            return
        if attempt.ending is Ending.CANCEL and not isinstance(outcome, (AttemptSucceeded, AttemptSkipped)):
            outcome = AttemptCancelled(task, attempt.number, outcome.at)
        # Who was promised that a start is not forgotten relies on the end, and what follows from a decision on that.
        commands = engine.handle(outcome)
        self._journal.add(outcome, safe=attempt.committed or _decides(engine.policy(task), outcome))
        for command in commands:
            self._obey(command)
        state = engine.states[task]
        if state in ENDED:
            if type(outcome) is AttemptDeferred:
                self._journal.hurry()  # it has waited long enough, which is a decision
            self._let_go(task)
        if attempt.output is not None:
            number = place(engine.row(task), engine.index(task))
            self._log.end(number, attempt.generation, attempt.number)
        audience = self._audience
        if audience.observers and (audience.hears_successes or type(outcome) is not AttemptSucceeded):
            self._note_end(attempt, outcome, state)
        if self._stopping is not None:
            self._leave_if_stopped()
        if self._park_after is not None:
            self._look_if_idle()

    def _note_end(self, attempt: Attempt, outcome: Outcome, state: int) -> None:
        """Have those who watch told of an attempt that left its task in this state."""
        task, engine = attempt.task, self._engine
        error = _error_of(engine, outcome) or engine.errors.get(task)
        if state == TaskState.DEFERRED:
            error = None  # what there is of one is of an earlier attempt
        began = engine.started[task]
        if engine.policy(task).workflow is not None:
            began = engine.waiting_since.get(task, began)
        where = engine.row(task), engine.index(task)
        told = *where, attempt.number, TaskState(state), error, outcome.at - began
        # Who sees that a task is done relies on it; of a failure they hear before the attempt that follows it.
        self._audience.note("attempt_ended", *told, written=state == TaskState.SUCCESS)

    def note_return(self, attempt: Attempt) -> None:
        """An attempt that was given up has come back: others may have its slots. The caller holds the lock."""
        self._ready.returned(attempt.task)
        self._given_up -= 1

    def look_around(self) -> None:
        """Have the thread that serves the run see what there is to do."""
        self._listener.poke()

    def _let_go(self, task: int) -> None:
        """A task has ended: what it took, and with the last of its map what the map took, may go."""
        self.context.values.consumed(task)
        if task < self._engine.size:
            return
        head = self._engine.row(task)
        if self._engine.states[head] in ENDED:
            self.context.values.consumed(head)
            self.context.filling.forget(head)

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
        return [(self._engine.row(task), self._engine.index(task)) for task in tasks]

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

    def stop(self, reason: str) -> None:
        """Start nothing more, ask what runs to end, and leave the run to be resumed."""
        with self.lock:
            if self._stopping is not None or self._over:
                return
            self._stopping = reason
            for attempt in self._running.values():
                self._endings.ask(attempt, Ending.INTERRUPT)
            self._host.rouse()
            self._leave_if_stopped()
        if self.children is not None:
            self.children.stop(reason)
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


def _error_of(engine: RunEngine, outcome: Outcome) -> ErrorText | None:
    """Why an attempt ended as it did, for those who watch."""
    if outcome.task in engine.skips:
        return ErrorText("Skip", engine.skips[outcome.task])
    return outcome.error if isinstance(outcome, AttemptFailed) else None


def _decides(policy: TaskPolicy, outcome: Outcome) -> bool:
    """Whether an outcome says what else runs, or what was seen of the world: then nothing may follow from it that a
    power cut could contradict."""
    if type(outcome) is AttemptSucceeded:
        return outcome.chosen is not None or policy.polling is not None
    return type(outcome) is AttemptSkipped
