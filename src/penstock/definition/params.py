"""Typed parameters of a workflow: read from a signature, bound and checked before anything runs."""

from __future__ import annotations

import enum
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from penstock.errors import DefinitionError, InvalidWorkflowError, OptionError, ParameterError


class _Missing:
    def __repr__(self) -> str:
        return "required"


MISSING = _Missing()


class _Unreadable(ValueError):
    """A text that stands for no value, with a reason for users."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a workflow."""

    name: str
    annotation: Any
    default: Any = MISSING
    positional_only: bool = False

    @property
    def required(self) -> bool:
        """Whether a run must give it."""
        return self.default is MISSING


def parameters_of(func: Callable[..., Any]) -> dict[str, Parameter]:
    """The parameters in a function's signature. OptionError for `*args` and `**kwargs`, which have no names to give."""
    import inspect

    hints = type_hints(func)
    parameters = {}
    for parameter in inspect.signature(func).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise OptionError(
                f"workflow '{func.__name__}' takes {parameter}: name its parameters, so that a run can give them",
                where=f"{func.__code__.co_filename}:{func.__code__.co_firstlineno}",
            )
        annotation = hints.get(parameter.name, Any)
        default = MISSING if parameter.default is parameter.empty else parameter.default
        positional_only = parameter.kind is parameter.POSITIONAL_ONLY
        parameters[parameter.name] = Parameter(parameter.name, annotation, default, positional_only)
    return parameters


def type_hints(func: Callable[..., Any]) -> dict[str, Any]:
    """Annotations as objects. One that cannot be resolved is left out, and its parameter not checked."""
    try:
        return get_type_hints(func)
    except Exception:
        pass
    hints = {}
    for name, annotation in getattr(func, "__annotations__", {}).items():
        try:
            hints.update(get_type_hints(SimpleNamespace(__annotations__={name: annotation}), func.__globals__))
        except Exception:
            continue
    return hints


def bind(
    workflow: str,
    parameters: Mapping[str, Parameter],
    given: Mapping[str, Any],
    *,
    only: Sequence[str] | None = None,
    where: str | None = None,
) -> dict[str, Any]:
    """A value for each parameter (or each of `only`), given or by default.

    ParameterError for one that is missing, unknown or of the wrong type; InvalidWorkflowError for several.
    """
    names = parameters if only is None else only
    problems: list[DefinitionError] = []
    values: dict[str, Any] = {}
    if only is None:
        problems += [_unknown(workflow, name, parameters, where) for name in given if name not in parameters]
    for name in names:
        parameter = parameters[name]
        if name in given:
            values[name] = given[name]
        elif parameter.required:
            hint = f"give {name}={type_name(parameter.annotation)}"
            problems.append(ParameterError(f"workflow '{workflow}' needs parameter '{name}': {hint}", where=where))
            continue
        else:
            values[name] = parameter.default
            continue
        if not fits(values[name], parameter.annotation):
            message = f"{_shown(values[name])} is not {type_name(parameter.annotation)}"
            problems.append(ParameterError(f"workflow '{workflow}', parameter '{name}': {message}", where=where))
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise InvalidWorkflowError(workflow, problems)
    return values


def parse(workflow: str, parameters: Mapping[str, Parameter], texts: Mapping[str, str]) -> dict[str, Any]:
    """Values from texts, as a command line gives them. ParameterError for a text that does not read as its type."""
    values: dict[str, Any] = {}
    problems: list[DefinitionError] = []
    for name, text in texts.items():
        if name not in parameters:
            problems.append(_unknown(workflow, name, parameters, None))
            continue
        annotation = parameters[name].annotation
        try:
            values[name] = from_text(text, annotation)
        except (ValueError, TypeError, InvalidOperation) as error:
            reason = f": {error}" if isinstance(error, _Unreadable) else ""
            message = f"{text!r} does not read as {type_name(annotation)}{reason}"
            problems.append(ParameterError(f"workflow '{workflow}', parameter '{name}': {message}"))
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise InvalidWorkflowError(workflow, problems)
    return values


def _unknown(workflow: str, name: str, parameters: Mapping[str, Parameter], where: str | None) -> ParameterError:
    near = get_close_matches(name, parameters, 1)
    if near:
        hint = f"; did you mean '{near[0]}'?"
    elif parameters:
        hint = f"; it has {', '.join(parameters)}"
    else:
        hint = "; it has none"
    return ParameterError(f"workflow '{workflow}' has no parameter '{name}'{hint}", where=where)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


# --- Types


def type_name(annotation: Any) -> str:
    """An annotation as a user would write it."""
    if annotation is None or annotation is type(None):
        return "None"
    if isinstance(annotation, type) and not get_args(annotation):
        return annotation.__name__
    return str(annotation).replace("typing.", "")


def fits(value: Any, annotation: Any) -> bool:
    """Whether a value is of an annotated type. An annotation that says nothing at run time fits everything."""
    if annotation is Any or isinstance(annotation, str):
        return True
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return any(value == choice and type(value) is type(choice) for choice in arguments)
    if origin in (Union, types.UnionType):
        return any(fits(value, choice) for choice in arguments)
    if annotation is None:
        return value is None
    if origin is not None:
        return isinstance(origin, type) and isinstance(value, origin) and _items_fit(value, origin, arguments)
    return _is_a(value, annotation) if isinstance(annotation, type) else True


def _is_a(value: Any, kind: type) -> bool:
    """As isinstance, but a bool is no number, an int is a float, and a datetime is no date."""
    if kind in (int, float):
        return isinstance(value, (int, kind)) and not isinstance(value, bool)
    if kind is date:
        return isinstance(value, date) and not isinstance(value, datetime)
    try:
        return isinstance(value, kind)
    except TypeError:  # a TypedDict, a Protocol: nothing that can be looked at
        return True


def _items_fit(value: Any, origin: type, arguments: tuple[Any, ...]) -> bool:
    if not arguments:
        return True
    if issubclass(origin, Mapping):
        return all(fits(key, arguments[0]) and fits(item, arguments[1]) for key, item in value.items())
    if origin is tuple and arguments[-1] is not Ellipsis:
        return len(value) == len(arguments) and all(map(fits, value, arguments))
    if origin in (list, tuple, set, frozenset) or origin is Sequence:
        return all(fits(item, arguments[0]) for item in value)
    return True


_SCALARS: dict[Any, Callable[[str], Any]] = {
    str: str,
    int: int,
    float: float,
    date: date.fromisoformat,
    datetime: datetime.fromisoformat,
    time: time.fromisoformat,
    timedelta: lambda text: timedelta(seconds=float(text)),
    Path: Path,
    Decimal: Decimal,
    UUID: UUID,
    Any: str,
}
_BOOLEANS = {"true": True, "yes": True, "1": True, "on": True, "false": False, "no": False, "0": False, "off": False}


def from_text(text: str, annotation: Any) -> Any:
    """The value that a text stands for; containers are written as JSON. ValueError if it stands for none."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation in _SCALARS:
        return _SCALARS[annotation](text)
    if annotation is bool:
        return _choice(text.lower(), _BOOLEANS)
    if origin is Literal:
        return _choice(text, {str(choice): choice for choice in arguments})
    if origin in (Union, types.UnionType):
        return _first_that_reads(text, arguments)
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return _choice(text, {member.name: member for member in annotation})
    return _from_json(text, annotation)


def _choice(text: str, choices: Mapping[str, Any]) -> Any:
    if text not in choices:
        raise _Unreadable(f"it is one of {', '.join(choices)}")
    return choices[text]


def _first_that_reads(text: str, annotations: Sequence[Any]) -> Any:
    if type(None) in annotations and text.lower() in ("none", "null"):
        return None
    # str reads everything, so it comes last whatever the order written.
    for annotation in sorted(annotations, key=lambda choice: choice is str):
        if annotation is type(None):
            continue
        try:
            return from_text(text, annotation)
        except (ValueError, TypeError, InvalidOperation):
            continue
    raise _Unreadable(f"it is none of {', '.join(map(type_name, annotations))}")


def _from_json(text: str, annotation: Any) -> Any:
    import json

    origin, arguments = get_origin(annotation) or annotation, get_args(annotation)
    try:
        value = json.loads(text)
    except RecursionError:
        raise _Unreadable("it is nested too deeply") from None
    if origin is dict and isinstance(value, dict) and arguments:
        return {_from_item(key, arguments[0]): _from_item(item, arguments[1]) for key, item in value.items()}
    if origin in (list, tuple, set, frozenset, Sequence) and isinstance(value, list):
        kind = list if origin is Sequence else origin
        if origin is tuple and arguments and arguments[-1] is not Ellipsis:
            if len(value) != len(arguments):
                raise _Unreadable(f"{len(arguments)} items are needed")
            return tuple(map(_from_item, value, arguments))
        return kind(_from_item(item, arguments[0]) if arguments else item for item in value)
    if not fits(value, annotation):
        raise ValueError("")
    return value


def _from_item(item: Any, annotation: Any) -> Any:
    """An item of a JSON container: strings may stand for a type that JSON lacks."""
    if fits(item, annotation):
        return item
    if isinstance(item, str):
        return from_text(item, annotation)
    import json

    return from_text(json.dumps(item), annotation)
