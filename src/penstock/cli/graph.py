"""`penstock graph`: draw a workflow, or a run of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from penstock.cli.options import Choices, json_option, param_option, store_option
from penstock.cli.output import Output, spared_stdout
from penstock.cli.plans import check_shape
from penstock.engine.states import TaskState
from penstock.observe.drawing import FORMATS
from penstock.observe.words import size
from penstock.plan.plan import Plan
from penstock.runtime.loader import load
from penstock.runtime.replay import replay

_SUFFIXES = {".txt": "text", ".mmd": "mermaid", ".mermaid": "mermaid", ".dot": "dot", ".gv": "dot", ".svg": "svg"}


@click.command("graph")
@click.argument("file", metavar="FILE[:NAME]", required=False)
@click.option("--format", "form", type=click.Choice(list(FORMATS)), help="By default that of the output, or text")
@click.option(
    "--output",
    "target",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Where to write the drawing; - is stdout",
)
@click.option("--run", "run_id", metavar="RUN", help="Draw this run instead, with the state of each task")
@param_option
@json_option
@store_option
@click.pass_obj
def command(
    output: Output,
    file: str | None,
    form: str | None,
    target: Path | None,
    run_id: str | None,
    params: dict[str, str],
    store: str | None,
) -> int:
    """Draw the workflow in FILE, or a run of one.

    Solid edges pass a value, dashed ones only order. A SVG image needs nothing else to be looked at; of a very large
    workflow it shows an excerpt.
    """
    if (file is None) == (run_id is None):
        raise click.UsageError("give a FILE to draw, or a run with --run")
    plan, states = (_of_file(file, params), None) if file is not None else _of_run(run_id, store)
    suffix = target.suffix.lower() if target is not None else ""
    if output.as_json:
        output.emit(_record(plan, states))
        return 0
    text = FORMATS[form or _SUFFIXES.get(suffix, "text")](plan, states)
    if target is None or str(target) == "-":
        output.say(text, end="")
        return 0
    target.write_text(text, encoding="utf-8")
    output.say(f"Wrote {output.clean(str(target))}: {size(plan)}")
    return 0


def _record(plan: Plan, states: list[TaskState] | None) -> dict[str, Any]:
    tasks = [
        {
            "id": name,
            "upstreams": [plan.names[upstream] for upstream in plan.upstreams[task]],
            "inputs": [plan.names[upstream] for upstream in plan.inputs[task]],
            "where": plan.places[task],
            "state": states[task].label if states is not None else None,
        }
        for task, name in enumerate(plan.names)
    ]
    return {"workflow": plan.workflow, "tasks": tasks}


def _of_file(file: str, params: dict[str, str]) -> Plan:
    with spared_stdout():
        return check_shape(load(file), params).plan


def _of_run(run_id: str | None, store: str | None) -> tuple[Plan, list[TaskState]]:
    with Choices(store).reader() as manager:
        row = manager.parts.store.run(run_id or "")
        engine = replay(manager.parts.store, row)
    return engine.plan, [TaskState(state) for state in engine.states]
