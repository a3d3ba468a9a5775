"""What bodies in worker processes get, are, give back and raise."""

from __future__ import annotations

import functools
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from penstock import RunFailed, Task, Workflow, WorkflowManager, current, task, workflow


def run(flow, *, workers=2, store="memory", **values):
    manager = WorkflowManager(store, executor="processes", workers=workers, observers=[])
    return manager.run(flow, raise_on_failure=False, **values)


def test_bodies_run_in_other_processes():
    @task
    def whoami():
        return os.getpid()

    with Workflow("flow") as flow:
        for _ in range(8):
            whoami()
    pids = {row.result for row in run(flow).tasks}
    assert os.getpid() not in pids
    assert 1 <= len(pids) <= 2


def test_values_pass_from_task_to_task():
    @task
    def numbers(count):
        return list(range(count))

    @task
    def pair(first, *, both, again):
        assert first is both["list"][0]
        assert first is not again
        return sum(first) + sum(again), type(both["tuple"]).__name__

    @workflow
    def flow(count: int = 4):
        first = numbers(count)
        pair(first, both={"list": [first], "tuple": (first, 1)}, again=numbers(2))

    assert run(flow).task("pair").result == (7, "tuple")
    assert run(flow, count=3).task("pair").result == (4, "tuple")


@pytest.mark.parametrize("store", ["memory", "sqlite"])
def test_large_values_pass(store):
    @task
    def make(size):
        return bytes(range(256)) * (size // 256), os.getpid()

    @task
    def check(made, size):
        return len(made[0]) == size and made[0][255] == 255

    @workflow
    def flow(size: int = 20 << 20):
        check(make(size), size)

    assert run(flow, store=store).task("check").result is True


def test_a_large_value_is_in_a_file_before_its_task_is_done(tmp_path):
    """It is the worker that writes it: while the body that takes it runs, the driver has never had it."""

    @task
    def make():
        return os.urandom(1 << 20)

    @task
    def look(value):
        files = [path for path in Path(".penstock/results").rglob("*") if path.is_file()]
        return [path.stat().st_size for path in files], Path(files[0]).read_bytes() == value

    with Workflow("flow") as flow:
        look(make())
    sizes, same = run(flow, store="sqlite").task("look").result
    assert sizes == [1 << 20]
    assert same


def test_siblings_do_not_change_each_others_input():
    @task
    def make():
        return [1]

    @task
    def change(items):
        items.append(2)
        return items

    with Workflow("flow") as flow:
        made = make()
        for _ in range(4):
            change(made)
    done = run(flow)
    assert all(row.result == [1, 2] for row in done.tasks[1:])
    assert done.task("make").result == [1]


def test_current():
    @task
    def look():
        attempt = current()
        return {
            "run": attempt.run_id,
            "key": attempt.idempotency_key,
            "workflow": attempt.workflow,
            "task": attempt.task,
            "attempt": attempt.attempt,
            "params": dict(attempt.params),
            "cancelled": attempt.cancelled,
            "main": threading.current_thread() is threading.main_thread(),
        }

    @workflow
    def flow(day: str = "Monday"):
        look()

    done = run(flow, day="Friday")
    assert done.task("look").result == {
        "run": done.id,
        "key": f"{done.id}:look:0:0",
        "workflow": "flow",
        "task": "look",
        "attempt": 1,
        "params": {"day": "Friday"},
        "cancelled": False,
        "main": True,
    }


def test_a_parameter_is_each_tasks_own():
    @task
    def change(items):
        items.append(1)
        return items, current().params["items"]

    @workflow
    def flow(items: list):
        change(items)
        change(items)

    assert [row.result for row in run(flow, workers=1, items=[0]).tasks] == [([0, 1], [0])] * 2


def test_async_bodies():
    @task
    async def wait(number):
        import asyncio

        await asyncio.sleep(0)
        return number + current().attempt

    with Workflow("flow") as flow:
        _ = wait(wait(1))
    assert run(flow).task("wait__1").result == 3


class Scale:
    def __init__(self, factor):
        self.factor = factor

    def apply(self, number):
        return self.factor * number

    def __call__(self, number):
        return -self.factor * number


def test_all_kinds_of_callables():
    around = 10

    def closure(number):
        return around + number

    kinds: dict[str, tuple[Callable, object]] = {
        "closure": (closure, 15),
        "lambda": (lambda number: number + around, 15),
        "partial": (functools.partial(closure, 7), 17),
        "partial of a builtin": (functools.partial(pow, 2), 32),
        "method": (Scale(3).apply, 15),
        "object": (Scale(3), -15),
        "builtin": (abs, 5),
        "class": (str, "5"),
    }
    with Workflow("flow") as flow:
        for name, (func, _) in kinds.items():
            flow.add_task(Task(name, func, args=() if name == "partial" else (5,)))
    done = run(flow)
    assert {name: done.task(name).result for name in kinds} == {name: result for name, (_, result) in kinds.items()}


MODULE = """
import threading
from penstock import task

lock = threading.Lock()
seen = []

@task(retries=1)
def remember(number):
    with lock:
        seen.append(number)
    return seen, __name__

def count():
    return len(seen)
"""


def test_functions_of_modules_go_by_name(tmp_path, monkeypatch):
    """So they have their module, with all that is in it: a lock could not be sent."""
    monkeypatch.syspath_prepend(tmp_path)
    Path("warehouse_module.py").write_text(MODULE)
    import warehouse_module  # type: ignore[import-not-found]

    try:
        with Workflow("flow") as flow:
            warehouse_module.remember(1)
            flow.add_task(Task("count", warehouse_module.count, ["remember"]))
        done = run(flow, workers=1)
        assert done.task("remember").result == ([1], "warehouse_module")
        assert done.task("count").result == 1
        assert warehouse_module.seen == []
    finally:
        del sys.modules["warehouse_module"]


def test_five_hundred_tasks():
    with Workflow("flow") as flow:
        for number in range(500):
            flow.add_task(Task(f"task {number}", int, args=(number,)))
    done = run(flow)
    assert [row.result for row in done.tasks] == list(range(500))


def test_a_chain_of_tasks():
    @task
    def add(number):
        return number + 1

    with Workflow("flow") as flow:
        number = 0
        for _ in range(100):
            number = add(number)
    assert run(flow).tasks[-1].result == 100


# --- What goes wrong


def test_a_body_that_raises():
    @task
    def divide(number):
        return number / 0

    with Workflow("flow") as flow:
        divide(5)
    row = run(flow).task("divide")
    assert row.error == "ZeroDivisionError: division by zero"
    assert "return number / 0" in row.traceback
    assert "penstock" not in row.traceback


@pytest.mark.parametrize("kind", ["SystemExit", "KeyboardInterrupt", "GeneratorExit"])
def test_a_worker_outlives_what_its_bodies_raise(kind):
    @task
    def leave(kind):
        import builtins

        raise getattr(builtins, kind)("gone")

    @task
    def stay():
        return os.getpid()

    with Workflow("flow") as flow:
        before = Task("before", os.getpid)
        flow.add_task(before)
        leave(kind)
        stay()
    done = run(flow, workers=1)
    assert done.task("leave").error == f"{kind}: gone"
    assert done.task("before").result == done.task("stay").result


def test_an_exception_that_cannot_be_pickled_or_printed():
    class Strange(Exception):
        def __init__(self):
            self.lock = threading.Lock()

        def __str__(self):
            raise RuntimeError("no")

    @task
    def fail():
        raise Strange

    with Workflow("flow") as flow:
        fail()
    error = run(flow).task("fail").error
    assert "Strange: " in error
    assert "RuntimeError" in error


def test_an_error_whose_text_is_of_a_class_of_the_users():
    class Text(str):
        def __str__(self):
            return self

    class Odd(Exception):
        def __str__(self):
            return Text("odd")

    @task
    def fail():
        raise Odd

    with Workflow("flow") as flow:
        fail()
    row = run(flow).task("fail")
    assert (row.state, row.lost) == ("failed", 0)
    assert row.error.endswith("Odd: odd")


def test_retries_on_an_exception_of_the_users(tmp_path):
    class Busy(Exception):
        pass

    class Hopeless(Exception):
        pass

    @task(retries=2, retry_on=Busy)
    def fetch(kind):
        if current().attempt < 3:
            raise kind
        return current().attempt

    with Workflow("flow") as flow:
        fetch(Busy)
        fetch(Hopeless)
    done = run(flow)
    assert done.task("fetch").result == 3
    assert (done.task("fetch__1").state, done.task("fetch__1").attempts) == ("failed", 1)


def test_a_value_that_cannot_leave_its_process():
    @task(retries=3)
    def rows():
        return (number for number in range(3))

    @task
    def total(rows):
        return sum(rows)

    with Workflow("flow") as flow:
        total(rows())
    done = run(flow)
    row = done.task("rows")
    assert (row.state, row.attempts) == ("failed", 1)
    assert "a generator" in row.error
    assert "executor='threads'" in row.error
    assert done.task("total").state == "upstream_failed"


def test_a_value_that_nobody_takes_may_stay():
    with Workflow("flow") as flow:
        flow.add_task(Task("lock", threading.Lock))
        flow.add_task(Task("after", int, ["lock"]))
    done = run(flow)
    assert done.state == "success"


def test_a_function_that_cannot_be_sent():
    lock = threading.Lock()

    @task(retries=3)
    def locked():
        with lock:
            return 1

    with Workflow("flow") as flow:
        locked()
        flow.add_task(Task("fine", int))
    done = run(flow)
    row = done.task("locked")
    assert (row.state, row.attempts) == ("failed", 1)
    for words in ("the function of task 'locked'", "the variable lock", "a lock", "executor='threads'"):
        assert words in row.error
    assert done.task("fine").state == "success"


def test_an_argument_that_cannot_be_sent():
    @task
    def take(number, connection):
        pass

    with open(os.devnull) as file:
        with Workflow("flow") as flow:
            take(1, connection={"file": file})
        error = run(flow).task("take").error
    for words in ("argument connection of task 'take'", "item 'file'", "a TextIOWrapper"):
        assert words in error


def test_a_module_that_the_worker_cannot_import(tmp_path):
    import types

    module = types.ModuleType("made_up_module")
    exec("def work(): pass", vars(module))
    sys.modules["made_up_module"] = module
    try:
        with Workflow("flow") as flow:
            flow.add_task(Task("work", module.work, retries=3))
            flow.add_task(Task("again", module.work))
            flow.add_task(Task("fine", int))
        done = run(flow, workers=1)
    finally:
        del sys.modules["made_up_module"]
    for name in ("work", "again"):
        row = done.task(name)
        assert (row.state, row.attempts) == ("failed", 1)
        assert f"the function of task '{name}' cannot be made in a worker process" in row.error
        assert "No module named 'made_up_module'" in row.error
    assert done.task("fine").state == "success"


def test_a_failed_run_raises():
    with Workflow("flow") as flow:
        flow.add_task(Task("fail", int, args=("x",)))
    with pytest.raises(RunFailed, match="invalid literal"):
        WorkflowManager("memory", executor="processes", observers=[]).run(flow)


# --- What a worker asks of the driver's process


def test_threads_of_a_body_may_ask_for_the_key():
    @task
    def ask(number):
        from concurrent.futures import ThreadPoolExecutor

        me = current()
        with ThreadPoolExecutor(8) as pool:
            keys = {future.result() for future in [pool.submit(lambda: me.idempotency_key) for _ in range(32)]}
        value = bytes(number)  # which goes through the same pipes
        return keys, value

    with Workflow("flow") as flow:
        for _ in range(5):
            ask(100_000)
    done = run(flow)
    assert [row.result for row in done.tasks] == [({f"{done.id}:{row.name}:0:0"}, bytes(100_000)) for row in done.tasks]


def test_a_thread_that_outlived_its_attempt_cannot_ask(tmp_path):
    """What it would read is the next request."""
    told = tmp_path / "told"

    @task
    def leave():
        me = current()

        def ask_later():
            from tests.integration.waiting import wait_until

            wait_until((tmp_path / "next").exists, "the next attempt runs")
            try:
                told.write_text(me.idempotency_key)
            except Exception as error:
                told.write_text(f"{type(error).__name__}: {error}")

        threading.Thread(target=ask_later, daemon=True).start()

    @task
    def follow():
        from tests.integration.waiting import wait_until

        (tmp_path / "next").touch()
        wait_until(lambda: told.exists() and told.read_text(), "the thread was told")
        return current().idempotency_key

    with Workflow("flow") as flow:
        follow.options(after=leave())()
    done = run(flow, workers=1)
    assert done.task("follow").result == f"{done.id}:follow:0:0"
    assert told.read_text().startswith("StoreError: the process that drives the run cannot be asked after the attempt")


def test_a_forked_child_cannot_ask():
    @task
    def fork():
        reads, writes = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.write(writes, current().idempotency_key.encode())
            except BaseException as error:
                os.write(writes, f"{type(error).__name__}: {error}".encode())
            os._exit(0)
        os.waitpid(child, 0)
        return os.read(reads, 1000).decode(), current().idempotency_key

    with Workflow("flow") as flow:
        fork()
    done = run(flow)
    said, key = done.task("fork").result
    assert said.startswith("StoreError: the process that drives the run cannot be asked")
    assert key == f"{done.id}:fork:0:0"
