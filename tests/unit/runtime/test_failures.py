"""Tasks that fail: what becomes of the others, what is tried again, and what is told."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any, NoReturn

import pytest

from penstock import PenstockError, RunFailed, Task, Workflow, WorkflowManager, current, task
from tests.unit.runtime.waiting import LONG, states


def manager_of(*tasks: Task, executor: str = "threads", **options: Any) -> WorkflowManager:
    manager = WorkflowManager("memory", executor, observers=[], **options)
    for one in tasks:
        manager.add_task(one)
    return manager


def fail(message: str = "no such table") -> NoReturn:
    raise ValueError(message)


def work(*values: object) -> None:
    """Anything."""


# --- The others


@pytest.mark.parametrize("executor", ["threads", "inline"])
def test_what_depends_on_a_failed_task_does_not_run_and_the_rest_does(executor: str) -> None:
    ran: list[str] = []
    run = manager_of(
        Task("extract", fail),
        Task("transform", ran.append, ["extract"], args=["transform"]),
        Task("load", ran.append, ["transform"], args=["load"]),
        Task("other", ran.append, args=["other"]),
        Task("after", ran.append, ["other"], args=["after"]),
        Task("both", ran.append, ["after", "extract"], args=["both"]),
        executor=executor,
    ).run(raise_on_failure=False)
    assert ran == ["other", "after"]
    assert states(run) == {
        "extract": "failed",
        "transform": "upstream_failed",
        "load": "upstream_failed",
        "other": "success",
        "after": "success",
        "both": "upstream_failed",
    }
    assert run.state == "failed"


def test_a_task_that_runs_when_another_fails_is_left_running() -> None:
    failed, began = threading.Event(), threading.Event()

    def slow() -> str:
        began.set()
        assert failed.wait(LONG)
        return "done"

    def failing() -> None:
        assert began.wait(LONG)
        try:
            fail()
        finally:
            failed.set()

    run = manager_of(Task("slow", slow), Task("failing", failing), workers=2).run(raise_on_failure=False)
    assert run.task("slow").result == "done"


# --- What is told


def test_a_failed_run_raises_with_the_run_the_task_and_the_error() -> None:
    manager = manager_of(Task("extract", fail), Task("load", work, ["extract"]))
    with pytest.raises(RunFailed) as caught:
        manager.run()
    run = caught.value.run
    assert run.id == manager.get().id
    assert run.state == "failed"
    for part in (run.id, "failed", "'extract'", "ValueError: no such table"):
        assert part in str(caught.value)
    assert run.error == "task 'extract' failed"
    assert run.task("extract").error == "ValueError: no such table"
    assert run.task("load").error is None


def test_a_traceback_begins_where_the_users_code_does() -> None:
    run = manager_of(Task("extract", fail)).run(raise_on_failure=False)
    traceback = run.task("extract").traceback
    assert traceback is not None
    lines = traceback.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert __file__ in lines[1]
    assert "penstock/executor" not in traceback
    assert lines[-1] == "ValueError: no such table"


def test_a_cause_is_part_of_the_traceback() -> None:
    def extract() -> None:
        try:
            fail("the cause")
        except ValueError as error:
            raise RuntimeError("the effect") from error

    traceback = manager_of(Task("extract", extract)).run(raise_on_failure=False).task("extract").traceback
    assert traceback is not None
    assert "ValueError: the cause" in traceback
    assert "direct cause" in traceback


def test_many_failures_are_told_in_sum() -> None:
    run = manager_of(*(Task(f"t{n}", fail) for n in range(5))).run(raise_on_failure=False)
    assert run.error is not None
    assert run.error.startswith("5 tasks failed: ")


def test_the_console_tells_of_a_failure_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    manager = WorkflowManager("memory")
    manager.add_task(Task("extract", fail, args=["first line\nsecond line"]))
    manager.run(raise_on_failure=False)
    out, err = capsys.readouterr()
    assert out == "Running task: extract\n"
    assert "extract failed: ValueError: first line" in err


class Odd(BaseException):
    """Not an Exception."""


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("cannot speak")


class WrongText(Exception):
    def __str__(self) -> str:
        return 3  # type: ignore[return-value]  # noqa: PLE0307


class Unprintable(Exception):
    def __repr__(self) -> str:
        raise RuntimeError("cannot be shown")


ODDITIES: dict[str, tuple[Callable[[], BaseException], str]] = {
    "BaseException": (lambda: Odd("odd"), "Odd"),
    "SystemExit": (lambda: SystemExit(3), "SystemExit"),
    "KeyboardInterrupt": (KeyboardInterrupt, "KeyboardInterrupt"),
    "GeneratorExit": (GeneratorExit, "GeneratorExit"),
    "StopIteration": (lambda: StopIteration(1), "StopIteration"),
    "MemoryError": (MemoryError, "MemoryError"),
    "RecursionError": (lambda: RecursionError("deep"), "RecursionError"),
    "without a message": (ValueError, "ValueError"),
    "whose text cannot be read": (Mute, "Mute"),
    "whose text is no text": (WrongText, "WrongText"),
    "that cannot be shown": (Unprintable, "Unprintable"),
    "with odd characters": (lambda: ValueError("\ud800\x00\x1b[31m"), "ValueError"),
    "with a long message": (lambda: ValueError("x" * 1_000_000), "ValueError"),
    "group": (lambda: ExceptionGroup("many", [ValueError("a"), TypeError("b")]), "ExceptionGroup"),
    "group of base exceptions": (lambda: BaseExceptionGroup("many", [Odd()]), "BaseExceptionGroup"),
    "of Penstock": (lambda: PenstockError("ours"), "PenstockError"),
}


@pytest.mark.parametrize("executor", ["threads", "inline"])
@pytest.mark.parametrize("kind", ODDITIES)
def test_whatever_a_body_raises_fails_its_task_and_no_more(kind: str, executor: str) -> None:
    make, name = ODDITIES[kind]

    def odd() -> None:
        raise make()

    run = manager_of(Task("odd", odd), Task("other", work), executor=executor, workers=1).run(raise_on_failure=False)
    assert states(run) == {"odd": "failed", "other": "success"}
    error = run.task("odd").error
    assert error is not None
    assert name in error.split(":")[0]
    assert run.task("odd").traceback


HOSTILE = """
from penstock import Task, WorkflowManager
class Hostile(Exception):
    def __str__(self):
        raise {raised}
def odd():
    raise Hostile
manager = WorkflowManager("memory", "{executor}", workers=1, observers=[])
manager.add_task(Task("odd", odd))
manager.add_task(Task("other", print))
run = manager.run(raise_on_failure=False)
print([task.state for task in run.tasks])
"""


@pytest.mark.parametrize(("raised", "executor"), [("SystemExit(3)", "threads"), ("KeyboardInterrupt", "inline")])
def test_an_error_whose_text_ends_the_thread_that_reads_it_does_not_hang_the_run(raised: str, executor: str) -> None:
    code = HOSTILE.format(raised=raised, executor=executor)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=10, check=False)
    assert "['failed', 'success']" in done.stdout, done.stderr


def test_a_failure_to_store_a_value_fails_the_task_and_no_more() -> None:
    class Stubborn:
        def __reduce__(self) -> NoReturn:
            raise SystemExit(3)

    run = manager_of(Task("odd", Stubborn), Task("other", work), workers=1).run(raise_on_failure=False)
    assert states(run)["other"] == "success"
    assert states(run)["odd"] in ("failed", "success")


# --- Trying again


def flaky(failures: int, kind: type[BaseException] = ValueError) -> Callable[[], int]:
    """A body that fails so many times, then returns the number of its attempt."""
    attempts: list[int] = []

    def body() -> int:
        attempts.append(current().attempt)
        if len(attempts) <= failures:
            raise kind(f"failure {len(attempts)}")
        assert attempts == list(range(1, len(attempts) + 1))
        return len(attempts)

    return body


@pytest.mark.parametrize("executor", ["threads", "inline"])
@pytest.mark.parametrize(("retries", "failures", "state"), [(0, 1, "failed"), (2, 2, "success"), (2, 3, "failed")])
def test_a_task_is_tried_as_often_as_it_may(executor: str, retries: int, failures: int, state: str) -> None:
    run = manager_of(Task("flaky", flaky(failures), retries=retries), executor=executor).run(raise_on_failure=False)
    flaky_task = run.task("flaky")
    assert flaky_task.state == state
    assert flaky_task.attempts == min(failures, retries) + 1
    if state == "success":
        assert flaky_task.error is None


def test_what_depends_on_a_task_waits_for_its_retries() -> None:
    ran: list[object] = []
    first = Task("flaky", flaky(2), retries=2)
    manager_of(first, Task("after", ran.append, args=[first])).run()
    assert ran == [3]


RETRY_ON: list[tuple[Any, type[BaseException], bool]] = [
    (ValueError, ValueError, True),
    (ValueError, UnicodeError, True),
    (ValueError, KeyError, False),
    ((ValueError, KeyError), KeyError, True),
    (Exception, Odd, False),
    (BaseException, Odd, True),
    (SystemExit, SystemExit, True),
    ((), ValueError, False),
]


@pytest.mark.parametrize(("retry_on", "kind", "again"), RETRY_ON, ids=range(len(RETRY_ON)))
def test_only_the_named_exceptions_are_tried_again(retry_on: Any, kind: type[BaseException], again: bool) -> None:
    body = flaky(1, kind if kind is not UnicodeError else ValueError)
    run = manager_of(Task("flaky", body, retries=1, retry_on=retry_on)).run(raise_on_failure=False)
    assert run.task("flaky").state == ("success" if again else "failed")


def test_by_default_every_exception_is_tried_again_and_nothing_else() -> None:
    for kind, again in ((Exception, True), (KeyError, True), (Odd, False), (SystemExit, False)):
        run = manager_of(Task("flaky", flaky(1, kind), retries=1)).run(raise_on_failure=False)
        assert (run.task("flaky").state == "success") == again


def test_a_default_of_the_workflow_counts_for_the_exceptions_too() -> None:
    flow = Workflow("flow", defaults={"retries": 1, "retry_on": KeyError})
    flow.add_task(Task("a", flaky(1, KeyError)))
    flow.add_task(Task("b", flaky(1, ValueError)))
    run = WorkflowManager("memory", observers=[]).run(flow, raise_on_failure=False)
    assert states(run) == {"a": "success", "b": "failed"}


@pytest.mark.parametrize("executor", ["threads", "inline"])
def test_a_retry_comes_though_nothing_else_happens_meanwhile(executor: str) -> None:
    run = manager_of(Task("flaky", flaky(2), retries=2, retry_delay=0.02, retry_backoff=2.0), executor=executor).run()
    assert run.task("flaky").attempts == 3


def test_the_workers_do_other_work_while_a_task_waits_for_its_retry() -> None:
    other_done = threading.Event()

    def flaky_until_other() -> None:
        if not other_done.is_set():
            raise ValueError("not yet")

    manager = manager_of(
        Task("flaky", flaky_until_other, retries=500, retry_delay=0.005), Task("other", other_done.set), workers=1
    )
    assert manager.run().state == "success"


def test_the_console_announces_each_attempt(capsys: pytest.CaptureFixture[str]) -> None:
    manager = WorkflowManager("memory")
    manager.add_task(Task("flaky", flaky(1), retries=1))
    manager.run()
    out, err = capsys.readouterr()
    assert out.splitlines() == ["Running task: flaky", "Running task: flaky (attempt 2)"]
    assert "ValueError: failure 1" in err


@task(retries=1)
def fragile() -> int:
    return 1


def test_a_failed_attempt_leaves_its_error_only_while_it_is_the_last_word() -> None:
    run = manager_of(Task("flaky", flaky(1), retries=1)).run()
    assert run.task("flaky").error is None
    assert run.task("flaky").traceback is None
