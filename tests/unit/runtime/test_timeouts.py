"""Bodies that run too long: asked, then ended, then given up."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from typing import Any

import pytest

from penstock import RunFailed, Task, TaskCancelled, TaskTimeout, Workflow, WorkflowManager, current
from tests.unit.runtime.waiting import LONG, Background, come, error_of, eventually, states

SHORT = 0.05


def manager_of(*tasks: Task, executor: str = "threads", **options: Any) -> WorkflowManager:
    manager = WorkflowManager("memory", executor, observers=[], **options)
    for one in tasks:
        manager.add_task(one)
    return manager


def heed() -> str:
    """Run until asked to end."""
    pause = threading.Event()
    while not current().cancelled:
        pause.wait(0.002)
    return "what was done so far"


def spin() -> None:
    while True:
        pass


# --- Of a task


@pytest.mark.parametrize("executor", ["threads", "inline"])
@pytest.mark.parametrize("body", [heed, spin], ids=["heeds", "spins"])
def test_a_body_that_runs_too_long_fails_its_task(body: Any, executor: str) -> None:
    run = manager_of(Task("slow", body, timeout=SHORT), Task("other", int), executor=executor).run(
        raise_on_failure=False
    )
    assert states(run) == {"slow": "failed", "other": "success"}
    assert error_of(run, "slow").startswith("TaskTimeout: ")
    assert "0.05 s" in error_of(run, "slow")


def test_a_body_is_asked_before_it_is_ended() -> None:
    asked: list[bool] = []

    def slow() -> None:
        try:
            spin()
        except BaseException:
            asked.append(current().cancelled)
            raise

    manager_of(Task("slow", slow, timeout=SHORT)).run(raise_on_failure=False)
    assert asked == [True]


def test_a_body_that_is_ended_may_clean_up() -> None:
    cleaned = threading.Event()

    def slow() -> None:
        try:
            spin()
        finally:
            cleaned.set()

    manager_of(Task("slow", slow, timeout=SHORT)).run(raise_on_failure=False)
    assert cleaned.is_set()


def test_the_traceback_shows_where_the_body_was() -> None:
    run = manager_of(Task("slow", spin, timeout=SHORT)).run(raise_on_failure=False)
    traceback = run.task("slow").traceback
    assert traceback is not None
    assert "in spin" in traceback


def test_an_exception_after_the_question_is_the_timeouts_doing() -> None:
    def slow() -> None:
        heed()
        raise ConnectionError("closed under me")

    run = manager_of(Task("slow", slow, timeout=SHORT)).run(raise_on_failure=False)
    assert error_of(run, "slow").startswith("TaskTimeout")


def test_a_timeout_is_tried_again_like_any_failure() -> None:
    def slow_at_first() -> int:
        if current().attempt == 1:
            spin()
        return current().attempt

    run = manager_of(Task("slow", slow_at_first, timeout=1.0, retries=1)).run()
    assert run.task("slow").result == 2


@pytest.mark.parametrize(("retry_on", "attempts"), [(TaskTimeout, 2), (ValueError, 1)])
def test_a_timeout_goes_by_retry_on(retry_on: Any, attempts: int) -> None:
    manager = manager_of(Task("slow", spin, timeout=SHORT, retries=1, retry_on=retry_on))
    assert manager.run(raise_on_failure=False).task("slow").attempts == attempts


def test_a_body_that_will_not_end_is_given_up_and_its_worker_replaced() -> None:
    release, returned = threading.Event(), threading.Event()

    def stubborn() -> str:
        while not release.is_set():
            try:
                release.wait(0.01)
            except BaseException:
                pass
        returned.set()
        return "too late"

    manager = manager_of(Task("stubborn", stubborn, timeout=SHORT), Task("other", int), workers=1, grace=0.05)
    try:
        run = manager.run(raise_on_failure=False)
        assert states(run) == {"stubborn": "failed", "other": "success"}
        assert "did not end when told to" in error_of(run, "stubborn")
    finally:
        release.set()
    come(returned)
    assert states(manager.get(run.id)) == {"stubborn": "failed", "other": "success"}


def test_a_body_in_time_is_left_alone() -> None:
    run = manager_of(Task("quick", lambda: current().cancelled, timeout=LONG)).run()
    assert run.task("quick").result is False


def test_a_timeout_does_not_reach_the_body_that_follows_in_the_same_worker() -> None:
    ran: list[int] = []
    tasks: list[Task] = []
    for number in range(6):
        tasks.append(Task(f"slow{number}", spin, timeout=0.005))
        tasks.append(Task(f"t{number}", ran.append, args=[number]))
    run = manager_of(*tasks, workers=1).run(raise_on_failure=False)
    assert sorted(ran) == list(range(6))
    assert {task.name for task in run.tasks if task.state == "failed"} == {f"slow{n}" for n in range(6)}


ENDED_BY_FORCE = """
import sys
from penstock import Task, WorkflowManager

def spin():
    while True: int()

manager = WorkflowManager("memory", observers=[])
manager.add_task(Task("slow", spin, timeout=0.01))
print(manager.run(raise_on_failure=False).state, flush=True)

def traced(): ...

sys.settrace(lambda *arguments: None)
traced()
sys.settrace(None)
print("and on it goes")
"""


def test_after_a_body_was_ended_by_force_a_debugger_or_coverage_still_works() -> None:
    command = [sys.executable, "-c", ENDED_BY_FORCE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    assert done.stdout == "failed\nand on it goes\n"


# --- Of a run


def test_a_run_that_takes_too_long_fails_and_what_is_left_is_cancelled() -> None:
    flow = Workflow("flow", timeout=0.5)
    flow.add_task(Task("quick", int))
    flow.add_task(Task("slow", heed))
    flow.add_task(Task("after", int, ["slow"]))
    with pytest.raises(RunFailed, match=r"timed out after 0\.5 s") as caught:
        WorkflowManager("memory", observers=[]).run(flow)
    run = caught.value.run
    assert run.state == "failed"
    assert states(run) == {"quick": "success", "slow": "cancelled", "after": "cancelled"}


def test_a_run_that_takes_too_long_ends_bodies_that_do_not_look() -> None:
    flow = Workflow("flow", timeout=SHORT)
    flow.add_task(Task("slow", spin))
    run = WorkflowManager("memory", observers=[], grace=0.05).run(flow, raise_on_failure=False)
    assert states(run) == {"slow": "cancelled"}


def test_a_run_that_takes_too_long_waits_for_no_retry() -> None:
    flow = Workflow("flow", timeout=SHORT)
    flow.add_task(Task("flaky", lambda: 1 / 0, retries=3, retry_delay=3600))
    run = WorkflowManager("memory", observers=[]).run(flow, raise_on_failure=False)
    assert states(run) == {"flaky": "cancelled"}


# --- Async functions


@pytest.mark.parametrize("executor", ["threads", "inline"])
def test_an_async_function_is_a_task(executor: str) -> None:
    async def extract() -> int:
        await asyncio.sleep(0)
        return current().attempt

    run = manager_of(Task("extract", extract), executor=executor).run()
    assert run.task("extract").result == 1


def test_async_tasks_run_at_the_same_time() -> None:
    barrier = threading.Barrier(2, timeout=LONG)

    async def meet() -> int:
        return await asyncio.get_running_loop().run_in_executor(None, barrier.wait)

    run = manager_of(Task("a", meet), Task("b", meet), workers=2).run()
    assert run.state == "success"


def test_an_async_body_that_waits_is_cancelled_when_its_time_is_up() -> None:
    cancelled = threading.Event()

    async def wait() -> None:
        try:
            await asyncio.sleep(LONG)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    run = manager_of(Task("wait", wait, timeout=SHORT)).run(raise_on_failure=False)
    assert error_of(run, "wait").startswith("TaskTimeout")
    assert cancelled.is_set()


def test_an_async_body_that_will_not_end_is_given_up() -> None:
    release, returned = threading.Event(), threading.Event()

    async def stubborn() -> None:
        while not release.is_set():
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                pass
        returned.set()

    manager = manager_of(Task("stubborn", stubborn, timeout=SHORT), Task("other", int), workers=1, grace=0.05)
    try:
        run = manager.run(raise_on_failure=False)
        assert states(run) == {"stubborn": "failed", "other": "success"}
    finally:
        release.set()
    come(returned)


def test_an_async_body_that_raises_fails_its_task() -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        raise ValueError("no such table")

    run = manager_of(Task("fail", fail)).run(raise_on_failure=False)
    assert error_of(run, "fail") == "ValueError: no such table"


WITHIN_A_LOOP = """
import asyncio
from penstock import Task, WorkflowManager

async def extract():
    await asyncio.sleep(0)
    return 7

async def main():
    manager = WorkflowManager("memory", "{executor}", observers=[])
    manager.add_task(Task("extract", extract))
    print(manager.run(raise_on_failure=False).task("extract").result)

asyncio.run(main())
"""


@pytest.mark.parametrize("executor", ["threads", "inline"])
def test_a_run_within_an_event_loop_runs_async_tasks(executor: str) -> None:
    """As in a notebook, whose cells run within one."""

    code = WITHIN_A_LOOP.format(executor=executor)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=LONG, check=False)
    assert (done.stdout, done.stderr) == ("7\n", "")


# --- Cancelling


def running_manager(body: Any, **options: Any) -> tuple[WorkflowManager, Background]:
    """A manager whose run is under way in another thread, with `body` running in it."""
    began = threading.Event()

    def watched() -> Any:
        began.set()
        return body()

    manager = manager_of(Task("first", int), Task("slow", watched, ["first"]), Task("after", int, ["slow"]), **options)
    background = Background(lambda: manager.run(raise_on_failure=False))
    come(began)
    return manager, background


@pytest.mark.parametrize("executor", ["threads", "inline"])
@pytest.mark.parametrize("body", [heed, spin], ids=["heeds", "spins"])
def test_a_run_is_cancelled_from_another_thread(body: Any, executor: str) -> None:
    manager, background = running_manager(body, executor=executor, grace=0.05)
    [run] = manager.runs()
    assert run.state == "running"
    manager.cancel(run.id, by="ann")
    ended = background.result()
    assert (ended.state, ended.error) == ("cancelled", "cancelled by ann")
    assert states(ended) == {"first": "success", "slow": "cancelled", "after": "cancelled"}
    assert manager.get(run.id).state == "cancelled"


def test_a_cancelled_run_raises_like_a_failed_one() -> None:
    began = threading.Event()
    manager = manager_of(Task("slow", lambda: began.set() or heed()))  # type: ignore[func-returns-value]
    background = Background(manager.run)
    come(began)
    manager.cancel()
    with pytest.raises(RunFailed, match="cancelled"):
        background.result()


def test_a_body_that_finishes_without_having_looked_has_succeeded() -> None:
    release = threading.Event()

    def deaf() -> str:
        assert release.wait(LONG)
        return "done"

    manager, background = running_manager(deaf, grace=LONG)
    manager.cancel(by="ann")
    eventually(lambda: states(manager.get())["after"] == "cancelled")
    release.set()
    run = background.result()
    assert run.task("slow").result == "done"
    assert run.state == "cancelled"


def test_a_cancelled_run_can_be_resumed() -> None:
    once = threading.Event()
    manager, background = running_manager(lambda: "done" if once.is_set() else heed())
    manager.cancel()
    background.result()
    once.set()
    assert manager.resume().task("slow").result == "done"


def test_a_run_that_has_ended_cannot_be_cancelled() -> None:
    manager = manager_of(Task("quick", int))
    manager.run()
    with pytest.raises(Exception, match="has ended already: it is success"):
        manager.cancel()


def test_a_task_may_say_itself_that_it_was_cancelled() -> None:
    def slow() -> None:
        heed()
        raise TaskCancelled("as asked")

    manager, background = running_manager(slow)
    manager.cancel()
    assert states(background.result())["slow"] == "cancelled"
