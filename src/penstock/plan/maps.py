"""What can be known to be wrong with a map before anything runs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from string import Formatter
from typing import Any

from penstock.definition.expansion import NOTHING, Expansion
from penstock.definition.group import GroupArgument, GroupExpansion, default_of, mapped_group
from penstock.definition.items import JoinedItems, MappedItems, ZippedItems, joined, mapped_by
from penstock.definition.placeholder import Output, ParameterPlaceholder, Placeholder, name_of
from penstock.definition.task import Task
from penstock.definition.workflow import Workflow
from penstock.errors import ArgumentsError, DefinitionError, OptionError
from penstock.plan.arguments import is_async, misfit, parameter_names
from penstock.plan.lookup import shown, titled
from penstock.policy import TaskPolicy


class Maps:
    """Checks what tasks and groups of one workflow are mapped over; what is wrong goes to `problems`."""

    def __init__(self, workflow: Workflow, problems: list[DefinitionError]) -> None:
        self.workflow = workflow
        self.problems = problems
        self._well_formed: set[int] = set()
        """By identity."""

    def check(self, task: Task, expansion: Expansion) -> bool:
        """Whether a map is well formed, so that it can be read further."""
        before = len(self.problems)
        around = mapped_group(task)
        if around is not None:
            self._wrong(task, f"{titled(task)} is mapped within '{around.name}', which is mapped: map only one of them")
        if expansion.sources is not None and expansion.whole is not NOTHING:
            self._wrong(task, f"{titled(task)} is given both expand and expand_kwargs; give it one of them")
        elif expansion.whole is not NOTHING:
            self._check_whole(task, expansion.whole)
        elif not isinstance(expansion.sources, Mapping):
            self._wrong(
                task, f'{titled(task)}: expand={shown(expansion.sources)} is no dict; write expand={{"x": [...]}}'
            )
        elif not expansion.sources:
            self._wrong(task, f"{titled(task)} is mapped over nothing: name an argument, .expand(x=[...])")
        else:
            for name, source in expansion.sources.items():
                self._check_source(task, f"argument '{name}' of {titled(task)}", source)
        if len(self.problems) > before:
            return False
        self._well_formed.add(id(expansion))
        return True

    def check_call(self, task: Task, expansion: Expansion) -> None:
        """Whether a mapped task's function can be called with what it is given and mapped over."""
        if id(expansion) not in self._well_formed:
            return
        kwargs = dict(task.kwargs or {})
        if expansion.whole is NOTHING:
            self._check_arguments(task, kwargs, expansion.sources)
            return
        reason = misfit(task.func, task.args, kwargs, partly=True)
        if reason is not None:
            self._wrong(task, f"the arguments of {titled(task)} do not fit {reason}", ArgumentsError)
            return
        seen: list[frozenset[str]] = []
        for names in expansion.whole if isinstance(expansion.whole, (list, tuple)) else ():
            if isinstance(names, dict) and frozenset(names) not in seen:
                seen.append(frozenset(names))
                self._check_arguments(task, kwargs, names)

    def check_kind(self, task: Task, policy: TaskPolicy, map_name: Any) -> None:
        """Whether a task of this kind may be mapped, and its instances be called so."""
        kind = {"branch": "branch", "short_circuit": "short circuit"}.get(policy.decides)
        if policy.teardown or kind:
            message = f"{titled(task)} is a {kind or 'teardown'} and cannot be mapped by itself: "
            self._wrong(task, f"{message}put it into a group, and map that")
        if isinstance(map_name, str):
            self._check_map_name(task, map_name)

    def _check_arguments(self, task: Task, kwargs: Mapping[str, Any], mapped: Mapping[str, Any]) -> None:
        both = next((name for name in mapped if name in kwargs), None)
        if both is not None:
            message = f"argument '{both}' of {titled(task)} is both mapped and partial; give it once"
            self._wrong(task, message, ArgumentsError)
            return
        is_partly = task.options.get("approval") is True  # a person is asked for the rest
        reason = misfit(task.func, task.args, {**kwargs, **mapped}, partly=is_partly)
        if reason is not None:
            self._wrong(task, f"the arguments of {titled(task)} do not fit {reason}", ArgumentsError)

    # --- Sources

    def _check_whole(self, task: Task, whole: Any) -> None:
        what = f"what {titled(task)} takes all its arguments from"
        if isinstance(whole, (list, tuple)):
            for number, item in enumerate(whole, 1):
                is_dict = isinstance(item, dict) and all(isinstance(name, str) for name in item)
                if not is_dict and not isinstance(item, (Output, ParameterPlaceholder, Task)):
                    message = f"item {number} of {what} is {shown(item)}, not a dict of arguments"
                    self._wrong(task, message, ArgumentsError)
                elif is_dict and isinstance(task, GroupExpansion):
                    self._check_row(task, task.arguments, item)
        elif isinstance(whole, (Placeholder, Task)):
            self._check_source(task, what, whole)
        else:
            self._wrong(task, f"{what} is {shown(whole)}; give expand_kwargs a list of dicts", ArgumentsError)

    def _check_row(self, task: Task, known: Mapping[str, GroupArgument], row: Mapping[str, Any]) -> None:
        """Whether an instance of a group is given what it takes."""
        for name in row:
            if name not in known:
                message = f"{titled(task)} is given '{name}', which is no argument of it that is left to be mapped"
                self._wrong(task, message, ArgumentsError)
        for name, argument in known.items():
            if name not in row and default_of(argument) is NOTHING:
                self._wrong(task, f"{titled(task)} is not given its argument '{name}' in {shown(row)}", ArgumentsError)

    def _check_source(self, task: Task, what: str, source: Any) -> None:
        if isinstance(source, MappedItems):
            inner, func = mapped_by(source)
            self._check_source(task, what, inner)
            self._check_func(task, what, func)
        elif isinstance(source, (ZippedItems, JoinedItems)):
            for part in joined(source):
                self._check_source(task, what, part)
        elif isinstance(source, ParameterPlaceholder):
            self._check_parameter(task, what, name_of(source))
        elif not isinstance(source, (Output, GroupArgument, Task)):
            reason = not_iterable(source)
            if reason is not None:
                self._wrong(task, f"{what} is mapped over {shown(source)}, {reason}", ArgumentsError)

    def _check_func(self, task: Task, what: str, func: Any) -> None:
        reason = "which cannot be called" if not callable(func) or isinstance(func, Placeholder) else None
        if reason is None and is_async(func):
            reason = "which is async, and nobody awaits it"
        if reason is None:
            reason = misfit(func, (None,), None)
            reason = reason and f"which must take one value, and is {reason}"
        if reason is not None:
            self._wrong(task, f"{what} is mapped with .map({shown(func)}), {reason}; give it a plain function")

    def _check_parameter(self, task: Task, what: str, name: str) -> None:
        parameter = self.workflow.parameters.get(name)  # of one that does not exist is told elsewhere
        kind = None if parameter is None else parameter.annotation
        if kind is Any or kind is object or not isinstance(kind, type):
            return
        if issubclass(kind, (str, bytes, Set)) or not hasattr(kind, "__iter__"):
            message = f"{what} is mapped over parameter '{name}', which is annotated as {kind.__name__} and cannot be "
            self._wrong(task, f"{message}mapped over: annotate it as a list, say", ArgumentsError)

    # --- Names

    def _check_map_name(self, task: Task, text: str) -> None:
        try:
            fields = fields_of(text)
        except ValueError as error:
            self._wrong(task, f"{titled(task)}: map_name={text!r} is no format: {error}")
            return
        known = parameter_names(task.func) if callable(task.func) else None
        for name in fields:
            if not name.isidentifier():
                self._wrong(task, f"{titled(task)}: map_name={text!r} does not name an argument: write {{name}}")
            elif known is not None and name not in known:
                message = f"{titled(task)}: map_name={text!r} names '{name}', and there are {', '.join(known)}"
                self._wrong(task, message)

    def _wrong(self, task: Task, message: str, kind: type[DefinitionError] = OptionError) -> None:
        self.problems.append(kind(message, where=task.where))


def fields_of(text: str) -> list[str]:
    """The arguments that a format names. ValueError if it is none."""
    fields = [field for _, field, _, _ in Formatter().parse(text) if field is not None]
    return [re.split(r"[.\[]", field, maxsplit=1)[0] for field in fields]


def not_iterable(value: Any) -> str | None:
    """Why a value cannot be mapped over; None if it can. Instances are numbered, so an order is needed."""
    if isinstance(value, (str, bytes, bytearray)):
        return "a text that cannot be mapped over: put it in a list" if isinstance(value, str) else _NOT_ITERABLE
    if isinstance(value, (set, frozenset)):
        return "a set, which has no order: make it a sorted list"
    if hasattr(value, "__iter__") and hasattr(value, "__len__"):
        return None
    return _NOT_ITERABLE


_NOT_ITERABLE = "which cannot be iterated: give it a list, a tuple, a range or a dict"
