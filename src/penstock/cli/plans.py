"""Workflows of files, compiled and not run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from penstock.code.identity import Identify
from penstock.definition.expansion import NOTHING, Expansion
from penstock.definition.params import bind
from penstock.definition.workflow_function import WorkflowFunction
from penstock.errors import DefinitionError, InvalidWorkflowError
from penstock.observe.drawing.remarks import kind
from penstock.observe.drawing.structure import innermost_groups
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
    groups = {group.expansion: group for group in plan.groups if group.expansion >= 0}
    around = innermost_groups(plan)
    names = plan.names

    def entry(row: int) -> dict[str, Any]:
        return {
            "upstreams": [names[upstream] for upstream in plan.upstreams[row]],
            "inputs": [names[upstream] for upstream in plan.inputs[row]],
            "where": plan.places[row],
            "mapped": row in plan.maps,
            "width": widths.get(row),
            "state": states[row].label if states is not None else None,
        }

    return {
        "workflow": plan.workflow,
        "tasks": [
            {
                "id": name,
                "group": plan.groups[around[row]].name if around[row] >= 0 else None,
                "kind": kind(plan, row) or None,
                "rule": str(plan.policies[row].trigger_rule),
                **entry(row),
            }
            for row, name in enumerate(names)
            if row not in groups
        ],
        "groups": [
            {
                "id": group.name,
                "group": plan.groups[group.parent].name if group.parent >= 0 else None,
                **(entry(group.expansion) if group.expansion >= 0 else {"mapped": False}),
            }
            for group in plan.groups
        ],
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
