"""Tasks that wait for the world without holding a worker."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from penstock import Defer, Done, Run, Skip, Workflow, WorkflowManager, current, task
from penstock.errors import DefinitionError


def run_of(flow: Workflow, **options: Any) -> Run:
    return WorkflowManager(store="memory", observers=[], **options).run(flow, raise_on_failure=False)


def states(run: Run) -> dict[str, str]:
    return {one.name: one.state for one in run.tasks}


@pytest.mark.parametrize("executor", ["threads", "inline"])
def test_a_sensor_is_called_until_it_has_seen_it(executor: str) -> None:
    looks: list[int] = []

    @task.sensor(poll_interval=0.001)
    def arrives() -> Done[str] | None:
        looks.append(current().attempt)
        return Done("file 7") if len(looks) == 4 else None

    @task
    def load(what: str) -> str:
        return what

    with Workflow("flow") as flow:
        load(arrives())
    run = run_of(flow, executor=executor)
    assert looks == [1, 2, 3, 4]
    assert (run.task("arrives").result, run.task("load").result) == ("file 7", "file 7")


@pytest.mark.parametrize(("returned", "result"), [(True, True), (Done(None), None), (Done(0), 0)])
def test_what_it_returns_when_it_has(returned: Any, result: Any) -> None:
    @task.sensor
    def sees() -> Any:
        return returned

    with Workflow("flow") as flow:
        sees()
    assert run_of(flow).task("sees").result == result


@pytest.mark.parametrize("returned", [1, "yes", [True], 0.0])
def test_anything_else_is_an_error_that_is_not_tried_again(returned: Any) -> None:
    @task.sensor(retries=3)
    def sees() -> Any:
        return returned

    with Workflow("flow") as flow:
        sees()
    one = run_of(flow).task("sees")
    assert (one.state, one.attempts) == ("failed", 1)
    assert "a sensor returned a " in (one.error or "")


def test_in_between_it_holds_no_worker() -> None:
    seen = threading.Event()

    @task.sensor(poll_interval=0.001)
    def waits() -> bool:
        return seen.is_set()

    @task
    def works() -> None:
        seen.set()

    with Workflow("flow") as flow:
        for number in range(50):
            waits.named(f"waits{number}")()
        works()
    assert set(states(run_of(flow, workers=1)).values()) == {"success"}


def test_one_that_waits_in_vain_fails_and_is_not_tried_again() -> None:
    @task.sensor(poll_interval=0.001, timeout=0.02, retries=3)
    def never() -> bool:
        return False

    with Workflow("flow") as flow:
        never()
    one = run_of(flow).task("never")
    assert one.state == "failed"
    assert one.error == "SensorTimeout: it waited for 0.02 s, and what it waits for has not come"
    assert one.attempts > 1


def test_it_looks_once_more_when_its_time_is_up() -> None:
    looks: list[datetime] = []

    @task.sensor(poll_interval=3600, timeout=0.05)
    def late() -> bool:
        looks.append(datetime.now(UTC))
        return len(looks) == 2

    with Workflow("flow") as flow:
        late()
    assert states(run_of(flow)) == {"late": "success"}
    assert looks[1] - looks[0] >= timedelta(seconds=0.05)


def test_or_is_skipped_if_that_is_no_failure() -> None:
    @task.sensor(poll_interval=0.001, timeout=0.005, soft_fail=True)
    def never() -> bool:
        return False

    @task
    def load(what: Any) -> None: ...

    with Workflow("flow") as flow:
        load(never())
    run = run_of(flow)
    assert (run.state, states(run)) == ("success", {"never": "skipped", "load": "skipped"})
    assert run.task("never").reason == "it waited for 0.005 s, and what it waits for has not come"


def test_a_look_that_fails_is_tried_again_as_any_attempt() -> None:
    looks: list[int] = []

    @task.sensor(poll_interval=0.001, retries=1)
    def flaky() -> bool:
        looks.append(1)
        if len(looks) in (2, 4):
            raise OSError("no network")
        return len(looks) > 5

    with Workflow("flow") as flow:
        flaky()
    one = run_of(flow).task("flaky")
    assert (one.state, len(looks)) == ("failed", 4)


def test_one_may_skip_itself() -> None:
    @task.sensor
    def pointless() -> bool:
        raise Skip("there will be none today")

    with Workflow("flow") as flow:
        pointless()
    assert states(run_of(flow)) == {"pointless": "skipped"}


def test_each_instance_of_a_mapped_sensor_waits_by_itself() -> None:
    looks: dict[str, int] = {}

    @task.sensor(poll_interval=0.001)
    def arrives(name: str) -> Done[str] | None:
        looks[name] = looks.get(name, 0) + 1
        return Done(name) if looks[name] == len(name) else None

    with Workflow("flow") as flow:
        arrives.expand(name=["a", "bb", "ccc"])
    assert run_of(flow).task("arrives").result == ["a", "bb", "ccc"]
    assert looks == {"a": 1, "bb": 2, "ccc": 3}


@pytest.mark.parametrize(
    "until",
    [
        lambda: 0.01,
        lambda: timedelta(milliseconds=10),
        lambda: datetime.now(UTC) + timedelta(milliseconds=10),
        lambda: datetime.now() + timedelta(milliseconds=10),
        lambda: datetime(2000, 1, 1, tzinfo=UTC),
    ],
    ids=["seconds", "a pause", "a time", "a time of this zone", "a time that has passed"],
)
def test_any_task_may_say_that_it_is_too_early(until: Any) -> None:
    calls: list[int] = []

    @task
    def later() -> str:
        calls.append(1)
        if len(calls) == 1:
            raise Defer(until())
        return "now"

    with Workflow("flow") as flow:
        later()
    assert run_of(flow).task("later").result == "now"


def test_one_that_is_cancelled_waits_no_more() -> None:
    begun = threading.Event()

    @task.sensor(poll_interval=3600)
    def never() -> bool:
        begun.set()
        return False

    with Workflow("flow") as flow:
        never()
    with WorkflowManager(store="memory", observers=[]) as manager:
        run = manager.start(flow)
        assert begun.wait(60)
        run.cancel(by="ann")
        done = run.wait(60)
    assert (done.state, states(done)) == ("cancelled", {"never": "cancelled"})


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"poll_interval": -1}, "poll_interval"),
        ({"poll_interval": "soon"}, "poll_interval"),
        ({"timeout": 0}, "poll_timeout"),
        ({"soft_fail": 1}, "soft_fail"),
        ({"at_most_once": True}, "forbids a second look"),
    ],
)
def test_what_a_sensor_cannot_have_is_refused_by_name(options: dict[str, Any], problem: str) -> None:
    with Workflow("flow") as flow:
        task.sensor(**options)(lambda: True).named("sees")()
    with pytest.raises(DefinitionError, match=problem):
        run_of(flow)


def test_and_what_is_for_sensors_no_other_task_can_have() -> None:
    with Workflow("flow") as flow:
        task(soft_fail=True)(lambda: True).named("a")()
    with pytest.raises(DefinitionError, match="soft_fail is for sensors"):
        run_of(flow)
