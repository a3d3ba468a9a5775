"""Async tasks wait without holding a worker."""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar
from typing import Any

import pytest

from penstock import Skip, Workflow, WorkflowManager, chain, current, task


def run_of(flow: Workflow, **options: Any) -> Any:
    return WorkflowManager(store="memory", observers=[], **options).run(flow, raise_on_failure=False)


def test_any_number_of_them_wait_at_the_same_time_beside_one_worker() -> None:
    begun: list[int] = []
    all_there = asyncio.Event()
    threads: set[int] = set()

    @task
    async def waits(number: int) -> int:
        threads.add(threading.get_ident())
        begun.append(number)
        if len(begun) == 500:
            all_there.set()
        await all_there.wait()
        return number

    with Workflow("flow") as flow:
        waits.expand(number=list(range(500)))
    run = run_of(flow, workers=1)
    assert run.task("waits").result == list(range(500))
    assert len(threads) == 1


def test_others_run_meanwhile() -> None:
    done = threading.Event()

    @task
    async def waits() -> None:
        while not done.is_set():
            await asyncio.sleep(0.001)

    @task
    def works() -> None:
        done.set()

    with Workflow("flow") as flow:
        waits()
        works()
    assert run_of(flow, workers=1).state == "success"


def test_each_has_its_own_attempt_and_output() -> None:
    @task
    async def speaks(number: int) -> str:
        print(f"before {number}")
        await asyncio.sleep(0.002 * (3 - number))
        print(f"after {number}")
        return current().task

    with Workflow("flow") as flow:
        speaks.expand(number=[0, 1, 2])
    run = run_of(flow)
    for number, one in enumerate(run.task("speaks").instances):
        assert one.log == f"before {number}\nafter {number}\n"


def test_what_it_returns_and_raises_counts_as_for_others() -> None:
    @task(retries=1)
    async def fails() -> None:
        raise ValueError("no")

    @task
    async def skips() -> None:
        raise Skip("nothing there")

    @task
    async def leaves() -> None:
        raise SystemExit(3)

    @task.branch
    async def chooses() -> str:
        return "a"

    @task
    async def a(value: Any = None) -> int:
        return 7

    @task
    def b(value: int) -> int:
        return value + 1

    with Workflow("flow") as flow:
        fails()
        skips()
        leaves()
        value = a()
        chain(chooses(), [value, b.named("other")(1)])
        b(value)
    run = run_of(flow)
    assert (run.task("fails").state, run.task("fails").attempts) == ("failed", 2)
    assert "in fails" in (run.task("fails").traceback or "")
    assert (run.task("skips").reason, run.task("leaves").error) == ("nothing there", "SystemExit: 3")
    assert (run.task("b").result, run.task("other").state) == (8, "skipped")


def test_one_may_be_a_sensor() -> None:
    looks: list[int] = []

    @task.sensor(poll_interval=0.001)
    async def arrives() -> bool:
        looks.append(1)
        return len(looks) == 3

    with Workflow("flow") as flow:
        arrives()
    assert run_of(flow).state == "success"


@pytest.mark.parametrize("executor", ["threads", "inline"])
def test_context_variables_are_a_bodys_own(executor: str) -> None:
    variable: ContextVar[int] = ContextVar("variable", default=0)

    @task
    async def sets() -> int:
        before = variable.get()
        variable.set(before + 1)
        await asyncio.sleep(0)
        return variable.get()

    with Workflow("flow") as flow:
        for number in range(5):
            sets.named(f"sets{number}")()
    assert [one.result for one in run_of(flow, executor=executor).tasks] == [1] * 5
