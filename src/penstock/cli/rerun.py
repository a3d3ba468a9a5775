"""`penstock rerun`: run parts of a run again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from penstock.cli.driving import drive
from penstock.cli.options import Choices, driving_options, secret_option
from penstock.cli.output import Output, spared_stdout
from penstock.cli.plans import recompile
from penstock.observe.drawing.remarks import mapped
from penstock.observe.words import count, instance
from penstock.runtime.choosing import Choice, choose_again, places_of
from penstock.runtime.replay import replay

if TYPE_CHECKING:
    from penstock.definition.secret import Secret
    from penstock.engine.run import RunEngine
    from penstock.plan.plan import Plan

_TASKS: dict[str, Any] = {"metavar": "TASK", "multiple": True}


@click.command("rerun")
@click.argument("run_id", metavar="[RUN]", required=False)
@click.option("--from", "from_", **_TASKS, help="Run this task again, and all that follow; may be repeated")
@click.option("--only", **_TASKS, help="Run this task again, and nothing else")
@click.option("--failed", is_flag=True, help="Run again what failed, and what that held up")
@click.option("--where", metavar="STATE", multiple=True, help="Run again what is in this state, e.g. skipped")
@click.option("--dry-run", is_flag=True, help="Show what would run again, in order, and run nothing")
@secret_option
@driving_options
@click.pass_obj
def command(
    output: Output,
    /,
    run_id: str | None,
    from_: tuple[str, ...],
    only: tuple[str, ...],
    failed: bool,
    where: tuple[str, ...],
    dry_run: bool,
    secrets: dict[str, Secret[str]],
    **options: Any,
) -> int:
    """Run parts of RUN again, by default of the newest, done or not, with their recorded inputs.

    To go on with what is not done, use penstock resume.
    """
    choice = Choice(only, from_, failed, where)
    if not choice:
        raise click.UsageError("say what to run again: --from TASK, --only TASK, --failed or --where STATE")
    choices = Choices(**options)
    with choices.reader() as manager, spared_stdout():
        row = manager.parts.store.run(manager.get(run_id).id)
        engine = replay(manager.parts.store, row)
        plan = recompile(row, engine.plan)
    again = choose_again(engine, plan, choice)
    if dry_run:
        return _show_order(output, engine, plan, again)
    done = {engine.plan.names[task] for task in engine.done()} - {
        plan.names[task] for task in again if task < len(plan)
    }
    return drive(
        output,
        choices,
        lambda manager: manager.rerun(
            row.id, only=only, from_=from_, failed=failed, where=where, secrets=secrets, raise_on_failure=False
        ),
        done=done,
    )


def _show_order(output: Output, engine: RunEngine, plan: Plan, again: tuple[int, ...]) -> int:
    places, rows = places_of(engine, plan), dict[int, list[int]]()
    for slot in again:
        row, index = places[slot]
        rows.setdefault(row, []).append(index)
    ordered = [(plan.names[row], index) for row in plan.order if row in rows for index in _shown(rows[row])]
    if output.as_json:
        tasks = [{"id": name, "map_index": index if index >= 0 else None} for name, index in ordered]
        output.emit({"id": engine.run_id, "workflow": plan.workflow, "tasks": tasks})
        return 0
    groups = {plan.names[row] for row in plan.expanded_by}
    tasks_again = sum(name not in groups for name, _ in ordered)
    output.say(f"Would run {count(tasks_again, 'task')} of run {engine.run_id} again:")
    for name, index in ordered:
        is_whole_map = index < 0 and plan.numbers[name] in plan.maps
        output.say(f"  {mapped(name, True) if is_whole_map else instance(name, index)}")
    return 0


def _shown(indexes: list[int]) -> list[int]:
    """The instances of a map without the map itself, if there are any."""
    return sorted(index for index in indexes if index >= 0) or indexes
