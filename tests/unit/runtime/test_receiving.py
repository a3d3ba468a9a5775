"""Messages to runs, and the tasks that wait for them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from penstock import Run, Secret, Workflow, WorkflowManager, chain, current, task
from penstock.errors import PenstockError, RunEnded, RunNotFound
from tests.unit.runtime.waiting import Background, come, error_of, eventually, states


@pytest.fixture
def manager() -> Iterator[WorkflowManager]:
    with WorkflowManager(store="memory", observers=[], workers=4) as made:
        yield made


class Going:
    """A run that goes on in another thread."""

    def __init__(self, manager: WorkflowManager, make: Callable[[], object]) -> None:
        with Workflow("flow") as self.flow:
            make()
        self._manager = manager
        self._driving = Background(lambda: manager.run(self.flow, raise_on_failure=False))
        eventually(manager.runs)
        self.id = manager.runs()[0].id

    @property
    def now(self) -> Run:
        """The run as it is."""
        return self._manager.get(self.id)

    def waits(self, *names: str) -> None:
        """Wait until these tasks wait."""
        eventually(lambda: all(self.now.task(name).state == "deferred" for name in names))

    def wait(self) -> Run:
        """The run, when it has ended."""
        self._driving.result()
        return self.now


@task
def receive(topic: str) -> Any:
    return current().receive(topic)


@pytest.mark.parametrize(
    "value", [None, 7, 12.5, "text", [1, (2, 3)], {"day": date(2013, 1, 2), 3: {4}}, b"x", float("inf")], ids=repr
)
def test_a_message_comes_as_it_was_sent(manager: WorkflowManager, value: Any) -> None:
    run = Going(manager, lambda: receive("paid"))
    run.waits("receive")
    assert manager.send(run.id, "paid", value).id == run.id
    assert run.wait().task("receive").result == value


@pytest.mark.parametrize("executor", ["threads", "inline", "processes"])
def test_wherever_tasks_run(executor: str) -> None:
    with WorkflowManager(store="memory", executor=executor, workers=1, observers=[]) as manager:
        run = Going(manager, lambda: [receive("paid"), receive("signed")])
        run.waits("receive", "receive__1")
        run.now.send("signed", "yes", by="maria")
        run.now.send("paid", [1])
        found = run.wait()
        assert (found.task("receive").result, found.task("receive__1").result) == ([1], "yes")


def test_one_that_comes_early_is_kept_for_who_asks_for_it(manager: WorkflowManager) -> None:
    go = threading.Event()

    @task
    def first() -> None:
        come(go)

    run = Going(manager, lambda: chain(first(), receive("paid")))
    manager.send(run.id, "paid", 7)
    go.set()
    assert run.wait().task("receive").result == 7


def test_each_message_is_for_one_task_and_who_has_waited_longest_is_first(manager: WorkflowManager) -> None:
    order: list[str] = []

    @task
    def takes() -> None:
        value = current().receive("next")
        order.append(f"{current().task} {value}")

    go = threading.Event()

    @task
    def gate() -> None:
        come(go)

    def make() -> None:
        takes.named("early")()
        chain(gate(), takes.named("late")())

    run = Going(manager, make)
    run.waits("early")
    go.set()
    run.waits("early", "late")
    manager.send(run.id, "next", 1)
    eventually(lambda: order)
    manager.send(run.id, "next", 2)
    run.wait()
    assert order == ["early 1", "late 2"]


def test_a_body_may_wait_for_several_one_after_the_other(manager: WorkflowManager) -> None:
    calls: list[int] = []

    @task
    def both() -> tuple[Any, Any]:
        calls.append(1)
        return current().receive("a"), current().receive("b")

    run = Going(manager, both)
    run.waits("both")
    manager.send(run.id, "b", 2)
    manager.send(run.id, "a", 1)
    assert run.wait().task("both").result == (1, 2)
    assert len(calls) == 3


def test_but_not_for_two_of_one_topic(manager: WorkflowManager) -> None:
    @task
    def twice() -> Any:
        return current().receive("a", timeout=0.01, default=1), current().receive("a")

    run = Going(manager, twice)
    assert "receives 'a' twice, and a task gets one message of a topic" in error_of(run.wait(), "twice")


@pytest.mark.parametrize("timeout", [0.02, timedelta(milliseconds=20)], ids=str)
def test_after_a_time_it_is_the_default(manager: WorkflowManager, timeout: Any) -> None:
    @task
    def waits() -> Any:
        return current().receive("never", timeout=timeout, default="nothing")

    before = datetime.now(UTC)
    one = Going(manager, waits).wait().task("waits")
    assert (one.result, one.attempts) == ("nothing", 2)
    assert one.ended_at is not None
    assert one.ended_at - before >= timedelta(milliseconds=20)


def test_or_the_task_has_failed_for_good(manager: WorkflowManager) -> None:
    @task(retries=3)
    def waits() -> Any:
        return current().receive("never", timeout=0.02)

    one = Going(manager, waits).wait().task("waits")
    assert one.error == "MessageTimeout: it waited for 0.02 s, and nobody has sent a message 'never'"


def test_each_time_begins_when_its_topic_is_asked_for(manager: WorkflowManager) -> None:
    @task
    def waits() -> Any:
        return current().receive("a"), current().receive("b", timeout=3600, default=0)

    run = Going(manager, waits)
    run.waits("waits")
    manager.send(run.id, "a", 1)
    eventually(lambda: "'b'" in run.now.why("waits").steps[0].text)
    manager.send(run.id, "b", 2)
    assert run.wait().task("waits").result == (1, 2)


def test_a_task_that_is_tried_again_or_resumed_has_its_message(manager: WorkflowManager) -> None:
    values: list[Any] = []

    @task(retries=1)
    def pays() -> None:
        values.append(current().receive("paid"))
        if len(values) < 3:
            raise OSError("no network")

    run = Going(manager, pays)
    run.waits("pays")
    manager.send(run.id, "paid", 7)
    assert run.wait().state == "failed"
    manager.resume(run.id, run.flow)
    assert values == [7, 7, 7]


def test_and_one_that_is_rerun_waits_for_another(manager: WorkflowManager) -> None:
    run = Going(manager, lambda: receive("paid"))
    run.waits("receive")
    manager.send(run.id, "paid", 7)
    run.wait()
    again = Background(lambda: manager.rerun(run.id, run.flow, only=["receive"]))
    run.waits("receive")
    manager.send(run.id, "paid", 8)
    again.result()
    assert run.now.task("receive").result == 8


def test_a_parked_run_is_woken(manager: WorkflowManager) -> None:
    with Workflow("flow") as flow:
        receive("paid")
    run = manager.start(flow)
    eventually(lambda: manager.get(run.id).state == "waiting")
    run.send("paid", 7)
    assert run.wait(30).task("receive").result == 7


def test_why_says_what_is_waited_for(manager: WorkflowManager) -> None:
    run = Going(manager, lambda: receive("paid"))
    run.waits("receive")
    step = run.now.why("receive").steps[0]
    assert (step.kind, step.text) == ("message", "waits for a message 'paid'")
    run.now.send("paid")
    run.wait()


@pytest.mark.parametrize(
    ("topic", "why"),
    [
        ("", "a topic is a text of 1 to 200 characters"),
        ("x" * 201, "a topic is a text of 1 to 200 characters"),
        ("a\nb", "a topic is a text of 1 to 200 characters"),
        ("\ud800", "a topic is a text of 1 to 200 characters"),
        (7, "a topic is a text of 1 to 200 characters"),
        ("approval:release", "are Penstock's own, as 'approval:release' is: decisions are sent by penstock approve"),
        ("run:0123", "are Penstock's own"),
    ],
    ids=["empty", "long", "a line", "half a character", "a number", "a decision", "a run"],
)
def test_topics_that_cannot_be(manager: WorkflowManager, topic: Any, why: str) -> None:
    run = Going(manager, lambda: [receive("go"), receive.named("odd")(topic)])
    run.waits("receive")
    with pytest.raises(PenstockError) as refused:
        manager.send(run.id, topic, 1)
    assert why in str(refused.value)
    run.now.send("go")
    assert why in error_of(run.wait(), "odd")


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (object(), "a message is a number, a text, a date, or a list or dict of such"),
        ("x" * 10_000_000, "10,000,002 bytes, and a message has at most 1,000,000"),
        ([[]] * 2, "a message is a number, a text"),
    ],
    ids=["an object", "too much", "one list twice"],
)
def test_values_that_cannot_be_sent(manager: WorkflowManager, value: Any, why: str) -> None:
    run = Going(manager, lambda: receive("paid"))
    run.waits("receive")
    with pytest.raises(PenstockError) as refused:
        manager.send(run.id, "paid", value)
    assert why in str(refused.value)
    assert manager.parts.store.messages(run.id) == []
    run.now.send("paid")
    run.wait()


def test_the_value_of_a_secret_is_not_sent(manager: WorkflowManager) -> None:
    run = Going(manager, lambda: receive("paid"))
    secret = Secret("correct horse battery")
    with pytest.raises(PenstockError, match="it has the value of a secret in it"):
        manager.send(run.id, "paid", [secret.get_secret_value()])
    manager.send(run.id, "paid")
    run.wait()


def test_to_a_run_that_has_ended_or_is_none_nothing_is_sent(manager: WorkflowManager) -> None:
    run = Going(manager, lambda: receive.options(skip_if=lambda: True)("paid"))
    run.wait()
    with pytest.raises(RunEnded, match="has ended already: it is success"):
        manager.send(run.id, "paid")
    with pytest.raises(RunNotFound):
        manager.send("no", "paid")
    assert states(run.now) == {"receive": "skipped"}
