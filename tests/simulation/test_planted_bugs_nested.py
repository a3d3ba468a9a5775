"""The worlds whose tasks run workflows are worth something: each of these bugs, planted in what drives such runs, is
found."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from penstock.runtime import children
from penstock.runtime.children import Children
from penstock.runtime.lanes import Lanes
from penstock.runtime.part import Part, child_id
from penstock.sub_runs import Nesting, SubRuns
from tests.simulation.planted import Suits, must_show
from tests.simulation.scenario import Scenario, draw

MOST_WORLDS = 300
Plant = Callable[[pytest.MonkeyPatch], None]


def another_run_each_time(patch: pytest.MonkeyPatch) -> None:
    """Each attempt of a task begins a run of its own."""
    numbers = count()
    patch.setattr(children, "child_id", lambda run_id, part: child_id(f"{run_id}-{next(numbers)}", part))


def lost_result(patch: pytest.MonkeyPatch) -> None:
    """A task gives nothing, whatever its run gave."""
    patch.setattr(Children, "_result", lambda self, call, params, row: None)


def lost_parameters(patch: pytest.MonkeyPatch) -> None:
    """A run is begun without what its task takes."""
    begin = SubRuns.begin
    patch.setattr(SubRuns, "begin", lambda self, call, given, *rest: begin(self, call, {}, *rest))


def unheard_end(patch: pytest.MonkeyPatch) -> None:
    """Nobody looks at a run that has ended."""
    patch.setattr(Children, "_tell", lambda self, id: None)
    patch.setattr(Children, "_look_at_rows", lambda self: None)


def too_few_lanes(patch: pytest.MonkeyPatch) -> None:
    """A run that waits for its task's run leaves no room for that."""
    patch.setattr(Lanes, "_has_room", lambda self, owner: self._total < 1)


def hasty_success(patch: pytest.MonkeyPatch) -> None:
    """A task whose run was begun counts as done."""
    wait = Children._wait

    def hasty(self: Children, task: int, id: str) -> Any:
        wait(self, task, id)
        return RuntimeError("it has failed, as far as anybody knows")

    patch.setattr(Children, "_wait", hasty)


def orphans(patch: pytest.MonkeyPatch) -> None:
    """The runs of tasks go on when the run around them has ended, whoever has them."""
    patch.setattr(Children, "_cancel", lambda self, ids, insist=False: [*ids])
    patch.setattr(Nesting, "_is_left_behind", lambda self, row: False)


def wanton_cancel(patch: pytest.MonkeyPatch) -> None:
    """A run is cancelled that its task still waits for."""
    patch.setattr(Children, "_is_wanted", lambda self, row: False)


def resumed_without_need(patch: pytest.MonkeyPatch) -> None:
    """Who takes over a run sets those of its tasks going by hand, and so what has failed in them too."""
    again = SubRuns.again

    def eager(self: SubRuns, *given: Any, by_hand: bool) -> Any:
        return again(self, *given, by_hand=True)

    patch.setattr(SubRuns, "again", eager)


def part_of_another(patch: pytest.MonkeyPatch) -> None:
    """The instances of a map have one run together."""

    def of(engine: Any, slot: int) -> Part:
        return Part(engine.plan.names[engine.row(slot)], -1, engine.generation(slot))

    patch.setattr(Part, "of", of)


# --- Worlds in which they can show


def has(*faults: str) -> Suits:
    """Worlds with all of these faults."""
    return lambda scenario: scenario.faults >= {*faults}


def deep(scenario: Scenario) -> bool:
    """Worlds in which a run of a task has such tasks too."""
    return any(work.calls for name, work in scenario.works.items() if name != "flow")


def prompt(scenario: Scenario) -> bool:
    """Worlds in which a driver does what it should when it should."""
    return not scenario.faults & {"pause", "disk", "blind", "stall", "values", "cut"}


def gives(scenario: Scenario) -> bool:
    """Worlds in which a task gives what its run gave."""
    calls = scenario.work.calls.values()
    return any(call.waits and scenario.works[call.workflow].gives for call in calls) and not scenario.faults


def maps(scenario: Scenario) -> bool:
    """Worlds in which such a task is mapped."""
    return any(task.over is not None and task.name in scenario.work.calls for task in scenario.work.flow.tasks)


BUGS: list[tuple[Plant, str, bool, tuple[Suits, ...]]] = [
    (another_run_each_time, "of generation 0 is run", False, ()),
    (lost_result, "gave None, and its run", False, (gives,)),
    (lost_parameters, "is given .* on record is", False, ()),
    (unheard_end, "it is not done after", False, ()),
    (too_few_lanes, "it is not done after|everybody waits", False, (deep,)),
    (hasty_success, "failed for what is not its fault", False, ()),
    (orphans, "after the end of run", False, (has("cancel"), prompt)),
    (wanton_cancel, "it was cancelled by run", False, (has("adopt", "crash"),)),
    (resumed_without_need, "it was resumed by hand", False, (has("adopt", "crash"),)),
    (part_of_another, "is given .* on record is|is a success, and it is no run", True, (maps,)),
]
"""Each with what is said of it, whether in worlds with rules, and in which of these it can show at all."""


@pytest.mark.parametrize(("plant", "found", "rules", "suits"), BUGS, ids=[plant.__name__ for plant, *_ in BUGS])
def test_a_planted_bug_is_found(
    plant: Plant, found: str, rules: bool, suits: tuple[Suits, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    must_show(found, (draw(seed, rules=rules, nested=True) for seed in count()), MOST_WORLDS, *suits)
