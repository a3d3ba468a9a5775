"""The exception with which a task failed, as an object."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from penstock import Fail, Run, TaskTimeout, WorkflowManager, current, task, workflow


class Refused(Exception):
    def __init__(self, host: str, *, port: int) -> None:
        super().__init__(f"{host}:{port}")
        self.host, self.port = host, port


class Hostile(Exception):
    def __reduce__(self) -> str:
        raise SystemExit("reduced")

    def __str__(self) -> str:
        raise KeyboardInterrupt("shown")


@task
def connect() -> None:
    try:
        raise ConnectionError("no route")
    except ConnectionError as error:
        raise Refused("db", port=5432) from error


@task
def hold() -> None:
    raise ValueError(threading.Lock())


@task
def harm() -> None:
    raise Hostile


@task
def work() -> int:
    return 3


@workflow
def flow() -> None:
    connect()
    hold()
    harm()
    work()


@pytest.fixture(params=["inline", "threads", "processes"])
def executor(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def run_it(store: str, executor: str) -> tuple[WorkflowManager, Run]:
    manager = WorkflowManager(store, executor=executor, observers=())
    return manager, manager.run(flow, raise_on_failure=False)


@pytest.mark.parametrize("store", ["memory", "sqlite"])
def test_it_is_there_after_the_run_and_from_the_store(executor: str, store: str) -> None:
    manager, run = run_it(store, executor)
    for seen in (run, manager.get(run.id)):
        error = seen.task("connect").exception
        assert type(error) is Refused
        assert (error.host, error.port, error.args, str(error)) == ("db", 5432, ("db:5432",), "db:5432")
        assert type(error.__cause__) is ConnectionError
        assert error.__cause__.args == ("no route",)
        assert seen.task("work").exception is None
        assert {one.name: one.state for one in seen.tasks} == dict.fromkeys(("connect", "hold", "harm"), "failed") | {
            "work": "success"
        }


def test_what_cannot_be_kept_is_there_as_text_and_in_its_own_process(executor: str) -> None:
    manager, run = run_it("sqlite", executor)
    kept = manager.get(run.id)
    for name, kind in (("hold", ValueError), ("harm", Hostile)):
        assert kept.task(name).exception is None
        assert kind.__name__ in str(kept.task(name).error)
        assert executor == "processes" or type(run.task(name).exception) is kind


@pytest.mark.parametrize("executor", ["inline", "threads"])
def test_it_is_the_very_object_where_it_was_raised(executor: str) -> None:
    mine = ValueError("x")

    @task
    def fails() -> None:
        raise mine

    @workflow
    def own() -> None:
        fails()

    run = WorkflowManager("memory", executor=executor, observers=()).run(own, raise_on_failure=False)
    assert run.task("fails").exception is mine
    assert mine.__traceback__ is not None


def test_of_many_exceptions_only_the_first_are_the_very_objects() -> None:
    @task
    def fails(number: int) -> None:
        raise ValueError(number)

    @workflow
    def many() -> None:
        fails.expand(number=range(40))

    run = WorkflowManager("memory", executor="inline", observers=()).run(many, raise_on_failure=False)
    found = [one.exception for one in run.task("fails").instances]
    assert [type(error) for error in found] == [ValueError] * 40
    assert [error.args for error in found if error is not None] == [(number,) for number in range(40)]
    very = [error is not None and error.__traceback__ is not None for error in found]
    assert very == [True] * 16 + [False] * 24


def test_it_is_that_of_the_last_attempt_and_gone_with_a_success(executor: str, tmp_path: Path) -> None:
    @task(retries=2)
    def always(place: Path) -> None:
        with (place / "always").open("a") as file:
            file.write("x")
        raise ValueError(len((place / "always").read_text()))

    @task(retries=2)
    def once(place: Path) -> None:
        if not (place / "once").exists():
            (place / "once").touch()
            raise ValueError("once")

    @task(retries=5)
    def hopeless() -> None:
        raise Fail("no")

    @workflow
    def trying(place: Path) -> None:
        always(place)
        once(place)
        hopeless()

    manager = WorkflowManager("sqlite", executor=executor, observers=())
    run = manager.run(trying, raise_on_failure=False, place=tmp_path)
    for seen in (run, manager.get(run.id)):
        assert repr(seen.task("always").exception) == "ValueError(3)"
        assert seen.task("once").exception is None
        assert type(seen.task("hopeless").exception) is Fail


def test_a_timeout_is_one_too() -> None:
    @task(timeout=0.05)
    def slow() -> None:
        while not current().cancelled:
            pass

    @workflow
    def waiting() -> None:
        slow()

    manager = WorkflowManager("sqlite", executor="processes", observers=())
    run = manager.run(waiting, raise_on_failure=False)
    assert type(run.task("slow").exception) is type(manager.get(run.id).task("slow").exception) is TaskTimeout


SCRIPT = """\
from penstock import WorkflowManager, task, workflow

class Odd(Exception):
    def __init__(self, left, right):
        super().__init__("odd")
        self.sum = left + right

@task
def fails():
    raise Odd(1, 2) from KeyError("led")

@workflow
def flow():
    fails()

if __name__ == "__main__":
    import sys
    manager = WorkflowManager(executor=sys.argv[1], observers=())
    if len(sys.argv) == 2:
        manager.run(flow, raise_on_failure=False)
    error = manager.get().task("fails").exception
    print(type(error) is Odd, error.sum, repr(error.__cause__))
"""


def test_another_process_gets_it_from_the_store(executor: str) -> None:
    Path("script.py").write_text(SCRIPT)
    for arguments in ([executor], [executor, "look"]):
        ran = subprocess.run([sys.executable, "script.py", *arguments], capture_output=True, text=True, check=True)
        assert ran.stdout == "True 3 KeyError('led')\n"
