"""Tasks that come too early: when they have another attempt, and when they give up."""

from __future__ import annotations

import pytest

from penstock.engine.commands import DispatchTasks, SetTimer
from penstock.engine.events import (
    AttemptDeferred,
    AttemptFailed,
    CancelRequested,
    ErrorText,
    MessageReceived,
    RetryDue,
    RunResumed,
    TaskWoken,
)
from penstock.engine.run import InvalidEvent
from penstock.policy import Polling, TaskPolicy
from tests.unit.engine.played import ERROR, Played, plan_of


def one(**options: object) -> Played:
    """A run of a task and one after it."""
    return Played(plan_of({"a": "", "b": "a"}, options={"a": options}))


def too_early(run: Played, name: str = "a", *, until: float | None = None, topic: str | None = None) -> Played:
    """A body begins, and finds that it is too early."""
    run.start(name)
    slot = run.slot(name)
    return run.feed(AttemptDeferred(slot, run.engine.attempts[slot], run.tick(), until, topic))


def woken(run: Played, name: str = "a") -> Played:
    return run.feed(TaskWoken(run.slot(name), run.tick()))


# --- When it goes on


def test_who_says_until_when_is_called_again_then() -> None:
    run = too_early(one(), until=60.0)
    assert (run.letters, run.commands) == ("d.", [SetTimer(0, 60.0)])
    assert woken(run).commands == [DispatchTasks([0])]
    assert run.ok("a", "b").verdict == "success"


def test_who_is_woken_already_is_not_woken_again() -> None:
    run = woken(too_early(one(), until=60.0)).start("a")
    assert woken(run).commands == []
    assert run.letters == ">."


def test_pauses_of_a_sensor_grow_with_each_look() -> None:
    run = one(polling=Polling(interval=10.0, backoff=2.0))
    pauses = []
    for _ in range(4):
        too_early(run)
        (timer,) = run.commands
        assert isinstance(timer, SetTimer)
        pauses.append(timer.due - run.now)
        woken(run)
    assert pauses == [10.0, 20.0, 40.0, 80.0]
    assert run.engine.deferrals == {0: 4}
    assert run.replayed()


def test_a_time_that_has_passed_is_no_pause() -> None:
    """Also for a driver whose clock was set back since."""
    run = too_early(one(), until=2.0)
    assert run.now > 2.0
    assert run.feed(RunResumed(1.0, by_hand=False)).commands == [SetTimer(0, 1.0)]


def test_a_pause_that_a_failure_asked_for_is_for_that_failure_alone() -> None:
    run = one(retries=3, retry_delay=10.0).start("a")
    run.feed(AttemptFailed(0, 1, run.tick(), ERROR, delay=2.0))
    assert run.commands == [SetTimer(0, run.now + 2.0)]
    run.feed(RetryDue(0, run.tick()))
    assert run.fail("a").commands == [SetTimer(0, run.now + 10.0)]


def test_what_may_begin_once_does_not_begin_again_later() -> None:
    run = too_early(one(at_most_once=True), until=60.0)
    assert run.letters == "FU"
    assert run.engine.errors[0] == ErrorText("Defer", "it came too early, and at_most_once forbids another attempt")


@pytest.mark.parametrize("polling", [None, Polling()])
def test_who_says_neither_when_nor_what_for_must_be_a_sensor(polling: Polling | None) -> None:
    run = one(polling=polling).start("a")
    if polling is None:
        with pytest.raises(InvalidEvent, match=r"AttemptDeferred cannot happen .* task 'a' is running"):
            run.feed(AttemptDeferred(0, 1, run.tick()))
    else:
        assert run.feed(AttemptDeferred(0, 1, run.tick())).letters == "d."


# --- When it gives up


def looks_too_long(**polling: object) -> Played:
    """A sensor with a time-out that has looked twice, and for the second time too late."""
    run = one(polling=Polling(interval=1.0, timeout=5.0, **polling))  # type: ignore[arg-type]
    woken(too_early(run))
    run.now += 60.0
    return too_early(run)


def test_a_sensor_that_has_waited_long_enough_fails_with_that_story() -> None:
    run = looks_too_long()
    assert (run.letters, run.verdict) == ("FU", "failed: task 'a' failed")
    story = "it waited for 5 s, and what it waits for has not come"
    assert run.engine.errors[0] == ErrorText("SensorTimeout", story)


def test_one_that_gives_up_softly_is_skipped_with_that_story() -> None:
    run = looks_too_long(soft_fail=True)
    assert (run.letters, run.verdict) == ("KK", "success")
    assert run.engine.skips == {0: "it waited for 5 s, and what it waits for has not come"}


def test_it_waits_since_its_first_attempt_began_and_not_beyond_its_time() -> None:
    run = one(polling=Polling(interval=4.0, timeout=5.0))
    began = run.now + 1.0
    assert too_early(run).commands == [SetTimer(0, run.now + 4.0)]
    assert too_early(woken(run)).commands == [SetTimer(0, began + 5.0)]
    assert run.engine.waiting_since == {0: began}


def test_an_error_of_before_is_gone_with_a_skip() -> None:
    soft = one(retries=1, polling=Polling(timeout=0.0, soft_fail=True)).fail("a")
    by_itself = one(retries=1).fail("a")
    for run in (soft, by_itself):
        assert run.engine.errors == {0: ERROR}
        run.feed(RetryDue(0, run.tick()))
    assert too_early(soft).letters == by_itself.skip("a").letters == "KK"
    assert soft.engine.errors == by_itself.engine.errors == {}


def test_a_group_is_not_tried_again_because_a_sensor_in_it_gave_up() -> None:
    again = TaskPolicy(retries=1)
    run = Played(plan_of({"a": "", "b": "a"}, retried={"a": again}, options={"a": {"polling": Polling(timeout=0.0)}}))
    assert too_early(run).letters == "FU"
    assert run.engine.rounds_due == {}


# --- Messages


def test_of_two_that_asked_at_once_the_first_of_the_plan_is_given_the_message() -> None:
    run = Played(plan_of({"a": "", "b": ""})).start("a", "b")
    run.feed(*(AttemptDeferred(slot, 1, run.now, None, "go") for slot in (1, 0)))
    assert run.feed(MessageReceived(run.tick(), "go", None, "ann")).letters == "rd"


def test_who_waits_when_the_run_is_to_end_is_cancelled_and_not_due_any_more() -> None:
    run = too_early(one(), until=60.0).feed(CancelRequested(9.0, "ann"))
    assert run.letters == "CC"
    assert run.engine.retries_due == {}
