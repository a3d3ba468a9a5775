"""The outbox of a run whose receivers want to hear less at once, or later."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event

import pytest

from penstock.clock import SystemClock
from penstock.engine.events import NoticeDelivered, NoticeDropped
from penstock.errors import NoticeRefused, TryLater
from penstock.observe.notifiers.limit import Limited
from penstock.policy import Notice
from penstock.runtime.outbox import Outbox


class Journal:
    """One in which everything is safe at once."""

    added = 0

    def flush(self, until: int, *, safe: bool = False) -> None:
        """Nothing is to be waited for."""


class FastClock(SystemClock):
    """One that is set forward by whoever sleeps."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:  # type: ignore[override]
        self.now += seconds


class Receiver:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[Notice] = []

    def notify(self, notice: Notice) -> None:
        self.told.append(notice)


def notice(number: int, *, task: str | None = "t") -> Notice:
    kind = "task_failed" if task else "run_failed"
    return Notice(f"r/{number}", kind, "r", "w", task, 0, 1, 1.0, None, "mail")  # type: ignore[arg-type]


def outbox(
    deliver: Callable[[Notice], None], clock: SystemClock | None = None
) -> tuple[Outbox, list[NoticeDelivered | NoticeDropped]]:
    recorded: list[NoticeDelivered | NoticeDropped] = []
    return Outbox(deliver, recorded.append, Journal(), clock or FastClock()), recorded


def test_all_that_is_over_the_limit_comes_as_one_at_the_end_of_the_run() -> None:
    receiver, clock = Receiver(), FastClock()
    box, recorded = outbox(Limited(receiver, 3, clock).notify, clock)
    box.add([notice(number) for number in range(10)] + [notice(10, task=None)])
    box.finish(patient=True)
    assert [each.id for each in receiver.told] == ["r/0", "r/1", "r/2", "r/10"]
    assert receiver.told[-1].stands_for == tuple(f"r/{number}" for number in range(3, 11))
    assert [event.notice for event in recorded] == [f"r/{number}" for number in range(11)]


def test_or_when_a_minute_is_over() -> None:
    receiver, clock, done = Receiver(), FastClock(), Event()
    box, recorded = outbox(Limited(receiver, 3, clock).notify, clock)
    began = clock.now

    def record(event: NoticeDelivered | NoticeDropped) -> None:
        recorded.append(event)
        if len(recorded) == 10:
            done.set()

    box._record = record
    box.add([notice(number) for number in range(10)])
    assert done.wait(60)
    assert clock.now - began >= 60.0
    assert [len(each.stands_for) for each in receiver.told] == [0, 0, 0, 7]
    box.finish(patient=True)


def test_a_single_one_over_the_limit_comes_at_the_end_too() -> None:
    receiver, clock = Receiver(), FastClock()
    box, recorded = outbox(Limited(receiver, 1, clock).notify, clock)
    box.add([notice(0), notice(1)])
    box.finish(patient=True)
    assert [each.stands_for for each in receiver.told] == [(), ("r/1",)]
    assert len(recorded) == 2


def test_a_limit_holds_nobody_else_up() -> None:
    receiver, clock = Receiver(), FastClock()
    limited = Limited(receiver, 1, clock)

    def deliver(each: Notice) -> None:
        (limited.notify if each.task == "t" else receiver.notify)(each)

    box, recorded = outbox(deliver, clock)
    other = Notice("r/x", "task_failed", "r", "w", "u", 0, 1, 1.0, None, "chat")
    box.add([notice(0), notice(1), other])
    box.finish(patient=True)
    assert [each.id for each in receiver.told] == ["r/0", "r/x", "r/1"]
    assert len(recorded) == 3


def test_what_many_stand_for_is_tried_again_as_one(capsys: pytest.CaptureFixture[str]) -> None:
    clock, told = FastClock(), list[int]()

    class Flaky(Receiver):
        def notify(self, notice: Notice) -> None:
            told.append(len(notice.stands_for))
            if len(told) == 2:
                raise OSError("busy")

    box, recorded = outbox(Limited(Flaky(), 1, clock).notify, clock)
    box.add([notice(number) for number in range(5)])
    box.finish(patient=True)
    assert told == [0, 4, 4]
    assert len(recorded) == 5
    assert "busy" in capsys.readouterr().err


def test_one_that_is_wanted_later_is_not_tried_before_and_not_waited_for_at_the_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock, tried = FastClock(), list[float]()

    def deliver(each: Notice) -> None:
        tried.append(clock.now)
        if len(tried) == 1:
            raise TryLater("busy", 4.0)
        raise TryLater("very busy", 3_000.0)

    box, recorded = outbox(deliver, clock)
    box.add([notice(0)])
    box.finish(patient=True)
    assert len(tried) == 2
    assert tried[1] - tried[0] >= 4.0
    assert recorded == []
    assert "is tried again: busy\n" in capsys.readouterr().err


def test_one_that_is_refused_for_good_is_given_up_with_the_reason() -> None:
    def deliver(each: Notice) -> None:
        raise NoticeRefused("gone")

    box, recorded = outbox(deliver)
    box.add([notice(0)])
    box.finish(patient=True)
    (event,) = recorded
    assert isinstance(event, NoticeDropped)
    assert (event.notice, event.error) == ("r/0", "gone")


def test_many_notices_are_delivered_in_their_order() -> None:
    """In time that grows with their number, and not with its square: this would not end."""
    receiver = Receiver()
    box, recorded = outbox(receiver.notify)
    box.add([notice(number) for number in range(100_000)])
    box.finish(patient=True)
    assert [each.id for each in receiver.told] == [f"r/{number}" for number in range(100_000)]
    assert len(recorded) == 100_000
