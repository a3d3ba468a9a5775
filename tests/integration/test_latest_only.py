"""What runs only in the newest run of a workflow."""

from __future__ import annotations

from typing import Any

import pytest

from penstock import PenstockError, Run, WorkflowManager, chain, current, latest_only, task, workflow

pytest_plugins = ("tests.postgres_fixtures",)


@task
def step(fails: bool = False) -> None:
    if fails:
        raise ValueError("not yet")


@task(trigger_rule="all_done")
def whatever() -> None: ...


@workflow
def daily(day: int) -> None:
    chain(step(), latest_only(), step.named("publish")(), [step.named("after")(), whatever()])


def states(run: Run) -> dict[str, str]:
    return {one.name: one.state for one in run.tasks}


GOES_ON = {"step": "success", "latest_only": "success", "publish": "success", "after": "success", "whatever": "success"}
STOPS = {**GOES_ON, "publish": "skipped", "after": "skipped"}


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def store(request: pytest.FixtureRequest) -> str:
    """What a manager is given for a store."""
    return request.getfixturevalue("postgres_url") if request.param == "postgres" else request.param


@pytest.mark.parametrize("executor", ["inline", "threads", "processes"])
def test_what_is_directly_below_is_skipped_in_all_runs_but_the_newest(store: str, executor: str) -> None:
    with WorkflowManager(store, executor=executor, observers=()) as manager:
        first, second = manager.run(daily, day=1), manager.run(daily, day=1)
        manager.run(other_workflow)
        assert states(first) == states(second) == GOES_ON
        assert states(manager.rerun(first.id, daily, from_=["step"])) == STOPS
        assert states(manager.rerun(second.id, daily, from_=["step"])) == GOES_ON


@workflow
def other_workflow() -> None:
    step()


def test_a_run_that_was_deleted_is_not_newer() -> None:
    manager = WorkflowManager("memory", executor="inline", observers=())
    first, second = manager.run(daily, day=1), manager.run(daily, day=1)
    manager.delete(second.id)
    assert states(manager.rerun(first.id, daily, from_=["step"])) == GOES_ON


def test_what_was_decided_stands_when_the_run_is_resumed() -> None:
    manager, broken = WorkflowManager("memory", executor="inline", observers=()), [True]

    @task
    def fails_at_first() -> None:
        if broken:
            raise ValueError("not yet")

    @workflow
    def decided_before() -> None:
        chain(latest_only(), fails_at_first(), step())

    @workflow
    def decided_after() -> None:
        chain(fails_at_first(), latest_only(), step())

    old = {flow: manager.run(flow, raise_on_failure=False) for flow in (decided_before, decided_after)}
    broken.clear()
    for flow in old:
        manager.run(flow)
    assert states(manager.resume(old[decided_before].id, decided_before))["step"] == "success"
    assert states(manager.resume(old[decided_after].id, decided_after))["step"] == "skipped"


def is_latest(attempt: Any) -> bool:
    return bool(attempt.is_latest)


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_any_task_and_condition_can_ask(executor: str) -> None:
    @task
    def ask() -> bool:
        return current().is_latest

    @workflow
    def asking() -> None:
        ask()
        task.run_if(is_latest)(step)()

    manager = WorkflowManager("sqlite", executor=executor, observers=())
    first, second = manager.run(asking), manager.run(asking)
    again = manager.rerun(first.id, asking, from_=["ask", "step"])
    assert (again.task("ask").result, again.task("step").state) == (False, "skipped")
    assert (second.task("ask").result, second.task("step").state) == (True, "success")


def test_all_below_is_skipped_if_it_is_asked_for() -> None:
    @workflow
    def strict() -> None:
        chain(latest_only.options(ignore_downstream_trigger_rules=True)(), step(), whatever())

    manager = WorkflowManager("memory", executor="inline", observers=())
    first = manager.run(strict)
    manager.run(strict)
    assert states(manager.rerun(first.id, strict, from_=["latest_only"]))["whatever"] == "skipped"


def test_outside_of_a_run_there_is_nothing_to_ask() -> None:
    with pytest.raises(PenstockError, match="outside of a task"):
        latest_only()
