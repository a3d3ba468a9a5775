"""The simulation is worth something: each of these bugs, planted in the driver, the engine or the store, is found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from penstock.engine.commands import DispatchTasks
from penstock.engine.events import DriverStopped, Event, RunResumed
from penstock.engine.run import RunEngine
from penstock.engine.states import TaskState
from penstock.executor import invoke
from penstock.executor.base import Attempt
from penstock.plan.plan import Plan
from penstock.policy import Notice
from penstock.runtime import outbox, parking, takeover
from penstock.runtime.driver import RunDriver
from penstock.runtime.host import Host
from penstock.runtime.journal import JournalWriter
from penstock.runtime.lines import LimitedQueue
from penstock.runtime.outbox import Outbox
from penstock.runtime.slots import SharedLimit, Slots
from penstock.runtime.timers import Timers
from penstock.store.base import Claim, RunChange, Store
from tests.law.description import RAISES, Body
from tests.simulation.database import Database, Kind, Record
from tests.simulation.planted import Suits, must_show
from tests.simulation.scenario import Scenario, draw
from tests.simulation.work import KILL, Step

MOST_WORLDS = 2_000
Plant = Callable[[pytest.MonkeyPatch], None]


def dispatch_before_written(patch: pytest.MonkeyPatch) -> None:
    """A body begins whether or not what made its task ready is on record."""
    start = RunDriver.start_next

    def hasty(self: RunDriver) -> Attempt | None:
        attempt = start(self)
        if attempt is not None:
            attempt.requires = 0
        return attempt

    patch.setattr(RunDriver, "start_next", hasty)


def start_before_safe(patch: pytest.MonkeyPatch) -> None:
    """The body of an at_most_once task begins when its start is written, or not even that."""
    start = RunDriver.start_next

    def hasty(self: RunDriver) -> Attempt | None:
        attempt = start(self)
        if attempt is not None:
            attempt.committed = False
        return attempt

    patch.setattr(RunDriver, "start_next", hasty)


def ignored_token(patch: pytest.MonkeyPatch) -> None:
    """A store takes what is written under any lease that was not given back."""
    patch.setattr(Database, "counts", lambda self, record, lease: not lease.released)


def robbed_driver(patch: pytest.MonkeyPatch) -> None:
    """A run is taken from a driver that lives."""

    def is_held(self: Database, record: Record) -> bool:
        return record.lease is not None and self.now - record.lease.heard_at < 0.01

    patch.setattr(Database, "is_held", is_held)


def uncounted_losses(patch: pytest.MonkeyPatch) -> None:
    """Who adopts a run takes its driver for one that stopped in good order."""

    def adopt(engine: RunEngine, plan: Plan, at: float) -> list[Event]:
        events = ADOPT(engine, plan, at)
        return [DriverStopped(at, "lost"), *events] if events and engine.state == "running" else events

    patch.setattr(takeover, "adopt", adopt)


ADOPT = takeover.adopt


def forgiving_adoption(patch: pytest.MonkeyPatch) -> None:
    """Who adopts a run resumes it as if somebody had asked for it."""
    patch.setattr(takeover, "adopt", lambda engine, plan, at: [RunResumed(at)] if ADOPT(engine, plan, at) else [])


def restless_adoption(patch: pytest.MonkeyPatch) -> None:
    """Who adopts what nobody drives sets going again what has ended."""
    patch.setattr(
        takeover, "adopt", lambda engine, plan, at: ADOPT(engine, plan, at) or [RunResumed(at, by_hand=False)]
    )


def dropped_batch(patch: pytest.MonkeyPatch) -> None:
    """A commit that fails is not tried again, and nobody is told."""
    patch.setattr(JournalWriter, "_insist", lambda self, write, error: None)


def lost_timer(patch: pytest.MonkeyPatch) -> None:
    """Who takes a run over does not wait for the retries that were under way."""
    go_on = RunEngine._go_on

    def forgetful(self: RunEngine, at: float) -> Sequence[Any]:
        return [command for command in go_on(self, at) if type(command) is DispatchTasks or not self.retries_due]

    patch.setattr(RunEngine, "_go_on", forgetful)


def nothing_synced(patch: pytest.MonkeyPatch) -> None:
    """What is told of a run is written, and not safe."""
    make = JournalWriter.__init__

    def hasty(self: JournalWriter, *arguments: Any, **options: Any) -> None:
        make(self, *arguments, **{**options, "full": False})

    patch.setattr(JournalWriter, "__init__", hasty)


def notice_too_early(patch: pytest.MonkeyPatch) -> None:
    """A notice is delivered when its event is written."""
    flush = JournalWriter.flush

    def hasty(self: JournalWriter, until: int, *, safe: bool = False) -> None:
        flush(self, until)

    patch.setattr(JournalWriter, "flush", hasty)


def notice_lost(patch: pytest.MonkeyPatch) -> None:
    """What was not delivered when the driver died is forgotten."""
    patch.setattr(RunEngine, "_with_undelivered", lambda self, commands: commands)
    patch.setattr(takeover, "finish_unheld", lambda *arguments, **options: None)


def notice_counted_before_it_is_taken(patch: pytest.MonkeyPatch) -> None:
    """A notice counts as delivered when it is about to be."""
    attempt = Outbox._try

    def eager(self: Outbox, entry: Any) -> None:
        deliver, self._deliver = self._deliver, lambda notice: None
        attempt(self, entry)
        self._deliver = deliver
        deliver(entry.notice)

    patch.setattr(Outbox, "_try", eager)


def store_failure_is_task_failure(patch: pytest.MonkeyPatch) -> None:
    """A value that cannot be stored fails its task."""

    def once(attempt: Attempt, step: Callable[..., Any], *arguments: Any) -> Any:
        return step(*arguments)

    patch.setattr(invoke, "insist", once)


def spinning_driver(patch: pytest.MonkeyPatch) -> None:
    """A driver without work does not sleep."""
    patch.setattr(RunDriver, "_pause", lambda self: 0.0)


def forgotten_worker(patch: pytest.MonkeyPatch) -> None:
    """A worker that rests is not woken when there is work."""

    def nobody(self: Host) -> None:
        if not self._idle:
            CALL(self)

    patch.setattr(Host, "call", nobody)


CALL = Host.call


def unheard_cancel(patch: pytest.MonkeyPatch) -> None:
    """A driver does not look into its inbox when it is woken."""
    patch.setattr(RunDriver, "_read_inbox", lambda self: None)


def hasty_timers(patch: pytest.MonkeyPatch) -> None:
    """A timer rings after half its time."""
    after = Timers.after
    patch.setattr(Timers, "after", lambda self, seconds, action: after(self, seconds / 2, action))


def late_run(patch: pytest.MonkeyPatch) -> None:
    """A run is not stopped when its time is over."""
    patch.setattr(RunDriver, "_time_out_run", lambda self: None)


# --- Bugs that the simulation once found


def wait_by_a_clock_that_was_set_back(patch: pytest.MonkeyPatch) -> None:
    """A retry comes at its time of the day, however far that has moved away."""
    pause = RunEngine.retry_pause

    def unbounded(self: RunEngine, task: int) -> float:
        return 1e12 if self.task_state(task) is TaskState.RETRYING else pause(self, task)

    patch.setattr(RunEngine, "retry_pause", unbounded)


def notice_that_is_too_old(patch: pytest.MonkeyPatch) -> None:
    """A notice that is refused is given up if it is older than a day by the clock on the wall."""

    def by_age(deliver: Any, notice: Notice, time: Callable[[], float], *, give_up: bool = False) -> Any:
        return TELL(deliver, notice, time, give_up=time() - notice.at > 80_000.0)

    patch.setattr(outbox, "tell", by_age)
    patch.setattr(takeover, "tell", by_age)


TELL = outbox.tell


def cancelled_without_notifiers(patch: pytest.MonkeyPatch) -> None:
    """Who cancels a run that never began does not have the notifiers told."""
    patch.setattr(takeover, "_told", lambda engine, notifiers, now: [])


def unsafe_outcome(patch: pytest.MonkeyPatch) -> None:
    """How a commit_first task came out can be forgotten, though it was written."""
    add = JournalWriter.add
    patch.setattr(JournalWriter, "add", lambda self, event, taken=None, *, safe=False: add(self, event, taken))


def unrecorded_start(patch: pytest.MonkeyPatch) -> None:
    """Who adopts a run lets bodies begin before it is on record that they do."""
    patch.setattr(RunDriver, "_careful", property(lambda self: False, lambda self, value: None), raising=False)


def end_in_the_middle(patch: pytest.MonkeyPatch) -> None:
    """Who adopts a run with a changed workflow stops it first, which may end it."""

    def adopt_plan(store: Store, engine: RunEngine, plan: Plan, now: float) -> Any:
        name, events, changed = ADOPT_PLAN(store, engine, plan, now)
        return name, [DriverStopped(now, "lost"), *events] if events else [], changed

    patch.setattr(takeover, "adopt_plan", adopt_plan)


ADOPT_PLAN = takeover.adopt_plan


def lost_again_and_again(patch: pytest.MonkeyPatch) -> None:
    """A driver that has lost its run does not sleep while its bodies are still to end."""
    pause = RunDriver._pause
    patch.setattr(RunDriver, "_pause", lambda self: 0.0 if self._lease.lost else pause(self))


# --- Worlds in which they can show


def has(*faults: str) -> Suits:
    """Worlds with all of these faults."""
    return lambda scenario: scenario.faults >= {*faults}


def hangs(scenario: Scenario) -> bool:
    """Worlds with bodies that do not end when they are told to."""
    return any(step.manner.stubborn and "timeout" in step.options for step in scenario.work.steps.values())


def on_time(scenario: Scenario) -> bool:
    """Worlds in which a driver that lives must hear and act in time."""
    return not scenario.faults & {"pause", "disk", "blind", "stall", "values", "cut", "crash", "power"}


def does(*words: str) -> Suits:
    """Worlds in which a body does one of these."""
    return lambda scenario: any(
        act.what in words for name in scenario.work.steps for act in scenario.work.script(Body(name, -1, ()))
    )


def of_tasks(holds: Callable[[Step], bool]) -> Suits:
    """Worlds with such a task."""
    return lambda scenario: any(map(holds, scenario.work.steps.values()))


tries_again = of_tasks(lambda step: step.options.get("retry_delay", 0.0) > 0.0)
waits_long = of_tasks(lambda step: step.options.get("retry_delay", 0.0) >= 3.0)
is_once = of_tasks(lambda step: step.once)


def parked_in_the_middle(patch: pytest.MonkeyPatch) -> None:
    """A run is parked though something in it is ready."""
    patch.setattr(parking, "only_waits", lambda engine: TaskState.RETRYING in engine.states and not engine.notices)


def parked_for_ever(patch: pytest.MonkeyPatch) -> None:
    """The row of a parked run does not say when to wake it."""
    left_as = RunDriver._left_as

    def forgetful(self: RunDriver, engine: RunEngine) -> RunChange:
        change = left_as(self, engine)
        return replace(change, wake_at=None)

    patch.setattr(RunDriver, "_left_as", forgetful)


def one_slot_too_many(patch: pytest.MonkeyPatch) -> None:
    """A run uses one slot more than it was granted."""
    resize = LimitedQueue.resize
    patch.setattr(LimitedQueue, "resize", lambda self, limit, size: resize(self, limit, size + 1))


def slots_of_what_was_given_up(patch: pytest.MonkeyPatch) -> None:
    """The slots of an attempt that was given up, and goes on, are given to others."""
    patch.setattr(LimitedQueue, "given_up", LimitedQueue.ended)
    patch.setattr(LimitedQueue, "returned", lambda self, task: None)


def slots_claimed_once(patch: pytest.MonkeyPatch) -> None:
    """Who gets fewer slots than it wants does not ask again."""
    claim = Slots._claim
    asked: set[Slots] = set()

    def once(self: Slots, limit: SharedLimit, wish: Any) -> Claim:
        if self in asked and wish.wanted > wish.kept:
            return Claim(limit.granted, contested=False)
        asked.add(self)
        return claim(self, limit, wish)

    patch.setattr(Slots, "_claim", once)


def parks(scenario: Scenario) -> bool:
    """Worlds in which runs are parked."""
    return scenario.park_after is not None


def shares(scenario: Scenario) -> bool:
    """Worlds with a pool."""
    return bool(scenario.work.slots)


def safe_starts(scenario: Scenario) -> bool:
    """Worlds with durability "full" and a task whose start must be safe."""
    return scenario.full and any(step.first for step in scenario.work.steps.values())


def on(kind: Kind) -> Suits:
    """Worlds whose store is of this kind."""
    return lambda scenario: scenario.kind is kind


def told(scenario: Scenario) -> bool:
    """Worlds in which somebody is told of something."""
    return scenario.telling.anybody


BUGS: list[tuple[Plant, str, tuple[Suits, ...]]] = [
    (dispatch_before_written, "is not written", ()),
    (start_before_safe, "its start is not (safe|written)", (safe_starts,)),
    (ignored_token, "wrote after token", (on(Kind.SERVER), has("cut", "pause"))),
    (robbed_driver, "taken from a driver that lives", (on(Kind.SERVER), has("adopt"))),
    (uncounted_losses, "though it died with its driver", (does(KILL), has("adopt"))),
    (forgiving_adoption, "nobody had asked for it", (has("adopt", "crash"),)),
    (restless_adoption, "nobody had asked for it to become", (has("adopt", "deaf"), told)),
    (dropped_batch, "journal cannot be|on record", (has("disk"),)),
    (lost_timer, "it is not done after", (has("crash"), tries_again)),
    (nothing_synced, "somebody was told .* that is not safe", (on(Kind.LOCKS),)),
    (notice_too_early, "its event is not safe", (on(Kind.LOCKS), told)),
    (notice_lost, "it is not done after|never delivered|nobody told", (has("crash"), told)),
    (notice_counted_before_it_is_taken, "never delivered|nobody told", (told,)),
    (store_failure_is_task_failure, "not its fault", (has("values"),)),
    (spinning_driver, "goes round and round", ()),
    (forgotten_worker, "waits for somebody|not done", ()),
    (unheard_cancel, "never heard of it", (has("cancel"), on_time)),
    (hasty_timers, "too early", (tries_again,)),
    (late_run, "was to be stopped after", (lambda scenario: scenario.timeout is not None, on_time)),
    (wait_by_a_clock_that_was_set_back, "it is not done after", (has("jump"), waits_long, does(RAISES))),
    (notice_that_is_too_old, "was given up", (has("jump", "deaf"), told)),
    (cancelled_without_notifiers, "nobody told (mail|chat) that it is cancelled", (has("cancel"), told)),
    (unsafe_outcome, "a power cut made forgotten how", (on(Kind.LOCKS), has("power"), safe_starts)),
    (unrecorded_start, "though it died with its driver", (does(KILL), has("adopt"))),
    (end_in_the_middle, "its row says|it is not done after|somebody was told", (has("change", "adopt"), is_once)),
    (lost_again_and_again, "goes round and round", (has("cut", "pause"),)),
    (parked_in_the_middle, "parked with something to do", (parks, tries_again)),
    (parked_for_ever, "it was parked until None", (parks, tries_again)),
    (one_slot_too_many, "slots are used, where there are", (shares, on(Kind.LOCKS))),
    (slots_of_what_was_given_up, "slots are used, where there are|its concurrency is", (shares, on(Kind.LOCKS), hangs)),
    (slots_claimed_once, "it is not done after", (shares,)),
]
"""Each with what is said of it, and in which worlds it can show at all: these are looked at one after the other."""


@pytest.mark.parametrize(("plant", "found", "suits"), BUGS, ids=[plant.__name__ for plant, _, _ in BUGS])
def test_a_planted_bug_is_found(
    plant: Plant, found: str, suits: tuple[Suits, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    must_show(found, (draw(seed) for seed in count()), MOST_WORLDS, *suits)
