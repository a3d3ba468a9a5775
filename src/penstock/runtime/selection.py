"""Which part of a workflow a user means."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TypeVar

from penstock.errors import PenstockError
from penstock.plan.compile import Compiled
from penstock.plan.graph import reach, topological_order
from penstock.plan.plan import Group, Plan, Some

T = TypeVar("T")


def numbers(plan: Plan, names: Sequence[str]) -> list[int]:
    """The numbers of tasks. PenstockError, with the nearest name, for one that does not exist."""
    found = []
    for name in names:
        if name not in plan.numbers:
            near = get_close_matches(name, plan.names, 1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            raise PenstockError(f"workflow '{plan.workflow}' has no task '{name}'{hint}")
        found.append(plan.numbers[name])
    return found


@dataclass(frozen=True, slots=True)
class Selection:
    """A part of a workflow: `only` these tasks; `from_` these on, with all that follows; `until` these, with all that
    they need. `from_` and `until` together are what lies between. `only` comes on top of either."""

    only: tuple[str, ...] = ()
    from_: tuple[str, ...] = ()
    until: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The selection as a plan keeps it; "" where everything is selected."""
        parts = {name: getattr(self, name) for name in ("only", "from_", "until") if getattr(self, name)}
        return json.dumps(parts) if parts else ""

    @classmethod
    def of(cls, plan: Plan) -> Selection:
        """What a plan is a part of its workflow by."""
        return cls(**{name: tuple(tasks) for name, tasks in json.loads(plan.selection or "{}").items()})

    def tasks(self, plan: Plan) -> list[int]:
        """The numbers of the selected tasks, ascending. PenstockError for an unknown name or an empty choice."""
        chosen = set(numbers(plan, self.only))
        if self.from_ or self.until or not self.only:
            everything = range(len(plan))
            after = reach(numbers(plan, self.from_), plan.downstreams) if self.from_ else everything
            before = reach(numbers(plan, self.until), plan.upstreams) if self.until else everything
            chosen |= {task for task in after if task in before}
        if not chosen and len(plan):
            raise PenstockError(f"nothing lies from {', '.join(self.from_)} until {', '.join(self.until)}")
        return sorted(chosen)


def select(compiled: Compiled, selection: Selection) -> Compiled:
    """The selected part of a workflow. What only waited for a task that is left out now waits for what that waited for.

    PenstockError where a selected task takes the value of one that is left out."""
    plan = compiled.plan
    if not selection.text:
        return compiled
    chosen = _with_expansions(plan, selection.tasks(plan))
    place = {task: number for number, task in enumerate(chosen)}
    _check_inputs(plan, chosen, place)
    above = _selected_upstreams(plan, place)

    def rows(column: Sequence[T]) -> tuple[T, ...]:
        return tuple(column[task] for task in chosen)

    part = replace(
        plan,
        names=rows(plan.names),
        upstreams=tuple(tuple(sorted(place[upstream] for upstream in above[task])) for task in chosen),
        inputs=tuple(tuple(place[upstream] for upstream in plan.inputs[task]) for task in chosen),
        policies=rows(plan.policies),
        functions=rows(plan.functions),
        digests=rows(plan.digests),
        wiring=rows(plan.wiring),
        numbered=frozenset(place[task] for task in plan.numbered if task in place),
        places=rows(plan.places),
        selection=selection.text,
        deciders=_renumbered(plan.deciders, place),
        guards=_renumbered(plan.guards, place),
        waits=_renumbered(plan.waits, place),
        setups=_renumbered(plan.setups, place),
        groups=_renumbered_groups(plan.groups, place),
        maps={place[task]: kind for task, kind in plan.maps.items() if task in place},
    )
    return compiled._replace(plan=part, tasks=rows(compiled.tasks))


def _with_expansions(plan: Plan, chosen: Sequence[int]) -> list[int]:
    """The tasks, and whatever expands the mapped groups that they are in."""
    found = {*chosen}
    for task, expansion in plan.mapped.items():
        if task in found:
            found.add(expansion)
    return sorted(found)


def _renumbered(column: Some, place: Mapping[int, int]) -> Some:
    """What is selected of a sparse column."""
    selected = {
        place[task]: tuple(place[other] for other in others if other in place)
        for task, others in column.items()
        if task in place
    }
    return {task: others for task, others in selected.items() if others}


def _renumbered_groups(groups: Sequence[Group], place: Mapping[int, int]) -> tuple[Group, ...]:
    """The groups of which something is selected."""
    kept: dict[int, int] = {-1: -1}
    found: list[Group] = []
    for number, group in enumerate(groups):
        rows = tuple(place[task] for task in group.rows if task in place)
        if rows:
            kept[number] = len(found)
            expansion = place.get(group.expansion, -1)
            found.append(replace(group, parent=kept[group.parent], rows=rows, expansion=expansion))
    return tuple(found)


def _check_inputs(plan: Plan, chosen: Sequence[int], place: Mapping[int, int]) -> None:
    missing = {
        plan.names[task]: [plan.names[upstream] for upstream in plan.inputs[task] if upstream not in place]
        for task in chosen
    }
    for name, upstreams in missing.items():
        if upstreams:
            shown = ", ".join(f"'{upstream}'" for upstream in upstreams[:3]) + (" ..." if len(upstreams) > 3 else "")
            raise PenstockError(
                f"task '{name}' needs the value of {shown}, which is not selected; select it too, "
                f"or use penstock rerun RUN --from {name} to reuse recorded inputs"
            )


def _selected_upstreams(plan: Plan, place: Mapping[int, int]) -> list[set[int]]:
    """For each task, the selected tasks that it waits for, itself or through tasks that are left out."""
    above: list[set[int]] = [set() for _ in range(len(plan))]
    for task in topological_order(plan.upstreams):
        for upstream in plan.upstreams[task]:
            above[task] |= {upstream} if upstream in place else above[upstream]
    return above
