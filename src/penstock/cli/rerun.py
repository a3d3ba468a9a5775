"""`penstock rerun`: run parts of a run again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from penstock.cli.driving import drive
from penstock.cli.options import Choices, driving_options
from penstock.cli.output import Output, spared_stdout
from penstock.cli.plans import recompile
from penstock.observe.words import count
from penstock.plan.graph import topological_order
from penstock.runtime.replay import replay
from penstock.runtime.selection import select_again

if TYPE_CHECKING:
    from penstock.engine.run import RunEngine
    from penstock.plan.plan import Plan

_TASKS: dict[str, Any] = {"metavar": "TASK", "multiple": True}


@click.command("rerun")
@click.argument("run_id", metavar="[RUN]", required=False)
@click.option("--from", "from_", **_TASKS, help="Run this task again, and all that follow; may be repeated")
@click.option("--only", **_TASKS, help="Run this task again, and nothing else")
@click.option("--failed", is_flag=True, help="Run again what failed, and what that held up")
@click.option("--dry-run", is_flag=True, help="Show what would run again, in order, and run nothing")
@driving_options
@click.pass_obj
def command(
    output: Output,
    /,
    run_id: str | None,
    from_: tuple[str, ...],
    only: tuple[str, ...],
    failed: bool,
    dry_run: bool,
    **options: Any,
) -> int:
    """Run parts of RUN again, by default of the newest, done or not, with their recorded inputs.

    To go on with what is not done, use penstock resume.
    """
    if not (from_ or only or failed):
        raise click.UsageError("say what to run again: --from TASK, --only TASK or --failed")
    choices = Choices(**options)
    with choices.reader() as manager, spared_stdout():
        row = manager.parts.store.run(manager.get(run_id).id)
        engine = replay(manager.parts.store, row)
        plan = recompile(row, engine.plan)
    again = select_again(engine, plan, only=only, from_=from_, failed=failed)
    if dry_run:
        return _show_order(output, engine, plan, again)
    done = {engine.plan.names[task] for task in engine.done()} - {plan.names[task] for task in again}
    return drive(
        output,
        choices,
        lambda manager: manager.rerun(row.id, only=only, from_=from_, failed=failed, raise_on_failure=False),
        done=done,
    )


def _show_order(output: Output, engine: RunEngine, plan: Plan, again: tuple[int, ...]) -> int:
    chosen = frozenset(again)
    names = [plan.names[task] for task in topological_order(plan.upstreams) if task in chosen]
    if output.as_json:
        output.emit({"id": engine.run_id, "workflow": plan.workflow, "tasks": [{"id": name} for name in names]})
        return 0
    output.say(f"Would run {count(len(names), 'task')} of run {engine.run_id} again:")
    for name in names:
        output.say(f"  {name}")
    return 0
