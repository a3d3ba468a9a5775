"""Ready-made tasks that wait: for a time, a file, a message, another run."""

from __future__ import annotations

import os
import time as clock
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from penstock import (
    Run,
    Workflow,
    WorkflowManager,
    task,
    wait_for_file,
    wait_for_message,
    wait_for_run,
    wait_for_time,
)
from penstock.executor.waits.times import _next
from tests.unit.runtime.clocks import TurnedClock
from tests.unit.runtime.waiting import Background, error_of, eventually, states

EXECUTORS = ("threads", "inline", "processes")


def run_of(make: Callable[[], object], **options: Any) -> Run:
    with Workflow("flow") as flow:
        make()
    with WorkflowManager(store="memory", observers=[], **options) as manager:
        return manager.run(flow, raise_on_failure=False)


# --- A file


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_file_that_comes_later(executor: str) -> None:
    @task
    def deliver() -> None:
        Path("orders.csv").write_text("3,1,2")

    @task
    def count(path: Path) -> int:
        return len(path.read_text())

    waits = wait_for_file.options(poll_interval=0.01)
    run = run_of(lambda: [count(waits("orders.csv")), deliver()], executor=executor, workers=1)
    assert (run.task("count").result, run.task("wait_for_file").result) == (5, Path("orders.csv"))
    assert run.task("wait_for_file").attempts > 1


def test_a_path_may_be_an_output_or_many() -> None:
    @task
    def name() -> str:
        return "here"

    Path("here").mkdir()
    run = run_of(lambda: [wait_for_file(name()), wait_for_file.named("many").expand(path=["here", Path("here")])])
    assert run.task("wait_for_file").result == Path("here")
    assert run.task("many").result == [Path("here")] * 2


def test_a_file_that_is_still_being_written() -> None:
    file = Path("orders.csv")
    file.touch()
    waits = wait_for_file.options(poll_interval=0.01, poll_timeout=0.05, soft_fail=True)
    assert states(run_of(lambda: waits(file, unchanged_for=3600))) == {"wait_for_file": "skipped"}
    long_ago = clock.time() - 7200
    os.utime(file, (long_ago, long_ago))
    assert states(run_of(lambda: waits(file, unchanged_for=3600))) == {"wait_for_file": "success"}


def test_a_folder_that_is_none_is_no_error_and_one_that_may_not_be_read_is() -> None:
    Path("file").touch()
    waits = wait_for_file.options(poll_interval=0.01, poll_timeout=0.02)
    assert "SensorTimeout" in error_of(run_of(lambda: waits("file/below")), "wait_for_file")
    assert "embedded null" in error_of(run_of(lambda: waits("a\0b")), "wait_for_file")


# --- A time


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("pause", [0.05, timedelta(milliseconds=50)], ids=str)
def test_a_pause(executor: str, pause: Any) -> None:
    before = datetime.now(UTC)
    one = run_of(lambda: wait_for_time(pause), executor=executor).task("wait_for_time")
    assert one.attempts >= 2
    assert before + timedelta(milliseconds=50) <= one.result <= datetime.now(UTC)


def test_a_moment() -> None:
    at = datetime.now(UTC) + timedelta(milliseconds=50)
    for until in (at, at.astimezone(ZoneInfo("Asia/Tokyo")), at.astimezone().replace(tzinfo=None)):
        run = run_of(lambda until=until: wait_for_time(until))  # type: ignore[misc]
        assert run.task("wait_for_time").result == at
    in_tokyo = at.astimezone(ZoneInfo("Asia/Tokyo")).replace(tzinfo=None)
    assert run_of(lambda: wait_for_time(in_tokyo, timezone="Asia/Tokyo")).task("wait_for_time").result == at
    assert datetime.now(UTC) >= at


def test_one_that_has_been_is_not_waited_for() -> None:
    one = run_of(lambda: wait_for_time(datetime(2013, 1, 2, tzinfo=UTC))).task("wait_for_time")
    assert (one.result, one.attempts) == (datetime(2013, 1, 2, tzinfo=UTC), 1)


def test_a_time_of_day_is_the_next() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    begun = datetime(2013, 3, 30, 12, tzinfo=berlin).timestamp()
    for of_day, expected in (
        (time(12), datetime(2013, 3, 30, 12, tzinfo=berlin)),
        (time(13), datetime(2013, 3, 30, 13, tzinfo=berlin)),
        (time(11), datetime(2013, 3, 31, 11, tzinfo=berlin)),  # 22 hours later, since the clocks go forward
        (time(2, 30), datetime(2013, 3, 31, 2, 30, tzinfo=berlin)),
    ):
        assert _next(of_day, berlin, begun) == expected.timestamp()


def test_of_a_time_of_day_too() -> None:
    at = (datetime.now(UTC) - timedelta(hours=1)).timetz()  # which is in 23 hours
    with Workflow("flow") as flow:
        wait_for_time(at)
    with WorkflowManager(store="memory", observers=[]) as manager:
        manager._clock = here = TurnedClock()
        run = manager.run(flow, park=True)
        here.turned += 86_400
        assert manager.resume(run.id, flow).task("wait_for_time").result.timetz() == at


@pytest.mark.parametrize(
    ("until", "timezone", "why"),
    [
        ("08:00", None, "'08:00' is no time to wait for: give a datetime"),
        (True, None, "True is no time to wait for"),
        (float("nan"), None, "nan is no time to wait for"),
        (1e30, None, "1e+30 is no time to wait for"),
        (time(8), "Europe/Nowhere", "there is no time zone 'Europe/Nowhere'"),
        (time(8), "../etc", "there is no time zone '../etc'"),
    ],
    ids=str,
)
def test_what_is_no_time_is_no_reason_to_wait(until: Any, timezone: str | None, why: str) -> None:
    one = run_of(lambda: wait_for_time.options(retries=2)(until, timezone=timezone)).task("wait_for_time")
    assert why in (one.error or "")
    assert one.attempts == 1


# --- A message


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_message_is_a_value(executor: str) -> None:
    @task
    def twice(value: int) -> int:
        return 2 * value

    with Workflow("flow") as flow:
        twice(wait_for_message("amount"))
    with WorkflowManager(store="memory", executor=executor, observers=[]) as manager:
        driving = Background(lambda: manager.run(flow))
        eventually(lambda: manager.runs() and manager.runs()[0].task("wait_for_message").state == "deferred")
        manager.runs()[0].send("amount", 21)
        assert driving.result().task("twice").result == 42


def test_a_message_that_does_not_come() -> None:
    def make() -> None:
        wait_for_message.named("default")("a", timeout=0.02, default=None)
        wait_for_message.named("soft")("b", timeout=0.02, soft_fail=True)
        wait_for_message.named("hard")("c", timeout=0.02)

    run = run_of(make)
    assert states(run) == {"default": "success", "soft": "skipped", "hard": "failed"}
    assert run.task("default").result is None
    assert run.task("soft").reason == "it waited for 0.02 s, and nobody has sent a message 'b'"


# --- Another run


@pytest.mark.parametrize("executor", EXECUTORS)
def test_the_end_of_another_run(executor: str) -> None:
    with Workflow("other") as other:
        wait_for_message("go")
    with Workflow("fails") as fails:
        wait_for_message("never", timeout=0.01)
    with WorkflowManager(store="memory", executor=executor, observers=[]) as manager:
        driving = Background(lambda: manager.run(other))
        eventually(manager.runs)
        [going] = manager.runs()
        failed = manager.run(fails, raise_on_failure=False)

        waits = wait_for_run.options(poll_interval=0.01, retries=2)
        with Workflow("flow") as flow:
            waits.named("ends")(going.id)
            waits.named("fails")(failed.id)
            waits.named("any")(failed.id[:11], states=("success", "failed"))
            waits.named("none")("nowhere")
        mine = Background(lambda: manager.run(flow, raise_on_failure=False))
        eventually(lambda: manager.runs("flow") and manager.runs("flow")[0].task("ends").attempts > 1)
        going.send("go")
        driving.result()
        run = mine.result()
    assert states(run) == {"ends": "success", "fails": "failed", "any": "success", "none": "failed"}
    assert (run.task("ends").result, run.task("any").result) == ("success", "failed")
    assert run.task("fails").error == f"Fail: run {failed.id} has ended, and is failed"
    assert run.task("fails").attempts == run.task("none").attempts == 1


def test_nobody_waits_for_oneself_or_for_a_state_that_is_none() -> None:
    @task
    def own() -> str:
        from penstock import current

        return current().run_id

    @task
    def beginning(run_id: str) -> str:
        return run_id[:-1]

    def make() -> None:
        wait_for_run(own())
        wait_for_run.named("shortened")(beginning(own()))
        wait_for_run.named("odd")("0123", states=("running",))

    run = run_of(make)
    for name in ("wait_for_run", "shortened"):
        assert "a run that waits for its own end waits for ever" in error_of(run, name)
    assert "a run ends as success, failed or cancelled" in error_of(run, "odd")


# --- Why


def test_why_says_what_is_waited_for() -> None:
    waits = wait_for_file.options(poll_timeout=0.05, poll_interval=0.02)
    with Workflow("flow") as flow:
        waits("inbox/orders.csv")
        wait_for_time(datetime(2100, 1, 1, 8, 0))
        wait_for_message("paid")
    with WorkflowManager(store="memory", observers=[]) as manager:
        driving = Background(lambda: manager.run(flow, raise_on_failure=False))
        eventually(lambda: manager.runs() and "deferred" in states(manager.runs()[0]).values())
        eventually(lambda: states(manager.runs()[0])["wait_for_time"] == "deferred")
        run = manager.runs()[0]
        text = run.why("wait_for_time").steps[0].text
        assert text == (
            "waits for 2100-01-01 08:00:00: it has come too early once, and is called again at 2100-01-01 08:00:00"
        )
        eventually(lambda: states(manager.runs()[0])["wait_for_message"] == "deferred")
        manager.cancel(run.id)
        with pytest.raises(Exception, match="cancelled"):
            raise RuntimeError(driving.result().state)
