"""`penstock debug`: a task again, with its inputs, and nothing of it on record."""

from __future__ import annotations

import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from penstock import Task, Workflow, WorkflowManager
from penstock.errors import PenstockError, TaskNotFound
from tests.integration.commands import PENSTOCK, penstock, read, read_json, start, write
from tests.integration.waiting import wait_until

FLOW = """\
    from __future__ import annotations
    import asyncio
    import time
    from pathlib import Path
    from threading import Lock
    from penstock import TaskGroup, current, setup, task, teardown, workflow

    @task
    def numbers() -> list[int]:
        return [1, 0, 2]

    @task
    def divide(number: int) -> float:
        print("divides by", number)
        return 1 / number

    @task
    def add(shares: list[float]) -> float:
        return sum(shares)

    @task
    async def later(number: int) -> int:
        more = number + 1
        await asyncio.sleep(0)
        return more

    @task
    def lock():
        return Lock()

    @task
    def uses(lock) -> None:
        raise ValueError("cannot")

    @task
    def large() -> bytes:
        return b"x" * 100_000

    @task
    def takes(large: bytes) -> str:
        print(current().idempotency_key, current().attempt, current().params)
        return f"{len(large)}"

    @setup
    def room() -> str:
        return "room"

    @task(at_most_once=True)
    def work(room: str) -> None:
        raise OSError("lost")

    @teardown
    def close(room: str) -> None: ...

    @task
    def gate() -> None:
        Path("begun").touch()
        while not current().cancelled:
            time.sleep(0.01)

    @task
    def after(gate: None) -> None: ...

    @workflow
    def flow(day: int = 3):
        add(divide.expand(number=numbers()))
        later(1)
        uses(lock())
        takes(large())
        opened = room()
        with close(opened):
            work(opened)

    @workflow
    def waits():
        after(gate())

    @workflow
    def grouped():
        with TaskGroup("all"):
            large(), numbers()
    """


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write("flow.py", FLOW)


def debug(*arguments: str, typed: str = "", code: int = 0) -> subprocess.CompletedProcess[str]:
    """Type into the debugger of a task."""
    command = [*PENSTOCK, "debug", *arguments]
    done = subprocess.run(command, input=typed, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def on_record() -> object:
    return read_json("show"), read("logs")


def test_the_debugger_opens_where_the_first_failed_instance_failed_and_nothing_is_recorded():
    penstock("run", "flow.py:flow", code=1)
    before = on_record()
    told = debug("divide", typed="p number\nw\nq\n", code=1)
    assert "number = 0" in told.stderr
    assert "Nothing of it is recorded" in told.stderr
    assert "what the body does to files, databases and services is done" in told.stderr
    assert "ZeroDivisionError" in told.stderr
    assert "divides by 0" in told.stdout
    assert "(Pdb) 0\n" in told.stdout
    assert on_record() == before


def test_an_instance_by_its_index_returns_and_so_does_a_task_that_succeeded():
    penstock("run", "flow.py:flow", code=1)
    run = read_json("show")["id"]
    assert debug(run, "divide", "--index", "2").stdout.endswith("Task divide[2] returned 0.5\n")
    told = debug(run, "takes")
    assert f"{run}:takes:0:0 1 {{'day': 3}}" in told.stdout
    assert told.stdout.endswith("Task takes returned '100000'\n")


@pytest.mark.parametrize(("task", "number"), [("divide[2]", "number"), ("later", "number")])
def test_it_may_stop_at_the_first_line_of_a_plain_or_async_body(task: str, number: str):
    penstock("run", "flow.py:flow", code=1)
    told = debug(task, "--break", typed=f"p ('here', {number})\nnumber = 4\nc\n")
    assert "('here', " in told.stdout
    assert f"Task {task} returned" in told.stdout


def test_the_code_is_that_of_the_file_as_it_is_now():
    penstock("run", "flow.py:flow", code=1)
    path = Path("flow.py")
    path.write_text(path.read_text().replace("return 1 / number", "return 1 / (number or 1)"))
    told = debug("divide")
    assert "its code has changed since" in told.stderr
    assert told.stdout.endswith("Task divide[1] returned 1.0\n")
    path.write_text(path.read_text().replace("    add(divide", "    numbers.named('more')()\n    add(divide"))
    assert debug("divide").stdout.endswith("Task divide[1] returned 1.0\n")


def test_inputs_that_are_gone_say_how_they_are_made_again():
    penstock("run", "flow.py:flow", code=1)
    told = debug("uses", code=1).stderr
    assert "the value of task 'lock' was not kept, since it cannot be pickled" in told
    assert "--from lock --executor inline" in told
    shutil.rmtree(".penstock/results")
    assert "--only large makes it again" in debug("takes", code=1).stderr


def test_what_should_not_be_done_twice_or_may_not_be_there_is_said():
    penstock("run", "flow.py:flow", code=1)
    told = debug("work", "--no-pdb", code=1)
    assert "it is at_most_once, and has begun before" in told.stderr
    assert "what 'room' set up has been torn down by 'close'" in told.stderr
    assert "(Pdb)" not in told.stdout
    assert "it has not run in this run, since 'divide[1]' failed" in debug("add", "--no-pdb", code=1).stderr


def test_a_task_that_runs_is_left_alone_and_after_a_kill_is_not():
    process = start("run", "flow.py:waits")
    wait_until(lambda: Path("begun").exists(), "the gate is reached")
    assert "is running just now" in debug("gate", code=4).stderr
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert "which is running: there is nothing to give it yet" in debug("after", code=2).stderr


def test_what_has_no_body_is_refused():
    penstock("run", "flow.py:flow", code=1)
    assert "did you mean 'divide'?" in debug("divied", code=3).stderr
    assert "give a run and a task" in debug("a", "b", "c", code=2).stderr
    penstock("run", "flow.py:grouped")
    assert "'all' is a group" in debug("all", code=2).stderr


def test_from_python_the_error_is_raised_and_the_value_returned():
    def half(number: int) -> float:
        return number / 2

    flow = Workflow("flow")
    flow.add_task(Task("a", half, args=[3]))
    flow.add_task(Task("b", half, args=["three"]))
    with WorkflowManager("memory", "inline") as manager:
        run = manager.run(flow, raise_on_failure=False)
        assert manager.debug(run.id, "a", flow) == 1.5
        assert manager.debug(run.id, "a", flow, call=lambda body, *args: (body, args)) == (half, (3,))
        with pytest.raises(TypeError):
            manager.debug(None, "b", flow)
        with pytest.raises(TaskNotFound):
            manager.debug(None, "c", flow)
        with pytest.raises(PenstockError, match="came from no file"):
            manager.debug(None, "a")
        assert [attempt.task for attempt in manager.get().attempts] == ["a", "b"]
