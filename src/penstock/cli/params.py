"""`penstock params`: what a run of a workflow is given."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from penstock.cli.options import json_option
from penstock.cli.output import Cell, Output, spared_stdout
from penstock.definition.annotations import type_name
from penstock.definition.schema import as_json, descriptions, schema_of
from penstock.runtime.loader import load

if TYPE_CHECKING:
    from penstock.definition.params import Parameter


@click.command("params")
@click.argument("file", metavar="FILE[:NAME]")
@json_option
@click.pass_obj
def command(output: Output, file: str) -> int:
    """Show the parameters of the workflow in FILE: name, type, default and what its docstring says of each.

    With --json, as JSON Schema (draft 2020-12).
    """
    with spared_stdout():
        flow = load(file).flow
    func: Any = getattr(flow, "func", None)
    if output.as_json:
        output.emit(schema_of(flow.name, flow.parameters, func))
        return 0
    if not flow.parameters:
        output.say(f"{output.clean(flow.name)} has no parameters")
        return 0
    described = descriptions(getattr(func, "__doc__", None) or "")
    rows = [
        [
            Cell(parameter.name),
            Cell(type_name(parameter.annotation)),
            Cell(_default(parameter)),
            Cell(described.get(name, "")),
        ]
        for name, parameter in flow.parameters.items()
    ]
    output.table(("PARAMETER", "TYPE", "DEFAULT", ""), rows)
    return 0


def _default(parameter: Parameter) -> str:
    if parameter.required:
        return "required"
    if parameter.is_secret:
        return repr(parameter.default)
    value = as_json(parameter.default)
    return value if isinstance(value, str) else json.dumps(value)
