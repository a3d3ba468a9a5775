"""The driver of a run: it joins the engine to the store and the executor.

The worker that holds an outcome steps the engine itself, under the driver's lock, and takes the next ready task in the
same breath; nothing is handed to another thread between two tasks. The thread that called `drive` only serves what
comes from elsewhere: timers, the inbox, signals, and making what was written safe.

An attempt's body starts only when the event that made its task ready is *written*, so that kill -9 repeats at most what
was running.
"""

from __future__ import annotations

import signal
import threading
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from threading import Lock, Thread
from time import monotonic, time
from typing import Any

from penstock.engine.commands import (
    CancelAttempts,
    Command,
    DispatchTasks,
    EndRun,
    SetTimer,
    TasksSettled,
    WithdrawTasks,
)
from penstock.engine.events import (
    AttemptCancelled,
    AttemptFailed,
    AttemptStarted,
    AttemptSucceeded,
    CancelRequested,
    DriverStopped,
    Event,
    RetryDue,
    RunTimedOut,
)
from penstock.engine.run import RunEngine
from penstock.engine.states import ENDED, RunState, TaskState
from penstock.errors import StoreError, TaskTimeout
from penstock.executor.base import Attempt, Ending, Executor, Outcome
from penstock.executor.context import RunContext
from penstock.executor.invoke import outcome_of
from penstock.logs.base import LogWriter
from penstock.runtime.audience import Audience
from penstock.runtime.journal import JournalWriter
from penstock.runtime.observer import Observer
from penstock.runtime.takeover import end_of
from penstock.runtime.timers import Timers
from penstock.store.base import Lease, RunChange, Store

TIMEOUT_NOTICE = 0.2
"""Seconds between asking a body that ran out of time to end, and ending it."""
LOG_PAUSE = 0.2
"""Seconds that text which was held back may wait to be readable by others."""


class RunDriver:
    """Drives one run, once. `grace` is how many seconds a body has between being asked to end and being ended, and
    again between that and being given up."""

    def __init__(
        self,
        *,
        engine: RunEngine,
        context: RunContext,
        store: Store,
        lease: Lease,
        executor: Executor,
        observers: Sequence[Observer] = (),
        log: LogWriter,
        full: bool = True,
        grace: float = 5.0,
    ) -> None:
        self.context = context
        self._engine = engine
        self._store = store
        self._executor = executor
        self._audience = Audience(observers)
        self._log = log
        self._grace = grace
        self._lock = Lock()
        self._listener = store.listen(lease.run_id)
        self._journal = JournalWriter(store, lease, self._lock, full=full, wake=self._listener.poke)
        self._timers = Timers()
        self._ready: deque[tuple[int, int]] = deque()
        """Tasks to be started, each with the journal position that must be written first."""
        self._running: dict[int, Attempt] = {}
        self._idle: list[Lock] = []
        """One held lock for each worker that waits for work."""
        self._telling = Lock()
        self._news: list[tuple[str, tuple[Any, ...]]] = []
        """What the observers are still to be told: their method and its arguments."""
        self._stopping: str | None = None
        self._over = False
        self._failure: BaseException | None = None
        self._signals: list[int] = []
        self._handlers_before: dict[int, Any] = {}

    # --- The run from its first event to its last

    def drive(self, opening: Sequence[Event], change: RunChange) -> str | None:
        """Feed the opening events and drive the run until it ends or is interrupted.

        The reason of the interruption, or None if the run ended. StoreError if the store failed for good.
        """
        began = monotonic()
        restore = self._catch_signals()
        try:
            with self._lock:
                for event in opening:
                    self._feed(event)
                done = len(self._engine.done())
                if self._engine.plan.timeout is not None:
                    self._timers.after(self._engine.plan.timeout, self._time_out_run)
                for message in self._store.messages(self.context.run_id):
                    if message.at < opening[0].at:  # meant for an earlier time with this run
                        self._journal.take(message.id)
            self._audience.tell("run_started", self.context.run_id, self._engine.plan, done)
            self._journal.finish(change)
            self._tell()
            self._work()
            return self._finish(monotonic() - began)
        finally:
            restore()
            self._listener.close()
            if self._signals and self._stopping is None:  # too late to stop the run, but meant for this process
                signal.raise_signal(self._signals[0])

    def _work(self) -> None:
        self._executor.open(self)
        if self._executor.on_caller:
            service = Thread(target=self._serve, name="penstock-driver", daemon=True)
            service.start()
            self._executor.work()
            service.join()
        else:
            self._executor.grow()
            self._serve()
        self._executor.close(wait=self._grace if self._stopping is None else 0.5)

    def _finish(self, seconds: float) -> str | None:
        if self._failure is not None:
            raise self._failure
        engine = self._engine
        with self._lock:
            if engine.state is RunState.RUNNING:
                self._feed(DriverStopped(time(), self._stopping or ""))
            ended = engine.state is not RunState.RUNNING
            counts = engine.counts()
            change = end_of(engine)
        self._journal.finish(change)
        self._tell()
        state = str(engine.state) if ended else "interrupted"
        self._audience.tell("run_ended", state, engine.error, counts, seconds)
        return None if ended else self._stopping

    # --- Work, as the executor's workers ask for it

    def take(self) -> Attempt | None:
        """The next attempt, waiting for one if need be; None when the worker should end."""
        try:
            return self._next()
        except BaseException as error:
            self._break(error)
            return None

    def settle(self, attempt: Attempt, outcome: Outcome) -> Attempt | None:
        """Step the engine by an outcome, and take the next attempt."""
        try:
            with self._lock:
                if attempt.abandoned and not self._executor.on_caller:
                    return None  # the worker has been replaced
                if not attempt.abandoned:
                    self._close_attempt(attempt, outcome)
                following = self._start_next()
                rest = self._someone_for_the_rest()
            return self._next(following, rest)
        except BaseException as error:
            self._break(error)
            return None

    def _next(self, attempt: Attempt | None = None, rest: Callable[[], object] | None = None) -> Attempt | None:
        """Announce an attempt that was started, or wait for one; then send for whoever takes the rest, so that tasks
        are announced in the order in which they were started."""
        while True:
            try:
                self._write(attempt)
                self._tell()
                if attempt is not None:
                    self._audience.tell("attempt_started", attempt.task, attempt.number)
                    return attempt
            finally:
                if rest is not None:
                    rest()
            with self._lock:
                if self._over or self._stopping is not None:
                    return None
                attempt = self._start_next()
                rest = self._someone_for_the_rest()
                if attempt is None:
                    pause = Lock()
                    pause.acquire()
                    self._idle.append(pause)
            if attempt is None:
                pause.acquire()

    def _write(self, attempt: Attempt | None) -> None:
        """See that what happened is written, and wait for it where the attempt's body depends on it."""
        try:
            if attempt is not None and attempt.requires > self._journal.written:
                self._journal.flush(attempt.requires)
            else:
                self._journal.offer()
            if attempt is not None and attempt.timeout is not None:
                with self._lock:  # only now, since a body does not wait for its start at its own expense
                    self._arm(attempt.timeout, partial(self._time_out, attempt))
        except BaseException:
            if attempt is not None:
                with self._lock:
                    self._running.pop(attempt.task, None)
            raise

    def _start_next(self) -> Attempt | None:
        """Begin the attempt at the head of the queue. The caller holds the lock."""
        if not self._ready or self._stopping is not None:
            return None
        task, requires = self._ready.popleft()
        engine = self._engine
        number = engine.attempts[task] + 1
        started = AttemptStarted(task, number, time())
        engine.handle(started)
        self._journal.add(started)
        timeout = engine.plan.policies[task].timeout
        attempt = Attempt(self.context, task, engine.generation(task), number, timeout, requires)
        self._running[task] = attempt
        return attempt

    def _someone_for_the_rest(self) -> Callable[[], object] | None:
        """Who should come for what is still ready: a worker that rests, or a new one. The caller holds the lock."""
        if not self._ready or self._stopping is not None:
            return None
        return self._idle.pop().release if self._idle else self._executor.grow

    def _close_attempt(self, attempt: Attempt, outcome: Outcome) -> None:
        """Record how an attempt ended. The caller holds the lock."""
        task = attempt.task
        self._running.pop(task, None)
        if attempt.ending is Ending.INTERRUPT and not isinstance(outcome, AttemptSucceeded):
            self._leave_if_stopped()  # it stays on record as running, and runs again when the run is resumed
            return
        if attempt.ending is Ending.CANCEL and not isinstance(outcome, AttemptSucceeded):
            outcome = AttemptCancelled(task, attempt.number, outcome.at)
        self._feed(outcome)
        state = self._engine.states[task]
        if state in ENDED:
            self.context.values.consumed(task)
        if attempt.output is not None:
            self._log.end(task, attempt.generation, attempt.number)
        if self._audience:
            error = outcome.error if isinstance(outcome, AttemptFailed) else self._engine.errors.get(task)
            seconds = outcome.at - self._engine.started[task]
            self._news.append(("attempt_ended", (task, attempt.number, TaskState(state), error, seconds)))
        self._leave_if_stopped()

    # --- Events and commands; the caller holds the lock

    def _feed(self, event: Event, taken: int | None = None) -> None:
        commands = self._engine.handle(event)
        self._journal.add(event, taken)
        for command in commands:
            self._obey(command)

    def _obey(self, command: Command) -> None:
        if type(command) is DispatchTasks:
            requires = self._journal.added
            self._ready.extend([(task, requires) for task in command.tasks])
        elif type(command) is SetTimer:
            self._arm(command.due - time(), partial(self._retry, command.task))
        elif type(command) is TasksSettled:
            for task in command.tasks:
                self.context.values.consumed(task)
            self._news.append(("tasks_settled", (command.tasks, command.state)))
        elif type(command) is WithdrawTasks:
            withdrawn = set(command.tasks)
            self._ready = deque(entry for entry in self._ready if entry[0] not in withdrawn)
        elif type(command) is CancelAttempts:
            for task in command.tasks:
                if task in self._running:
                    self._ask_to_end(self._running[task], Ending.CANCEL, self._grace)
        elif type(command) is EndRun:
            self._leave()

    def _arm(self, seconds: float, action: Callable[[], None]) -> None:
        if self._timers.after(seconds, action):
            self._listener.poke()

    def _leave(self) -> None:
        """Nothing is left to do: everybody may go."""
        self._over = True
        for rest in self._idle:
            rest.release()
        self._idle.clear()
        self._listener.poke()

    def _leave_if_stopped(self) -> None:
        if self._stopping is not None and not self._running:
            self._leave()

    # --- What comes from elsewhere; on the thread that serves

    def _serve(self) -> None:
        self._read_inbox()
        while not self._over:
            try:
                self._serve_once()
            except BaseException as error:
                self._break(error)

    def _serve_once(self) -> None:
        with self._lock:
            actions = self._timers.due()
            for action in actions:
                action()
            waiter = self._someone_for_the_rest()
        if waiter is not None:
            waiter()
        if self._signals:
            self._obey_signal()
        if self._failure is None:  # else there is nothing left to do but end what runs
            self._journal.offer()
            if self._journal.sync_due() == 0.0:
                self._journal.sync()
        self._tell()
        self._log.flush()
        if self._over:
            return
        if self._listener.wait(self._pause()) and not self._over and self._failure is None:
            self._read_inbox()

    def _pause(self) -> float | None:
        with self._lock:
            pauses = [self._timers.pause(), LOG_PAUSE if self._log.holds else None]
            if self._failure is None:
                pauses.append(self._journal.sync_due())
        return min((pause for pause in pauses if pause is not None), default=None)

    def _read_inbox(self) -> None:
        for message in self._store.messages(self.context.run_id):
            if message.kind == "cancel":
                with self._lock:
                    self._feed(CancelRequested(time(), _sender(message.body)), message.id)
                self._announce_stop("cancelled")

    def _retry(self, task: int) -> None:
        if self._engine.task_state(task) is TaskState.RETRYING:
            self._feed(RetryDue(task, time()))

    def _time_out_run(self) -> None:
        self._feed(RunTimedOut(time()))

    # --- Ending attempts before their time; the caller holds the lock

    def _time_out(self, attempt: Attempt) -> None:
        if self._running.get(attempt.task) is attempt and attempt.ending is None:
            self._ask_to_end(attempt, Ending.TIMEOUT, TIMEOUT_NOTICE)

    def _ask_to_end(self, attempt: Attempt, ending: Ending, notice: float) -> None:
        if attempt.ending is None:
            attempt.ending = ending
            self._executor.ask(attempt)
            self._arm(notice, partial(self._end, attempt))

    def _end(self, attempt: Attempt) -> None:
        if self._running.get(attempt.task) is attempt:
            self._executor.end(attempt)
            self._arm(self._grace, partial(self._give_up, attempt))

    def _give_up(self, attempt: Attempt) -> None:
        """The body does not come back: its late outcome will change nothing, and its worker is replaced."""
        if self._running.get(attempt.task) is not attempt:
            return
        attempt.abandoned = True
        self._executor.abandon(attempt)
        if attempt.ending is Ending.TIMEOUT:
            error = TaskTimeout(f"ran longer than its timeout of {attempt.timeout:g} s, and did not end when told to")
            self._close_attempt(attempt, outcome_of(attempt, error))
        else:
            self._close_attempt(attempt, AttemptCancelled(attempt.task, attempt.number, time()))

    # --- Stopping

    def _catch_signals(self) -> Callable[[], None]:
        """Take SIGINT and SIGTERM while the run lives, where this is the main thread."""
        if threading.current_thread() is not threading.main_thread():
            return lambda: None
        for number in (signal.SIGINT, signal.SIGTERM):
            self._handlers_before[number] = signal.signal(number, self._on_signal)

        def restore() -> None:
            for number, handler in self._handlers_before.items():
                signal.signal(number, handler if handler is not None else signal.SIG_DFL)

        return restore

    def _on_signal(self, number: int, frame: Any) -> None:
        self._signals.append(number)
        self._listener.poke()
        before: Any = self._handlers_before.get(number)
        if getattr(before, "__func__", None) is RunDriver._on_signal:  # this run is part of another run's task
            before(number, frame)

    def _obey_signal(self) -> None:
        """The first signal asks the bodies to end; a second one ends them."""
        if self._stopping is None:
            self.stop(signal.Signals(self._signals[0]).name)
        elif len(self._signals) > 1:
            del self._signals[1:]
            with self._lock:
                for attempt in list(self._running.values()):
                    self._executor.end(attempt)
                    self._timers.after(0.5, partial(self._give_up, attempt))

    def stop(self, reason: str) -> None:
        """Start nothing more, ask what runs to end, and leave the run to be resumed."""
        with self._lock:
            if self._stopping is not None or self._over:
                return
            self._stopping = reason
            for attempt in self._running.values():
                if attempt.ending is None:
                    self._ask_to_end(attempt, Ending.INTERRUPT, self._grace)
            for rest in self._idle:
                rest.release()
            self._idle.clear()
            self._leave_if_stopped()
        self._announce_stop(reason)

    def _announce_stop(self, reason: str) -> None:
        self._audience.tell("stopping", reason, len(self._running))

    def _break(self, error: BaseException) -> None:
        """Something that must not fail has failed: stop, and let `drive` raise it."""
        if self._failure is None:
            self._failure = error
        reason = "the store failed" if isinstance(error, StoreError) else f"an error in Penstock: {error!r}"
        self.stop(reason)
        with self._lock:
            if not self._running:
                self._leave()
        self._listener.poke()

    def _tell(self) -> None:
        """Pass the news on to the observers, in order."""
        with self._telling:  # also waits for what another thread is telling: a failure comes before the next attempt
            while self._news:
                with self._lock:
                    news, self._news = self._news, []
                for method, arguments in news:
                    self._audience.tell(method, *arguments)


def _sender(body: str) -> str:
    import json

    try:
        return str(json.loads(body).get("by") or "someone")
    except (ValueError, AttributeError):
        return "someone"
