"""What may become of the tasks of a run that was disturbed: cancelled, timed out, or ended by its first failure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, product

from tests.law.description import RAISES, RETURNS, SKIPS
from tests.law.law import (
    RUN,
    UNEXPANDED,
    C,
    Circumstances,
    F,
    Instance,
    K,
    Law,
    Outcome,
    S,
    U,
    failure_counts,
    judge,
    verdict,
)

Key = tuple[str, int]
"""A row and its place."""

CANCEL, TIMEOUT, FAIL_FAST = "cancel", "timeout", "fail_fast"


@dataclass
class Disturbance:
    """How a run stood just before it was disturbed for the first time."""

    kind: str
    ended: Mapping[Key, str]
    """The states of what had ended: instances, and maps as a whole, "success" if they were expanded."""
    running: Mapping[Key, int]
    """The instances whose bodies ran, and how many attempts of each had failed in this round; and the map, if any, with
    whose expansion it happened."""
    again: bool = False
    """Somebody cancelled the run once more, or its driver stopped: then teardowns may be cancelled too."""


def complaints(law: Law, end: Outcome, disturbance: Disturbance) -> list[str]:
    """What is unlawful about the end of a disturbed run; `law` is told how many rounds each group had."""
    found = [*_wrong_maps(law, end, disturbance)]
    if found:
        return found
    for (row, place), state in end.states.items():
        lawful = _lawful(law, end, disturbance, law.settled(row, place, ()))
        if state not in lawful:
            found.append(f"{row}[{place}] is {state}; lawful: {sorted(lawful)}")
    expected = _verdict(law, end, disturbance)
    if end.verdict != expected:
        found.append(f"the run is {end.verdict}; lawful: {expected}")
    if disturbance.kind == FAIL_FAST and not any(_disturbs(law, *each) for each in _all(end)):
        found.append("the run was disturbed, and nothing in it failed that counts")
    return found


def _all(end: Outcome) -> Iterator[tuple[Key, str]]:
    yield from end.states.items()
    yield from (((row, -1), state) for row, state in end.maps.items() if (row, UNEXPANDED) not in end.states)


# --- Maps


def _wrong_maps(law: Law, end: Outcome, disturbance: Disturbance) -> Iterator[str]:
    for row, state in end.maps.items():
        whole = law.whole(row)
        had_ended = disturbance.ended.get((row, whole.place))
        lawful = {had_ended, law.state(whole)} if had_ended else {C, *_early_verdict(law, whole)}
        if (row, whole.place) in disturbance.running:
            lawful |= {law.state(whole)}
        if state not in lawful or (had_ended and len(lawful) > 1):
            yield f"the map {row} is {state}; lawful: {lawful}"
    for row in law.graph.tasks:
        places = [place for name, place in end.states if name == row]
        expected = _places(law, end, row)
        if places != expected:
            yield f"{row} has instances {places}; lawful: {expected}"


def _places(law: Law, end: Outcome, row: str) -> list[int]:
    of_map = row if law.graph.is_mapped(row) else law.graph.map_around(row)
    if not of_map:
        return [-1]
    if end.maps[of_map] != S:
        return [UNEXPANDED]
    return [*range(law.width(law.whole(of_map)) or 0)]


# --- Instances


def _lawful(law: Law, end: Outcome, disturbance: Disturbance, each: Instance) -> set[str]:
    """The states in which an instance may have ended."""
    key = each.row, each.place
    if key in disturbance.ended:
        state = disturbance.ended[key]
        cut_off = each.place == UNEXPANDED and C in (end.maps[row] for row in _maps_around(law, each.row))
        return {state} if cut_off or state == law.state(each) else {f"{law.state(each)}, since it had ended"}
    if law.graph.is_teardown(each.row):
        lawful = {_of_teardown(law, end, each)}
        return {*lawful, C} if disturbance.again else lawful
    if each.place == UNEXPANDED:
        return {C} if C in (end.maps[row] for row in _maps_around(law, each.row)) else {C, law.state(each)}
    if key in disturbance.running:
        return {C, *_of_attempt(law, each, disturbance.running[key])}
    if law.graph.is_mapped(each.row):
        return {C}
    return {C, *_early_verdict(law, each)}


def _maps_around(law: Law, row: str) -> list[str]:
    return [row] if law.graph.is_mapped(row) else [law.graph.map_around(row)]


def _early_verdict(law: Law, each: Instance) -> set[str]:
    """Skipped or upstream_failed, if that is what an instance was to be told."""
    return {judge(law.circumstances(each))} & {K, U}


def _of_attempt(law: Law, each: Instance, failures: int) -> set[str]:
    """How an instance may end whose attempt was under way: one that would be tried again may not."""
    what = law.acts(each)[failures].what
    if what == RAISES and failures < law.graph.tasks[each.row].retries:
        return set()
    return {S if what == RETURNS else K if what == SKIPS else F}


def _of_teardown(law: Law, end: Outcome, each: Instance) -> str:
    """How a teardown ends: as its setups want it, if that is the same whatever would have become of those of which
    nobody knows."""
    setups = [state for setup in law.graph.setups(each.row) for state in _states(law, end, each, setup)]
    guards = [end.maps[guard] for guard in law.graph.guards(each.row)]
    verdicts = {
        judge(Circumstances(law.graph.rule(each.row), (), 0, guards_then, setups_then))
        for guards_then, setups_then in product(_possible(guards), _possible(setups))
    }
    only = verdicts.pop()
    return C if verdicts else law.ending(each) if only == RUN else only


def _states(law: Law, end: Outcome, each: Instance, other: str) -> list[str]:
    """The states in which an instance saw another task in the end."""
    if law.graph.same_map(each.row, other):
        return [end.states[other, each.place]]
    return [state for (row, _), state in end.states.items() if row == other]


def _possible(states: list[str]) -> Iterator[frozenset[str]]:
    """All sets of states that these may have been, had nobody cancelled any."""
    known = frozenset(states) - {C}
    unknown = 4 if C in states else 0
    for count in range(unknown + 1):
        for others in combinations((S, F, U, K), count):
            if others or not unknown:
                yield known | frozenset(others)


# --- The run


def _verdict(law: Law, end: Outcome, disturbance: Disturbance) -> str:
    if disturbance.kind == FAIL_FAST:
        return F
    if any(state == C for _, state in _all(end)):
        return C if disturbance.kind == CANCEL else F
    return verdict(law.graph, end.states, end.maps)


def _disturbs(law: Law, key: Key, state: str) -> bool:
    """Whether this end is a failure that counts and after which no group around it begins anew."""
    row, place = key
    if state != F or not failure_counts(law.graph, row):
        return False
    each = law.settled(row, place, ())
    for depth, group in enumerate(law.graph.retried_around(row)):
        place_of_group = place if law.graph.map_of_group(group) else -1
        left = law.graph.groups[group].retries - each.rounds[depth]
        if left and law.begins_anew(group, place_of_group, each.rounds[:depth], each.rounds[depth]):
            return False
    return True
