"""A plan as lines of text: its tasks step by step, each with what it waits for, groups with what is in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from penstock.engine.states import TaskState
from penstock.observe.drawing.layers import layers_of
from penstock.observe.drawing.remarks import group_remarks, mapped, remarks
from penstock.observe.drawing.structure import Tree, steps_above
from penstock.observe.words import printable, size
from penstock.plan.plan import Plan

_WIDEST_NAME = 40
_MOST_UPSTREAMS = 4
_NOTHING: Mapping[int, int] = {}


class _Line(NamedTuple):
    step: int
    name: str
    """Indented by how many groups it is in."""
    state: str
    rest: str


def draw_text(plan: Plan, states: Sequence[TaskState] | None = None, widths: Mapping[int, int] = _NOTHING) -> str:
    """The tasks of a plan by steps: those of one step wait only for tasks of the steps before. A group stands where its
    first task does, with its tasks below it."""
    drawn = [*_Tree(plan, states, widths).lines()]
    step_width = len(str(max((line.step for line in drawn), default=0)))
    width = min(max((len(line.name) for line in drawn), default=0), _WIDEST_NAME)
    lines, before = [f"{printable(plan.workflow)}: {size(plan)}", ""], 0
    for line in drawn:
        number = str(line.step) if line.step != before else ""
        before = line.step
        state = f"  {line.state:<15}" if states is not None else ""
        lines.append(f"{number:>{step_width}}  {line.name:<{width}}{state}{line.rest}".rstrip())
    return "\n".join(lines) + "\n"


class _Tree:
    """The tasks of a plan in the order in which they are listed."""

    def __init__(self, plan: Plan, states: Sequence[TaskState] | None, widths: Mapping[int, int]) -> None:
        self._plan, self._states, self._widths = plan, states, widths
        self._steps = {task: step for step, layer in enumerate(layers_of(steps_above(plan)), 1) for task in layer}
        self._tree = Tree(plan)

    def lines(self, group: int = -1, depth: int = 0) -> Iterator[_Line]:
        """A group's tasks and groups, the first step first."""
        steps, groups = self._steps, self._plan.groups
        members = [(steps[task], task, -1) for task in self._tree.tasks.get(group, ())]
        for inner in self._tree.groups.get(group, ()):
            rows = [groups[inner].expansion] if groups[inner].expansion >= 0 else groups[inner].rows
            members.append((min(steps[row] for row in rows), rows[0], inner))
        for step, task, inner in sorted(members):
            if inner < 0:
                yield self._task(step, task, depth)
            else:
                yield self._group(step, inner, depth)
                yield from self.lines(inner, depth + 1)

    def _task(self, step: int, task: int, depth: int) -> _Line:
        plan = self._plan
        name = mapped(plan.names[task], task in plan.maps)
        return _Line(step, "  " * depth + name, self._state(task), self._rest(task, remarks(plan, task, self._widths)))

    def _group(self, step: int, group: int, depth: int) -> _Line:
        plan, expansion = self._plan, self._plan.groups[group].expansion
        said = ["group", *group_remarks(plan, group, self._widths)]
        name = mapped(plan.groups[group].name, expansion >= 0)
        if expansion < 0:
            return _Line(step, "  " * depth + name, "", f"  ({', '.join(said)})")
        return _Line(step, "  " * depth + name, self._state(expansion), self._rest(expansion, said))

    def _state(self, task: int) -> str:
        return self._states[task].label if self._states is not None else ""

    def _rest(self, task: int, said: Sequence[str]) -> str:
        return self._after(task) + (f"  ({', '.join(said)})" if said else "")

    def _after(self, task: int) -> str:
        names = [self._plan.names[upstream] for upstream in self._plan.upstreams[task]]
        if not names:
            return ""
        if len(names) > _MOST_UPSTREAMS:
            shown = ", ".join(names[: _MOST_UPSTREAMS - 1])
            return f"  after {shown} and {len(names) - _MOST_UPSTREAMS + 1:,} more"
        return f"  after {', '.join(names)}"
