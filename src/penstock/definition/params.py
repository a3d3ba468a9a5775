"""Typed parameters of a workflow: read from a signature, bound and checked before anything runs."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Union, get_args, get_origin

from penstock.definition.annotations import fits, type_hints, type_name
from penstock.definition.secret import Secret, unread
from penstock.errors import DefinitionError, InvalidWorkflowError, OptionError, ParameterError


class _Missing:
    def __repr__(self) -> str:
        return "required"

    def __reduce__(self) -> str:
        return "MISSING"  # itself again in another process


MISSING = _Missing()

SECRET_FORMS = "env:NAME for an environment variable, @FILE for a file, or 'prompt' to be asked for it"


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

    @property
    def is_secret(self) -> bool:
        """Whether its value is never shown or kept."""
        return _secret_in(self.annotation) is not None

    @property
    def value_type(self) -> Any:
        """What a secret's value is of."""
        return (get_args(_secret_in(self.annotation)) or (str,))[0] if self.is_secret else self.annotation


def parameters_of(func: Callable[..., Any]) -> dict[str, Parameter]:
    """The parameters in a function's signature. OptionError for `*args` and `**kwargs`, which have no names to give,
    and for what is no place for a secret."""
    import inspect

    hints = type_hints(func)
    where = f"{func.__code__.co_filename}:{func.__code__.co_firstlineno}"
    parameters = {}
    for parameter in inspect.signature(func).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise OptionError(
                f"workflow '{func.__name__}' takes {parameter}: name its parameters, so that a run can give them",
                where=where,
            )
        annotation = hints.get(parameter.name, Any)
        default = MISSING if parameter.default is parameter.empty else parameter.default
        positional_only = parameter.kind is parameter.POSITIONAL_ONLY
        made = parameters[parameter.name] = Parameter(parameter.name, annotation, default, positional_only)
        problem = _misplaced_secret(made)
        if problem:
            raise OptionError(f"workflow '{func.__name__}', parameter '{made.name}': {problem}", where=where)
    return parameters


def _secret_in(annotation: Any) -> Any:
    """The Secret in `Secret[X]` and `Secret[X] | None`."""
    if annotation is Secret or get_origin(annotation) is Secret:
        return annotation
    if get_origin(annotation) in (Union, types.UnionType):
        others = [choice for choice in get_args(annotation) if choice is not type(None)]
        return _secret_in(others[0]) if len(others) == 1 else None
    return None


def _misplaced_secret(parameter: Parameter) -> str | None:
    if parameter.is_secret:
        default = parameter.default
        in_code = default.is_read if isinstance(default, Secret) else default not in (MISSING, None)
        if in_code:
            return "a secret is not in the code: let its default be Secret.from_env('NAME') or Secret.from_file(path)"
        return None
    if any(_has_secret(part) for part in get_args(parameter.annotation)):
        return "a secret cannot be a part of a value: make it a parameter of its own, Secret[...]"
    return None


def _has_secret(annotation: Any) -> bool:
    return annotation is Secret or get_origin(annotation) is Secret or any(map(_has_secret, get_args(annotation)))


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
        if name not in given:
            if parameter.required:
                hint = f"give {name}={type_name(parameter.annotation)}"
                problems.append(ParameterError(f"workflow '{workflow}' needs parameter '{name}': {hint}", where=where))
            else:
                values[name] = parameter.default
            continue
        values[name], wrong = _value(parameter, given[name])
        if wrong:
            problems.append(ParameterError(f"workflow '{workflow}', parameter '{name}': {wrong}", where=where))
    _raise(workflow, problems)
    return values


def _value(parameter: Parameter, given: Any) -> tuple[Any, str | None]:
    """The value of a parameter, and what is wrong with it."""
    if not parameter.is_secret:
        wrong = not fits(given, parameter.annotation)
        return given, f"{shown(given)} is not {type_name(parameter.annotation)}" if wrong else None
    if given is None and fits(None, parameter.annotation):
        return None, None
    secret = given if isinstance(given, Secret) else Secret(given)
    if secret.is_read and not fits(secret.get_secret_value(), parameter.value_type):
        found = type(secret.get_secret_value()).__name__  # nobody says what it is
        return secret, f"the {found} that it was given is not {type_name(parameter.value_type)}"
    return secret, None


def parse(workflow: str, parameters: Mapping[str, Parameter], texts: Mapping[str, str]) -> dict[str, Any]:
    """Values from texts, as a command line gives them. ParameterError for a text that does not read as its type."""
    from penstock.definition.reading import UNREADABLE, from_text

    values: dict[str, Any] = {}
    problems: list[DefinitionError] = []
    for name, text in texts.items():
        if name not in parameters:
            problems.append(_unknown(workflow, name, parameters, None))
            continue
        parameter = parameters[name]
        try:
            values[name] = secret_from_text(text) if parameter.is_secret else from_text(text, parameter.annotation)
        except UNREADABLE as error:
            wrong = _refused_secret() if parameter.is_secret else wrong_text(text, parameter.annotation, error)
            problems.append(ParameterError(f"workflow '{workflow}', parameter '{name}': {wrong}"))
    _raise(workflow, problems)
    return values


def secret_from_text(text: str) -> Secret[str]:
    """Where a secret is found, as a command line says it. Unreadable for anything else, which may be the value."""
    if text == "prompt":
        return unread("prompt")
    if text.startswith("env:") and text[4:]:
        return Secret.from_env(text[4:])
    if text.startswith("@") and text[1:]:
        return Secret.from_file(text[1:])
    from penstock.definition.reading import Unreadable

    raise Unreadable(_refused_secret())


def _refused_secret() -> str:
    return f"it is a secret, which a command line would show to everybody on this machine: give {SECRET_FORMS}"


def wrong_text(text: Any, annotation: Any, error: BaseException) -> str:
    """Why a text, or a part of a JSON document, does not stand for a value of an annotated type."""
    from penstock.definition.reading import Unreadable

    path, reason = "", f": {error}" if isinstance(error, Unreadable) else ""
    if isinstance(error, Unreadable) and error.args[1:]:
        reason, path = f": {error.args[0]}", f", at {error.args[1]}"
    return f"{shown(text)} does not read as {type_name(annotation)}{path}{reason}"


def _raise(workflow: str, problems: Sequence[DefinitionError]) -> None:
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise InvalidWorkflowError(workflow, problems)


def _unknown(workflow: str, name: str, parameters: Mapping[str, Parameter], where: str | None) -> ParameterError:
    near = get_close_matches(name, parameters, 1)
    if near:
        hint = f"; did you mean '{near[0]}'?"
    elif parameters:
        hint = f"; it has {', '.join(parameters)}"
    else:
        hint = "; it has none"
    return ParameterError(f"workflow '{workflow}' has no parameter '{name}'{hint}", where=where)


def shown(value: Any) -> str:
    """A value in an error."""
    try:
        text = repr(value)
    except ValueError:  # a number of very many digits
        text = f"<{type(value).__name__}>"
    return text if len(text) <= 60 else f"{text[:57]}..."
