"""What is mapped over, where bodies run in other processes: `.map(f)` is called in the process that drives the run."""

from __future__ import annotations

import pytest

from penstock import Skip, WorkflowManager, task, workflow


@task
def numbers() -> list[int]:
    return [0, 1, 2, 3]


@task(retries=1)
def same(number: float) -> float:
    return number


def inverse(number: int) -> float:
    if number == 2:
        raise Skip("two")
    if number == 3:
        raise SystemExit("three")
    return 1 / number


@workflow
def inverted() -> None:
    same.expand(number=numbers().map(inverse))


@pytest.mark.parametrize("executor", ["inline", "threads", "processes"])
def test_an_instance_whose_value_cannot_be_made_fails_alone(executor: str) -> None:
    manager = WorkflowManager("memory", executor=executor, workers=2, observers=())
    run = manager.run(inverted, raise_on_failure=False)
    instances = run.task("same").instances
    assert [one.state for one in instances] == ["failed", "success", "skipped", "failed"]
    assert [one.attempts for one in instances] == [2, 1, 1, 1], "SystemExit is none of retry_on"
    assert [type(one.exception) for one in instances] == [ZeroDivisionError, type(None), type(None), SystemExit]
    assert instances[1].result == 1.0
    assert instances[2].reason == "two"
