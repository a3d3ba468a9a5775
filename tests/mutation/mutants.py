"""Small changes to source code, each of which a good test would notice.

What is changed: comparisons, boolean and arithmetic operators, conditions, numbers, truth values, texts that are no
sentences, statements and arguments and rows that could be forgotten, values that are returned or assigned, `min` for
`max` and the like.
What is not: annotations, decorators, docstrings, and the wording of messages, which is literal text within an f-string
or any text with a blank in it.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
_FUNCTIONS = {"min": "max", "max": "min", "any": "all", "all": "any", "sorted": "list", "reversed": "list"}
_FUNCTION_KINDS = (ast.FunctionDef, ast.AsyncFunctionDef)
_LONGEST = 100
_DECIDED = (ast.Compare, ast.BoolOp)


@dataclass
class Mutant:
    """One change to one module. `tree` is the whole module's; `apply` changes it for good."""

    module: str
    tree: ast.Module
    scope: str
    """The function or class that it is in, by its qualified name; "" for the module itself."""
    function: tuple[str, int] | None
    """The outermost function that it is in, by qualified name and first line; None for what is done on import."""
    lines: range
    """The lines of the statement, or of the head of the statement, that it is in."""
    change: str
    apply: Callable[[], None]
    number: int = 1
    """Tells changes apart that read the same."""

    @property
    def name(self) -> str:
        """What a reader knows it by, whatever line it is on."""
        again = f" #{self.number}" if self.number > 1 else ""
        return f"{self.module}:{self.scope or '(module)'}: {self.change}{again}"


def mutants_of(module: str, source: str) -> list[Mutant]:
    """All mutants of a module, in the order of its text."""
    tree = ast.parse(source)
    found = list(_Walk(module, tree).block(tree, "body"))
    seen: dict[str, int] = {}
    for mutant in found:
        seen[mutant.name] = mutant.number = seen.get(mutant.name, 0) + 1
    return found


class _Walk:
    """Where the walk is, as what it finds there must know."""

    def __init__(self, module: str, tree: ast.Module) -> None:
        self.module = module
        self.tree = tree
        self.scopes: list[str] = []
        self.function: tuple[str, int] | None = None
        self.lines = range(0)

    def _replaced(
        self, holder: Any, field: str, index: int | None, old: ast.AST, new: ast.AST, *, left_out: ast.AST | None = None
    ) -> Mutant:
        ast.copy_location(new, old)
        ast.fix_missing_locations(new)

        def apply() -> None:
            if index is None:
                setattr(holder, field, new)
            else:
                getattr(holder, field)[index] = new

        became = f"-> {_shown(new)}" if left_out is None else f"without {_shown(left_out)}"
        change = f"{_shown(old)} {became}"
        return Mutant(self.module, self.tree, ".".join(self.scopes), self.function, self.lines, change, apply)

    # --- Statements

    def block(self, holder: ast.AST, field: str) -> Iterator[Mutant]:
        """Mutants within a list of statements."""
        for index, statement in enumerate(getattr(holder, field)):
            if _is_docstring(statement) or _is_for_types(statement):
                continue
            before = self.lines
            self.lines = _head(statement)
            yield from self._forgotten(holder, field, index, statement)
            yield from self._statement(statement)
            self.lines = before

    def _forgotten(self, holder: Any, field: str, index: int, statement: ast.stmt) -> Iterator[Mutant]:
        if isinstance(statement, (ast.Raise, ast.AugAssign, ast.Delete)) or (
            isinstance(statement, ast.Expr) and isinstance(statement.value, (ast.Call, ast.Yield, ast.YieldFrom))
        ):
            yield self._replaced(holder, field, index, statement, ast.Pass())
        elif isinstance(statement, ast.Continue):
            yield self._replaced(holder, field, index, statement, ast.Break())
        elif isinstance(statement, ast.Break):
            yield self._replaced(holder, field, index, statement, ast.Continue())
        elif isinstance(statement, ast.Return) and not _is_none(statement.value):
            yield self._replaced(holder, field, index, statement, ast.Return(ast.Constant(None)))
        elif (
            isinstance(statement, (ast.Assign, ast.AnnAssign))
            and self.function is not None
            and statement.value is not None
            and not _is_none(statement.value)
        ):
            yield self._replaced(statement, "value", None, statement.value, ast.Constant(None))

    def _statement(self, statement: ast.stmt) -> Iterator[Mutant]:
        if isinstance(statement, (*_FUNCTION_KINDS, ast.ClassDef)):
            yield from self._definition(statement)
            return
        for field, value in ast.iter_fields(statement):
            if field == "annotation":
                continue
            if (
                isinstance(value, list)
                and value
                and isinstance(value[0], (ast.stmt, ast.excepthandler, ast.match_case))
            ):
                for part in value if not isinstance(value[0], ast.stmt) else []:
                    yield from self.block(part, "body")
                if isinstance(value[0], ast.stmt):
                    yield from self.block(statement, field)
            elif not (isinstance(statement, ast.Raise) and field == "cause"):
                yield from self._field(statement, field, value)

    def _definition(self, definition: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> Iterator[Mutant]:
        if isinstance(definition, _FUNCTION_KINDS):
            for field in ("defaults", "kw_defaults"):
                yield from self._field(definition.args, field, getattr(definition.args, field))
        self.scopes.append(definition.name)
        outer = self.function
        if isinstance(definition, _FUNCTION_KINDS) and outer is None:
            first = min((node.lineno for node in definition.decorator_list), default=definition.lineno)
            self.function = ".".join(self.scopes), first
        yield from self.block(definition, "body")
        self.function = outer
        self.scopes.pop()

    # --- Expressions

    def _field(self, holder: ast.AST, field: str, value: Any) -> Iterator[Mutant]:
        if isinstance(value, ast.expr):
            yield from self._expression(holder, field, None, value)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                if isinstance(item, ast.expr):
                    yield from self._expression(holder, field, index, item)
                elif isinstance(item, ast.AST):
                    yield from self._children(item)
        elif isinstance(value, ast.AST):
            yield from self._children(value)

    def _children(self, node: ast.AST) -> Iterator[Mutant]:
        for field, value in ast.iter_fields(node):
            if field not in ("annotation", "ctx", "op", "ops"):
                yield from self._field(node, field, value)

    def _expression(self, holder: ast.AST, field: str, index: int | None, node: ast.expr) -> Iterator[Mutant]:
        for new in _changed(node, within_text=isinstance(holder, ast.JoinedStr)):
            yield self._replaced(holder, field, index, node, new)
        if field in ("test", "ifs") and not isinstance(node, _DECIDED) and not _is_not(node):
            yield self._replaced(holder, field, index, node, ast.UnaryOp(ast.Not(), node))
        yield from self._left_out(holder, field, index, node)
        yield from self._children(node)

    def _left_out(self, holder: ast.AST, field: str, index: int | None, node: ast.expr) -> Iterator[Mutant]:
        """A row of a table, an element of a list, or a named argument, that is not there."""
        if isinstance(node, ast.Dict):
            for place, key in enumerate(node.keys):
                new = ast.Dict(_without(node.keys, place), _without(node.values, place))
                yield self._replaced(holder, field, index, node, new, left_out=key)
        elif isinstance(node, (ast.List, ast.Tuple, ast.Set)) and not isinstance(holder, ast.Subscript):
            if len(node.elts) > 1 and not (isinstance(node, ast.Tuple) and isinstance(node.ctx, ast.Store)):
                for place, element in enumerate(node.elts):
                    shorter = copy(node)
                    shorter.elts = _without(node.elts, place)
                    yield self._replaced(holder, field, index, node, shorter, left_out=element)
        elif isinstance(node, ast.Call):
            for place, keyword in enumerate(node.keywords):
                call = ast.Call(node.func, node.args, _without(node.keywords, place))
                yield self._replaced(holder, field, index, node, call, left_out=keyword)


def _changed(node: ast.expr, *, within_text: bool) -> Iterator[ast.expr]:
    """What an expression could be mistaken for."""
    if isinstance(node, ast.Compare):
        for place, operator in enumerate(node.ops):
            for other in _COMPARISONS[type(operator)]:
                yield ast.Compare(node.left, [*node.ops[:place], other(), *node.ops[place + 1 :]], node.comparators)
    elif isinstance(node, ast.BoolOp):
        yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub)):
        yield node.operand
    elif isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        yield ast.BinOp(node.left, _OPERATORS[type(node.op)](), node.right)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _FUNCTIONS:
        yield ast.Call(ast.Name(_FUNCTIONS[node.func.id], ast.Load()), node.args, node.keywords)
    elif isinstance(node, ast.IfExp):
        yield ast.IfExp(node.test, node.orelse, node.body)
    elif isinstance(node, ast.Constant) and not within_text:
        yield from map(ast.Constant, _other_constants(node.value))


def _other_constants(value: object) -> Sequence[Any]:
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, (int, float)):
        return [value + 1]
    if isinstance(value, str) and " " not in value:
        return [value + "_" if value else "_"]
    return []


def _head(statement: ast.stmt) -> range:
    body = getattr(statement, "body", None)
    last = body[0].lineno - 1 if isinstance(body, list) and body else statement.end_lineno or statement.lineno
    return range(statement.lineno, max(last, statement.lineno) + 1)


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _is_for_types(statement: ast.stmt) -> bool:
    """Imports, aliases of types, and what only type checkers read."""
    if isinstance(statement, ast.AnnAssign):
        return ast.unparse(statement.annotation) == "TypeAlias"
    if isinstance(statement, ast.If):
        return ast.unparse(statement.test) == "TYPE_CHECKING"
    return isinstance(statement, (ast.Import, ast.ImportFrom))


def _is_none(node: ast.expr | None) -> bool:
    return node is None or (isinstance(node, ast.Constant) and node.value is None)


def _is_not(node: ast.expr) -> bool:
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)


def _without(items: list[T], place: int) -> list[T]:
    return [*items[:place], *items[place + 1 :]]


def _shown(node: ast.AST) -> str:
    line = " ".join(ast.unparse(node).split())
    return f"`{line}`" if len(line) <= _LONGEST else f"`{line[: _LONGEST - 3]}...`"
