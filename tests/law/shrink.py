"""The smallest description that still shows what is wrong, and how it is written down."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields, replace

from tests.law.description import Act, Bodies, Body, Flow, Group, Script, Task

Wrong = Callable[[Flow, Bodies], bool]
"""Whether a workflow with these bodies still shows it."""


def shrink(flow: Flow, scripts: dict[Body, Script], wrong: Wrong) -> tuple[Flow, dict[Body, Script]]:
    """Leave out and make plain whatever can be, as long as it is still wrong."""
    changed = True
    while changed:
        changed = False
        for smaller in smaller_flows(flow):
            if is_sound(smaller) and wrong(smaller, bodies_of(scripts)):
                flow, changed = smaller, True
                break
    for body in [*scripts]:
        for plainer in ((Act(),), scripts[body][-1:]):
            if scripts[body] != plainer and wrong(flow, bodies_of({**scripts, body: plainer})):
                scripts = {**scripts, body: plainer}
                break
    tasks = {task.name for task in flow.tasks}
    return flow, {body: script for body, script in scripts.items() if body.task in tasks and script != (Act(),)}


def bodies_of(scripts: dict[Body, Script]) -> Bodies:
    """Bodies that do what is written down; where the places and rounds have changed, what the task does elsewhere."""
    by_task: dict[str, Script] = {}
    for body, script in scripts.items():
        by_task.setdefault(body.task, script)
    return Bodies(dict(scripts), lambda body: by_task.get(body.task, (Act(),)))


def is_sound(flow: Flow) -> bool:
    """Whether every teardown has a setup, and every mapped group a task."""
    setups = {task.name for task in flow.tasks if task.setup}
    filled = {group for task in flow.tasks for group in _groups_around(flow, task.group)}
    return (
        bool(flow.tasks)
        and all(setups & {*task.after, *task.takes} for task in flow.tasks if task.teardown)
        and all(group.name in filled for group in flow.groups if group.over is not None)
    )


def _groups_around(flow: Flow, group: str) -> Iterator[str]:
    parents = {one.name: one.parent for one in flow.groups}
    while group:
        yield group
        group = parents[group]


def smaller_flows(flow: Flow) -> Iterator[Flow]:
    """Workflows that are one step smaller, the greatest steps first."""
    for task in flow.tasks:
        yield leave_out(flow, task.name)
    for group in flow.groups:
        yield leave_out(flow, group.name)
    for task in flow.tasks:
        for plainer in plainer_tasks(task):
            yield replace(flow, tasks=tuple(plainer if one is task else one for one in flow.tasks))
    for group in flow.groups:
        for plain in plainer_groups(group):
            yield replace(flow, groups=tuple(plain if one is group else one for one in flow.groups))
    if flow.fail_fast:
        yield replace(flow, fail_fast=False)
    if flow.run_state != "any":
        yield replace(flow, run_state="any")


def leave_out(flow: Flow, name: str) -> Flow:
    """Without a task, or without a group: what is in it is then in the one around it."""
    outer = {group.name: group.parent for group in flow.groups if group.name == name}
    tasks = tuple(
        replace(
            task,
            group=outer.get(task.group, task.group),
            after=_less(task.after, name),
            takes=_less(task.takes, name),
            over=_no_source(task.over, name),
        )
        for task in flow.tasks
        if task.name != name
    )
    groups = tuple(
        replace(
            group,
            parent=outer.get(group.parent, group.parent),
            after=_less(group.after, name),
            over=_no_source(group.over, name),
        )
        for group in flow.groups
        if group.name != name
    )
    return replace(flow, tasks=tasks, groups=groups)


def _less(names: tuple[str, ...], name: str) -> tuple[str, ...]:
    return tuple(one for one in names if one != name)


def _no_source(over: tuple[int | str, ...] | None, name: str) -> tuple[int | str, ...] | None:
    return None if over is None else tuple(2 if source == name else source for source in over)


def plainer_tasks(task: Task) -> Iterator[Task]:
    for default in fields(Task):
        plain = default.default
        if (
            plain is not MISSING
            and getattr(task, default.name) != plain
            and default.name not in ("group", "after", "takes")
        ):
            yield replace(task, **{default.name: plain})
    for name in task.after:
        yield replace(task, after=_less(task.after, name))
    for name in task.takes:
        yield replace(task, takes=_less(task.takes, name))
        yield replace(task, takes=_less(task.takes, name), after=(*task.after, name))
    if task.over and task.over != (2,):
        yield replace(task, over=(2,))
        yield from (replace(task, over=(source,)) for source in task.over if len(task.over) > 1)


def plainer_groups(group: Group) -> Iterator[Group]:
    if group.retries:
        yield replace(group, retries=0)
    if group.over:
        yield replace(group, over=None)
    if group.retries > 1:
        yield replace(group, retries=1)
    for name in group.after:
        yield replace(group, after=_less(group.after, name))
    if group.over and group.over != (2,):
        yield replace(group, over=(2,))
        yield from (replace(group, over=(source,)) for source in group.over if len(group.over) > 1)


def tell(flow: Flow, scripts: dict[Body, Script]) -> list[str]:
    """A workflow and its bodies as lines of Python, without what goes without saying."""
    return [
        "Flow((",
        *(f"    {written(task)}," for task in flow.tasks),
        "  ), (",
        *(f"    {written(group)}," for group in flow.groups),
        f"  ), fail_fast={flow.fail_fast}, run_state={flow.run_state!r})",
        *(f"{tuple(body)}: {', '.join(map(written, script))}" for body, script in sorted(scripts.items())),
    ]


def written(thing: Task | Group | Act) -> str:
    """Something as Python would make it."""
    if isinstance(thing, Act):
        said = {name: value for name, value in thing._asdict().items() if value != thing._field_defaults[name]}
    else:
        said = {one.name: getattr(thing, one.name) for one in fields(thing) if getattr(thing, one.name) != one.default}
    return f"{type(thing).__name__}({', '.join(f'{name}={value!r}' for name, value in said.items())})"
