"""Workflows of files, compiled and not run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from penstock.code.identity import Identify
from penstock.definition.decorators import WorkflowFunction
from penstock.definition.params import bind, parse
from penstock.errors import DefinitionError, InvalidWorkflowError
from penstock.plan.compile import Compiled, compile_workflow
from penstock.runtime.loader import Loaded, load
from penstock.runtime.selection import Selection, select

if TYPE_CHECKING:
    from penstock.plan.plan import Plan
    from penstock.store.base import RunRow


def check_whole(loaded: Loaded, params: Mapping[str, str]) -> Compiled:
    """A workflow compiled as it would be run: all its parameters must have values."""
    given = _given(loaded, params)
    bind(loaded.flow.name, loaded.flow.parameters, given, where=loaded.flow.where)
    return _compile(loaded, given)


def check_shape(loaded: Loaded, params: Mapping[str, str]) -> Compiled:
    """A workflow compiled to be looked at: only parameters that shape the graph must have values."""
    return _compile(loaded, _given(loaded, params))


def _given(loaded: Loaded, params: Mapping[str, str]) -> dict[str, object]:
    return {**loaded.values, **parse(loaded.flow.name, loaded.flow.parameters, params)}


def _compile(loaded: Loaded, given: Mapping[str, object]) -> Compiled:
    flow = loaded.flow
    return compile_workflow(flow.build(given) if isinstance(flow, WorkflowFunction) else flow, Identify())


def problems_of(error: Exception) -> list[Exception]:
    """The single problems that an error stands for."""
    return list(error.problems) if isinstance(error, InvalidWorkflowError) else [error]


def message_of(problem: Exception) -> str:
    """What a problem says, without its place."""
    return problem.message if isinstance(problem, DefinitionError) else str(problem)


def place_of(problem: Exception) -> str | None:
    """ "file:line" of a problem, where it has one."""
    return problem.where if isinstance(problem, DefinitionError) else None


def recompile(row: RunRow, recorded: Plan) -> Plan:
    """The plan that a run would go on with: that of its file as it is now, or the recorded one if it has no file."""
    from penstock.results.tagged_json import loads

    if row.source is None:
        return recorded
    loaded = load(row.source)
    params = {name: value for name, value in loads(row.params).items() if name in loaded.flow.parameters}
    return select(_compile(loaded, params), Selection.of(recorded)).plan
