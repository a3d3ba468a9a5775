"""Deciders, guards, setups and what else a task waits for: what the compiler makes of edges and kinds of tasks."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from penstock import Task, TaskGroup, Workflow, setup, task, teardown
from penstock.plan.gates import Facts, find_gates
from penstock.plan.plan import Group, Plan
from penstock.policy import TaskPolicy, TriggerRule
from tests.simulation.plans import graphs, make_plan
from tests.unit.plan.compiling import named, plan_of
from tests.unit.plan.refusals import flow_of, work


@task
def step(*values: object) -> int:
    return 1


@task.branch
def choose() -> str:
    return "left"


@task.short_circuit
def gate() -> bool:
    return True


@setup
def make() -> int:
    return 1


@teardown
def clean(made: int = 0) -> None: ...


def some(name: str, **options: Any) -> Any:
    return step.named(name).options(**options)()


# --- Deciders


def test_a_branch_decides_over_its_direct_downstreams_but_not_teardowns() -> None:
    with Workflow("flow") as flow:
        first: Any = choose()
        made = make()
        left, right, end = some("left"), some("right"), clean(made)
        first >> [left, right, end, made]
        left >> some("below")
    assert named(plan_of(flow), plan_of(flow).deciders) == {
        "left": ["choose"],
        "right": ["choose"],
        "make": ["choose"],
    }


def test_a_short_circuit_decides_over_all_that_is_below_it_but_not_teardowns() -> None:
    with Workflow("flow") as flow:
        first, made, left = gate(), make(), some("left")
        end = clean(made)
        after = some("after the teardown")
        first >> left >> some("below")
        left >> end >> after
    plan = plan_of(flow)
    assert named(plan, plan.deciders) == {"left": ["gate"], "below": ["gate"], "after the teardown": ["gate"]}


def test_a_short_circuit_may_decide_over_its_direct_downstreams_only() -> None:
    with Workflow("flow") as flow:
        left = some("left")
        gate.options(ignore_downstream_trigger_rules=False)() >> left >> some("below")
    plan = plan_of(flow)
    assert named(plan, plan.deciders) == {"left": ["gate"]}
    assert [policy.decides for policy in plan.policies] == ["", "short_circuit", ""]


def test_the_decorator_of_a_short_circuit_takes_the_same() -> None:
    @task.short_circuit(ignore_downstream_trigger_rules=False, retries=1)
    def other() -> bool:
        return True

    with Workflow("flow") as flow:
        other() >> some("left") >> some("below")
    plan = plan_of(flow)
    assert named(plan, plan.deciders) == {"left": ["other"]}
    assert plan.policies[0].retries == 1


def test_several_may_decide_over_one_task() -> None:
    with Workflow("flow") as flow:
        last = some("last")
        gate() >> some("between") >> last
        choose() >> last
    plan = plan_of(flow)
    assert named(plan, plan.deciders) == {"between": ["gate"], "last": ["gate", "choose"]}


# --- Setups


def test_a_setup_guards_what_lies_between_it_and_its_teardown_further_down() -> None:
    with Workflow("flow") as flow:
        made = make()
        first, second, last = some("first"), some("second"), some("last")
        made >> first >> second >> clean(made)
        second >> last
    plan = plan_of(flow)
    assert named(plan, plan.guards) == {"second": ["make"]}, "first is right below it, last is not above its teardown"
    assert named(plan, plan.setups) == {"clean": ["make"]}
    assert named(plan, plan.waits) == {"clean": ["first"]}, "second is an upstream, and waited for as such"


def test_a_setup_without_a_teardown_guards_all_that_is_below_it() -> None:
    with Workflow("flow") as flow:
        make() >> some("first") >> some("second") >> some("third")
    plan = plan_of(flow)
    assert named(plan, plan.guards) == {"second": ["make"], "third": ["make"]}


def test_the_setups_of_a_teardown_are_those_among_its_direct_upstreams() -> None:
    with Workflow("flow") as flow:
        one, two, far = make.named("one")(), make.named("two")(), make.named("far")()
        far >> one
        between = some("between")
        end = clean(one)
        two >> between >> end
        two >> end
        far >> some("work") >> some("more")
    plan = plan_of(flow)
    assert named(plan, plan.setups) == {"clean": ["one", "two"]}
    assert named(plan, plan.guards) == {"more": ["far"]}, "a teardown has no setups for guards"


# --- Early rules


def test_an_early_rule_waits_for_what_its_task_takes_values_from() -> None:
    def join(one: int = 0, two: int = 0) -> None: ...

    with Workflow("flow") as flow:
        a, b, c = some("a"), some("b"), some("c")
        for rule in ("one_success", "one_failed", "one_done", "always", "all_done", "all_success"):
            task(join).options(name=rule, trigger_rule=rule, after=c)(a, two=b)
        step.options(name="none", trigger_rule="one_success", after=[a])()
    plan = plan_of(flow)
    early = ("one_success", "one_failed", "one_done", "always")
    assert named(plan, plan.waits) == {rule: ["a", "b"] for rule in early}


def test_what_is_plain_has_no_gates() -> None:
    plan = plan_of(flow_of(Task("a", work), Task("b", work, ["a"]), Task("c", work, ["a"], trigger_rule="all_done")))
    assert (plan.deciders, plan.guards, plan.waits, plan.setups, plan.groups, plan.maps) == ({}, {}, {}, {}, (), {})


# --- All of it, against the words of the law

KINDS: list[dict[str, Any]] = [
    {},
    {"setup": True},
    {"teardown": True},
    {"branch": True},
    {"short_circuit": True},
    {"short_circuit": True, "ignore_downstream_trigger_rules": False},
    {"trigger_rule": "one_done"},
    {"setup": True, "branch": True},
]


def take(**values: object) -> None:
    """Anything, or nothing."""


def above(graph: list[list[int]], row: int) -> set[int]:
    """All that is above a task."""
    found = set(graph[row])
    for other in graph[row]:
        found |= above(graph, other)
    return found


def as_the_law_says(
    graph: list[list[int]], kinds: list[dict[str, Any]], taken: list[list[int]]
) -> list[dict[int, Any]]:
    """Deciders, guards, waits and setups, one task at a time and from nothing but the definitions."""
    rows = range(len(graph))
    far = [above(graph, row) for row in rows]
    ends = {row for row in rows if kinds[row].get("teardown")}
    makes = {row for row in rows if kinds[row].get("setup")}
    deciders, guards, waits, setups = ({row: set[int]() for row in rows} for _ in range(4))
    for row in rows:
        for other in rows:
            wide = kinds[other].get("ignore_downstream_trigger_rules", True) and kinds[other].get("short_circuit")
            decides = kinds[other].get("branch") or kinds[other].get("short_circuit")
            if decides and other in (far[row] if wide else graph[row]) and row not in ends:
                deciders[row].add(other)
            own = [end for end in ends if other in graph[end]]
            needed = not own or any(row in far[end] for end in own)
            if needed and other in makes & far[row] and other not in graph[row] and row not in ends:
                guards[row].add(other)
        if row in ends:
            setups[row] = makes.intersection(graph[row])
            waits[row] = {n for n in rows if n in far[row] and far[n] & setups[row]} - {*graph[row]}
        if kinds[row].get("trigger_rule") == "one_done":
            waits[row] = {*taken[row]} - guards[row]
    return [
        {row: tuple(sorted(others)) for row, others in column.items() if others}
        for column in (deciders, guards, waits, setups)
    ]


@given(data=st.data(), graph=graphs(8, sparse=True))
def test_gates_are_what_the_law_says(data: st.DataObject, graph: list[list[int]]) -> None:
    kinds = [data.draw(st.sampled_from(KINDS)) for _ in graph]
    for row, kind in enumerate(kinds):  # a teardown has a setup
        if kind.get("teardown") and not any(kinds[other].get("setup") for other in graph[row]):
            kinds[row] = {}
    taken = [data.draw(st.lists(st.sampled_from(above), unique=True)) if above else [] for above in graph]
    tasks: list[Task] = [Task(f"t{row}", take, **kind) for row, kind in enumerate(kinds)]
    for row, made in enumerate(tasks):
        made.dependencies = [f"t{other}" for other in graph[row]]
        made.kwargs = {f"x{other}": tasks[other] for other in taken[row]}
    plan = plan_of(flow_of(*tasks))
    expected = as_the_law_says(graph, kinds, taken)
    assert [plan.deciders, plan.guards, plan.waits, plan.setups] == expected
    check_order(plan)


def test_where_all_rules_are_early_a_task_still_waits_for_what_it_takes() -> None:
    early = TaskPolicy(trigger_rule=TriggerRule.ONE_SUCCESS)
    facts = Facts(upstreams=[(), (0,)], inputs=[(), (0,)], policies=[early, early])
    assert find_gates(facts).waits == {1: (0,)}


def test_what_a_task_waits_for_is_ascending_however_many_there_are() -> None:
    early, decides = TaskPolicy(trigger_rule=TriggerRule.ONE_SUCCESS), TaskPolicy(decides="branch")
    upstreams = [(), *[()] * 8, (1, 8)]
    policies = [TaskPolicy(), decides, *[TaskPolicy()] * 6, decides, early]
    gates = find_gates(Facts(upstreams=upstreams, inputs=upstreams, policies=policies))
    assert (gates.deciders, gates.waits) == ({9: (1, 8)}, {9: (1, 8)})


def test_what_holds_a_task_back_is_ascending_wherever_it_is_looked_up() -> None:
    graph: list[list[int]] = [*[[]] * 9, [1]]
    plan = make_plan(graph, guards={9: (8,)}, deciders={9: (1,)}, waits={8: (0,), 1: (0,)})
    assert plan.held == (1, 8, 9)
    assert plan.held_by(9) == plan.all_upstreams[9] == (1, 8)


def test_what_only_expands_a_group_is_no_leaf() -> None:
    group = Group("group", -1, (1,), 0)
    plan = make_plan([[], []], guards={1: (0,)}, maps={0: "group"}, groups=(group,))
    assert plan.leaves == (1,)


def test_what_comes_before_a_group_is_ascending_for_what_is_in_it() -> None:
    with Workflow("flow") as flow:
        tasks = [step.named(f"t{number}")() for number in range(9)]
        with TaskGroup("g") as group:
            step.named("a")()
        [tasks[8], tasks[1]] >> group
    plan = plan_of(flow)
    assert plan.upstreams[plan.numbers["g.a"]] == (1, 8)


def check_order(plan: Plan) -> None:
    """Nobody waits for itself, by whatever way; and all is ascending."""
    assert len(plan.order) == len(plan)
    for column in (plan.deciders, plan.guards, plan.waits, plan.setups):
        assert list(column) == sorted(column)
        assert all(list(others) == sorted(others) for others in column.values())
