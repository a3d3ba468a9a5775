"""What a task waits for, told with the arguments of its call as far as they are known before anything runs."""

from __future__ import annotations

from datetime import date, time, timedelta
from pathlib import PurePath
from string import Formatter
from typing import Any

from penstock.definition.expansion import NOTHING
from penstock.definition.placeholder import Output, ParameterPlaceholder, name_of, task_of
from penstock.definition.task import Task
from penstock.plan.arguments import by_name, parameter_names

_LONGEST = 200


def told(text: Any, task: Task) -> str:
    """A text in which "{name}" stands for an argument of a task. ValueError if it is no text, or names another."""
    if not isinstance(text, str):
        raise ValueError("is not a text")
    given = _given(task)
    known = parameter_names(task.func) if callable(task.func) else []
    parts = []
    for literal, field, _, _ in Formatter().parse(text):
        parts.append(literal)
        if field is None:
            continue
        if field not in given and known is not None and field not in known:
            raise ValueError(f"names '{field}', which is no argument: there are {', '.join(known) or 'none'}")
        parts.append(_shown(given[field]) if field in given else f"'{field}'")
    whole = "".join(parts)
    return whole if len(whole) <= _LONGEST else f"{whole[: _LONGEST - 1]}…"


def _given(task: Task) -> dict[str, Any]:
    args = task.args if isinstance(task.args, (list, tuple)) else ()
    kwargs = {name: value for name, value in (task.kwargs or {}).items() if isinstance(name, str)}
    try:
        given = by_name(task.func, args, kwargs)
    except TypeError:  # they do not fit, of which is told elsewhere
        given = kwargs
    mapped = () if task.expand is None or task.expand.whole is not NOTHING else task.expand.sources or ()
    return {name: value for name, value in given.items() if name not in mapped}


def _shown(value: Any) -> str:
    if type(value) is Output:
        return f"what '{task_of(value).name}' gives"
    if isinstance(value, Task):
        return f"what '{value.name}' gives"
    if type(value) is ParameterPlaceholder:
        return f"parameter '{name_of(value)}'"
    if isinstance(value, (str, bool, int, float, date, time, timedelta, PurePath)):
        return str(value)
    return f"<{type(value).__name__}>"
