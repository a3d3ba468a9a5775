"""A worker that leaves makes room, and whoever then has something to do is asked once more."""

from __future__ import annotations

from threading import Event
from typing import TYPE_CHECKING, Any

from penstock.executor.base import Attempt, Outcome
from penstock.executor.processes import ProcessesExecutor

if TYPE_CHECKING:
    from penstock.executor.context import RunContext


class Source:
    """Has nothing to do, till the first worker has gone: then it asks for another one."""

    context: RunContext = None  # type: ignore[assignment]  # no attempt is ever sent

    def __init__(self, executor: ProcessesExecutor) -> None:
        self.executor = executor
        self.asked = 0
        self.done = Event()

    def take(self) -> Attempt | None:
        self.asked += 1
        if self.asked == 1:
            self.executor.grow()  # refused: there is one worker, and there may be no more
        else:
            self.done.set()
        return None

    def settle(self, attempt: Attempt, outcome: Outcome) -> Attempt | None:
        raise AssertionError

    def fill(self) -> None:
        if self.asked == 1:
            self.executor.grow()


def test_what_became_ready_while_the_last_worker_left_is_not_left_lying() -> None:
    executor = ProcessesExecutor(1)
    source: Any = Source(executor)
    executor.open(source)
    executor.grow()
    assert source.done.wait(60)
    assert executor.close(wait=10)
    assert source.asked == 2
