"""What runs first, as a user sees it: one worker, and the order in which bodies begin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from math import isnan
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock import RunFailed, Skip, Task, Workflow, WorkflowManager
from penstock.clock import SystemClock
from penstock.errors import DefinitionError, StoreError
from penstock.plan.codec import encode
from penstock.policy import TaskPolicy
from penstock.runtime.durations import learned
from penstock.runtime.selection import Selection, select
from penstock.store.base import Durations, Store
from tests.simulation.plans import Graph, graphs, make_plan

RULES = ["all_success", "all_done", "one_success", "one_failed", "none_failed", "one_done", "always", "all_failed"]


class Ahead(SystemClock):
    """A clock that a body may set ahead: it then has taken so long."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def time(self) -> float:
        return SystemClock.time() + self.seconds


class Watched:
    """A manager with one worker, and the names of the tasks in the order in which they began."""

    def __init__(self, store: str) -> None:
        self.clock = Ahead()
        self.manager = WorkflowManager(store, "inline", observers=())
        self.manager._clock = self.clock
        self.began: list[str] = []
        self.seconds: dict[str, float] = {}
        """How long tasks take by this clock, where they take any time."""

    def body(self, name: str, *_: object) -> None:
        self.began.append(name)
        self.clock.seconds += self.seconds.get(name, 0.0)

    def task(self, name: str, dependencies: Any = (), **options: Any) -> Task:
        return Task(name, partial(self.body, name), list(dependencies), **options)

    def flow(self, *tasks: Task, **options: Any) -> Workflow:
        flow = Workflow("flow", **options)
        for task in tasks:
            flow.add_task(task)
        return flow

    def order(self, *tasks: Task, **options: Any) -> str:
        """The order in which a run of these tasks begins them."""
        self.began.clear()
        self.manager.run(self.flow(*tasks, **options), raise_on_failure=False)
        return " ".join(self.began)

    @property
    def store(self) -> Store:
        return self.manager.parts.store


@pytest.fixture(params=["sqlite", "memory"])
def watched(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Watched]:
    watched = Watched("memory" if request.param == "memory" else f"sqlite:///{tmp_path / 'store'}")
    yield watched
    watched.manager.close()


def three(watched: Watched, **options: Any) -> list[Task]:
    """A task alone, and a chain of two after it in the order of definition."""
    return [watched.task("alone", **options), watched.task("first"), watched.task("second", ["first"])]


def test_at_first_what_has_more_after_it_goes_first(watched: Watched):
    assert watched.order(*three(watched)) == "first alone second"


def test_of_equals_goes_first_what_was_defined_first(watched: Watched):
    assert watched.order(*(watched.task(name) for name in "dacb")) == "d a c b"


def test_a_thread_takes_what_is_ready_in_that_order():
    watched = Watched("memory")
    watched.manager = WorkflowManager("memory", "threads", workers=1, observers=())
    assert watched.order(*three(watched), watched.task("urgent", priority_weight=5)) == "urgent first alone second"


# --- Weights


def test_what_weighs_more_goes_first_even_if_less_comes_after_it(watched: Watched):
    assert watched.order(*three(watched, priority_weight=3)) == "alone first second"
    assert watched.order(*three(watched, priority_weight=2)) == "first alone second", "downstream, it is 2 against 2"


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("downstream", "b c a d"),  # 11, 10, 9, 1
        ("absolute", "a b d c"),  # 9, then 1 each: b is farther from the end, d came before c
        ("upstream", "a b c d"),  # 9, 1, 2, 1
    ],
)
def test_each_rule_decides(watched: Watched, rule: str, expected: str):
    tasks = [
        watched.task("a", priority_weight=9),
        watched.task("b"),
        watched.task("c", ["b"], priority_weight=10 if rule == "downstream" else 1),
        watched.task("d"),
    ]
    assert watched.order(*tasks, defaults={"weight_rule": rule}) == expected


def test_groups_and_workflows_give_weights_by_default(watched: Watched):
    from penstock import TaskGroup

    with Workflow("flow", defaults={"weight_rule": "absolute", "priority_weight": 2}) as flow:
        flow.add_task(watched.task("plain"))
        with TaskGroup("urgent", prefix=False, defaults={"priority_weight": 5}):
            flow.add_task(watched.task("one"))
            flow.add_task(watched.task("two", priority_weight=1))
        flow.add_task(watched.task("most", priority_weight=9))
    watched.manager.run(flow)
    assert watched.began == ["most", "one", "plain", "two"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"priority_weight": "high"}, "task 't': priority_weight='high' is not a whole number"),
        ({"priority_weight": 1.5}, "task 't': priority_weight=1.5 is not a whole number"),
        ({"priority_weight": True}, "task 't': priority_weight=True is not a whole number"),
        (
            {"weight_rule": "downstrem"},
            r"task 't': weight_rule='downstrem' does not exist; did you mean 'downstream'\?",
        ),
        ({"weight_rule": 3}, "weight_rule=3 does not exist; there are downstream, upstream, absolute"),
        ({"priority_wieght": 3}, r"there is no option 'priority_wieght'; did you mean 'priority_weight'\?"),
    ],
)
def test_what_is_no_weight_or_rule_is_refused_by_name(watched: Watched, options: dict[str, Any], message: str):
    with pytest.raises(DefinitionError, match=message):
        watched.order(watched.task("t", **options))
    assert watched.began == []


def test_a_plan_that_says_nothing_of_weights_keeps_its_name():
    import json
    import zlib

    def written(policy: TaskPolicy) -> dict[str, Any]:
        columns: dict[str, Any] = json.loads(zlib.decompress(encode(make_plan([[]], policies=[policy]))))
        return columns

    plain = written(TaskPolicy())
    assert plain["format"] == 3
    assert not {"priority_weight", "weight_rule"} & set(plain["policy"][0])
    assert written(TaskPolicy(priority_weight=0))["format"] == 4
    assert written(TaskPolicy(weight_rule="absolute"))["policy"][0]["weight_rule"] == "absolute"


@given(graphs(max_size=6), st.data())
def test_weights_move_starts_and_never_verdicts(graph: Graph, data: st.DataObject):
    size = len(graph)
    rules = data.draw(st.lists(st.sampled_from([*RULES]), min_size=size, max_size=size))
    fails = data.draw(st.sets(st.integers(0, size - 1)))
    weights = data.draw(st.lists(st.none() | st.integers(-9, 9), min_size=size, max_size=size))

    def states(weights: Sequence[int | None]) -> dict[str, str]:
        flow = Workflow("flow", defaults={"weight_rule": "absolute"})
        for number, above in enumerate(graph):
            name, body = f"t{number}", (lambda: 1 / 0) if number in fails else int
            options: Any = {"trigger_rule": rules[number], "priority_weight": weights[number]}
            flow.add_task(Task(name, body, [f"t{upstream}" for upstream in above], **options))
        run = WorkflowManager("memory", "inline", observers=()).run(flow, raise_on_failure=False)
        return {task.name: task.state for task in run.tasks}

    assert states(weights) == states([None] * size)


# --- Durations learned


def test_the_next_run_knows_what_took_long(watched: Watched):
    watched.seconds = {"alone": 30}
    assert watched.order(*three(watched)) == "first alone second"
    assert watched.order(*three(watched)) == "alone first second"
    watched.seconds = {"second": 90}
    assert watched.order(*three(watched)) == "alone first second", "it is not known before"
    watched.seconds = {"second": 90, "alone": 30}
    for _ in range(3):
        watched.order(*three(watched))
    assert watched.order(*three(watched)) == "first second alone"


def test_it_is_the_median_of_the_newest_runs_that_counts(watched: Watched):
    tasks = [watched.task("a"), watched.task("b")]
    watched.seconds = {"a": 1, "b": 2}
    for _ in range(5):
        watched.order(*tasks)
    assert watched.order(*tasks) == "b a"
    watched.seconds = {"a": 500, "b": 2}
    for _ in range(2):
        assert watched.order(*tasks) == "b a", "one slow run is no rule"
    for _ in range(3):
        watched.order(*tasks)
    assert watched.order(*tasks) == "a b"


def test_durations_go_by_name_when_the_workflow_has_changed(watched: Watched):
    watched.seconds = {"b": 30}
    assert watched.order(watched.task("a"), watched.task("c"), watched.task("b")) == "a c b"
    assert watched.order(*(watched.task(name) for name in ("new", "b", "a", "c"))) == "b new a c"


def test_another_workflow_learns_nothing_from_it(watched: Watched):
    watched.seconds = {"b": 30}
    watched.order(watched.task("a"), watched.task("b"))
    watched.began.clear()
    other = Workflow("other")
    for name in "ab":
        other.add_task(watched.task(name))
    watched.manager.run(other)
    assert watched.began == ["a", "b"]


def test_only_attempts_that_succeeded_count(watched: Watched):
    def fails_once(name: str) -> None:
        watched.body(name)
        if watched.began.count(name) == 1:
            watched.clock.seconds += 1000
            raise ValueError(name)

    tasks = [watched.task("b"), Task("a", partial(fails_once, "a"), retries=1)]
    watched.seconds = {"a": 1, "b": 5}
    assert watched.order(*tasks) == "b a a"
    assert watched.order(*tasks) == "b a a", "the failed attempt of 'a' took longer than 'b', its success did not"


def test_runs_that_did_not_succeed_leave_nothing(watched: Watched):
    def fail() -> None:
        raise ValueError

    watched.seconds = {"b": 30}
    assert watched.order(watched.task("a"), watched.task("b"), Task("c", fail)) == "a b"
    assert watched.store.durations("flow") == []
    assert watched.order(watched.task("a"), watched.task("b")) == "a b"
    assert len(watched.store.durations("flow")) == 1


def test_a_failed_run_that_is_resumed_and_succeeds_counts(watched: Watched):
    failing = [True]

    def fail() -> None:
        if failing:
            raise ValueError

    watched.seconds = {"b": 30}
    flow = watched.flow(watched.task("a"), watched.task("b"), Task("c", fail))
    with pytest.raises(RunFailed) as failed:
        watched.manager.run(flow)
    failing.clear()
    watched.manager.resume(failed.value.run.id, flow)
    assert len(watched.store.durations("flow")) == 1
    watched.began.clear()
    watched.manager.run(flow)
    assert watched.began == ["b", "a"]


def test_what_was_skipped_or_marked_left_no_duration(watched: Watched):
    def end(name: str, error: Exception) -> None:
        watched.body(name)
        raise error

    watched.seconds = {"plain": 5, "skips": 100, "marked": 100}
    skips, marked = partial(end, "skips", Skip("not today")), partial(end, "marked", ValueError())
    flow = watched.flow(
        watched.task("plain"), Task("skips", skips), Task("marked", marked), watched.task("after", ["marked"])
    )
    with pytest.raises(RunFailed) as failed:
        watched.manager.run(flow)
    run_id = failed.value.run.id
    watched.manager.mark(run_id, ["marked"], "success")
    assert watched.manager.resume(run_id, flow).state == "success"
    [kept] = watched.store.durations("flow")
    plain, *others, after = learned(watched.store, watched.manager.compile(flow), kept.plan)
    assert plain == pytest.approx(5, abs=1)
    assert after < 1
    assert all(map(isnan, others))


def test_limits_hold_when_the_plan_of_a_resumed_run_has_changed(tmp_path: Path):
    """They are those of the plan that the run follows from then on, row by row."""
    failing, together, most = [True], [], []

    def instance(x: int) -> None:
        together.append(x)
        most.append(len(together))
        together.remove(x)

    def fail() -> list[int]:
        if failing:
            raise ValueError
        return [1, 2, 3]

    def flow(*first: str) -> Workflow:
        flow = Workflow("flow")
        for name in first:
            flow.add_task(Task(name, int))
        source = flow.add_task(Task("source", fail))
        flow.add_task(Task("each", instance, expand={"x": source}, max_active_instances=1))
        return flow

    with WorkflowManager(f"sqlite:///{tmp_path / 'store'}", workers=3, observers=()) as manager:
        run = manager.run(flow(), raise_on_failure=False)
        failing.clear()
        run = manager.resume(run.id, flow("new", "newer"))
    assert run.counts == {"success": 6}
    assert max(most) == 1


def test_a_part_of_a_workflow_leaves_nothing(watched: Watched):
    flow = watched.flow(watched.task("a"), watched.task("b"))
    compiled, params = watched.manager._compile(flow, {})
    part = select(compiled, Selection(only=("a",)))
    watched.manager._drive(watched.manager._begin(part, params, None))
    assert watched.began == ["a"]
    assert watched.store.durations("flow") == []


def test_instances_go_by_the_rank_of_their_task_and_then_by_index(watched: Watched):
    def number(name: str, x: int) -> None:
        watched.body(name)
        watched.began[-1] += str(x)

    def tasks() -> list[Task]:
        return [
            Task("quick", partial(number, "quick"), expand={"x": [1, 2, 3]}),
            Task("slow", partial(number, "slow"), expand={"x": [1, 2]}),
        ]

    watched.seconds = {"slow": 20, "quick": 10}
    assert watched.order(*tasks()) == "quick1 quick2 quick3 slow1 slow2"
    # An instance of the map that was expanded first may have begun before the other was expanded.
    began = watched.order(*tasks())
    assert began in ("slow1 slow2 quick1 quick2 quick3", "quick1 slow1 slow2 quick2 quick3"), "each takes longer"


def test_what_a_deleted_run_left_is_gone(watched: Watched):
    watched.seconds = {"b": 30}
    watched.order(watched.task("a"), watched.task("b"))
    watched.manager.delete(watched.manager.get().id)
    assert watched.store.durations("flow") == []


# --- Advice that cannot be had


class Broken:
    """A store that has nothing of use to say."""

    def __init__(self, *kept: Durations, plan: bytes | None = None) -> None:
        self.kept, self.kept_plan = kept, plan

    def durations(self, workflow: str) -> list[Durations]:
        if not self.kept:
            raise StoreError("not now")
        return [*self.kept]

    def plan(self, fingerprint: str) -> bytes:
        if self.kept_plan is None:
            raise StoreError("no such plan")
        return self.kept_plan


@pytest.mark.parametrize(
    "store",
    [
        Broken(),
        Broken(Durations("this", b"no durations")),
        Broken(Durations("this", b"x\x9c\x03\x00\x00\x00\x00\x01")),  # compressed nothing: too few
        Broken(Durations("other", b"x\x9c\x03\x00\x00\x00\x00\x01")),
        Broken(Durations("other", b"x\x9c\x03\x00\x00\x00\x00\x01"), plan=b"no plan"),
    ],
)
def test_what_cannot_be_read_is_done_without(store: Any):
    assert list(learned(store, make_plan([[]]), "this")) == []
