"""The driver of a run: it joins the engine to the store and the executor.

The worker that holds an outcome steps the engine itself, under the driver's lock, and takes the next ready task in the
same breath; nothing is handed to another thread between two tasks. The thread that called `drive` only serves what
comes from elsewhere: timers, the inbox, signals, and making what was written safe.

An attempt's body starts only when the event that made its task ready is *written*, so that kill -9 repeats at most what
was running.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import inf

from penstock.engine.events import (
    CancelRequested,
    DriverStopped,
    Event,
    MapExpanded,
    MessageReceived,
    RunResumed,
    RunTimedOut,
)
from penstock.engine.run import RunEngine
from penstock.engine.states import ENDED, RunState, TaskState
from penstock.errors import LeaseLost, StoreError
from penstock.runtime import mail
from penstock.runtime.dispatching import Dispatching
from penstock.runtime.expanding import expand
from penstock.runtime.marking import KIND as MARK
from penstock.runtime.marking import marks_asked_for
from penstock.runtime.parking import PARKED, Parking, parking
from penstock.runtime.signals import LOOK_PAUSE as SIGNALS_PAUSE
from penstock.runtime.takeover import end_of
from penstock.store.base import RETRY_FOR, Message, RunChange

LOOK_PAUSE = 0.2
"""Seconds between two looks at a store that could not be read."""
SHORTEST_PAUSE = 0.001
"""Seconds that a driver sleeps at least after it could not wait, so that it does not go round and round."""
LOG_PAUSE = 0.2
"""Seconds that text which was held back may wait to be readable by others."""


class RunDriver(Dispatching):
    """Drives one run, once. `grace` is how many seconds a body has between being asked to end and being ended, and
    again between that and being given up. `deliver` hands a notice to its receiver. `ranks` says of each row of the
    plan, which `fingerprint` names, how soon its tasks are taken: the lowest first. With `park_after`, it lets go of a
    run that has nothing to do for more seconds than these."""

    # --- The run from its first event to its last

    _served = False
    """Whether the thread that serves has done its work."""
    parked: Parking | None = None
    """Set when the run is put aside."""
    _deadline = inf
    """When the time of the run is up."""

    def drive(
        self, opening: Sequence[Event], change: RunChange, stale: Sequence[int] = (), since: float | None = None
    ) -> str | None:
        """Feed the opening events and drive the run until it ends, is interrupted or may be parked. `stale` are
        messages in its inbox that were meant for an earlier time with this run; `since` is when it was set going,
        unless it is now.

        The reason of the interruption, or None if the run ended or was parked. StoreError if the store failed for good.
        """
        began = self._clock.monotonic()
        if self._catch_signals:
            self._signals.catch()
        try:
            with self.lock:
                self._journal.change(change)
                self._careful = any(isinstance(event, RunResumed) and not event.by_hand for event in opening)
                for event in opening:
                    self._feed(event)
                done = len(self._engine.done())
                if self.children is not None:
                    self.children.attend(self._listener.poke, self._journal.write)
                if self._engine.plan.timeout is not None:
                    self._bound_time(self._engine.plan.timeout, since)
                for message in stale:
                    self._journal.take(message)
            self._audience.tell("run_started", self.context.run_id, self._engine.plan, done)
            self._tell_of_maps()
            self._journal.finish()
            self._audience.pass_on()
            self._work()
            return self._finish(self._clock.monotonic() - began)
        finally:
            self._outbox.close()
            self._signals.give_back()
            self._listener.close()
            if self._signals.received and self._stopping is None:
                self._signals.raise_again()

    def _tell_of_maps(self) -> None:
        """Tell of maps that were expanded before, and of what has ended of them."""
        engine = self._engine
        for row in engine.plan.maps:
            heads = engine.plan.expanded_by.get(row, (row,))
            width = max(engine.widths.get(head, 0) for head in heads)
            if width:
                self._audience.tell("map_expanded", row, width)
        for row in engine.widths:
            by_state: dict[int, list[int]] = {}
            for slot in engine.slots(row):
                by_state.setdefault(engine.states[slot], []).append(slot)
            for state in sorted(ENDED.intersection(by_state)):
                self._audience.tell("tasks_settled", self._places(by_state[state]), TaskState(state))

    def _bound_time(self, timeout: float, since: float | None) -> None:
        now = self._time()
        self._deadline = timeout + (now if since is None else min(since, now))  # the clock may have been set back
        self._timers.after(self._deadline - now, self._time_out_run)

    def _work(self) -> None:
        executor = self._host.executor
        is_first = self._host.enter(self)
        try:
            if executor.on_caller and is_first:
                service = self._clock.start(self._serve, "penstock-driver")
                executor.work()
                while not self._served:  # runs of its tasks may have something to do yet
                    service.join(LOOK_PAUSE)
                    executor.work()
                service.join()
            else:
                self._host.call()
                self._serve()
        finally:
            self._host.leave(self, wait=self._grace if self._stopping is None else 0.5)

    def _finish(self, seconds: float) -> str | None:
        if self._failure is not None and not self._may_write():
            raise self._failure
        engine = self._engine
        with self.lock:
            if engine.state is RunState.RUNNING:
                reason = PARKED if self.parked is not None else self._stopping or ""
                self._feed(DriverStopped(self._time(), reason))
            ended = engine.state is not RunState.RUNNING
            counts = engine.counts()
            if not ended:
                self._journal.change(self._left_as(engine))
        self._journal.finish()
        if self._slots is not None and self._failure is None:
            self._slots.give_back()  # while others may still have to be told
        self._audience.pass_on()
        if self._failure is not None:
            raise self._failure
        state = str(engine.state) if ended else "interrupted"
        if self.parked is not None:
            state = "waiting"
            self._audience.tell("parked", self.parked.wake_at)
        self._audience.tell("run_ended", state, engine.error, counts, seconds)
        self._outbox.finish(patient=self._stopping is None)
        self._journal.finish()
        return None if ended or self.parked is not None else self._stopping

    def _left_as(self, engine: RunEngine) -> RunChange:
        """What the row of the run says that has not ended, once this driver has let go of it."""
        change = end_of(engine)
        return change if self.parked is None else replace(change, state="waiting", wake_at=self.parked.wake_at)

    # --- What comes from elsewhere; on the thread that serves

    def _serve(self) -> None:
        while not self._over:
            try:
                if self._clock.monotonic() >= self._look_at and self._failure is None:
                    self._read_inbox()
                    self._look_at, self._blind_since = float("inf"), None
            except BaseException as error:
                self._look_again_or_break(error)
            try:
                if self._serve_once():
                    self._look_at = min(self._look_at, self._clock.monotonic())
                    self._hear_of_slots()
            except BaseException as error:
                self._look_again_or_break(error)
                self._clock.sleep(max(self._pause() or 0.0, SHORTEST_PAUSE))
        try:
            self._see_children_off()
        finally:
            self._served = True

    def _look_again_or_break(self, error: BaseException) -> None:
        if self._bears(error):
            self._look_at = self._clock.monotonic() + LOOK_PAUSE
        else:
            self.broke(error)

    def _bears(self, error: BaseException) -> bool:
        """Whether the run can go on for a while though the store could not be read. The caller tries again."""
        if not isinstance(error, StoreError) or isinstance(error, LeaseLost) or self._journal.broken is not None:
            return False
        now = self._clock.monotonic()
        if self._blind_since is None:
            self._blind_since = now
        return now - self._blind_since <= RETRY_FOR

    def _serve_once(self) -> bool:
        """Do what is due and sleep until there is more. Whether there may be something in the inbox."""
        with self.lock:
            actions = self._timers.due()
            for action in actions:
                action()
        self._expand_maps()
        self._hear_of_children()
        if self._slots is not None and not self._over and self._failure is None:
            self._slots.serve(may_start=self._stopping is None)
        if self.has_ready:
            self._host.call()
        if self._signals.received:
            self._obey_signal()
        if self._lease.lost and self._failure is None:
            raise LeaseLost(f"run {self.context.run_id} was taken over by another driver")
        if self._may_write():  # else there is nothing left to do but end what runs
            self._journal.serve()
        self._audience.pass_on()
        self._log.flush()
        return not self._over and not self._park() and self._listener.wait(self._pause())

    def _park(self) -> bool:
        """Let go of the run if it may be parked. Whether it was."""
        with self.lock:
            found = self._find_parking()
        if found is None or any(m.id not in self._answered for m in self._store.messages(self.context.run_id)):
            return False
        with self.lock:
            self.parked = self._find_parking()  # something may have happened meanwhile
            if self.parked is not None:
                self._leave()
        return self.parked is not None

    def _find_parking(self) -> Parking | None:
        if self._park_after is None or self.starts_no_more or self._signals.received or not self._may_write():
            return None
        if self._given_up or (self.children is not None and self.children.are_busy):
            return None
        return parking(self._engine, self._time(), self._park_after, self._deadline)

    def _hear_of_slots(self) -> None:
        if self._slots is not None:
            with self.lock:
                self._slots.heard()

    def _expand_maps(self) -> None:
        """Find out how many instances maps have. What follows from that must not be contradicted by a power cut."""
        while (row := self._next_map()) is not None:
            event = expand(self.context, row)
            with self.lock:
                if row not in self._maps:
                    continue  # it was withdrawn meanwhile
                self._maps.remove(row)
                self._feed(event, safe=True)
                if isinstance(event, MapExpanded):
                    self._audience.note("map_expanded", row, event.width)
                else:
                    self._audience.note("attempt_ended", row, -1, 1, TaskState.FAILED, event.error, 0.0)

    def _next_map(self) -> int | None:
        with self.lock:
            return self._maps[0] if self._maps and self._stopping is None and not self._over else None

    def _may_write(self) -> bool:
        """Whether the journal still takes what happens: values may fail to be kept where events do not."""
        return self._failure is None or (isinstance(self._failure, StoreError) and self._journal.broken is None)

    def _pause(self) -> float | None:
        with self.lock:
            pauses = [self._timers.pause(), LOG_PAUSE if self._log.holds else None]
            if self._signals.are_caught:
                pauses.append(SIGNALS_PAUSE)
            if self._slots is not None and self._failure is None:
                pauses.append(self._slots.pause())
            if self._blind_since is not None or self._failure is not None:
                pauses.append(LOOK_PAUSE)
            if self._may_write():
                pauses.append(self._journal.pause())
            if self.children is not None and self._failure is None:
                pauses.append(self.children.pause())
        return min((pause for pause in pauses if pause is not None), default=None)

    def _read_inbox(self) -> None:
        for message in self._store.messages(self.context.run_id):
            if message.id in self._answered:
                continue  # it is still there, since the answer is not written yet
            if message.kind == "cancel":
                self._answered.add(message.id)
                self._take_cancel(message)
            if message.kind == MARK:
                self._answered.add(message.id)
                self._take_marks(message)
            if message.kind == mail.KIND:
                self._answered.add(message.id)
                self._take_mail(message)

    def _take_cancel(self, message: Message) -> None:
        by, once = _sender(message.body)
        with self.lock:
            again = self._engine.disturbed_by is not None
            if once and again:
                self._journal.take(message.id)
                return
            self._feed(CancelRequested(self._time(), by), message.id)
        self._announce_stop("cancelled")
        if again and self.children is not None:
            self.children.end(insist=True)

    def _take_marks(self, message: Message) -> None:
        with self.lock:
            event = None if self._over else marks_asked_for(self._engine, message.body, self._time())
            if event is None:
                self._journal.take(message.id)
            else:
                waited = [task for task in event.tasks if self._engine.states[task] not in ENDED]
                self._feed(event, message.id, safe=True)
                for task in waited:
                    self._let_go(task)
                story = self._engine.marks[event.tasks[0]]
                self._audience.note("tasks_marked", self._places(event.tasks), event.state, story)
        if event is None:
            self._journal.finish()  # no event may follow for long, and somebody waits for the answer

    def _take_mail(self, message: Message) -> None:
        """What follows from it must not be contradicted by a power cut: it may be a decision."""
        with self.lock:
            event = mail.read(message.body, self._time())
            if event is not None and self._over:
                return  # it stays there, for whoever sets the run going again
            if event is None:
                self._journal.take(message.id)
            else:
                self._feed(event, message.id, safe=True)

    def _time_out_run(self) -> None:
        self._feed(RunTimedOut(self._time()))

    # --- Stopping

    def _obey_signal(self) -> None:
        """The first signal asks the bodies to end; a second one ends them."""
        received = self._signals.received
        if self._stopping is None:
            self.stop(self._signals.first)
        elif len(received) > 1:
            del received[1:]
            self.hurry()

    # --- Runs of its tasks; on the thread that serves

    def _hear_of_children(self) -> None:
        """Have tasks called again that wait for runs of their own, where there is something to see."""
        if self.children is None or self._failure is not None:
            return
        for topic in self.children.news():
            with self.lock:
                if not self.starts_no_more:
                    self._feed(MessageReceived(self._time(), topic, None, mail.OWN))

    def _see_children_off(self) -> None:
        """The run is over, or stopped: so are those of its tasks. Return when none is driven here any more."""
        if self.children is None:
            return
        if self._slots is not None and self._failure is None:
            self._slots.give_back()  # their teardowns may want these
        told = self._engine.state is RunState.RUNNING or self._failure is not None
        give_up = self._clock.monotonic() + RETRY_FOR
        while True:
            told = told or self.children.end() or self._clock.monotonic() >= give_up
            if told and not self.children.are_driven:
                return
            if self._signals.received:
                self._obey_signal()
            if self._stopping is not None or self._failure is not None:
                self.children.stop(self._stopping or "the store failed", patient=self._is_patient)
            self._listener.wait(LOOK_PAUSE)


def _sender(body: str) -> tuple[str, bool]:
    """Who cancels, and whether they ask for no more than that the run ends, which it may be about to."""
    import json

    try:
        read = json.loads(body)
        return str(read.get("by") or "someone"), read.get("once") is True
    except (ValueError, AttributeError):
        return "someone", False
