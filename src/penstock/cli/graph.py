"""`penstock graph`: draw a workflow, or a run of it."""

from __future__ import annotations

from pathlib import Path

import click

from penstock.cli.options import Choices, json_option, param_option, store_option
from penstock.cli.output import Output, spared_stdout
from penstock.cli.plans import check_shape, constant_widths, graph_record
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

    Solid edges pass a value, dashed ones only order, and a dotted one leads from a setup to its teardown. A SVG image
    needs nothing else to be looked at; of a very large workflow it shows an excerpt.
    """
    if (file is None) == (run_id is None):
        raise click.UsageError("give a FILE to draw, or a run with --run")
    plan, states, widths = _of_file(file, params) if file is not None else _of_run(run_id, store)
    suffix = target.suffix.lower() if target is not None else ""
    if output.as_json:
        output.emit(graph_record(plan, states, widths))
        return 0
    text = FORMATS[form or _SUFFIXES.get(suffix, "text")](plan, states, widths)
    if target is None or str(target) == "-":
        output.say(text, end="")
        return 0
    target.write_text(text, encoding="utf-8")
    output.say(f"Wrote {output.clean(str(target))}: {size(plan)}")
    return 0


def _of_file(file: str, params: dict[str, str]) -> tuple[Plan, None, dict[int, int]]:
    with spared_stdout():
        compiled = check_shape(load(file), params)
    return compiled.plan, None, constant_widths(compiled)


def _of_run(run_id: str | None, store: str | None) -> tuple[Plan, list[TaskState], dict[int, int]]:
    with Choices(store).reader() as manager:
        row = manager.parts.store.run(run_id or "")
        engine = replay(manager.parts.store, row)
    widths = {engine.plan.mapped[row]: width for row, width in engine.widths.items()}
    return engine.plan, [*map(TaskState, engine.states[: engine.size])], widths
