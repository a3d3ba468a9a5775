"""Which situations the random workflows have met: every rule over every set of parents' states, with every decision and
every guard, with and without mapped parents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import NamedTuple

from penstock.policy import TriggerRule
from tests.law.law import Circumstances, Instance, Law, S

LETTERS = {"success": "S", "failed": "F", "upstream_failed": "U", "skipped": "K"}
SETS = tuple("".join(letter for bit, letter in enumerate("SFUK") if bits >> bit & 1) for bits in range(16))

NOBODY, CHOSE, REFUSED, SILENT = "nobody", "chose", "refused", "silent"
"""What the deciders of a task say: there are none, all choose it, one does not choose it, none has decided anything."""

NO_GUARD, OPEN, BROKEN, SHUT = "no guard", "S", "F/U", "K"


class Cell(NamedTuple):
    """One situation."""

    rule: str
    parents: str
    """The letters of the states that occur among the parents."""
    decider: str
    guard: str
    mapped: bool
    """Whether any parent is mapped, so that all its instances are parents."""


@cache
def cells() -> tuple[Cell, ...]:
    """All situations that there can be."""
    return tuple(cell for cell in _all_cells() if not impossible(cell))


def _all_cells() -> Iterator[Cell]:
    deciders, guards = (NOBODY, CHOSE, REFUSED, SILENT), (NO_GUARD, OPEN, BROKEN, SHUT)
    for rule, parents, decider, guard, mapped in product(TriggerRule, SETS, deciders, guards, (False, True)):
        yield Cell(str(rule), parents, decider, guard, mapped)


def impossible(cell: Cell) -> str:
    """Why there cannot be such a situation; "" if there can."""
    if cell.rule == "all_done_setup_success":
        if not cell.parents:
            return "a teardown has at least one setup"
        if cell.decider != NOBODY:
            return "nothing decides about a teardown"
    if not cell.parents:
        if cell.mapped:
            return "there is no parent that could be mapped"
        if cell.decider != NOBODY and cell.guard == NO_GUARD:
            return "without parents it is below a decider only by the expansion around it, which is a guard"
        if cell.decider == REFUSED and cell.guard == OPEN:
            return "a decider above a task without parents is above the expansion around it, and has it skipped too"
    return ""


def cell_of(law: Law, each: Instance) -> Cell:
    """The situation of an instance."""
    case = law.circumstances(each)
    return Cell(
        case.rule,
        "".join(letter for state, letter in LETTERS.items() if state in case.parents),
        _decider(case),
        _guard(case),
        any(_is_mapped(law, each.row, parent) for parent in law.graph.judged_by(each.row)),
    )


def _decider(case: Circumstances) -> str:
    if not all(case.decisions):
        return REFUSED
    return CHOSE if case.decisions else SILENT if case.silent else NOBODY


def _guard(case: Circumstances) -> str:
    if not case.guards:
        return NO_GUARD
    return OPEN if case.guards == {S} else BROKEN if case.guards - {S, "skipped"} else SHUT


def _is_mapped(law: Law, row: str, parent: str) -> bool:
    graph = law.graph
    return graph.is_mapped(parent) or (bool(graph.map_around(parent)) and not graph.same_map(row, parent))


def cells_in(law: Law) -> Counter[Cell]:
    """The situations in one workflow, and how often they occur."""
    found: Counter[Cell] = Counter()
    for row in law.graph.rows:
        instances = [law.whole(row)] if law.is_map(row) else law.instances(row, ())
        found.update(cell_of(law, each) for each in instances)
    return found


def report(met: Counter[Cell]) -> list[str]:
    """What was met and what not, as lines."""
    never = [cell for cell in cells() if not met[cell]]
    why = Counter(impossible(cell) for cell in _all_cells() if impossible(cell))
    strange = [cell for cell in met if impossible(cell)]
    rare = min((met[cell] for cell in cells()), default=0)
    lines = [f"{len(cells()) - len(never)} of {len(cells())} possible cells met, each at least {rare} times"]
    lines += [f"  never met: {cell}" for cell in never[:40]]
    lines += [f"  ... and {len(never) - 40} more"] if len(never) > 40 else []
    lines += [f"  {count} cells cannot be: {reason}" for reason, count in why.items()]
    lines += [f"  met, and thought impossible: {cell}" for cell in strange]
    return lines
