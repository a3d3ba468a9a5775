"""Answers to what an approval asks: checked by whoever sends them, and read again where the body is called.

In between they are what JSON has: texts, numbers, lists and objects.
"""

from __future__ import annotations

import enum
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from difflib import get_close_matches
from math import isfinite
from pathlib import PurePath
from typing import Any, Union, get_args, get_origin
from uuid import UUID

from penstock.definition.annotations import fits, type_name
from penstock.definition.params import Parameter, shown, wrong_text
from penstock.definition.reading import UNREADABLE, Unreadable, from_item, from_text
from penstock.definition.schema import as_json
from penstock.errors import ParameterError

_OTHERS = (enum.Enum, PurePath, date, time, timedelta, Decimal, UUID)
"""What stands for a text or a number in JSON."""
_MOST_BITS = 14_000
"""Python writes and reads no more than 4,300 digits."""
_BY_TEXT = (date, datetime, time, timedelta, Decimal, UUID)


def answer_from_texts(who: str, inputs: Mapping[str, Parameter], texts: Mapping[str, str]) -> dict[str, Any]:
    """An answer as a command line gives it, as JSON has it. ParameterError for what is missing, unknown, or does not
    read as what is asked for; `who` asks."""
    return _read(who, inputs, texts, from_text, wrong_text)


def answer_from_values(who: str, inputs: Mapping[str, Parameter], values: Mapping[str, Any]) -> dict[str, Any]:
    """An answer in values of Python or JSON, as JSON has it. ParameterError as above."""
    return _read(who, inputs, values, _from_value, _wrong_value)


def _read(
    who: str,
    inputs: Mapping[str, Parameter],
    given: Mapping[str, Any],
    read: Callable[[Any, Any], Any],
    wrong: Callable[[Any, Any, BaseException], str],
) -> dict[str, Any]:
    problems = [_unknown(who, name, inputs) for name in given if name not in inputs]
    answer = {}
    for name, one in inputs.items():
        if name not in given:
            if one.required:
                problems.append(f"{who} asks for '{name}': give {name}={type_name(one.annotation)}")
            continue
        try:
            answer[name] = _as_document(read(given[name], one.annotation))
        except RecursionError:
            problems.append(f"{who}, input '{name}': it is nested too deeply")
        except _Unfit as error:
            problems.append(f"{who}, input '{name}': {error}")
        except UNREADABLE as error:
            problems.append(f"{who}, input '{name}': {wrong(given[name], one.annotation, error)}")
    if problems:
        raise ParameterError("\n".join(problems))
    return answer


def read_answer(inputs: Mapping[str, Parameter], answer: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that an answer stands for, by the annotations of the function itself. ParameterError for what it
    does not take, perhaps since it was changed after it had asked."""
    return {name: _argument(one, answer[name]) for name, one in inputs.items() if _is_there(one, answer)}


def _is_there(one: Parameter, answer: Mapping[str, Any]) -> bool:
    if one.name not in answer and one.required:
        raise ParameterError(f"input '{one.name}' is missing")
    return one.name in answer


def _argument(one: Parameter, given: Any) -> Any:
    try:
        return from_item(given, one.annotation)
    except (*UNREADABLE, RecursionError) as error:
        raise ParameterError(f"input '{one.name}': {wrong_text(given, one.annotation, error)}") from None


class _Unfit(Exception):
    """A value that is not to be kept, whatever its type."""


def _from_value(value: Any, annotation: Any) -> Any:
    """A value as it is, or what a value of JSON, or of a class, stands for."""
    _check(value)
    if fits(value, annotation):
        return value
    if isinstance(value, (str, bool, int, float)) and not isinstance(value, _OTHERS) and not _has(annotation, _BY_TEXT):
        raise ValueError
    return from_item(as_json(value), annotation)


def _has(annotation: Any, kinds: tuple[Any, ...]) -> bool:
    if get_origin(annotation) in (Union, types.UnionType):
        return any(_has(one, kinds) for one in get_args(annotation))
    return annotation in kinds


def _wrong_value(value: Any, annotation: Any, error: BaseException) -> str:
    if isinstance(error, Unreadable):
        return wrong_text(value, annotation, error)
    return f"{shown(value)} is not {type_name(annotation)}"


def _as_document(value: Any) -> Any:
    """A value as JSON has it. _Unfit for what JSON cannot write or others cannot read."""
    _check(value)
    return as_json(value)


def _check(value: Any) -> None:
    if isinstance(value, float) and not isfinite(value):
        raise _Unfit(f"{value} is no number that can be kept")
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        raise _Unfit("it has more digits than anybody can read")
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise _Unfit("it has half of a character in it, which nobody can read") from None
    for part in _parts(value):
        _check(part)


def _parts(value: Any) -> Iterable[Any]:
    """What a value is made of. _Unfit for one that has no form in JSON."""
    if value is None or isinstance(value, (str, bool, int, float, *_OTHERS)):
        return ()
    if isinstance(value, Mapping):
        return (*value.keys(), *value.values())
    if isinstance(value, (list, tuple, set, frozenset)):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, field.name) for field in fields(value) if field.init]
    raise _Unfit(f"{shown(value)} cannot be written as JSON")


def _unknown(who: str, name: str, inputs: Mapping[str, Parameter]) -> str:
    near = get_close_matches(name, inputs, 1)
    if near:
        return f"{who} does not ask for '{name}'; did you mean '{near[0]}'?"
    return f"{who} does not ask for '{name}'; it asks for {', '.join(inputs) or 'nothing but a decision'}"
