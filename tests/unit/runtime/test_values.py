"""How values pass between tasks: nobody can change what another reads, and nothing is copied without need."""

from __future__ import annotations

import gc
import threading
import weakref
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from penstock import PenstockError, Task, TaskGroup, Workflow, WorkflowManager, current, task
from tests.unit.runtime.waiting import states


def run_of(flow: Workflow, **options: Any) -> Any:
    return WorkflowManager("memory", observers=[], **options).run(flow, raise_on_failure=False)


@task
def numbers() -> list[int]:
    return [1, 2, 3]


@task
def spoil(values: Any) -> Any:
    """Change what was given, and give it on."""
    values.append("spoilt")
    return values


@task
def keep(value: Any) -> Any:
    return value


def test_siblings_cannot_change_each_others_input() -> None:
    with Workflow("flow") as flow:
        values = numbers()
        for name in ("a", "b", "c"):
            spoil.named(name)(values)
    run = run_of(flow, workers=1)
    assert [run.task(name).result for name in "abc"] == [[1, 2, 3, "spoilt"]] * 3
    assert run.task("numbers").result == [1, 2, 3]


def test_siblings_cannot_change_each_others_input_deep_down() -> None:
    @task
    def nested() -> dict[str, list[list[int]]]:
        return {"rows": [[1], [2]]}

    @task
    def spoil_deep(value: dict[str, list[list[int]]]) -> Any:
        value["rows"][0].append(9)
        return value

    with Workflow("flow") as flow:
        values = nested()
        spoil_deep.named("a")(values)
        spoil_deep.named("b")(values)
    run = run_of(flow, workers=1)
    assert run.task("a").result == run.task("b").result == {"rows": [[1, 9], [2]]}


def test_what_a_consumer_does_to_its_input_does_not_change_the_producers_result() -> None:
    with Workflow("flow") as flow:
        spoil(numbers())
    assert run_of(flow).task("numbers").result == [1, 2, 3]


def test_what_a_producer_does_later_does_not_reach_its_consumers() -> None:
    cache = [1]

    @task
    def produce() -> list[int]:
        return cache

    @task
    def meddle(after: object = None) -> None:
        cache.append(2)

    with Workflow("flow") as flow:
        value = produce()
        meddled = meddle.options(after=value)()
        keep.named("a").options(after=meddled)(value)
        keep.named("b").options(after=meddled)(value)
    run = run_of(flow)
    assert run.task("a").result == [1]
    assert run.task("b").result == [1]


def identities(make: Any, *, share: bool = False) -> list[bool]:
    """Whether each of two consumers got the very object that the producer returned."""
    made: list[Any] = []

    @task(share=share)
    def produce() -> Any:
        made.append(make())
        return made[0]

    @task
    def consume(value: Any) -> bool:
        return value is made[0]

    with Workflow("flow") as flow:
        value = produce()
        consume.named("a")(value)
        consume.named("b")(value)
    run = run_of(flow)
    return [run.task("a").result, run.task("b").result]


def test_one_consumer_gets_the_very_object() -> None:
    made: list[Any] = []

    @task
    def produce() -> list[int]:
        made.append([1])
        return made[0]

    @task
    def consume(value: list[int]) -> bool:
        return value is made[0]

    with Workflow("flow") as flow:
        consume(produce())
    assert run_of(flow).task("consume").result is True


@dataclass(frozen=True)
class Point:
    x: int


@pytest.mark.parametrize(
    "make",
    [lambda: "x" * 10_000, lambda: b"x" * 10_000, lambda: (1, ("a", 2.5)), lambda: Point(1), lambda: frozenset("ab")],
    ids=["str", "bytes", "tuple", "frozen dataclass", "frozenset"],
)
def test_a_value_that_cannot_be_changed_is_shared(make: Any) -> None:
    assert identities(make) == [True, True]


@pytest.mark.parametrize(
    "make",
    [lambda: [1], lambda: {"a": 1}, lambda: {1}, lambda: bytearray(b"a"), lambda: ([1],), lambda: SimpleNamespace(a=1)],
    ids=["list", "dict", "set", "bytearray", "tuple of lists", "object"],
)
def test_a_value_that_can_be_changed_is_made_anew_for_each_of_several(make: Any) -> None:
    assert identities(make) == [False, False]


def test_share_gives_everybody_the_one_object() -> None:
    assert identities(lambda: [1], share=True) == [True, True]


def test_a_retry_sees_the_input_as_it_was() -> None:
    seen: list[list[Any]] = []

    @task(retries=2)
    def spoil_and_fail(values: list[Any]) -> None:
        seen.append(list(values))
        values.append("spoilt")
        if current().attempt < 3:
            raise ValueError("once more")

    with Workflow("flow") as flow:
        spoil_and_fail(numbers())
    assert run_of(flow).state == "success"
    assert seen == [[1, 2, 3]] * 3


def test_a_value_that_is_given_twice_is_one_object() -> None:
    @task
    def same(a: Any, b: Any, *, c: Any) -> bool:
        return a is b and b is c["deep"][0]

    with Workflow("flow") as flow:
        values = numbers()
        same(values, values, c={"deep": [values]})
        keep(values)
    assert run_of(flow).task("same").result is True


def test_constants_are_passed_as_they_were_given() -> None:
    marker = object()
    seen: list[Any] = []
    flow = Workflow("flow")
    look = Task("a", lambda *args, **kwargs: seen.append((args, kwargs)), args=[marker, [1]], kwargs={"k": marker})
    flow.add_task(look)
    assert run_of(flow).state == "success"
    [(args, kwargs)] = seen
    assert args[0] is marker
    assert kwargs["k"] is marker


def test_a_constant_list_beside_an_output_is_not_changed_by_its_task() -> None:
    constants = [1, 2]
    flow = Workflow("flow")
    one = flow.add_task(Task("one", int))
    flow.add_task(Task("a", lambda values: values[1].append(3), args=[[one, constants]]))
    run_of(flow)
    assert constants == [1, 2]


def test_none_is_a_value() -> None:
    @task
    def nothing() -> None: ...

    with Workflow("flow") as flow:
        out = nothing()
        keep.named("a")(out)
        keep.named("b")([out, 1])
    run = run_of(flow)
    assert run.task("nothing").result is None
    assert run.task("a").result is None
    assert run.task("b").result == [None, 1]


VALUES = [0, False, "", [], (), {}, 0.0, float("inf"), 10**30, "ä\x00\ud800", b"\xff", {1: "a"}, Point(1)]


@pytest.mark.parametrize("value", [*VALUES, (1, [2, {"k": (3,)}])], ids=repr)
def test_values_arrive_as_they_left(value: Any) -> None:
    with Workflow("flow") as flow:
        one = keep.named("one")(value)
        keep.named("a")(one)
        keep.named("b")(one)
    run = run_of(flow)
    for name in ("one", "a", "b"):
        got = run.task(name).result
        assert got == value
        assert type(got) is type(value)


def test_a_large_value_arrives() -> None:
    with Workflow("flow") as flow:
        one = keep.named("one")(list(range(100_000)))
        keep.named("a")(one)
        keep.named("b")(one)
    run = run_of(flow)
    assert run.task("a").result == run.task("b").result == list(range(100_000))


# --- Values that no codec takes


def test_a_generator_passes_to_its_consumer() -> None:
    @task
    def rows() -> Any:
        return (n * n for n in range(4))

    @task
    def collect(values: Any) -> list[int]:
        return list(values)

    with Workflow("flow") as flow:
        collect(rows())
    assert run_of(flow).task("collect").result == [0, 1, 4, 9]


def test_a_lock_passes_to_all_its_consumers_as_one() -> None:
    locks: list[Any] = []

    @task
    def lock() -> Any:
        return threading.Lock()

    @task
    def use(values: Any) -> None:
        with values[0]:
            locks.append(values[0])

    with Workflow("flow") as flow:
        value = lock()
        use.named("a")([value])
        use.named("b")((value, 1))
    assert run_of(flow).state == "success"
    assert locks[0] is locks[1]


def test_it_passes_to_each_round_of_a_group() -> None:
    rounds: list[Any] = []

    @task
    def lock() -> Any:
        return threading.Lock()

    @task
    def use(value: Any) -> None:
        rounds.append(value)
        if len(rounds) < 3:
            raise ValueError("not yet")

    with Workflow("flow") as flow:
        value = lock()
        with TaskGroup("group", retries=2):
            use(value)
    assert run_of(flow).state == "success"
    assert len(rounds) == 3
    assert len({id(one) for one in rounds}) == 1


@pytest.mark.parametrize("second", [[3, 4], None])
def test_a_round_of_a_group_reads_what_it_has_made_and_not_what_the_one_before_it_has(second: Any) -> None:
    made: list[Any] = []
    read: list[Any] = []

    @task
    def numbers() -> Any:
        made.append((1, 2) if not made else second)  # a tuple of numbers may be shared, a list may not
        return made[-1]

    @task
    def use(value: Any) -> None:
        if len(made) == 1:
            raise ValueError("not yet")
        read.append(value)

    @task
    def use_too(value: Any) -> None:
        if len(made) == 2:
            read.append(value)

    with Workflow("flow") as flow, TaskGroup("group", retries=1):
        value = numbers()
        use(value)
        use_too(value)
    assert run_of(flow).state == "success"
    assert read == [second, second]


def test_a_value_that_could_not_be_kept_is_told_so_when_it_is_asked_for() -> None:
    @task
    def lock() -> Any:
        return threading.Lock()

    with Workflow("flow") as flow:
        lock()
    run = run_of(flow)
    assert states(run) == {"lock": "success"}
    with pytest.raises(PenstockError, match="not kept"):
        _ = run.task("lock").result


def test_a_resumed_run_makes_a_value_again_that_could_not_be_kept() -> None:
    made: list[int] = []
    broken = [True]

    @task
    def rows() -> Any:
        made.append(1)
        return (n for n in range(3))

    @task
    def collect(values: Any) -> list[int]:
        if broken:
            raise ValueError("not yet")
        return list(values)

    with Workflow("flow") as flow:
        collect(rows())
    manager = WorkflowManager("memory", observers=[])
    failed = manager.run(flow, raise_on_failure=False)
    assert failed.state == "failed"
    broken.clear()
    assert manager.resume(failed.id, flow).task("collect").result == [0, 1, 2]
    assert len(made) == 2


# --- Letting go


class Heavy:
    """Something that can be watched going away."""


@pytest.mark.parametrize("consumers", [1, 2])
def test_a_value_is_let_go_after_its_last_consumer(consumers: int) -> None:
    watched: list[weakref.ref[Heavy]] = []

    @task(share=True)
    def produce() -> Heavy:
        heavy = Heavy()
        watched.append(weakref.ref(heavy))
        return heavy

    @task
    def consume(value: Heavy) -> None: ...

    @task
    def look() -> bool:
        gc.collect()
        return watched[0]() is None

    with Workflow("flow") as flow:
        value = produce()
        users = [consume.named(f"consume{n}")(value) for n in range(consumers)]
        between = keep.options(name="between", after=users)(1)
        look.options(after=between)()
    run = run_of(flow, workers=1)
    assert run.task("look").result is True


def test_a_value_that_nobody_takes_is_not_held() -> None:
    watched: list[weakref.ref[Heavy]] = []

    @task
    def produce() -> Heavy:
        heavy = Heavy()
        watched.append(weakref.ref(heavy))
        return heavy

    with Workflow("flow") as flow:
        produce()
    run = run_of(flow)
    gc.collect()
    assert run.state == "success"
    assert watched[0]() is None


def test_a_failed_body_and_its_inputs_are_not_held_by_its_error() -> None:
    watched: list[weakref.ref[Heavy]] = []

    @task
    def produce() -> Heavy:
        return Heavy()

    @task
    def fail(taken: Heavy) -> None:
        heavy = Heavy()
        watched.extend(map(weakref.ref, (heavy, taken)))
        try:
            raise KeyError(3)
        except KeyError:
            raise ValueError("no") from None

    with Workflow("flow") as flow:
        fail(produce())
    run = run_of(flow)
    gc.collect()
    assert run.state == "failed"
    assert isinstance(run.task("fail").exception, ValueError)
    assert [ref() for ref in watched] == [None, None]
