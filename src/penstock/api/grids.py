"""Runs by tasks: what a workflow's page shows at a glance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.api.graphs import counts_of_map
from penstock.api.reading import Reading
from penstock.engine.run import RunEngine
from penstock.engine.states import TaskState
from penstock.observe.drawing.structure import innermost_groups
from penstock.store.base import RunRow

_LABELS = [state.label for state in TaskState]


def grid_of(read: Reading, rows: Sequence[RunRow]) -> dict[str, Any]:
    """These runs, newest first, by the tasks of the newest and, after those, such as only older ones have."""
    groups: dict[str, str | None] = {}
    columns = []
    for row in rows:
        with read.replays.of(row) as known:
            engine = known.engine
            around = innermost_groups(engine.plan)
            for number, name in enumerate(engine.plan.names):
                if number not in engine.plan.expanded_by:
                    groups.setdefault(name, engine.plan.groups[around[number]].name if around[number] >= 0 else None)
            columns.append((engine.plan.numbers, *_column(engine)))
    tasks = [*groups]
    cells = []
    for row, (numbers, states, tries, counts) in zip(rows, columns, strict=True):
        places = [numbers.get(name) for name in tasks]
        cells.append(
            {
                "run": read.summary(row),
                "states": [_LABELS[states[place]] if place is not None else None for place in places],
                "tries": [tries[place] if place is not None else 0 for place in places],
                "counts": counts,
            }
        )
    return {"tasks": tasks, "groups": [groups[name] for name in tasks], "runs": cells}


def _column(engine: RunEngine) -> tuple[bytes, list[int], dict[str, dict[str, int]]]:
    """The state of each row, how many attempts it took, and of maps what became of their instances."""
    tries = [*engine.attempts[: engine.size]]
    counts = {}
    for row in engine.widths:
        if row in engine.plan.expanded_by:
            continue
        tries[row] = max((engine.attempts[slot] for slot in engine.slots(row)), default=0)
        counts[engine.plan.names[row]] = counts_of_map(engine, row)
    return bytes(engine.states[: engine.size]), tries, counts
