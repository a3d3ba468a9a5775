"""Options that say under which conditions a task runs, and what its failure means."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from penstock import RetryRule, Task, TaskGroup, TriggerRule, Workflow, setup, task, task_group, teardown, workflow
from penstock.errors import InvalidWorkflowError, OptionError
from penstock.policy import TaskPolicy
from tests.unit.definition.places import line_at
from tests.unit.plan.compiling import compiled, plan_of
from tests.unit.plan.refusals import flow_of, problem, refusal, work

WRITTEN = [rule for rule in TriggerRule if rule is not TriggerRule.ALL_DONE_SETUP_SUCCESS]


def policy_of(**options: Any) -> TaskPolicy:
    [policy] = plan_of(flow_of(Task("load", work, **options))).policies
    return policy


# --- Trigger rules


@pytest.mark.parametrize("rule", WRITTEN)
def test_a_rule_is_a_text_or_a_member_of_the_enum(rule: TriggerRule) -> None:
    assert policy_of(trigger_rule=rule).trigger_rule is rule
    assert policy_of(trigger_rule=rule.value).trigger_rule is rule


def test_a_task_waits_for_the_success_of_all_unless_it_says_otherwise() -> None:
    assert policy_of().trigger_rule is TriggerRule.ALL_SUCCESS


def test_a_rule_that_does_not_exist_is_named_with_the_nearest() -> None:
    wrong = Task("load", work, trigger_rule="one_sucess")  # type: ignore[arg-type]
    error = problem(wrong)
    assert isinstance(error, OptionError)
    assert "task 'load': trigger_rule='one_sucess' does not exist; did you mean 'one_success'?" in str(error)
    assert error.where == wrong.where


@pytest.mark.parametrize("wrong", ["", "zzz", None, 3, ["all_done"], TaskPolicy], ids=repr)
def test_what_is_near_no_rule_is_told_which_there_are(wrong: Any) -> None:
    error = problem(Task("load", work, trigger_rule=wrong))
    assert isinstance(error, OptionError)
    assert "there are all_success, all_failed" in str(error)
    assert "all_done_setup_success" not in str(error)


def test_the_rule_of_teardowns_is_for_them_only() -> None:
    error = problem(Task("load", work, trigger_rule="all_done_setup_success"))
    assert isinstance(error, OptionError)
    assert "is the rule of teardowns; make it one with @teardown" in str(error)


@pytest.mark.parametrize("rule", TriggerRule)
def test_a_teardown_has_no_rule_of_its_own(rule: TriggerRule) -> None:
    wrong = Task("clean", work, trigger_rule=rule.value).as_teardown(setups=(made := Task("make", work)))
    error = problem(made, wrong)
    assert isinstance(error, OptionError)
    assert f"task 'clean': trigger_rule='{rule.value}' on a teardown" in str(error)
    assert "leave the rule out" in str(error)


def test_a_default_rule_is_not_for_teardowns() -> None:
    flow = Workflow("flow", defaults={"trigger_rule": "all_done"})
    made = flow.add_task(Task("make", work))
    flow.add_task(Task("clean", work).as_teardown(setups=made))
    first, second = plan_of(flow).policies
    assert first.trigger_rule is TriggerRule.ALL_DONE
    assert second.trigger_rule is TriggerRule.ALL_DONE_SETUP_SUCCESS


# --- Failures that do not count, and runs


@pytest.mark.parametrize("value", [True, False])
def test_a_task_may_be_allowed_to_fail(value: bool) -> None:
    assert policy_of(allow_failure=value).allow_failure is value


def test_fail_fast_and_run_state_are_the_workflows() -> None:
    @workflow(fail_fast=True, run_state="leaves")
    def flow() -> None:
        task(work)()

    assert (plan_of(flow).fail_fast, plan_of(flow).run_state) == (True, "leaves")
    assert (plan_of(Workflow("flow")).fail_fast, plan_of(Workflow("flow")).run_state) == (False, "any")
    assert plan_of(Workflow("flow", fail_fast=True, run_state="leaves")).run_state == "leaves"


def test_values_of_them_that_cannot_be_are_refused() -> None:
    wrong: Any = {"fail_fast": 1, "run_state": "leafs"}
    error = refusal(Workflow("flow", **wrong))
    assert isinstance(error, InvalidWorkflowError)
    assert "workflow 'flow': fail_fast=1 is not True or False" in str(error)
    assert "workflow 'flow': run_state='leafs' does not exist; did you mean 'leaves'?" in str(error)
    assert line_at(error.problems[0].where) == 'error = refusal(Workflow("flow", **wrong))'


# --- Conditions


def test_a_condition_takes_nothing_or_one_argument() -> None:
    assert policy_of(run_if=lambda: True, skip_if=lambda current: False) == TaskPolicy()


async def later() -> bool:
    return True


CONDITIONS: list[tuple[Any, str]] = [
    ("yes", "run_if='yes' cannot be called; give it a function that says whether"),
    (True, "run_if=True cannot be called"),
    (lambda one, two: True, "run_if takes nothing, or one argument: what current() is; this does not fit"),
    (lambda *, one: True, "run_if takes nothing, or one argument"),
    (later, "run_if is async, and nobody awaits it"),
]


@pytest.mark.parametrize(("condition", "told"), CONDITIONS, ids=["text", "value", "two", "keyword", "async"])
def test_a_condition_that_cannot_be_asked_is_refused(condition: Any, told: str) -> None:
    for option in ("run_if", "skip_if"):
        wrong = Task("load", work, **{option: condition})
        error = problem(wrong)
        assert isinstance(error, OptionError)
        assert told.replace("run_if", option) in str(error)
        assert error.where == wrong.where


def test_the_output_of_a_task_is_no_condition() -> None:
    @task
    def ready() -> bool:
        return True

    @workflow
    def flow() -> None:
        task(run_if=ready())(work)()  # type: ignore[call-overload]

    assert "cannot be called" in str(refusal(flow))


# --- Retry policies


def test_a_retry_policy_is_a_list_of_rules() -> None:
    rules = (RetryRule(ValueError, retry=False), RetryRule((OSError, KeyError), delay=timedelta(minutes=1)))
    task = Task("load", work, retries=2, retry_policy=rules)
    assert compiled(flow_of(task)).options(0)["retry_policy"] == rules
    assert policy_of(retry_policy=[]) == TaskPolicy()


WRONG_POLICIES: list[tuple[Any, str]] = [
    (RetryRule(ValueError), "write retry_policy=[RetryRule(...)]"),
    (None, "retry_policy=None is not a list of rules"),
    ([ValueError], "<class 'ValueError'> in retry_policy is no rule: write RetryRule("),
    ([RetryRule("ValueError")], "the exception of a RetryRule='ValueError' is not an exception class"),  # type: ignore[arg-type]
    ([RetryRule(ValueError), RetryRule(int)], "=<class 'int'> is not an exception class"),  # type: ignore[arg-type]
    ([RetryRule(ValueError, retry=0)], "the retry of a RetryRule=0 is not True or False"),  # type: ignore[arg-type]
    ([RetryRule(ValueError, delay=-1)], "the delay of a RetryRule=-1 is not 0 or more seconds"),
    ([RetryRule(ValueError, delay="1")], "the delay of a RetryRule='1' is not 0 or more"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("rules", "told"), WRONG_POLICIES, ids=lambda value: str(value)[-60:])
def test_a_retry_policy_that_cannot_be_is_refused(rules: Any, told: str) -> None:
    error = problem(Task("load", work, retry_policy=rules))
    assert isinstance(error, OptionError)
    assert told in str(error)


# --- What a task is


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"setup": True, "teardown": True}, "it is both a setup and a teardown"),
        ({"branch": True, "short_circuit": True}, "it is both a branch and a short circuit"),
        ({"on_failure_fail_run": True}, "on_failure_fail_run=True is for teardowns"),
        ({"ignore_downstream_trigger_rules": False}, "is for short circuits: use @task.short_circuit"),
        ({"branch": True, "ignore_downstream_trigger_rules": True}, "is for short circuits"),
        ({"max_active_instances": 2}, "max_active_instances=2 is for mapped tasks: map it with .expand(...)"),
        ({"map_name": "{x}"}, "map_name='{x}' is for mapped tasks: map it with .expand(...)"),
        ({"setup": 1}, "setup=1 is not True or False"),
        ({"branch": "yes"}, "branch='yes' is not True or False"),
        ({"short_circuit": None}, "short_circuit=None is not True or False"),
        ({"allow_failure": 1}, "allow_failure=1 is not True or False"),
        ({"short_circuit": True, "ignore_downstream_trigger_rules": 0}, "ignore_downstream_trigger_rules=0 is not"),
    ],
    ids=str,
)
def test_what_a_task_cannot_be_is_refused(options: dict[str, Any], told: str) -> None:
    before, wrong = Task("before", work, setup=True), Task("load", work, ["before"], **options)
    error = problem(before, wrong)
    assert isinstance(error, OptionError)
    assert f"task 'load': {told}" in str(error) or told in str(error)
    assert "task 'load'" in str(error)
    assert error.where == wrong.where


@pytest.mark.parametrize("name", ["branch", "short_circuit", "setup", "teardown"])
def test_what_a_task_is_cannot_be_a_default(name: str) -> None:
    defaults: Any = {name: True, "retries": 1}
    flow = Workflow("flow", defaults=defaults)
    flow.add_task(Task("load", work))
    error = refusal(flow)
    assert isinstance(error, OptionError)
    assert f"workflow 'flow': {name} is no default: say it of the tasks that it is true of" in str(error)
    with Workflow("flow") as flow, TaskGroup("group", defaults=defaults):
        task(work)()
    error = refusal(flow)
    assert f"task group 'group': {name} is no default" in str(error)


def test_defaults_of_groups_for_tasks_of_one_kind_are_for_those() -> None:
    @task_group(defaults={"max_active_instances": 3, "trigger_rule": "all_done", "on_failure_fail_run": True})
    def group(x: int) -> None:
        made = setup(work).named("make")(x)
        teardown(work).named("clean")(made)

    with Workflow("flow") as flow:
        group(1)
        group.named("mapped").expand(x=[1])
    policies = dict(zip(plan_of(flow).names, plan_of(flow).policies, strict=True))
    assert {name: policy.max_active_instances for name, policy in policies.items()} == {
        "group.make": None,
        "group.clean": None,
        "mapped": None,
        "mapped.make": 3,
        "mapped.clean": 3,
    }
    assert [name for name, policy in policies.items() if policy.on_failure_fail_run] == ["group.clean", "mapped.clean"]
    assert [name for name, policy in policies.items() if policy.trigger_rule == "all_done"] == [
        "group.make",
        "mapped.make",
    ]


def test_a_bound_is_not_for_a_task_that_only_looks_like_one_that_is_mapped() -> None:
    flow = Workflow("flow")
    flow.add_task(Task("mapped", lambda x: None, expand={"x": [1]}, max_active_instances=2))
    flow.add_task(Task("plain", work, max_active_instances=2))
    assert "task 'plain': max_active_instances=2 is for mapped tasks" in str(refusal(flow))
    with Workflow("flow") as flow, TaskGroup("group"):
        task(max_active_instances=2)(work).named("plain")()
    assert "task 'group.plain': max_active_instances=2 is for mapped tasks" in str(refusal(flow))


def test_defaults_for_tasks_of_one_kind_are_for_those() -> None:
    defaults: Any = {
        "on_failure_fail_run": True,
        "ignore_downstream_trigger_rules": False,
        "max_active_instances": 3,
        "map_name": "{x}",
        "retries": 1,
    }
    flow = Workflow("flow", defaults=defaults)
    made = flow.add_task(Task("make", work))
    flow.add_task(Task("clean", work).as_teardown(setups=made))
    gate = flow.add_task(Task("gate", work, short_circuit=True))
    mapped = flow.add_task(Task("mapped", lambda x: None, expand={"x": [1]}))
    gate >> mapped >> flow.add_task(Task("last", work))
    plan = plan_of(flow)
    assert [policy.on_failure_fail_run for policy in plan.policies] == [False, True, False, False, False]
    assert [policy.max_active_instances for policy in plan.policies] == [None, None, None, 3, None]
    assert {policy.retries for policy in plan.policies} == {1}
    assert 4 not in plan.deciders, "what is not right below the short circuit is left to its rule"
