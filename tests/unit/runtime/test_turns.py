"""How workers take turns at a driver's lock."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from penstock.clock import SystemClock
from penstock.runtime.host import Host


class Held:
    """A lock that somebody holds till others have let him go on so many times. It notes who sleeps on it."""

    def __init__(self, turns: int) -> None:
        self.turns = turns
        self.is_held = True
        self.slept_on = False
        self.released = 0

    def acquire(self, blocking: bool = True) -> bool:
        if not blocking and self.is_held:
            return False
        self.slept_on |= self.is_held
        self.is_held = True
        return True

    def release(self) -> None:
        self.is_held = False
        self.released += 1


class Courteous(SystemClock):
    """Its pauses let the holder of a lock go on."""

    def __init__(self, lock: Held) -> None:
        self._held = lock

    def sleep(self, seconds: float) -> None:  # type: ignore[override]
        assert not seconds
        self._held.turns -= 1
        self._held.is_held = self._held.turns > 0


@pytest.mark.parametrize(("turns", "sleeps"), [(1, False), (3, False), (1_000_000, True)])
def test_a_worker_lets_others_go_on_before_it_sleeps_on_a_lock(turns: int, sleeps: bool):
    lock, closed = Held(turns), []
    driver: Any = SimpleNamespace(
        lock=lock,
        context=SimpleNamespace(run_id="run"),
        close_attempt=lambda attempt, outcome: closed.append((lock.is_held, outcome)),
        announce=lambda attempt: None,
        has_ready=False,
    )
    executor: Any = SimpleNamespace(on_caller=False, open=lambda source: None)
    host = Host(executor, Courteous(lock))
    host.enter(driver)
    attempt: Any = SimpleNamespace(context=driver.context, abandoned=False)
    outcome: Any = "outcome"
    host.finish(attempt, outcome)
    assert closed == [(True, "outcome")]
    assert (lock.slept_on, lock.released, lock.is_held) == (sleeps, 1, False)
