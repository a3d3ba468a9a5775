"""Makes every statement of the driver a point where others may run, as the threads of a real process may be interrupted
anywhere; and makes its limits so small that even a small run meets them.

The modules are the driver's own: each is compiled again with a call put before each statement, and its functions are
given the new code for as long as it is wanted.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from penstock.runtime import audience, children, driven, driver, ending, journal, lanes, outbox, timers

MODULES: tuple[ModuleType, ...] = (audience, children, driven, driver, ending, journal, lanes, outbox, timers)
STEP = "__step__"
SMALL = {"MOST_PENDING": 3, "SAFE_EVENTS": 5}
"""Limits of the journal's writer."""


class _Steps(ast.NodeTransformer):
    """Puts a call before each statement within functions."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self._within(node)
        if isinstance(node.body[0], ast.Expr) and ast.get_docstring(node, clean=False) is not None:
            node.body = [node.body[0], *self._stepped(node.body[1:])]
        else:
            node.body = self._stepped(node.body)
        return node

    def _within(self, node: ast.AST) -> None:
        for child in ast.walk(node):
            for field in ("body", "orelse", "finalbody"):
                statements = getattr(child, field, None)
                if child is not node and isinstance(statements, list) and statements:
                    setattr(child, field, self._stepped(statements))

    def _stepped(self, statements: list[ast.stmt]) -> list[ast.stmt]:
        stepped: list[ast.stmt] = []
        for statement in statements:
            call = ast.Expr(ast.Call(ast.Name(STEP, ast.Load()), [], []))
            ast.copy_location(call, statement)
            stepped += [ast.fix_missing_locations(call), statement]
        return stepped


def _codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes(constant)


def _functions(module: ModuleType) -> Iterator[FunctionType]:
    """The functions that a module defines, those of its classes included."""
    for value in vars(module).values():
        if getattr(value, "__module__", None) != module.__name__:
            continue
        if isinstance(value, FunctionType):
            yield value
        elif isinstance(value, type):
            yield from (member for member in vars(value).values() if isinstance(member, FunctionType))


@cache
def _stepped_codes() -> tuple[tuple[FunctionType, CodeType, CodeType], ...]:
    """Functions, each with its own code and the one with steps."""
    found = []
    for module in MODULES:
        tree = _Steps().visit(ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8")))
        whole = compile(tree, str(module.__file__), "exec", dont_inherit=True)
        codes = {(code.co_qualname, code.co_firstlineno): code for code in _codes(whole)}
        for function in _functions(module):
            own = function.__code__
            code = codes.get((own.co_qualname, own.co_firstlineno))
            if code is not None:
                found.append((function, own, code))
    return tuple(found)


@contextmanager
def every_statement(step: Callable[[], Any]) -> Iterator[None]:
    """Call `step` before every statement of the driver."""
    stepped = _stepped_codes()
    for module in MODULES:
        setattr(module, STEP, step)
    for function, _, code in stepped:
        function.__code__ = code
    try:
        yield
    finally:
        for function, own, _ in stepped:
            function.__code__ = own
        for module in MODULES:
            delattr(module, STEP)


@contextmanager
def small_limits() -> Iterator[None]:
    """Have the journal's writer meet its limits all the time."""
    own = {name: getattr(journal, name) for name in SMALL}
    for name, value in SMALL.items():
        setattr(journal, name, value)
    try:
        yield
    finally:
        for name, value in own.items():
            setattr(journal, name, value)
