"""Workflows that tasks of simulated worlds run: drawn, and chosen for tasks of the workflow around them.

What such a workflow comes to does not depend on how often it is set going again, so that its task comes to the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from random import Random

from tests.law.description import RAISES, RETURNS, Act, Body, Flow, Script, Task
from tests.simulation.weave import MAIN
from tests.simulation.work import Call, Manner, Step, Work

DrawStep = Callable[[], tuple[Step, Script, int]]
"""Draws a task whose attempts come to the same however often they are asked: also its script and its retries."""
NAMES = ("inner", "inmost")
_DROPPED = {"at_most_once", "timeout", "sensor", "poll_interval", "poll_timeout", "approval", "on_ask"}
"""Options that a task does not have which runs a workflow, or that another body needs."""


def draw_nest(work: Work, random: Random, draw_step: DrawStep, dress: Callable[[Work], Work]) -> dict[str, Work]:
    """The works of a world by their names: the main one, some of whose tasks run others, and these. `dress` gives them
    what else tasks may have."""
    names = NAMES[: random.choice((1, 1, 2))]
    works: dict[str, Work] = {}
    for name in reversed(names):  # each may run the one drawn before it
        works[name] = _with_calls(dress(_draw_inner(name, random, draw_step)), [*works][-1:], works, random)
    if random.random() < 0.3 and not work.flow.groups:
        work = replace(work, flow=replace(work.flow, fail_fast=True))
    return {MAIN: _with_calls(work, [*works], works, random), **works}


def _draw_inner(name: str, random: Random, draw_step: DrawStep) -> Work:
    tasks: list[Task] = []
    steps, scripts = {}, {}
    for number in range(random.choice((1, 1, 2, 3, 4))):
        task = f"{name}_{number}"
        upstreams = [above.name for above in tasks if random.random() < 0.5]
        takes = tuple(above for above in upstreams if random.random() < 0.7)
        steps[task], scripts[task], retries = draw_step()
        after = tuple(above for above in upstreams if above not in takes)
        tasks.append(Task(task, after=after, takes=takes, retries=retries))
    if len(tasks) > 2 and random.random() < 0.5:
        tasks = [replace(tasks[0], setup=True), *tasks[1:-1], _tearing_down(tasks)]
    kept = [task.name for task in tasks if not task.teardown and steps[task.name].manner.value != "volatile"]
    gives = tuple(random.sample(kept, min(len(kept), random.choice((0, 1, 1, 2)))))
    flow = Flow(tuple(tasks), fail_fast=random.random() < 0.2)
    return Work(flow, steps, lambda body: scripts[body.task], gives=gives)


def _tearing_down(tasks: Sequence[Task]) -> Task:
    """The last of the tasks, as one that takes down what the first has set up."""
    above = tuple(task.name for task in tasks[:-1])
    return replace(tasks[-1], teardown=True, takes=(), after=above)


def _with_calls(work: Work, names: list[str], works: Mapping[str, Work], random: Random) -> Work:
    """The same work, some of whose tasks run one of these workflows; at least one, if one can."""
    able = [task for task in work.flow.tasks if _may_run_a_workflow(work, task)] if names else []
    chosen = [task for task in able if random.random() < 0.5] or able[:1]
    calls = {task.name: Call(random.choice(names), waits=random.random() < 0.85) for task in chosen}
    acts = {name: _comes_to(works[call.workflow], works) if call.waits else RETURNS for name, call in calls.items()}
    script = work.script

    def with_calls(body: Body) -> Script:
        return (Act(acts[body.task]),) if body.task in acts else script(body)

    steps = {name: _calling(step) if name in calls else step for name, step in work.steps.items()}
    return replace(work, steps=steps, calls=calls, script=with_calls)


def _may_run_a_workflow(work: Work, task: Task) -> bool:
    """Parameters of runs are kept with them, so none is volatile; who is mapped over needs a list, who decides needs a
    word of its own."""
    taken = [work.steps[above].manner.value for above in task.takes]
    return not task.decides and not work.is_source(task.name) and "volatile" not in taken


def _calling(step: Step) -> Step:
    options = {name: value for name, value in step.options.items() if name not in _DROPPED}
    return Step(Manner(), options)


def _comes_to(work: Work, works: Mapping[str, Work]) -> str:
    """What becomes of a run that nobody disturbs: of a plain graph, whether all bodies return in the end."""
    retries = {task.name: task.retries for task in work.flow.tasks if not task.teardown}
    ends = [work.comes_to(Body(name, -1, ()), retries[name]).what for name in retries]
    return RETURNS if all(end == RETURNS for end in ends) else RAISES
