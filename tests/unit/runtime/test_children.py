"""Workflows as tasks of others, with threads and the memory store."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest

from penstock import (
    RunFailed,
    Secret,
    SubWorkflow,
    Workflow,
    WorkflowManager,
    current,
    setup,
    task,
    task_group,
    teardown,
    workflow,
)
from penstock.engine.events import AttemptSucceeded, Event, RunResumed
from penstock.errors import CycleError, DefinitionError, Fail, ParameterError, PenstockError, StoreError
from penstock.runtime import journal, waking
from tests.unit.runtime.clocks import TurnedClock
from tests.unit.runtime.waiting import Background, come, error_of, eventually, states


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever wakes what is parked looks for it all the time."""
    monkeypatch.setattr(waking, "LOOK", 0.05)


def manager(**options: Any) -> WorkflowManager:
    return WorkflowManager(**{"store": "memory", "observers": [], "workers": 1, **options})


@task
def add(a: int, b: int) -> int:
    return a + b


@task
def numbers(n: int) -> list[int]:
    return list(range(n))


@workflow
def adding(a: int, b: int = 10) -> int:
    return add(a, b)


# --- Values


def test_a_workflow_is_one_task_of_another_and_gives_what_it_returns() -> None:
    @workflow
    def outer(a: int) -> None:
        first = adding(a)
        add.named("last")(first, adding(first, b=1))

    run = manager().run(outer, a=1)
    assert {one.name: one.result for one in run.tasks} == {"adding": 11, "adding__1": 12, "last": 23}


def test_outputs_are_given_in_what_they_are_returned_in() -> None:
    @workflow
    def several(a: int) -> dict[str, Any]:
        return {"list": [add(a, 1), add(a, 2)], "tuple": (add(a, 3), a), "constant": "x"}

    @workflow
    def outer() -> None:
        several(1)

    run = manager().run(outer)
    assert run.task("several").result == {"list": [2, 3], "tuple": (4, 1), "constant": "x"}


def test_one_that_returns_nothing_is_worth_none_and_one_that_returns_a_map_a_list() -> None:
    @workflow
    def silent() -> None:
        add(1, 2)

    @workflow
    def mapped(n: int) -> list[int]:
        return add.partial(b=1).expand(a=numbers(n))

    @workflow
    def outer() -> None:
        silent()
        mapped(3)
        mapped.named("empty")(0)

    run = manager().run(outer)
    assert run.task("silent").result is None
    assert run.task("mapped").result == [1, 2, 3]
    assert run.task("empty").result == []


def test_what_was_skipped_in_it_gives_none() -> None:
    @task
    def skips() -> int:
        from penstock import Skip

        raise Skip("nothing to do")

    @workflow
    def inner() -> tuple[int, int]:
        return skips(), add(1, 1)

    @workflow
    def outer() -> None:
        inner()

    assert manager().run(outer).task("inner").result == (None, 2)


def test_workflow_objects_are_tasks_by_their_class() -> None:
    with Workflow("inner") as inner:
        inner.result = add(20, 22)
    with Workflow("outer") as outer:
        runs_it = SubWorkflow("it", inner, ["before"], retries=1)
        add.named("before")(1, 1)
        add.named("after")(runs_it.output, 1)  # type: ignore[arg-type]
        SubWorkflow("function", adding, params={"a": runs_it})
    run = manager().run(outer)
    assert (run.task("it").result, run.task("after").result, run.task("function").result) == (42, 43, 52)


def test_a_mapped_one_has_a_run_for_each() -> None:
    @workflow
    def outer(n: int) -> None:
        adding.partial(b=1).expand(a=numbers(n))

    with manager() as runs:
        run = runs.run(outer, n=150)  # more than are driven at once
        assert run.task("adding").result == list(range(1, 151))
        assert len(run.children) == 150
        assert {child.part for child in run.children} == {f"adding[{index}]" for index in range(150)}


def test_it_is_known_which_run_is_which_task() -> None:
    @workflow
    def outer() -> None:
        adding(1)

    with manager() as runs:
        run = runs.run(outer)
        [child] = run.children
        assert child.id == run.task("adding").child
        assert (child.parent, child.part, child.workflow) == (run.id, "adding", "adding")
        assert run.parent is None
        assert run.part is None


# --- Depth and breadth


@pytest.mark.parametrize("executor", ["threads", "inline"])
def test_ten_levels_and_one_worker(executor: str) -> None:
    @workflow(build=["n"])
    def deep(n: int) -> int:
        return deep(n - 1) if n else add(40, 2)

    workers = 1 if executor == "threads" else None
    with manager(executor=executor, workers=workers) as runs:
        assert runs.run(deep, n=10).task("deep").result == 42
        assert len(runs.runs()) == 11


def test_many_at_many_levels() -> None:
    @workflow(build=["level"])
    def salted(level: int, salt: int) -> int:
        if not level:
            return add(0, 1)
        return total(salted.partial(level=level - 1).expand(salt=[1, 2, 3]))

    @task
    def total(parts: list[int]) -> int:
        return sum(parts)

    with manager() as runs:
        runs._equipment._lanes = _two_lanes()
        assert runs.run(salted, level=4, salt=0).task("total").result == 81


def _two_lanes() -> Any:
    from penstock.runtime.lanes import Lanes

    return Lanes(2)


def test_a_graph_can_be_built_from_what_is_known_only_when_it_runs() -> None:
    @workflow(build=["n"])
    def chain_of(n: int) -> list[int]:
        return [add.named(f"add_{number}")(number, number) for number in range(n)]

    @task
    def three() -> int:
        return 3

    @workflow
    def outer() -> None:
        chain_of(three())

    assert manager().run(outer).task("chain_of").result == [0, 2, 4]


# --- Calling itself


@task
def one_less(n: int) -> int:
    return n - 1


@task.short_circuit
def is_left(n: int) -> bool:
    return n > 0


@workflow
def countdown(n: int) -> int:
    less = one_less(n)
    return countdown.options(after=is_left(n))(less)


@workflow
def endless(n: int) -> int:
    return endless(one_less(n))


def test_one_that_calls_itself_under_a_condition_comes_to_an_end() -> None:
    with manager() as runs:
        assert runs.run(countdown, n=5).state == "success"
        assert len(runs.runs()) == 6


def test_one_that_calls_itself_for_ever_fails_at_a_depth() -> None:
    with manager() as runs:
        run = runs.run(endless, n=0, raise_on_failure=False)
        assert len(runs.runs()) == 100
        deepest = runs.runs()[0]
    assert run.state == "failed"
    assert "more than 100 deep within each other: endless -> endless" in error_of(deepest, "endless")


def test_a_circle_is_told_by_name_before_anything_runs() -> None:
    @workflow
    def ping() -> None:
        pong()

    @workflow
    def pong() -> None:
        ping()

    with pytest.raises(CycleError, match="ping -> pong -> ping"):
        manager().compile(ping)


# --- Parameters


def test_wrong_parameters_are_told_by_name_before_anything_runs() -> None:
    @workflow
    def wrong_name() -> None:
        adding(1, c=2)  # type: ignore[call-arg]

    @workflow
    def wrong_type() -> None:
        adding("one")  # type: ignore[arg-type]

    @workflow
    def missing() -> None:
        adding()  # type: ignore[call-arg]

    with pytest.raises(ParameterError, match="task 'adding': workflow 'adding' has no parameter 'c'; it has a, b"):
        manager().compile(wrong_name)
    with pytest.raises(ParameterError, match="task 'adding': workflow 'adding', parameter 'a': 'one' is not int"):
        manager().compile(wrong_type)
    with pytest.raises(ParameterError, match="workflow 'adding' needs parameter 'a'"):
        manager().compile(missing)


def test_what_is_known_later_is_checked_then_and_is_not_tried_again() -> None:
    @task
    def text() -> Any:
        return "two"

    @workflow
    def outer() -> None:
        adding.options(retries=5)(text())

    with manager() as runs:
        run = runs.run(outer, raise_on_failure=False)
        assert not run.children
    assert "ParameterError: workflow 'adding', parameter 'a': 'two' is not int" in error_of(run, "adding")
    assert run.task("adding").attempts == 1


def test_problems_within_it_are_told_before_anything_runs() -> None:
    @workflow
    def broken() -> None:
        add(1, 2, 3)  # type: ignore[call-arg]

    @workflow
    def outer() -> None:
        broken()

    with pytest.raises(DefinitionError, match="add"):
        manager().compile(outer)


def test_what_it_returns_must_be_its_own() -> None:
    @workflow
    def outer() -> None:
        stolen = add(1, 2)

        @workflow
        def inner() -> int:
            add(1, 1)
            return stolen

        inner()

    with pytest.raises(DefinitionError, match="returns the output of 'add', which is no task of it"):
        manager().compile(outer)


def test_a_secret_stays_secret_in_it() -> None:
    seen: list[str] = []

    @task
    def uses(token: Secret[str]) -> None:
        seen.append(token.get_secret_value())
        print("it is", token.get_secret_value())

    @workflow
    def inner(token: Secret[str]) -> None:
        uses(token)

    @workflow
    def outer(token: Secret[str]) -> None:
        inner(token)

    with manager() as runs:
        run = runs.run(outer, token="a-long-secret")
        [child] = run.children
        assert seen == ["a-long-secret"]
        assert "a-long-secret" not in runs.parts.store.run(child.id).params
        assert child.task("uses").log == "it is ***\n"


def test_a_secret_is_given_to_no_parameter_that_is_shown_and_none_is_in_the_graph() -> None:
    @workflow
    def shown(token: str) -> None:
        add(1, 1)

    @workflow
    def hidden(token: Secret[str]) -> None:
        add(1, 1)

    @workflow
    def leaks(token: Secret[str]) -> None:
        shown(token)  # type: ignore[arg-type]

    @workflow
    def writes() -> None:
        hidden("in the code")  # type: ignore[arg-type]

    with pytest.raises(ParameterError, match="parameter 'token': it is given the secret 'token'"):
        manager().compile(leaks, {"token": Secret.from_env("TOKEN")})
    with pytest.raises(ParameterError, match="it is a secret, and the graph is kept and shown"):
        manager().compile(writes)


# --- Failures


class Mended:
    """A body that fails until it is mended."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.is_mended = False

    def flow(self) -> Any:
        @task
        def first() -> str:
            self.calls.append("first")
            return "first"

        @task
        def second(value: str) -> str:
            self.calls.append("second")
            if not self.is_mended:
                raise ValueError("not yet")
            return f"{value} and second"

        @workflow
        def inner() -> str:
            return second(first())

        return inner


def test_a_failure_within_fails_the_task_by_name() -> None:
    inner = Mended().flow()

    @workflow
    def outer() -> None:
        inner()

    with manager() as runs:
        run = runs.run(outer, raise_on_failure=False)
        [child] = run.children
        expected = f"RunFailed: run {child.id} of 'inner' failed: task 'second' failed: ValueError: not yet"
        assert error_of(run, "inner") == expected
        with pytest.raises(RunFailed):
            runs.run(outer)


def test_a_retry_goes_on_with_the_same_run() -> None:
    state = Mended()
    inner = state.flow()

    @task
    def mend() -> None:
        state.is_mended = True

    @workflow
    def outer() -> None:
        inner.options(retries=2, retry_delay=0.01)()

    with manager() as runs:
        run = runs.run(outer, raise_on_failure=False)
        assert run.state == "failed"
        assert state.calls == ["first", "second", "second", "second"]
        assert len(run.children) == 1
        state.is_mended = True
        again = runs.resume(run.id, outer)
        assert again.task("inner").result == "first and second"
        assert state.calls == ["first", "second", "second", "second", "second"]
        assert [child.id for child in again.children] == [run.children[0].id]


def test_a_rerun_begins_another_run() -> None:
    state = Mended()
    state.is_mended = True
    inner = state.flow()

    @workflow
    def outer() -> None:
        inner()

    with manager() as runs:
        run = runs.run(outer)
        again = runs.rerun(run.id, outer, only=["inner"])
        assert len(again.children) == 2
        assert again.task("inner").child == again.children[1].id
        assert state.calls == ["first", "second"] * 2


def test_one_that_takes_too_long_is_cancelled() -> None:
    forever = threading.Event()

    @task
    def waits() -> None:
        while not current().cancelled:
            forever.wait(0.01)

    @workflow
    def inner() -> None:
        waits()

    @workflow
    def outer() -> None:
        inner.options(timeout=0.2)()

    with manager() as runs:
        run = runs.run(outer, raise_on_failure=False)
        assert "TaskTimeout" in error_of(run, "inner")
        assert [child.state for child in run.children] == ["cancelled"]


# --- Ending them from above


class Held:
    """A workflow with a task that goes on until it is asked to end, or is let go."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.go = threading.Event()

    def __enter__(self) -> Held:
        return self

    def __exit__(self, *exc: object) -> None:
        self.go.set()

    def flow(self, *, levels: int = 1) -> Any:
        @task
        def held() -> str:
            self.began.set()
            while not current().cancelled and not self.go.wait(0.005):
                pass
            return "done"

        @workflow
        def inner() -> str:
            return held()

        for _ in range(levels - 1):
            inner = _wrapped(inner)
        return _wrapped(inner)


def _wrapped(inner: Any) -> Any:
    @workflow
    def outer() -> str:
        return inner()

    return outer


@pytest.mark.parametrize("levels", [1, 3])
def test_who_cancels_a_run_cancels_those_of_its_tasks(levels: int) -> None:
    held = Held()
    flow = held.flow(levels=levels)
    with manager() as runs:
        run = runs.start(flow)
        come(held.began)
        runs.cancel(run.id, by="me")
        assert run.wait(60).state == "cancelled"
        eventually(lambda: all(one.state == "cancelled" for one in runs.runs()))
        assert len(runs.runs()) == levels + 1


def test_who_cancels_a_run_once_leaves_its_children_their_teardowns() -> None:
    held, torn_down = Held(), []

    @setup
    def up() -> int:
        return 1

    @task
    def works(number: int) -> None:
        held.began.set()
        while not current().cancelled and not held.go.wait(0.005):
            pass

    @teardown
    def down(number: int) -> None:
        torn_down.append(number)

    @workflow
    def inner() -> None:
        number = up()
        with down(number):
            works(number)

    @workflow
    def outer() -> None:
        inner()

    with held, manager() as runs:
        run = runs.start(outer)
        come(held.began)
        runs.cancel(run.id, by="me")
        assert run.wait(60).state == "cancelled"
        eventually(lambda: [child.state for child in runs.get(run.id).children] == ["cancelled"])
        assert torn_down == [1]


def test_a_run_that_fails_fast_ends_those_of_its_tasks() -> None:
    held = Held()
    inner = held.flow()

    @task
    def fails() -> None:
        come(held.began)
        raise Fail("now")

    @workflow(fail_fast=True)
    def outer() -> None:
        inner()
        fails()

    with manager(workers=2) as runs:
        run = runs.run(outer, raise_on_failure=False)
        assert states(run) == {"outer": "cancelled", "fails": "failed"}
        assert {one.state for one in runs.runs() if one.parent} == {"cancelled"}


def test_a_run_whose_time_is_up_ends_those_of_its_tasks() -> None:
    held = Held()
    inner = held.flow()

    @workflow(timeout=0.3)
    def outer() -> None:
        inner()

    with manager() as runs:
        run = runs.run(outer, raise_on_failure=False)
        assert run.state == "failed"
        assert {one.state for one in runs.runs() if one.parent} == {"cancelled"}


def test_a_task_that_is_marked_lets_go_of_its_run() -> None:
    held, other = Held(), Held()
    inner, beside = held.flow(), other.flow()

    @workflow
    def outer() -> None:
        inner.named("marked")()
        beside.named("beside")()

    with manager(workers=2) as runs, held, other:
        run = runs.start(outer)
        come(held.began)
        come(other.began)
        child = runs.get(run.id).task("marked").child
        marking = Background(lambda: runs.mark(run.id, ["marked"], "skipped", note="not today"))
        eventually(lambda: runs.get(child).state == "cancelled")
        assert runs.get(run.id).state == "running"
        other.go.set()
        assert run.wait(60).task("beside").result == "done"
        marking.result()


def test_what_is_cancelled_alone_fails_its_task() -> None:
    held = Held()
    flow = held.flow()
    with manager() as runs:
        run = runs.start(flow)
        come(held.began)
        [child] = run.children
        runs.cancel(child.id, by="me")
        ended = run.wait(60)
        assert f"RunFailed: run {child.id} of 'inner' cancelled: cancelled by me" in error_of(ended, "inner")


# --- Not waited for


def test_one_that_is_only_begun_goes_on_by_itself() -> None:
    held = Held()
    inner = held.flow()

    @workflow
    def outer() -> None:
        inner.detached()

    with manager() as runs:
        run = runs.run(outer)
        begun = runs.get(run.task("outer").result)
        come(held.began)
        assert (begun.parent, begun.part) == (run.id, None)
        assert begun.state == "running"
        held.go.set()
        assert begun.wait(60).state == "success"


# --- Why


def test_why_goes_down_into_the_runs_of_tasks() -> None:
    held = Held()
    flow = held.flow(levels=2)
    with manager() as runs, held:
        run = runs.start(flow)
        come(held.began)
        eventually(lambda: runs.get(run.id).task("outer").state == "deferred")
        eventually(lambda: runs.get(run.id).why("outer").first_causes[0].task == "outer / inner / held")
        why = runs.get(run.id).why("outer")
        assert why.text.startswith(f"Task outer waits for run {run.children[0].id} of 'outer', which is running")
        assert [step.task for step in why.first_causes] == ["outer / inner / held"]
        assert "outer / inner / held has been running since" in str(why)
        held.go.set()
        run.wait(60)


def test_why_of_a_failure_names_the_task_that_failed_first() -> None:
    inner = Mended().flow()

    @workflow
    def outer() -> None:
        inner()

    with manager() as runs:
        why = runs.run(outer, raise_on_failure=False).why("inner")
        assert [step.task for step in why.first_causes] == ["inner / second"]
        assert why.first_causes[0].text == "failed: ValueError: not yet"


# --- On record


def test_who_deletes_a_run_deletes_those_of_its_tasks() -> None:
    @workflow
    def middle() -> int:
        return adding(1)

    @workflow
    def outer() -> None:
        middle()

    with manager() as runs:
        run, other = runs.run(outer), runs.run(outer)
        assert len(runs.runs()) == 6
        runs.delete(run.id)
        assert {one.id for one in runs.runs() if one.parent is None} == {other.id}
        assert len(runs.runs()) == 3


def test_runs_of_tasks_are_kept_as_long_as_the_runs_that_they_belong_to() -> None:
    @workflow
    def outer() -> None:
        adding.partial(b=1).expand(a=[1, 2, 3])

    with manager() as runs:
        older, newer = runs.run(outer), runs.run(outer)
        gone = runs.prune(older_than=0, keep=1)
        assert set(gone.runs) == {older.id, *(child for child in gone.runs if child != older.id)}
        assert len(gone.runs) == 4
        assert {one.id for one in runs.runs() if one.parent is None} == {newer.id}
        assert len(runs.runs()) == 4


def test_one_that_may_begin_only_once_cannot_be_a_workflow() -> None:
    @workflow
    def outer() -> None:
        adding.options(at_most_once=True)(1)

    with pytest.raises(DefinitionError, match="at_most_once"):
        manager().compile(outer)


def test_its_body_cannot_be_debugged_and_that_is_said() -> None:
    @workflow
    def outer() -> None:
        adding(1)

    with manager() as runs:
        run = runs.run(outer)
        with pytest.raises(PenstockError, match=f"debug a task of its run {run.children[0].id}"):
            runs.debug(run.id, "adding", outer)


# --- Parked


@task
def asks() -> str:
    answer = current().receive("answer")
    assert isinstance(answer, str)
    return answer


@workflow
def asking() -> str:
    return asks()


def test_runs_of_tasks_are_parked_with_their_parents_and_woken() -> None:
    @workflow
    def outer(n: int) -> None:
        asking.expand_kwargs(nothings(n))

    @task
    def nothings(n: int) -> list[dict[str, Any]]:
        return [{} for _ in range(n)]

    with manager(park_after=0.05) as runs:
        run = runs.start(outer, n=3)
        eventually(lambda: [one.state for one in runs.runs()] == ["waiting"] * 4)
        for number, child in enumerate(runs.get(run.id).children):
            runs.send(child.id, "answer", f"{number}")
        assert run.wait(60).task("asking").result == ["0", "1", "2"]


def test_a_run_is_not_parked_while_those_of_its_tasks_have_something_to_do() -> None:
    held = Held()
    flow = held.flow()
    with manager(park_after=0.05, workers=2) as runs, held:
        run = runs.start(flow)
        come(held.began)
        eventually(lambda: runs.get(run.id).task("inner").state == "deferred")
        waits = runs.start(asking)
        eventually(lambda: runs.get(waits.id).state == "waiting")  # so long it takes
        assert runs.get(run.id).state == "running"
        held.go.set()
        assert run.wait(60).task("inner").result == "done"
        runs.cancel(waits.id)


def test_who_cancels_a_parked_run_cancels_those_of_its_tasks() -> None:
    @workflow
    def outer() -> None:
        asking()

    with manager(park_after=0.05) as runs:
        run = runs.start(outer)
        eventually(lambda: [one.state for one in runs.runs()] == ["waiting"] * 2)
        runs.cancel(run.id)
        assert [one.state for one in runs.runs()] == ["cancelled"] * 2


def test_a_run_that_is_not_to_be_parked_waits_for_those_of_its_tasks() -> None:
    @workflow
    def outer() -> None:
        asking()

    with manager(park_after=0.05) as runs:
        running = Background(lambda: runs.run(outer))
        eventually(lambda: len(runs.runs()) == 2 and runs.runs()[0].task("asks").state == "deferred")
        child = runs.runs()[0]
        assert child.state == "running"
        runs.send(child.id, "answer", "yes")
        assert running.result().task("asking").result == "yes"


def test_who_resumes_a_run_with_its_secrets_gives_them_to_those_of_its_tasks() -> None:
    seen: list[str] = []

    @task
    def uses(token: Secret[str]) -> None:
        seen.append(token.get_secret_value())
        if len(seen) == 1:
            raise ValueError("not yet")

    @workflow
    def inner(token: Secret[str]) -> None:
        uses(token)

    @workflow
    def outer(token: Secret[str]) -> None:
        inner(token)

    with manager() as runs:
        run = runs.run(outer, token="the-first-secret", raise_on_failure=False)
        again = runs.resume(run.id, outer, secrets={"token": "another-secret"})
        assert again.state == "success"
        assert seen == ["the-first-secret", "another-secret"]


def test_in_a_mapped_group_each_instance_has_a_run_of_its_own() -> None:
    @task_group
    def both(n: int) -> int:
        return adding(add(n, 1), b=0)

    @workflow
    def outer() -> None:
        both.expand(n=[1, 2, 3])

    with manager() as runs:
        run = runs.run(outer)
        assert [one.result for one in run.task("both.adding").instances] == [2, 3, 4]
        assert len(run.children) == 3


def test_a_run_of_a_task_is_the_latest_if_its_parent_is() -> None:
    latest: list[bool] = []

    @task
    def looks() -> None:
        latest.append(current().is_latest)

    @workflow
    def inner(n: int) -> None:
        looks()

    @workflow
    def outer() -> None:
        inner.expand(n=[1, 2, 3])

    with manager() as runs:
        first = runs.run(outer)
        runs.run(inner, n=1)
        assert latest == [True] * 4
        runs.run(outer)
        runs.rerun(first.children[0].id, inner, only=["looks"])
        assert latest == [True] * 7 + [False]


def test_the_newest_run_is_none_that_is_a_task() -> None:
    @workflow
    def outer() -> None:
        adding.expand(a=[1, 2])

    with manager() as runs:
        run = runs.run(outer)
        assert runs.get().id == run.id
        again = runs.run(adding, a=1, resume=True)
        assert again.parent is None


def test_a_store_that_fails_for_a_while_is_not_the_fault_of_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    @workflow
    def outer() -> None:
        adding(1)

    with manager() as runs:
        store, failures = runs.parts.store, [StoreError("the disk is full")] * 3
        start_run = store.start_run

        def failing(row: Any, plan: bytes) -> Any:
            if row.parent is not None and failures:
                raise failures.pop()
            return start_run(row, plan)

        monkeypatch.setattr(store, "start_run", failing)
        run = runs.run(outer)
        assert run.task("adding").result == 11
        assert not failures


def test_a_failure_that_cannot_be_read_at_once_is_told_later_and_not_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    called: list[str] = []

    @task
    def fails() -> None:
        called.append("fails")
        raise Fail("as ever")

    @workflow
    def inner() -> None:
        fails()

    @workflow
    def outer() -> None:
        inner()

    with manager() as runs:
        store, failures = runs.parts.store, [StoreError("the disk is full")]
        read = store.read

        def failing(run_id: str, after: int = 0) -> Any:
            row = store.run(run_id)
            if row.parent is not None and row.state == "failed" and failures:
                raise failures.pop()
            return read(run_id, after)

        monkeypatch.setattr(store, "read", failing)
        run = runs.run(outer, raise_on_failure=False)
        assert "RunFailed" in error_of(run, "inner")
        assert (called, failures) == (["fails"], [])


def test_one_that_was_left_since_the_store_failed_is_taken_over_and_not_resumed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @workflow
    def outer() -> None:
        adding(1)

    with manager() as runs:
        store, failures = runs.parts.store, [StoreError("the disk is full")]
        append = store.append

        def failing(lease: Any, events: Sequence[Event], **options: Any) -> None:
            parent = store.run(lease.run_id).parent
            if parent is not None and any(isinstance(event, AttemptSucceeded) for event in events) and failures:
                raise failures.pop()
            append(lease, events, **options)

        monkeypatch.setattr(store, "append", failing)
        monkeypatch.setattr(journal, "RETRY_FOR", 0.0)
        run = runs.run(outer)
        assert (run.task("adding").result, failures) == (11, [])
        events = [event for _, batch in store.read(run.children[0].id) for event in batch]
        assert [event.by_hand for event in events if isinstance(event, RunResumed)] == [False]


def test_the_time_of_a_task_goes_on_while_it_is_parked() -> None:
    @workflow
    def outer() -> None:
        asking.options(timeout=3600)()

    with manager(park_after=0.05) as runs:
        runs._clock = clock = TurnedClock()
        run = runs.start(outer)
        eventually(lambda: [one.state for one in runs.runs()] == ["waiting"] * 2)
        clock.turned += 3601
        ended = run.wait(60)
        assert "TaskTimeout" in error_of(ended, "asking")
        assert [child.state for child in ended.children] == ["cancelled"]


def test_a_task_takes_as_long_as_its_run() -> None:
    held = Held()
    inner = held.flow()

    @workflow
    def outer() -> None:
        inner()

    with manager() as runs, held:
        run = runs.start(outer)
        come(held.began)
        eventually(lambda: runs.get(run.id).task("outer").state == "deferred")
        held.go.set()
        ended = run.wait(60)
        [child] = ended.children
        assert child.duration is not None
        assert (ended.task("outer").duration or 0.0) >= child.duration
