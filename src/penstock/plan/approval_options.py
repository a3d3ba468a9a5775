"""The options of approvals: what they ask for, how long they wait for the answer, and what it is then."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from penstock.definition.answers import answer_from_values
from penstock.definition.asking import APPROVED, NotAskable, asked, inputs_of, question, schema_text
from penstock.definition.expansion import NOTHING
from penstock.definition.params import Parameter
from penstock.definition.task import Task
from penstock.errors import ParameterError
from penstock.plan.option_values import MORE_THAN_0, OptionValues, Owner
from penstock.policy import Asking

OF_APPROVALS = frozenset({"deadline", "default", "on_ask"})
"""Options that only approvals have."""


class ApprovalOptions(OptionValues):
    """Reads what makes a task an approval."""

    def _asking(self, options: Mapping[str, Any], task: Task, owner: Owner) -> Asking | None:
        if not self._flag(options.get("approval", False), "approval", owner):
            for name in sorted(OF_APPROVALS.intersection(options)):
                self._wrong(owner, f"{name} is for approvals: use @task.approval, or leave it out")
            return None
        if options.get("sensor") is True:
            self._wrong(owner, "it is both an approval and a sensor; make two tasks of it")
        if options.get("at_most_once") is True:
            self._wrong(
                owner,
                "at_most_once=True forbids a second attempt, and an approval has one to ask and one to go on: "
                "let a task after it be at_most_once",
            )
        deadline = self._duration(options.get("deadline"), "deadline", owner, least=MORE_THAN_0)
        if not callable(task.func):
            return None  # of which is told elsewhere
        try:
            inputs = asked_of(task)
            schema = schema_text(str(task.name), inputs, task.func)
        except NotAskable as error:
            self._wrong(owner, str(error))
            return None
        default = options.get("default")
        answer = None if default is None else self._default(default, inputs_of(json.loads(schema)), deadline, owner)
        return Asking(question(task.func), schema, deadline, answer)

    def _default(
        self, default: Any, inputs: Mapping[str, Parameter], deadline: float | None, owner: Owner
    ) -> str | None:
        if deadline is None:
            self._wrong(owner, "default is the answer that counts after the deadline, and there is none: set deadline")
        if not isinstance(default, Mapping) or not all(isinstance(name, str) for name in default):
            self._wrong(owner, f"default={default!r:.60} is not a dict of what is asked for")
            return None
        given = dict(default)
        verdict = {} if APPROVED in inputs else {APPROVED: given.pop(APPROVED, True)}
        try:
            answer = answer_from_values(owner.name, inputs, given)
        except ParameterError as error:
            self._wrong(owner, f"default={default!r:.60} is no answer to what is asked: {error}")
            return None
        if not all(isinstance(value, bool) for value in verdict.values()):
            self._wrong(owner, f"default={default!r:.60}: '{APPROVED}' is not True or False")
        return json.dumps({**answer, **verdict})


def asked_of(task: Task) -> dict[str, Parameter]:
    """What an approval asks for: the parameters of its function that its call leaves open. NotAskable."""
    return asked(task.func, len(task.args), _named(task))


def _named(task: Task) -> list[str]:
    """The arguments that a call gives by their names."""
    names = [*(task.kwargs or {})]
    if task.expand is not None and task.expand.whole is NOTHING:
        return [*names, *(task.expand.sources or {})]
    if task.expand is not None:
        rows = task.expand.whole if isinstance(task.expand.whole, (list, tuple)) else ()
        kinds = {frozenset(row) if isinstance(row, dict) else None for row in rows}
        if len(kinds) != 1 or None in kinds:
            raise NotAskable(
                "what is asked for is what its call leaves open, and expand_kwargs does not say here what that is: "
                "give it a list of dicts that all have the same names, or use expand"
            )
        names += rows[0]
    return names
