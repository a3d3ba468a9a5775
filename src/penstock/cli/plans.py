"""Workflows of files, compiled and not run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from penstock.api.graphs import groups_of, links_of, nodes_of
from penstock.code.identity import Identify
from penstock.definition.expansion import NOTHING, Expansion
from penstock.definition.params import bind
from penstock.definition.workflow_function import WorkflowFunction
from penstock.errors import DefinitionError, InvalidWorkflowError
from penstock.plan.compile import Compiled, compile_workflow
from penstock.runtime.given import as_they_were, read_texts
from penstock.runtime.loader import Loaded, load
from penstock.runtime.selection import Selection, select

if TYPE_CHECKING:
    from penstock.engine.states import TaskState
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
    return {**loaded.values, **read_texts(loaded.flow.name, loaded.flow.parameters, params)}


def _compile(loaded: Loaded, given: Mapping[str, object]) -> Compiled:
    flow = loaded.flow
    return compile_workflow(flow.build(given) if isinstance(flow, WorkflowFunction) else flow, Identify())


def constant_widths(compiled: Compiled) -> dict[int, int]:
    """How many instances those maps have that are over what is written in the workflow itself."""
    widths = {}
    for row in compiled.plan.maps:
        expansion = compiled.tasks[row].expand
        sources = _sources(expansion) if isinstance(expansion, Expansion) else [None]
        if all(isinstance(source, (list, tuple, range, dict)) for source in sources):
            widths[row] = prod(map(len, sources))
    return widths


def _sources(expansion: Expansion) -> list[Any]:
    if expansion.whole is not NOTHING:
        return [expansion.whole]
    return [*expansion.sources.values()]


def graph_record(plan: Plan, states: Sequence[TaskState] | None, widths: Mapping[int, int]) -> dict[str, Any]:
    """The graph of a workflow, or of a run of it, as JSON."""

    def standing(row: int) -> dict[str, Any]:
        state = states[row].label if states is not None else None
        return {"mapped": row in plan.maps, "width": widths.get(row), "state": state}

    def of_group(row: int) -> dict[str, Any]:
        return links_of(plan, row) | standing(row) if row >= 0 else {"mapped": False}

    return {
        "workflow": plan.workflow,
        "tasks": [node | standing(row) for row, node in nodes_of(plan)],
        "groups": [node | of_group(group.expansion) for group, node in groups_of(plan)],
    }


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
    parameters = loaded.flow.parameters
    kept = {name: value for name, value in loads(row.params).items() if name in parameters}
    params = as_they_were(parameters, kept)
    return select(_compile(loaded, params), Selection.of(recorded)).plan
