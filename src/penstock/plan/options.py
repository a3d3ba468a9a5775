"""From the options that users write to policies: every value checked, and told of by name and place if it cannot be."""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable, Mapping
from datetime import timedelta
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

from penstock.definition.placeholder import Placeholder
from penstock.definition.task import Task, TaskOptions
from penstock.definition.workflow import Workflow
from penstock.errors import DefinitionError, OptionError
from penstock.plan.arguments import is_async, misfit
from penstock.policy import Callback, TaskPolicy

TASK_CALLBACKS: Mapping[str, str] = MappingProxyType(
    {"success": "on_success", "failed": "on_failure", "retry": "on_retry"}
)
"""What a task may be told of -> the option that says by whom."""
RUN_CALLBACKS: Mapping[str, str] = MappingProxyType(
    {"success": "on_success", "failed": "on_failure", "cancelled": "on_cancel"}
)
"""What a run may be told of -> the option of the workflow that says by whom."""


class Options:
    """Reads the options of one workflow and of its tasks. What is wrong goes to `problem`, and reads as a default."""

    def __init__(self, workflow: Workflow, problem: Callable[[type[DefinitionError], str, str], None]) -> None:
        self.workflow = workflow
        self.defaults = workflow.defaults
        self._problem = problem
        self._policies: dict[Hashable, TaskPolicy] = {}
        self._problems = 0
        if not isinstance(workflow.defaults, dict):
            self._wrong(f"defaults={workflow.defaults!r} are not a dict of options", workflow.where)
            self.defaults = {}

    # --- Of the workflow

    def timeout(self) -> float | None:
        """How long a run may take, in seconds."""
        return self._duration(self.workflow.timeout, "timeout", self._owner, self.workflow.where, least=_MORE_THAN_0)

    def callbacks(self) -> dict[str, Callback]:
        """Who is told of the ends of runs."""
        found: dict[str, Callback] = {}
        for name, option in RUN_CALLBACKS.items():
            callback = getattr(self.workflow, option)
            if self._is_callback(callback, option, self._owner, self.workflow.where):
                found[name] = callback
        return found

    @property
    def _owner(self) -> str:
        return f"workflow '{self.workflow.name}'"

    # --- Of tasks

    def policy(self, task: Task) -> TaskPolicy:
        """What the options of a task come to."""
        options: TaskOptions = task.options
        if self.defaults:
            options = {**self.defaults, **options}
        if not options:
            return _DEFAULT_POLICY
        key = tuple((name, type(value), value) for name, value in options.items())  # since 1 == True == 1.0
        try:
            policy = self._policies.get(key)
        except TypeError:  # an unhashable value: a callable object, or one that is wrong and told of below
            return self._read(task, options)
        if policy is None:
            before = self._problems
            policy = self._read(task, options)
            if self._problems == before:
                self._policies[key] = policy
        return policy

    def _read(self, task: Task, options: TaskOptions) -> TaskPolicy:
        owner, where = f"task '{task.name}'", task.where
        self._check_names(options, owner, where)
        self._check_retry_on(options.get("retry_on", Exception), owner, where)
        retries, at_most_once = self._retries(options, owner, where)
        return TaskPolicy(
            retries=retries,
            retry_delay=self._duration(options.get("retry_delay", 0), "retry_delay", owner, where) or 0.0,
            retry_backoff=self._number(options.get("retry_backoff", 1.0), "retry_backoff", owner, where),
            max_retry_delay=self._duration(options.get("max_retry_delay"), "max_retry_delay", owner, where),
            retry_jitter=self._number(options.get("retry_jitter", 0.0), "retry_jitter", owner, where),
            timeout=self._duration(options.get("timeout"), "timeout", owner, where, least=_MORE_THAN_0),
            share=self._flag(options, "share", owner, where),
            at_most_once=at_most_once,
            commit_first=self._flag(options, "commit_first", owner, where),
            notices=tuple(
                name
                for name, option in TASK_CALLBACKS.items()
                if self._is_callback(options.get(option), option, owner, where)
            ),
        )

    def _check_names(self, options: TaskOptions, owner: str, where: str) -> None:
        known = TaskOptions.__annotations__
        for name in options:
            if name not in known:
                near = get_close_matches(name, known, 1)
                hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(known)}"
                self._wrong(f"{owner}: there is no option '{name}'; {hint}", where)

    def _check_retry_on(self, value: Any, owner: str, where: str) -> None:
        kinds = value if isinstance(value, tuple) else (value,)
        if not all(isinstance(kind, type) and issubclass(kind, BaseException) for kind in kinds):
            self._wrong(f"{owner}: retry_on={value!r} is not an exception class, or a tuple of them", where)

    def _retries(self, options: TaskOptions, owner: str, where: str) -> tuple[int, bool]:
        """How many retries there are, and whether there must not be any."""
        retries = options.get("retries", 0)
        at_most_once = self._flag(options, "at_most_once", owner, where)
        if not isinstance(retries, int) or isinstance(retries, bool) or retries < 0:
            self._wrong(f"{owner}: retries={retries!r} is not a whole number from 0 up", where)
            return 0, at_most_once
        if at_most_once and retries:
            self._wrong(
                f"{owner}: at_most_once=True forbids a second attempt, and retries={retries} asks for one; "
                "set retries=0 on this task, or leave at_most_once out",
                where,
            )
            return 0, at_most_once
        return retries, at_most_once

    # --- Values

    def _flag(self, options: TaskOptions, name: str, owner: str, where: str) -> bool:
        value = options.get(name, False)
        if not isinstance(value, bool):
            self._wrong(f"{owner}: {name}={value!r} is not True or False", where)
            return False
        return value

    def _is_callback(self, value: Any, name: str, owner: str, where: str) -> bool:
        if value is None:
            return False
        if isinstance(value, Placeholder) or not callable(value):
            self._wrong(f"{owner}: {name}={value!r} cannot be called; give it a function that takes a Notice", where)
            return False
        if is_async(value):
            self._wrong(f"{owner}: {name} is async, and nobody awaits it; give it a plain function", where)
        reason = misfit(value, (None,), None)
        if reason is not None:
            self._wrong(f"{owner}: {name} must take one argument, a Notice; this does not fit {reason}", where)
        return True

    def _duration(self, value: Any, name: str, owner: str, where: str, least: float = 0.0) -> float | None:
        if value is None:
            return None
        seconds = value.total_seconds() if isinstance(value, timedelta) else value
        return self._number(seconds, name, owner, where, least=least, unit=" seconds")

    def _number(self, value: Any, name: str, owner: str, where: str, *, least: float = 0.0, unit: str = "") -> float:
        if isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value < float("inf"):
            return float(value)
        bound = "more than 0" if least else "0 or more"
        self._wrong(f"{owner}: {name}={value!r} is not {bound}{unit}", where)
        return 0.0

    def _wrong(self, message: str, where: str) -> None:
        self._problems += 1
        self._problem(OptionError, message, where)


_DEFAULT_POLICY = TaskPolicy()
_MORE_THAN_0 = sys.float_info.min
