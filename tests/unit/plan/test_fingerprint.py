"""Whether a changed workflow fits a run that has done part of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from penstock import Notice, Workflow, WorkflowManager, task, workflow
from penstock.plan.fingerprint import Fit, fit, same_work
from penstock.plan.plan import Plan
from penstock.policy import Callback, TaskPolicy
from tests.simulation.plans import graphs, make_plan


@task
def extract(source: str) -> str:
    return source


@task
def clean(rows: object, strict: bool = False) -> object:
    return rows


@task
def load(rows: object) -> None: ...


def plan_of(build: Callable[[], Any]) -> Plan:
    with Workflow("flow") as flow:
        build()
    return WorkflowManager("memory").compile(flow)


def first() -> None:
    load(clean(extract("a.csv")))


OLD = plan_of(first)
DONE = [0, 1]  # extract and clean; load is not done


def fits(build: Callable[[], Any], done: list[int] | None = None) -> Fit:
    """How the workflow that `build` fills fits the first one with extract and clean done."""
    return fit(OLD, plan_of(build), DONE if done is None else done)


def refused(build: Callable[[], Any], *said: str, done: list[int] | None = None) -> None:
    problems = fits(build, done).problems
    assert any(all(text in problem for text in said) for problem in problems), problems


# --- What is done must stay


def test_the_same_workflow_fits() -> None:
    assert fits(first) == Fit(problems=(), changed=(), added=(), removed=())


def test_a_done_task_that_is_gone_does_not_fit() -> None:
    refused(lambda: load(extract("a.csv")), "'clean'", "no longer there")


def test_a_done_task_that_has_another_name_does_not_fit() -> None:
    refused(lambda: load(clean.named("tidy")(extract("a.csv"))), "'clean'", "no longer there")


def test_a_done_task_that_calls_another_function_does_not_fit() -> None:
    @task
    def clean_anew(rows: object, strict: bool = False) -> object:
        return rows

    refused(lambda: load(clean_anew.named("clean")(extract("a.csv"))), "'clean'", "clean_anew")


def test_a_done_task_that_has_another_upstream_does_not_fit() -> None:
    def changed() -> None:
        other = extract.named("other")("b.csv")
        load(clean.options(after=other)(extract("a.csv")))

    refused(changed, "'clean'", "'other'")


def test_a_done_task_that_has_lost_an_upstream_does_not_fit() -> None:
    old = plan_of(lambda: clean.options(name="b", after=extract.named("a")("x"))(1))
    new = plan_of(lambda: (extract.named("a")("x"), clean.named("b")(1)))
    [problem] = fit(old, new, [0, 1]).problems
    assert "'b'" in problem
    assert "'a'" in problem


def test_a_done_task_that_is_called_with_another_constant_does_not_fit() -> None:
    refused(lambda: load(clean(extract("b.csv"))), "'extract'", "a.csv", "b.csv", done=[0])


def test_a_done_task_whose_input_moved_to_another_argument_does_not_fit() -> None:
    def changed() -> None:
        load(clean(rows=extract("a.csv")))

    refused(changed, "'clean'", done=[0, 1])


def test_every_problem_is_told() -> None:
    def changed() -> None:
        load(clean.named("tidy")(extract("b.csv")))

    assert len(fits(changed).problems) >= 2


# --- What is not done may change


def test_an_undone_task_may_change_come_and_go() -> None:
    @task
    def report(rows: object) -> None: ...

    def changed() -> None:
        rows = clean(extract("a.csv"))
        report(rows)

    assert fits(changed) == Fit(problems=(), changed=(), added=("report",), removed=("load",))


def test_an_undone_task_may_get_other_arguments_upstreams_and_functions() -> None:
    @task
    def load_anew(rows: object, other: object) -> None: ...

    def changed() -> None:
        rows = clean(extract("a.csv"))
        load_anew.named("load")(rows, extract.named("other")("b.csv"))

    assert fits(changed).problems == ()


def test_with_nothing_done_anything_fits() -> None:
    assert fits(lambda: load(1), done=[]).problems == ()


def test_options_places_and_the_order_of_definition_are_no_matter() -> None:
    def changed() -> None:
        extract.named("new")("z")
        rows = clean.options(retries=5, timeout=3)(extract("a.csv"))
        load(rows)

    # A second call of `extract` changes how its calls are counted, but the new one is named.
    assert fits(changed).problems == ()


def tell(notice: Notice) -> None: ...


def test_who_is_told_and_how_attempts_begin_is_no_matter() -> None:
    """A change of callbacks or of these flags never keeps a run from going on, whatever is done."""

    def changed() -> None:
        source = extract.options(commit_first=True, on_success=tell)("a.csv")
        load.options(at_most_once=True)(clean.options(at_most_once=True, on_failure=tell, on_retry=tell)(source))

    assert fits(changed) == Fit(problems=(), changed=(), added=(), removed=())
    assert fits(changed, done=[0, 1, 2]).problems == ()


def test_the_run_follows_the_plan_that_names_other_notices() -> None:
    plain = make_plan([[], [0]])
    assert same_work(plain, make_plan([[], [0]], places=("elsewhere.py:1", "elsewhere.py:2")))
    assert not same_work(plain, make_plan([[], [0]], notices=("failed",)))
    for policy in (TaskPolicy(notices=("failed",)), TaskPolicy(commit_first=True), TaskPolicy(at_most_once=True)):
        assert not same_work(plain, make_plan([[], [0]], policies=[TaskPolicy(), policy]))


def test_another_function_to_be_told_is_no_other_plan() -> None:
    def other(notice: Notice) -> None: ...

    def told_by(callback: Callback) -> Plan:
        return plan_of(lambda: extract.options(on_success=callback)("a"))

    assert same_work(told_by(tell), told_by(other))


# --- What is done and has other code


def code(body: str) -> Plan:
    namespace: dict[str, Any] = {"__name__": "flows"}
    exec(f"def extract(source):\n    {body}\ndef other(x):\n    return x", namespace)
    make = task(namespace["extract"])
    return plan_of(lambda: task(namespace["other"])(make("a.csv")))


def test_a_done_task_whose_code_changed_is_kept_and_listed() -> None:
    fitting = fit(code("return 1"), code("return 2"), [0, 1])
    assert fitting.problems == ()
    assert fitting.changed == ("extract",)


def test_an_undone_task_whose_code_changed_is_not_listed() -> None:
    assert fit(code("return 1"), code("return 2"), []).changed == ()


def test_comments_and_blank_lines_are_no_code() -> None:
    assert fit(code("return 1"), code("# a remark\n\n    return 1"), [0, 1]).changed == ()


# --- Names that were made by counting


def counted(*sources: str) -> Plan:
    return plan_of(lambda: [extract(source) for source in sources])


def test_counted_calls_that_stay_as_they_were_fit() -> None:
    assert fit(counted("a", "b", "c"), counted("a", "b", "c"), [0]).problems == ()


def test_a_call_put_before_a_done_counted_one_does_not_fit() -> None:
    assert fit(counted("a", "b"), counted("x", "a", "b"), [0]).problems


def test_a_call_added_after_the_done_counted_ones_does_not_fit() -> None:
    [problem] = fit(counted("a", "b"), counted("a", "b", "c"), [0, 1]).problems
    assert "extract" in problem
    assert "named" in problem, "it says what to do"


def test_a_counted_call_that_is_gone_does_not_fit_though_it_was_not_done() -> None:
    assert fit(counted("a", "b"), counted("a"), [0]).problems


def test_an_undone_counted_call_with_another_wiring_does_not_fit_while_another_is_done() -> None:
    assert fit(counted("a", "b"), counted("a", "x"), [0]).problems


def test_counted_calls_of_which_none_is_done_may_change() -> None:
    old = plan_of(lambda: (load(1), extract("a"), extract("b")))
    new = plan_of(lambda: (load(1), extract("x")))
    assert fit(old, new, [0]).problems == ()


def test_counted_calls_of_another_function_are_no_matter() -> None:
    old = plan_of(lambda: (extract("a"), clean(1), clean(2)))
    new = plan_of(lambda: (extract("a"), clean(3)))
    assert fit(old, new, [0]).problems == ()


def test_named_calls_of_the_same_function_may_come_and_go() -> None:
    old = plan_of(lambda: (extract("a"), extract.named("x")("b")))
    new = plan_of(lambda: (extract("a"), extract.named("y")("c"), extract.named("z")("d")))
    assert fit(old, new, [0]).problems == ()


def test_a_counted_call_that_gets_the_name_it_had_does_not_fit_unseen() -> None:
    """`extract` was counted and is now named so: the call is the same, and nothing says that it is another."""
    old, new = counted("a"), plan_of(lambda: extract.named("extract")("a"))
    fitting = fit(old, new, [0])
    assert fitting.changed == ()


@given(graphs(), st.data())
def test_adding_and_dropping_undone_tasks_always_fits(graph: list[list[int]], data: st.DataObject) -> None:
    """What is done is closed upwards: all upstreams of a done task are done."""
    wanted = data.draw(st.sets(st.integers(0, len(graph) - 1)))
    done = set(wanted)
    for _ in graph:
        done |= {above for node in done for above in graph[node]}
    kept = sorted(done)
    number = {node: index for index, node in enumerate(kept)}
    smaller = make_plan(
        [[number[above] for above in graph[node]] for node in kept] + [[]],
        names=[*(f"t{node}" for node in kept), "new"],
        functions=(*(f"module:f{node}" for node in kept), "module:new"),
    )
    fitting = fit(make_plan(graph), smaller, sorted(done))
    assert fitting.problems == ()
    assert fitting.added == ("new",)
    assert set(fitting.removed) == {f"t{node}" for node in range(len(graph)) if node not in done}


def test_a_build_parameter_that_shapes_the_graph_is_judged_by_the_graph() -> None:
    @workflow(build=["months"])
    def by_month(months: int = 2) -> None:
        for month in range(months):
            extract.named(f"month_{month}")(str(month))

    manager = WorkflowManager("memory")
    two, three = (manager.compile(by_month, {"months": months}) for months in (2, 3))
    assert fit(two, three, [0, 1]).added == ("month_2",)
    assert fit(two, three, [0, 1]).problems == ()
    assert fit(three, two, [0, 1, 2]).problems
