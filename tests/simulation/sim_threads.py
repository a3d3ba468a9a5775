"""What Penstock takes of `threading` to drive runs beside others, in simulated worlds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from types import ModuleType
from typing import Any

from penstock.runtime import started, waking
from tests.simulation.scheduler import Scheduler, SimLock, SimThread

MODULES: tuple[ModuleType, ...] = (started, waking)


class SimCondition:
    """Like `threading.Condition()`: whoever holds it may take it again."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._lock = SimLock(scheduler)
        self._owner: SimThread | None = None
        self._depth = 0
        self._sleepers: list[SimThread] = []

    def __enter__(self) -> bool:
        if self._owner is None or self._owner is not self._scheduler.thread:
            self._lock.acquire()
            self._owner = self._scheduler.thread
        self._depth += 1
        return True

    def __exit__(self, *exc: object) -> None:
        self._depth -= 1
        if self._depth == 0:
            self._owner = None
            self._lock.release()

    def wait(self, timeout: float | None = None) -> bool:
        """Let go of it until notified, or `timeout` seconds passed."""
        owner, depth = self._owner, self._depth
        assert owner is not None, "wait on a condition that nobody holds"
        self._owner, self._depth = None, 0
        self._lock._held = False  # whoever waits for it is woken below, with no step between that and the wait
        for waiter in self._lock._waiters:
            self._scheduler.wake(waiter)
        notified = self._scheduler.wait(timeout, self._sleepers)
        self._lock.acquire()
        self._owner, self._depth = owner, depth
        return notified

    def notify_all(self) -> None:
        """Wake all who wait."""
        assert self._owner is self._scheduler.thread, "notify on a condition that somebody else holds"
        for sleeper in self._sleepers:
            self._scheduler.wake(sleeper)


class SimEvent:
    """Like `threading.Event()`."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._is_set = False
        self._sleepers: list[SimThread] = []

    def is_set(self) -> bool:
        """Whether it happened."""
        return self._is_set

    def set(self) -> None:
        """It happens."""
        self._is_set = True
        for sleeper in self._sleepers:
            self._scheduler.wake(sleeper)

    def clear(self) -> None:
        """Forget that it happened."""
        self._is_set = False

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it happens, or `timeout` seconds passed."""
        self._scheduler.step()
        if not self._is_set and (timeout is None or timeout > 0):
            self._scheduler.wait(timeout, self._sleepers)
        return self._is_set


class SimStartedThread:
    """Like `threading.Thread(...)`, of the process that makes it."""

    def __init__(
        self, scheduler: Scheduler, *, target: Callable[..., None], args: Sequence[Any] = (), name: str, daemon: bool
    ) -> None:
        self._scheduler = scheduler
        self._target = partial(target, *args)
        self._name = name
        self._thread: SimThread | None = None

    def start(self) -> None:
        """Let it run."""
        thread = self._scheduler.thread
        assert thread is not None
        self._thread = thread.process.start(self._target, self._name)

    def join(self, timeout: float | None = None) -> None:
        """Wait for its end."""
        assert self._thread is not None
        self._thread.join(timeout)


@contextmanager
def simulated_threads(scheduler: Scheduler) -> Iterator[None]:
    """Have what is started beside others run in simulated threads."""
    simulated = {"Condition": SimCondition, "Event": SimEvent, "Thread": SimStartedThread}
    own = [(module, name, vars(module)[name]) for module in MODULES for name in simulated if name in vars(module)]
    for module, name, _ in own:
        setattr(module, name, partial(simulated[name], scheduler))
    try:
        yield
    finally:
        for module, name, real in own:
            setattr(module, name, real)
