"""What a plan keeps of approvals, and what of them is refused before anything runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from penstock import Secret, TaskGroup, Workflow, task, task_group
from penstock.errors import ArgumentsError, DefinitionError, InvalidWorkflowError, OptionError
from penstock.policy import Asking
from tests.unit.plan.compiling import plan_of


@task
def write() -> str:
    return "report"


def release(report: str, approved: bool, limit: int = 5) -> str:
    """Is the report fit to be sent?

    Args:
        approved: whether it is
    """
    return report


def asking(make: Callable[[], object], name: str) -> Asking:
    with Workflow("flow") as flow:
        make()
    plan = plan_of(flow)
    found = plan.policies[plan.numbers[name]].asking
    assert found is not None
    return found


def refusal(make: Callable[[], object]) -> DefinitionError:
    with Workflow("flow") as flow:
        make()
    with pytest.raises(DefinitionError) as refused:
        plan_of(flow)
    return refused.value


def test_it_keeps_the_question_and_a_schema_of_what_the_call_leaves_open() -> None:
    kept = asking(lambda: task.approval(release)(write()), "release")
    assert (kept.text, kept.deadline, kept.default) == ("Is the report fit to be sent?", None, None)
    assert json.loads(kept.inputs) == {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "release",
        "type": "object",
        "description": "Is the report fit to be sent?",
        "properties": {
            "approved": {"type": "boolean", "description": "whether it is"},
            "limit": {"type": "integer", "default": 5},
        },
        "required": ["approved"],
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    "make",
    [
        lambda: task.approval(release)(write(), limit=3),
        lambda: task.approval(release).partial(limit=3).expand(report=["a", "b"]),
        lambda: task.approval(release).expand_kwargs([{"report": "a", "limit": 1}, {"limit": 2, "report": "b"}]),
    ],
    ids=["a call", "a map", "a list of arguments"],
)
def test_what_the_call_gives_is_not_asked_for(make: Callable[[], object]) -> None:
    assert [*json.loads(asking(make, "release").inputs)["properties"]] == ["approved"]


def test_in_a_mapped_group_its_arguments_are_given() -> None:
    @task_group
    def each(report: str) -> None:
        task.approval(release)(report)

    kept = asking(lambda: each.expand(report=["a"]), "each.release")
    assert [*json.loads(kept.inputs)["properties"]] == ["approved", "limit"]


def test_a_deadline_and_what_counts_then() -> None:
    decorate = task.approval(deadline=timedelta(hours=1), default={"approved": False, "limit": 1})
    kept = asking(lambda: decorate(release)(write()), "release")
    assert (kept.deadline, json.loads(kept.default or "")) == (3600.0, {"approved": False, "limit": 1})


def test_a_default_may_reject_what_does_not_ask_for_approval() -> None:
    def go(report: str, day: date) -> None: ...

    made = task.approval(deadline=1, default={"approved": False, "day": date(2013, 1, 2)})(go)
    assert json.loads(asking(lambda: made(write()), "go").default or "") == {"approved": False, "day": "2013-01-02"}


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"deadline": 0}, "deadline=0 is not more than 0 seconds"),
        ({"default": {"approved": True}}, "default is the answer that counts after the deadline, and there is none"),
        (
            {"deadline": 1, "default": {}},
            "default={} is no answer to what is asked: task 'release' asks for 'approved'",
        ),
        ({"deadline": 1, "default": {"approved": "x"}}, "input 'approved': 'x' is not bool"),
        ({"deadline": 1, "default": {"approved": True, "limt": 1}}, "did you mean 'limit'?"),
        ({"deadline": 1, "default": True}, "default=True is not a dict of what is asked for"),
        ({"at_most_once": True}, "at_most_once=True forbids a second attempt, and an approval has one to ask"),
        ({"sensor": True}, "it is both an approval and a sensor"),
        ({"approval": 1}, "approval=1 is not True or False"),
    ],
    ids=str,
)
def test_options_that_cannot_be_are_refused(options: Any, why: str) -> None:
    refused = refusal(lambda: task.approval(release).options(**options)(write()))
    assert isinstance(refused, OptionError | InvalidWorkflowError)
    assert why in str(refused)


@pytest.mark.parametrize("options", [{"deadline": 1}, {"default": {}}], ids=str)
def test_its_options_are_for_approvals_only(options: Any) -> None:
    assert "is for approvals: use @task.approval" in str(refusal(write.options(**options)))


def test_but_as_defaults_they_are_passed_over_by_others() -> None:
    with Workflow("flow", defaults={"deadline": 60}) as flow, TaskGroup("group"):
        task.approval(release)(write())
    plan = plan_of(flow)
    assert [policy.asking and policy.asking.deadline for policy in plan.policies] == [None, 60.0]


def test_that_a_task_is_an_approval_is_no_default() -> None:
    with Workflow("flow", defaults={"approval": True}) as flow:
        write()
    with pytest.raises(OptionError, match="approval is no default"):
        plan_of(flow)


@pytest.mark.parametrize(
    ("func", "why"),
    [
        (lambda token: None, None),
        (lambda *rest: None, "it takes *rest"),
        (lambda **rest: None, "it takes **rest"),
    ],
    ids=["a name", "a list", "a dict"],
)
def test_what_it_asks_for_has_a_name(func: Any, why: str | None) -> None:
    def make() -> None:
        task.approval(func).named("ask")()

    if why is None:
        assert [*json.loads(asking(make, "ask").inputs)["properties"]] == ["token"]
    else:
        assert why in str(refusal(make))


def test_a_secret_cannot_be_asked_for() -> None:
    def pay(token: Secret[str]) -> None: ...

    assert "a person cannot be asked for 'token': it is a secret" in str(refusal(task.approval(pay)))


def test_what_is_given_must_fit_all_the_same() -> None:
    assert isinstance(refusal(lambda: task.approval(release)(write(), lmit=3)), ArgumentsError)
    assert isinstance(refusal(lambda: task.approval(release).partial(lmit=3).expand(report=["a"])), ArgumentsError)


def test_expand_kwargs_must_say_what_it_gives() -> None:
    @task
    def rows() -> list[dict[str, str]]:
        return []

    for source in (rows(), [{"report": "a"}, {"limit": 1}]):
        refused = refusal(lambda source=source: task.approval(release).expand_kwargs(source))  # type: ignore[misc]
        assert "expand_kwargs does not say here what that is" in str(refused)


# --- What a task waits for


def waits_for(make: Callable[[], object]) -> list[str | None]:
    with Workflow("flow") as flow:
        make()
    return [policy.waits_for for policy in plan_of(flow).policies]


@task.sensor(waits_for="the file {path} of {day}")
def arrives(path: object, day: object = "today") -> bool:
    return True


def test_what_it_waits_for_is_told_with_its_arguments() -> None:
    assert waits_for(lambda: arrives("a.csv")) == ["the file a.csv of today"]
    assert waits_for(lambda: arrives(Path("a.csv"), date(2013, 1, 2))) == ["the file a.csv of 2013-01-02"]
    assert waits_for(lambda: arrives(write())) == [None, "the file what 'write' gives of today"]
    assert waits_for(lambda: arrives.expand(path=["a"])) == ["the file 'path' of today"]
    assert waits_for(lambda: arrives(object(), ["x"])) == ["the file <object> of <list>"]
    assert waits_for(lambda: [arrives("a"), arrives("b")]) == ["the file a of today", "the file b of today"]


def test_and_in_not_too_many_words() -> None:
    [told] = waits_for(lambda: arrives("a" * 1_000))
    assert told is not None
    assert (len(told), told[-1]) == (200, "…")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (3, "is not a text"),
        ("the file {file}", "names 'file', which is no argument: there are path, day"),
        ("the file {path", "expected '}' before end of string"),
    ],
    ids=str,
)
def test_what_names_no_argument_is_refused(text: Any, why: str) -> None:
    assert why in str(refusal(lambda: arrives.options(waits_for=text)("a")))
