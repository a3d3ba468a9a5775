"""Options of tasks and workflows: what they come to, and what is said of those that cannot be."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from penstock import Notice, Task, Workflow, WorkflowManager, task, workflow
from penstock.code.identity import Identify
from penstock.errors import InvalidWorkflowError, OptionError
from penstock.plan.compile import Compiled, compile_workflow
from penstock.policy import Callback, TaskPolicy
from tests.unit.definition.places import line_at
from tests.unit.plan.refusals import flow_of, problem, refusal, work

OPTIONS: list[dict[str, Any]] = [
    {"retries": -1},
    {"retries": 1.5},
    {"retries": "3"},
    {"retries": True},
    {"retries": None},
    {"retries": [1]},
    {"retry_delay": -1},
    {"retry_delay": "30"},
    {"retry_delay": float("nan")},
    {"retry_delay": float("inf")},
    {"retry_delay": timedelta(seconds=-1)},
    {"retry_delay": True},
    {"retry_backoff": -1},
    {"retry_backoff": "2"},
    {"retry_backoff": float("inf")},
    {"max_retry_delay": -1},
    {"max_retry_delay": "60"},
    {"retry_jitter": -0.1},
    {"retry_jitter": float("nan")},
    {"retry_on": ValueError()},
    {"retry_on": "ValueError"},
    {"retry_on": [ValueError]},
    {"retry_on": (ValueError, 3)},
    {"retry_on": int},
    {"timeout": 0},
    {"timeout": -1},
    {"timeout": "60"},
    {"timeout": timedelta(0)},
    {"timeout": float("inf")},
    {"share": "no"},
    {"share": 1},
    {"at_most_once": "yes"},
    {"at_most_once": None},
    {"commit_first": 1},
    {"pool": 3},
    {"pool": ""},
    {"pool": " db"},
    {"pool": "[db"},
    {"pool": "d" * 201},
    {"pool_slots": 2},
    {"concurrency": 0},
    {"concurrency": True},
    {"concurrency": "1"},
    {"on_success": "mail"},
    {"on_failure": 3},
    {"on_retry": [print]},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_an_option_with_a_value_that_cannot_be_is_refused(options: dict[str, Any]) -> None:
    wrong = Task("load", work, **options)
    error = problem(wrong)
    assert isinstance(error, OptionError)
    [name] = options
    assert f"task 'load': {name}=" in str(error)
    assert error.where == wrong.where


def test_a_wrong_option_is_refused_even_after_a_right_one_that_looks_like_it() -> None:
    error = problem(Task("right", work, retries=1), Task("wrong", work, retries=True))
    assert isinstance(error, OptionError)
    assert "'wrong'" in str(error)


def test_a_wrong_default_is_told_of_each_task_that_has_it() -> None:
    flow = Workflow("flow", defaults={"retries": -1})
    flow.add_task(Task("a", work))
    flow.add_task(Task("b", work, retries=2))
    error = refusal(flow)
    assert isinstance(error, OptionError)
    assert "'a'" in str(error)


def test_an_unknown_option_is_named_with_the_nearest() -> None:
    wrong = Task("load", work, retires=3)  # type: ignore[call-arg]
    error = problem(wrong)
    assert isinstance(error, OptionError)
    assert "there is no option 'retires'; did you mean 'retries'?" in str(error)
    assert error.where == wrong.where


def test_an_unknown_option_without_a_near_one_is_told_which_there_are() -> None:
    error = problem(Task("load", work, zzz=3))  # type: ignore[call-arg]
    assert "there are retries, retry_delay" in str(error)


@pytest.mark.parametrize("timeout", [0, -1, "60", float("nan"), timedelta(0)], ids=str)
def test_a_workflows_timeout_is_checked(timeout: Any) -> None:
    error = refusal(Workflow("flow", timeout=timeout))
    assert isinstance(error, OptionError)
    assert "workflow 'flow': timeout=" in str(error)
    assert line_at(error.where) == 'error = refusal(Workflow("flow", timeout=timeout))'


def test_durations_are_seconds_or_timedeltas() -> None:
    flow = Workflow("flow", timeout=timedelta(minutes=1))
    flow.add_task(Task("a", work, retry_delay=2, max_retry_delay=timedelta(hours=1), timeout=timedelta(seconds=0.5)))
    plan = WorkflowManager("memory").compile(flow)
    assert plan.timeout == 60.0
    [policy] = plan.policies
    assert (policy.retry_delay, policy.max_retry_delay, policy.timeout) == (2.0, 3600.0, 0.5)


def test_what_a_task_leaves_out_comes_from_the_workflows_defaults() -> None:
    flow = Workflow("flow", defaults={"retries": 3, "retry_delay": 1, "share": True})
    flow.add_task(Task("a", work))
    flow.add_task(Task("b", work, retries=0))
    first, second = WorkflowManager("memory").compile(flow).policies
    assert (first.retries, first.retry_delay, first.share) == (3, 1.0, True)
    assert (second.retries, second.retry_delay) == (0, 1.0)


def test_slots_are_taken_of_a_pool() -> None:
    flow = Workflow("flow", defaults={"pool": "db", "pool_slots": 2, "concurrency": 3}, max_active_tasks=4)
    flow.add_task(Task("a", work))
    flow.add_task(Task("b", work, pool="api", pool_slots=1, concurrency=None))
    flow.add_task(Task("c", work, pool=None))
    plan = WorkflowManager("memory").compile(flow)
    assert [(one.pool, one.pool_slots, one.concurrency) for one in plan.policies] == [
        ("db", 2, 3),
        ("api", None, None),
        (None, None, 3),
    ]
    assert plan.max_active_tasks == 4


@pytest.mark.parametrize("slots", [0, -1, 1.5, True, None, "2"])
def test_slots_are_a_number_of_them(slots: Any) -> None:
    error = problem(Task("load", work, pool="db", pool_slots=slots))
    assert f"task 'load': pool_slots={slots!r} is not" in str(error)


@pytest.mark.parametrize("number", [0, -1, 1.5, True, "2"])
def test_a_run_has_a_number_of_active_tasks(number: Any) -> None:
    flow = Workflow("flow", max_active_tasks=number)
    flow.add_task(Task("load", work))
    with pytest.raises(OptionError, match="workflow 'flow': max_active_tasks="):
        WorkflowManager("memory").compile(flow)


def test_what_a_task_says_is_what_its_policy_says() -> None:
    flow = flow_of(
        Task("pay", work, at_most_once=True),
        Task("load", work, commit_first=True, retries=2),
        Task("plain", work, at_most_once=False, commit_first=False, share=False),
    )
    assert WorkflowManager("memory").compile(flow).policies == (
        TaskPolicy(at_most_once=True),
        TaskPolicy(commit_first=True, retries=2),
        TaskPolicy(),
    )


# --- At most once


def test_at_most_once_and_retries_contradict_each_other() -> None:
    wrong = Task("pay", work, at_most_once=True, retries=2)
    error = problem(wrong)
    assert isinstance(error, OptionError)
    assert "task 'pay': at_most_once=True" in str(error)
    assert "retries=2" in str(error)
    assert "set retries=0 on this task" in str(error)
    assert error.where == wrong.where


def test_they_do_so_when_one_of_them_is_a_default() -> None:
    flow = Workflow("flow", defaults={"retries": 1})
    flow.add_task(Task("pay", work, at_most_once=True))
    flow.add_task(Task("fetch", work))
    error = refusal(flow)
    assert isinstance(error, OptionError)
    assert "'pay'" in str(error)


def test_no_retries_at_all_is_no_contradiction() -> None:
    flow = Workflow("flow", defaults={"retries": 1})
    flow.add_task(Task("pay", work, at_most_once=True, retries=0))
    [policy] = WorkflowManager("memory").compile(flow).policies
    assert (policy.at_most_once, policy.retries) == (True, 0)


def test_a_policy_that_contradicts_itself_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="no retries"):
        TaskPolicy(at_most_once=True, retries=1)


# --- Callbacks


def tell(notice: Notice) -> None:
    """Somebody who wants to know."""


def tell_another(notice: Notice) -> None:
    """Somebody else."""


def compiled(flow: Workflow) -> Compiled:
    return compile_workflow(flow, Identify())


def test_a_plan_names_what_there_are_callbacks_for_and_not_who() -> None:
    flow = Workflow("flow", on_cancel=tell, on_success=tell)
    flow.add_task(Task("a", work, on_retry=tell, on_success=tell_another))
    flow.add_task(Task("b", work, on_failure=tell))
    flow.add_task(Task("c", work))
    plan = compiled(flow).plan
    assert plan.notices == ("success", "cancelled")
    assert [policy.notices for policy in plan.policies] == [("success", "retry"), ("failed",), ()]
    assert "success" in plan.told_of_tasks


@pytest.mark.parametrize("option", ["on_failure", "on_retry"])
def test_a_plan_in_which_nobody_wants_to_know_of_successes_says_so(option: str) -> None:
    flow = Workflow("flow", on_success=tell)  # that of the run, which is another matter
    flow.add_task(Task("a", work, **{option: tell}))  # type: ignore[arg-type]
    assert "success" not in compiled(flow).plan.told_of_tasks


def test_all_that_can_be_named_is_named() -> None:
    flow = Workflow("flow", on_success=tell, on_failure=tell, on_cancel=tell)
    flow.add_task(Task("a", work, on_success=tell, on_failure=tell, on_retry=tell))
    plan = compiled(flow).plan
    assert plan.notices == ("success", "failed", "cancelled")
    assert plan.policies[0].notices == ("success", "failed", "retry")


def test_who_is_told_is_found_by_task_and_kind() -> None:
    callbacks: dict[str, Callback] = {}
    for name in ("s", "f", "r", "run s", "run f", "run c"):
        callbacks[name] = partial(work, name)
    flow = Workflow("flow", on_success=callbacks["run s"], on_failure=callbacks["run f"], on_cancel=callbacks["run c"])
    flow.add_task(Task("quiet", work))
    flow.add_task(Task("loud", work, on_success=callbacks["s"], on_failure=callbacks["f"], on_retry=callbacks["r"]))
    found = compiled(flow)
    for kind, name in [("task_success", "s"), ("task_failed", "f"), ("task_retry", "r")]:
        assert found.callback(1, kind) is callbacks[name]
        assert found.callback(1, kind.removeprefix("task_")) is callbacks[name], "the kind alone is enough"
        assert found.callback(0, kind) is None
    for kind, name in [("run_success", "run s"), ("run_failed", "run f"), ("run_cancelled", "run c")]:
        assert found.callback(None, kind) is callbacks[name]
        assert found.callback(None, kind.removeprefix("run_")) is callbacks[name]


def test_a_workflow_that_wants_to_know_nothing_has_no_callbacks() -> None:
    found = compiled(flow_of(Task("a", work)))
    assert found.callbacks == {}
    assert found.callback(None, "run_failed") is None
    assert Compiled(found.plan, found.tasks, found.defaults).callback(None, "run_failed") is None


def test_a_callback_by_default_holds_for_tasks_that_do_not_say_otherwise() -> None:
    flow = Workflow("flow", defaults={"on_failure": tell, "on_retry": tell})
    flow.add_task(Task("a", work))
    flow.add_task(Task("b", work, on_failure=tell_another, on_retry=None))
    found = compiled(flow)
    assert [policy.notices for policy in found.plan.policies] == [("failed", "retry"), ("failed",)]
    assert found.callback(0, "task_failed") is tell
    assert found.callback(1, "task_failed") is tell_another
    assert found.callback(1, "task_retry") is None
    assert found.callback(0, "task_success") is None
    assert found.callbacks == {}, "defaults are for tasks"


def test_decorators_take_callbacks_too() -> None:
    @task(on_success=tell)
    def extract() -> int:
        return 1

    @workflow(on_failure=tell, on_cancel=tell_another, on_success=tell)
    def flow() -> None:
        extract()
        extract.options(on_success=tell_another).named("another")()

    found = compiled(flow.build())
    assert found.callback(0, "task_success") is tell
    assert found.callback(1, "task_success") is tell_another
    assert found.callback(None, "run_failed") is tell
    assert found.callback(None, "run_cancelled") is tell_another
    assert found.plan.notices == ("success", "failed", "cancelled")


class Recorder:
    """An object that is called, equal to others of its kind, and so without a hash."""

    def __init__(self) -> None:
        self.seen: list[Notice] = []

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Recorder)

    __hash__ = None  # type: ignore[assignment]

    def __call__(self, notice: Notice) -> None:
        self.seen.append(notice)


def test_what_is_called_may_be_any_object_that_can_be() -> None:
    first, second, seen = Recorder(), Recorder(), list[Notice]()
    a, b = Task("a", work, on_success=first), Task("b", work, on_success=second, retries=1)
    found = compiled(flow_of(a, b, Task("c", work, on_success=seen.append)))
    assert found.callback(0, "task_success") is first
    assert found.callback(1, "task_success") is second
    assert [policy.retries for policy in found.plan.policies] == [0, 1, 0]
    assert all(policy.notices == ("success",) for policy in found.plan.policies)


def test_an_output_is_no_callback() -> None:
    first = Task("first", work)
    wrong = Task("second", work, on_success=first.output)
    error = problem(first, wrong)
    assert isinstance(error, OptionError)
    assert "task 'second': on_success=" in str(error)
    assert "cannot be called; give it a function that takes a Notice" in str(error)


TAKE_NO_NOTICE: list[Callable[..., object]] = [lambda: None, lambda one, other: None, lambda *, notice: None]


@pytest.mark.parametrize("wrong", TAKE_NO_NOTICE, ids=["nothing", "two", "by name"])
def test_a_callback_that_cannot_take_a_notice_is_told_of_before_it_is_needed(wrong: Any) -> None:
    task = Task("load", work, on_failure=wrong)
    error = problem(task)
    assert isinstance(error, OptionError)
    assert "task 'load': on_failure must take one argument, a Notice" in str(error)
    assert error.where == task.where


async def tell_later(notice: Notice) -> None: ...


class TellsLater:
    async def __call__(self, notice: Notice) -> None: ...

    async def tell(self, notice: Notice) -> None: ...


NOBODY_AWAITS: dict[str, Callable[..., object]] = {
    "function": tell_later,
    "method": TellsLater().tell,
    "object": TellsLater(),
    "partial": partial(tell_later),
    "task function": task(tell_later),
}


@pytest.mark.parametrize("kind", NOBODY_AWAITS)
def test_a_callback_that_nobody_would_await_is_refused(kind: str) -> None:
    error = problem(Task("load", work, on_failure=NOBODY_AWAITS[kind]))
    assert isinstance(error, OptionError)
    assert str(error).startswith("task 'load': on_failure is async, and nobody awaits it; give it a plain function")


@pytest.mark.parametrize("option", ["on_success", "on_failure", "on_cancel"])
@pytest.mark.parametrize("wrong", ["mail", lambda: None], ids=["text", "takes nothing"])
def test_a_workflows_callbacks_are_checked_too(option: str, wrong: Any) -> None:
    error = refusal(Workflow("flow", **{option: wrong}))
    assert isinstance(error, OptionError)
    assert f"workflow 'flow': {option}" in str(error)
    assert line_at(error.where) == 'error = refusal(Workflow("flow", **{option: wrong}))'


def test_every_wrong_callback_is_told_of() -> None:
    flow = Workflow("flow", on_success=1, on_failure=2)  # type: ignore[arg-type]
    flow.add_task(Task("a", work, on_success="x", on_failure="y", on_retry="z"))  # type: ignore[arg-type]
    error = refusal(flow)
    assert isinstance(error, InvalidWorkflowError)
    assert len(error.problems) == 5


def test_callbacks_of_one_task_are_not_those_of_another_with_equal_ones() -> None:
    """Equal options share a policy; who is called is no part of it."""
    first = compiled(flow_of(Task("a", work, on_success=tell), Task("b", work, on_success=tell_another)))
    assert first.plan.policies[0] == first.plan.policies[1]
    assert (first.callback(0, "task_success"), first.callback(1, "task_success")) == (tell, tell_another)
