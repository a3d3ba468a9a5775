"""Setups and teardowns as they are written."""

from __future__ import annotations

from typing import Any

import pytest

from penstock import Task, TaskGroup, Workflow, WorkflowManager, chain, setup, task, teardown
from penstock.errors import DefinitionError, OptionError
from tests.unit.definition.places import line_at
from tests.unit.plan.compiling import edges, named, plan_of
from tests.unit.plan.refusals import flow_of, problem, refusal, work


@task
def step(*values: object) -> int:
    return 1


@setup
def make() -> int:
    return 1


@teardown
def clean(made: int = 0) -> None: ...


def some(name: str, *values: object) -> Any:
    return step.named(name)(*values)


# --- What is one


def test_decorators_and_options_say_the_same() -> None:
    with Workflow("flow") as flow:
        clean(make())
        teardown(on_failure_fail_run=True, retries=2)(work).named("loud")(setup(retries=1)(work).named("other")())
        task(teardown=True)(work).named("option")(task(setup=True)(work).named("made")())
        teardown(task(retries=3)(work)).named("over task")(setup(task(work)).named("also over task")())
    policies = plan_of(flow).policies
    assert [policy.setup for policy in policies] == [True, False] * 4
    assert [policy.teardown for policy in policies] == [False, True] * 4
    assert [number for number, policy in enumerate(policies) if policy.on_failure_fail_run] == [3]
    assert [policy.retries for policy in policies] == [0, 0, 1, 2, 0, 0, 0, 3]
    assert [policy.failure_counts for policy in policies] == [True, False, True, True, True, False, True, False]


def test_setups_and_teardowns_are_plain_functions_outside_of_a_workflow() -> None:
    assert make() == 1
    assert clean.__wrapped__(3) is None


def test_as_teardown_makes_its_setups_ones_and_puts_them_first() -> None:
    a, b, c = Task("a", work), Task("b", work), Task("c", work)
    assert c.as_teardown(setups=[a, b], on_failure_fail_run=True) is c
    plan = plan_of(flow_of(a, b, c))
    assert edges(plan)["c"] == ["a", "b"]
    assert named(plan, plan.setups) == {"c": ["a", "b"]}
    assert [policy.setup for policy in plan.policies] == [True, True, False]
    assert plan.policies[2].on_failure_fail_run


def test_outputs_become_setups_and_teardowns_as_tasks_do() -> None:
    with Workflow("flow") as flow:
        made = some("made").as_setup()
        assert some("end").as_teardown(setups=made) >> some("after") is not None
        made >> some("x")
    plan = plan_of(flow)
    assert edges(plan)["end"] == ["made"]
    assert named(plan, plan.setups) == {"end": ["made"]}


def test_as_teardown_keeps_the_other_options() -> None:
    task = Task("a", work, retries=2).as_setup()
    end = Task("b", work, retries=3, on_failure_fail_run=True).as_teardown(setups=task)
    assert [policy.retries for policy in plan_of(flow_of(task, end)).policies] == [2, 3]
    assert plan_of(flow_of(task, end)).policies[1].on_failure_fail_run


def test_options_that_several_tasks_share_are_changed_for_one_only() -> None:
    with Workflow("flow") as flow:
        retried = task(retries=1)(work)
        retried.named("a")().as_setup()  # type: ignore[attr-defined]
        retried.named("b")()
    assert [policy.setup for policy in plan_of(flow).policies] == [True, False]


def test_a_group_is_no_setup() -> None:
    with Workflow("flow"):
        group = TaskGroup("group")
        with pytest.raises(DefinitionError, match="<TaskGroup 'group'> cannot be a setup: setups are tasks") as caught:
            some("end").as_teardown(setups=[group])
    assert line_at(caught.value.where) == 'some("end").as_teardown(setups=[group])'


@pytest.mark.parametrize("wrong", ["made", 3, None], ids=repr)
def test_what_is_no_task_is_no_setup(wrong: Any) -> None:
    with pytest.raises(DefinitionError, match="is not a task"):
        Task("end", work).as_teardown(setups=wrong)


def test_a_teardown_without_a_setup_is_refused() -> None:
    wrong = Task("end", work, teardown=True)
    error = problem(Task("a", work), wrong)
    assert error.message.startswith("teardown 'end' has no setup among its direct upstreams: give it one with")
    assert error.where == wrong.where


def test_a_setup_further_up_is_not_enough() -> None:
    a, b = Task("a", work, setup=True), Task("b", work, ["a"])
    error = problem(a, b, Task("end", work, ["b"], teardown=True))
    assert "teardown 'end' has no setup among its direct upstreams" in str(error)


def test_a_mapped_teardown_is_refused() -> None:
    with Workflow("flow") as flow:
        made = make()
        clean.options(after=made).expand(made=[1, 2])
    error = refusal(flow)
    assert isinstance(error, OptionError)
    assert "task 'clean' is a teardown and cannot be mapped by itself: put it into a group" in str(error)


# --- Its block


def test_what_is_made_in_the_block_of_a_teardown_runs_between_it_and_its_setups() -> None:
    with Workflow("flow") as flow:
        made = make()
        with clean(made):
            a, b, c = some("a"), some("b"), some("c")
            chain(a, [b, c])
        some("outside")
    assert edges(plan_of(flow)) == {
        "make": [],
        "clean": ["make", "b", "c"],
        "a": ["make"],
        "b": ["a"],
        "c": ["a"],
        "outside": [],
    }


def test_edges_that_are_drawn_after_the_block_count_too() -> None:
    with Workflow("flow") as flow:
        with clean(make()):
            a, b = some("a"), some("b")
        a >> b
    assert edges(plan_of(flow))["clean"] == ["make", "b"]
    assert edges(plan_of(flow))["b"] == ["a"]


def test_upstreams_outside_of_the_block_do_not_count() -> None:
    with Workflow("flow") as flow:
        before = some("before")
        with clean(make()):
            before >> some("a") >> some("b")
        some("after", before)
    assert edges(plan_of(flow))["a"] == ["before", "make"]
    assert edges(plan_of(flow))["clean"] == ["make", "b"]


def test_a_task_and_an_output_have_the_same_block() -> None:
    flow = Workflow("flow")
    made, end = flow.add_task(Task("made", work)), flow.add_task(Task("end", work))
    with flow, end.as_teardown(setups=made) as same:
        flow.add_task(Task("a", work))
    assert same is end
    assert edges(plan_of(flow)) == {"made": [], "end": ["made", "a"], "a": ["made"]}


def test_all_setups_of_the_teardown_come_first() -> None:
    with Workflow("flow") as flow, some("end").as_teardown(setups=[make.named("one")(), make.named("two")()]):
        some("a")
    assert edges(plan_of(flow))["a"] == ["one", "two"]


def test_blocks_may_be_within_blocks() -> None:
    with Workflow("flow") as flow, clean.named("outer end")(make.named("outer")()):
        inner = make.named("inner")()
        with clean.named("inner end")(inner):
            some("a")
    found = edges(plan_of(flow))
    assert found["inner"] == ["outer"]
    assert found["a"] == ["inner"]
    assert found["inner end"] == ["inner", "a"]
    assert found["outer end"] == ["outer", "inner end"]


def test_teardowns_may_be_defined_before_all_else() -> None:
    with Workflow("flow") as flow:
        outer, inner = some("outer end"), some("inner end")
        outer.as_teardown(setups=make.named("outer")())
        with outer, inner.as_teardown(setups=make.named("inner")()):
            some("a")
        with outer:
            clean.named("last")(make.named("more")())
    found = edges(plan_of(flow))
    assert (found["a"], found["inner"]) == (["inner"], ["outer"]), "its setup is made in the outer block too"
    assert found["inner end"] == ["inner", "a"]
    assert found["outer end"] == ["outer", "a", "last"]


def test_groups_in_the_block_are_put_in_between_with_their_tasks() -> None:
    with Workflow("flow") as flow, clean(made := make()):
        with TaskGroup("g") as g:
            some("a")
        with TaskGroup("h") as h:
            some("b")
            some("c")
        g >> h
    found = edges(plan_of(flow))
    assert found["g.a"] == ["make"]
    assert found["h.b"] == found["h.c"] == ["g.a"]
    assert found["clean"] == ["make", "h.b", "h.c"]
    assert made is not None


def test_a_block_in_a_group_leaves_the_groups_edges_to_its_setup() -> None:
    with Workflow("flow") as flow:
        before, after = some("before"), some("after")
        with TaskGroup("g") as g, clean(make()):
            some("a")
        before >> g >> after
    assert edges(plan_of(flow)) == {
        "before": [],
        "after": ["g.a"],
        "g.make": ["before"],
        "g.clean": ["g.make", "g.a"],
        "g.a": ["g.make"],
    }


def test_an_empty_block_changes_nothing() -> None:
    with Workflow("flow") as flow, clean(make()):
        pass
    assert edges(plan_of(flow)) == {"make": [], "clean": ["make"]}


def test_a_setup_that_is_made_in_the_block_is_not_put_after_itself() -> None:
    with Workflow("flow") as flow:
        end = some("end")
        with end.as_teardown(setups=make()):
            inner = make.named("inner")()
            end.as_teardown(setups=inner)
            inner >> some("a")
    assert edges(plan_of(flow)) == {"end": ["make", "inner", "a"], "make": [], "inner": ["make"], "a": ["inner"]}


def test_what_is_no_teardown_has_no_block() -> None:
    with Workflow("flow"):
        with pytest.raises(DefinitionError, match=r"task 'a' is no teardown.*one with @teardown") as caught, some("a"):
            raise AssertionError("entered")
        with pytest.raises(DefinitionError, match="task 'b' is no teardown"), Task("b", work):
            raise AssertionError("entered")
    assert caught.value.where is not None
    assert caught.value.where.startswith(f"{__file__}:")


def test_a_teardown_in_no_workflow_has_no_block_yet() -> None:
    end = Task("a", work, teardown=True)
    with pytest.raises(DefinitionError, match="teardown 'a' is in no workflow yet: add it to one first"), end:
        raise AssertionError("entered")


def test_a_block_that_is_left_by_an_error_collects_nothing_more() -> None:
    manager = WorkflowManager("memory")
    made, end = manager.add_task(Task("made", work)), manager.add_task(Task("end", work))
    with pytest.raises(ZeroDivisionError), end.as_teardown(setups=made):
        raise ZeroDivisionError
    manager.add_task(Task("later", work))
    assert edges(manager.compile())["later"] == []
