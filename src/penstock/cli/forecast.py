"""`penstock run --dry-run`: what a run would do, without doing any of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan
from typing import Any

from penstock.cli.options import Choices
from penstock.cli.output import Cell, Output, spared_stdout
from penstock.cli.plans import check_whole, constant_widths
from penstock.definition.options import options_of
from penstock.observe.drawing.remarks import mapped
from penstock.observe.words import count, duration, number_of_tasks
from penstock.parts import create_executor
from penstock.plan.codec import encode
from penstock.plan.compile import Compiled
from penstock.plan.fingerprint import fingerprint
from penstock.plan.plan import Plan
from penstock.runtime.durations import learned
from penstock.runtime.foresight import Forecast, Foreseen, foresee
from penstock.runtime.loader import load
from penstock.runtime.pools import problems_with_pools, refuse
from penstock.runtime.selection import Selection, select


def show_forecast(output: Output, choices: Choices, file: str, params: dict[str, str], selection: Selection) -> int:
    """Show what would run, in which order, on what condition, and how long it should take."""
    with spared_stdout():
        compiled = select(check_whole(load(file), params), selection)
        plan, widths = compiled.plan, constant_widths(compiled)
        settings = choices.settings()
        workers = create_executor(choices.executor or settings.executor, choices.workers or settings.workers).workers
        durations, pools = _known(choices, plan)
        refuse(compiled, problems_with_pools(compiled, lambda: pools))
        forecast = foresee(plan, durations, workers, widths, pools)
    conditions = {task.row: _conditions(compiled, task, widths) for task in forecast.tasks}
    if output.as_json:
        output.emit(_record(plan, forecast, workers, conditions, widths))
        return 0
    output.say(f"Would run {count(number_of_tasks(plan), 'task')} of {output.clean(plan.workflow)}:")
    rows = [_cells(plan, forecast, task, conditions[task.row]) for task in forecast.tasks]
    if any(cell.text for row in rows for cell in row[1:]):
        output.table(("  TASK", "BEGINS", "TAKES", "CONDITION"), rows)
    else:
        for row in rows:
            output.say(row[0].text)
    if forecast.seconds is not None:
        told = f", {count(forecast.unknown, 'task')} of unknown length among them" if forecast.unknown else ""
        by = f"with {count(workers, 'worker')}, by what its tasks took before"
        output.say(f"It should take {duration(forecast.seconds)} {by}{told}.")
    return 0


def _cells(plan: Plan, forecast: Forecast, task: Foreseen, conditions: list[str]) -> list[Cell]:
    knows = forecast.seconds is not None and task.starts is not None
    return [
        Cell(f"  {mapped(plan.names[task.row], task.row in plan.mapped)}"),
        Cell(_when(task.starts or 0.0) if knows else ""),
        Cell("" if isnan(task.seconds) else duration(task.seconds)),
        Cell("; ".join(conditions), "bright_black"),
    ]


def _when(seconds: float) -> str:
    return f"after {duration(seconds)}" if seconds else "at once"


def _known(choices: Choices, plan: Plan) -> tuple[Sequence[float], Mapping[str, int]]:
    """How long the tasks took in earlier runs, and how many slots there are. A store that is not there is not made."""
    pools = choices.pools()
    if not choices.has_store:
        return (), pools
    with choices.manager() as manager:
        return learned(manager.parts.store, plan, fingerprint(encode(plan))), pools


def _conditions(compiled: Compiled, task: Foreseen, widths: Mapping[int, int]) -> list[str]:
    """On what it depends whether, and how often, a task runs."""
    plan, row = compiled.plan, task.row
    told = []
    if task.starts is None:
        told.append(f"only if something fails or is skipped ({plan.policies[row].trigger_rule})")
    for decider in plan.deciders.get(row, ()):
        kind = "is true" if plan.policies[decider].decides == "short_circuit" else "follows it"
        told.append(f"if '{plan.names[decider]}' {kind}")
    if plan.policies[row].asking is not None:
        told.append("waits for somebody to decide")
    elif plan.policies[row].polling is not None or plan.policies[row].waits_for:
        told.append(f"waits for {plan.policies[row].waits_for or 'what it looks for'}")
    options = options_of(compiled.tasks[row], compiled.defaults) if row not in plan.expanded_by else {}
    told += [f"if its {name} lets it" for name in ("run_if", "skip_if") if options.get(name) is not None]
    expansion = plan.mapped.get(row)
    if expansion is not None:
        width = widths.get(expansion)
        told.append(count(width, "instance") if width is not None else "as often as what it is mapped over has items")
    return told


def _record(
    plan: Plan, forecast: Forecast, workers: int, conditions: Mapping[int, list[str]], widths: Mapping[int, int]
) -> dict[str, Any]:
    def entry(task: Foreseen) -> dict[str, Any]:
        return {
            "id": plan.names[task.row],
            "after": [plan.names[upstream] for upstream in plan.upstreams[task.row]],
            "starts": None if forecast.seconds is None else task.starts,
            "duration": None if isnan(task.seconds) else task.seconds,
            "conditions": conditions[task.row],
            "mapped": task.row in plan.mapped,
            "width": widths.get(plan.mapped.get(task.row, -1)),
        }

    return {
        "workflow": plan.workflow,
        "workers": workers,
        "seconds": forecast.seconds,
        "unknown": forecast.unknown,
        "tasks": [entry(task) for task in forecast.tasks],
    }
