"""Jinja templates for commands and SQL, into whose text no value is ever put.

What stands between {{ and }} becomes a reference to a variable of the shell, or a parameter of the statement, and the
value goes beside the text. So a value can be anything: it is never read as a part of the command or the statement.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

from penstock.definition.secret import Secret
from penstock.errors import PenstockError

ParamStyle: TypeAlias = Literal["qmark", "format", "numeric", "named", "pyformat"]
"""How a DB-API driver writes parameters: `module.paramstyle`."""

_MARK = re.compile("\0([0-9]+)\0")


class Template:
    """A Jinja template and the values, or stand-ins for values, that are named in it. Needs `penstock[jinja]`."""

    def __init__(self, text: str, /, **values: Any) -> None:
        self.text = text
        self.values = values

    def __repr__(self) -> str:
        return f"<template {self.text!r:.60}>"


def shell_text(text: str, values: Mapping[str, Any], as_text: Callable[[Any], str]) -> tuple[str, dict[str, str]]:
    """A template as the text of a command for a shell, and the variables to which it refers."""
    marked, found = _render(text, values)
    variables = {f"PENSTOCK_VALUE_{number}": as_text(value) for number, value in enumerate(found)}
    return _quoted(marked), variables


def sql_text(
    text: str, /, *, paramstyle: ParamStyle = "qmark", **values: Any
) -> tuple[str, tuple[Any, ...] | dict[str, Any]]:
    """A template as the text of an SQL statement and its parameters: `cursor.execute(*sql_text(..., day=day))`.

    The text is for a driver of that `paramstyle`. Each {{ ... }} stands for one value; names of tables and columns
    cannot be given so, nor can lists. PenstockError where it stands within quotes.
    """
    marked, found = _render(text, values)
    _check_sql(marked)
    if paramstyle in ("format", "pyformat"):
        marked = marked.replace("%", "%%")
    if paramstyle in ("named", "pyformat"):
        form = ":v{}" if paramstyle == "named" else "%(v{})s"
        return _MARK.sub(lambda mark: form.format(mark[1]), marked), {f"v{n}": value for n, value in enumerate(found)}
    order = [int(mark[1]) for mark in _MARK.finditer(marked)]
    places = iter(range(1, len(order) + 1))
    form = {"qmark": "?", "format": "%s", "numeric": ":{}"}[paramstyle]
    return _MARK.sub(lambda mark: form.format(next(places)), marked), tuple(found[number] for number in order)


def _render(text: str, values: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """A rendered template with numbered marks in the place of values, and the values."""
    try:
        from jinja2 import StrictUndefined, TemplateError, Undefined
        from jinja2.sandbox import ImmutableSandboxedEnvironment
    except ImportError as error:
        raise PenstockError("a template needs Jinja: pip install 'penstock[jinja]'") from error

    found: list[Any] = []

    def beside(value: Any) -> Any:
        if isinstance(value, Undefined):
            return value  # which raises when it is written
        if isinstance(value, Secret):
            value = value.get_secret_value()
        if isinstance(value, str):  # what a macro has written has marks itself
            value = _MARK.sub(lambda mark: str(found[int(mark[1])]), value)
        found.append(value)
        return f"\0{len(found) - 1}\0"

    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, finalize=beside, autoescape=False, keep_trailing_newline=True
    )
    try:
        if "\0" in text:
            raise PenstockError("a template cannot have a NUL in it")
        return environment.from_string(text).render(values), found
    except TemplateError as error:
        names = f" (there are {', '.join(values)})" if "is undefined" in str(error) else ""
        raise PenstockError(f"the template {text!r:.60} cannot be rendered: {error}{names}") from None


def _quoted(marked: str) -> str:
    """The text of a command with a reference in the place of each mark, so quoted that its value stays one word.

    Whether a mark stands within quotes is found out as a shell does it, but for here-documents and what is nested in
    quotes; wherever it stands, a shell does not read the value of a variable as a command.
    """
    text, quote, place = "", "", 0
    while place < len(marked):
        letter = marked[place]
        mark = _MARK.match(marked, place)
        if mark:
            reference = f"${{PENSTOCK_VALUE_{mark[1]}}}"
            text += {"": f'"{reference}"', '"': reference, "'": f"'\"{reference}\"'"}[quote]
            place = mark.end()
            continue
        if letter == "\\" and quote != "'":
            following = marked[place + 1 : place + 2]
            text, place = text + letter, place + 1
            if following != "\0":
                text, place = text + following, place + 1
            continue
        if letter in "'\"" and quote in ("", letter):
            quote = "" if quote else letter
        text, place = text + letter, place + 1
    return text


def _check_sql(marked: str) -> None:
    quote = ""
    for place, letter in enumerate(marked):
        if letter in "'\"`" and quote in ("", letter):
            quote = "" if quote else letter
        elif quote and _MARK.match(marked, place):
            raise PenstockError(
                f"a value stands within {quote}...{quote} in the template {marked!r:.60}: leave the quotes away, since "
                "it is given beside the text; what is to be joined is joined in SQL, or in a value"
            )
