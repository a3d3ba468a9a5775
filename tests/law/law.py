"""What becomes of every task, said as plainly as can be: by the graph and by what each body does, in no order at all.

Written from the law and not from the engine, so that each can show the other's errors. Definitions are recursive, and
nothing is counted: what a task sees of another is asked for, and answered in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from tests.law.description import FATAL, RAISES, RETURNS, Act, Bodies, Body, Flow
from tests.law.graph import Graph

S, F, U, K, C = "success", "failed", "upstream_failed", "skipped", "cancelled"
RUN = "run"

UNEXPANDED = -2
"""The index of the one instance of a task whose map was never expanded; and of a map as a whole."""


class Instance(NamedTuple):
    """A task in one of the places of the map that it is in, in these rounds of the retried groups around it."""

    row: str
    place: int
    """-1 for a task that no map is around, and for an expansion."""
    rounds: tuple[int, ...]


class Circumstances(NamedTuple):
    """All that the verdict on an instance depends on."""

    rule: str
    decisions: tuple[bool, ...]
    """Of each decider that succeeded: whether it chose the task."""
    silent: int
    """How many deciders have decided nothing."""
    guards: frozenset[str]
    parents: frozenset[str]
    """The states of its direct parents; of the setups, for a teardown."""


class Outcome(NamedTuple):
    """What a run comes to."""

    states: dict[tuple[str, int], str]
    """The final state of each instance; UNEXPANDED for a task whose map was never expanded, -1 where there is none."""
    maps: dict[str, str]
    """What became of the maps themselves (mapped tasks and expansions): success if it was expanded."""
    verdict: str


def trigger(rule: str, parents: frozenset[str]) -> str:
    """What a rule says of a task whose parents ended so: run, skipped or upstream_failed."""
    return RUN if not parents else RULES[rule](parents)


def _first(*clauses: tuple[bool, str]) -> str:
    return next(verdict for holds, verdict in clauses if holds)


RULES: dict[str, Callable[[frozenset[str]], str]] = {
    "all_success": lambda seen: _first((bool(seen & {F, U}), U), (K in seen, K), (True, RUN)),
    "all_failed": lambda seen: _first((bool(seen & {S, K}), K), (True, RUN)),
    "all_done": lambda seen: RUN,
    "all_done_min_one_success": lambda seen: _first((K in seen, K), (S not in seen, U), (True, RUN)),
    "all_done_setup_success": lambda seen: _first((S in seen, RUN), (seen == {K}, K), (True, U)),
    "one_success": lambda seen: _first((S in seen, RUN), (seen == {K}, K), (True, U)),
    "one_failed": lambda seen: _first((bool(seen & {F, U}), RUN), (True, K)),
    "one_done": lambda seen: _first((bool(seen & {S, F}), RUN), (True, K)),
    "none_failed": lambda seen: _first((bool(seen & {F, U}), U), (True, RUN)),
    "none_failed_min_one_success": lambda seen: _first((bool(seen & {F, U}), U), (S in seen, RUN), (True, K)),
    "none_skipped": lambda seen: _first((K in seen, K), (True, RUN)),
    "all_skipped": lambda seen: _first((bool(seen & {S, F, U}), K), (True, RUN)),
    "always": lambda seen: RUN,
}


def judge(case: Circumstances) -> str:
    """The verdict on an instance: run, skipped or upstream_failed."""
    if not all(case.decisions):
        return K
    if case.guards & {F, U}:
        return U
    if K in case.guards:
        return K
    return trigger(case.rule, case.parents)


class Law:
    """What becomes of the tasks of one workflow with these bodies.

    `rounds`: of a run in which groups were not retried as often as they would have been, how many rounds each had begun
    before its last, by group and index (-1 where no map is around it).
    """

    def __init__(self, flow: Flow, bodies: Bodies, rounds: Mapping[tuple[str, int], int] | None = None) -> None:
        self.flow = flow
        self.graph = Graph(flow)
        self.bodies = bodies
        self.rounds = rounds
        self._states: dict[Instance, str] = {}
        self._last_rounds: dict[tuple[str, int, tuple[int, ...]], int] = {}

    # --- The whole run

    def outcome(self) -> Outcome:
        """What an undisturbed run comes to."""
        states = {(each.row, each.place): self.state(each) for each in self.all_instances()}
        maps = {row: self.state(self.whole(row)) for row in self.graph.rows if self.is_map(row)}
        return Outcome(states, maps, verdict(self.graph, states, maps))

    def all_instances(self) -> list[Instance]:
        """All instances of all tasks, as they are in the end."""
        return [each for task in self.graph.tasks for each in self.instances(task, ())]

    def is_map(self, row: str) -> bool:
        return row not in self.graph.tasks or self.graph.is_mapped(row)

    def whole(self, row: str) -> Instance:
        """What stands for a map in the end, however many instances it has."""
        return self.settled(row, UNEXPANDED if self.graph.is_mapped(row) else -1, ())

    # --- One instance

    def state(self, each: Instance) -> str:
        """The state of an instance when its rounds are over."""
        if each not in self._states:
            self._states[each] = self._find_state(each)
        return self._states[each]

    def _find_state(self, each: Instance) -> str:
        if self.graph.is_mapped(each.row) and each.place != UNEXPANDED:
            return self.ending(each)
        verdict = judge(self.circumstances(each))
        if verdict != RUN:
            return verdict
        if self.is_map(each.row):
            width = self.width(each)
            return F if width is None else K if width == 0 else S
        return self.ending(each)

    def ending(self, each: Instance) -> str:
        """What its body gives an instance that runs."""
        what = self.last_act(each).what
        return S if what == RETURNS else F if what in (RAISES, FATAL) else K

    def last_act(self, each: Instance) -> Act:
        """What the last attempt of an instance that runs does."""
        acts = self.acts(each)
        retries = self.graph.tasks[each.row].retries
        return next((act for act in acts[:retries] if act.what != RAISES), acts[retries])

    def acts(self, each: Instance) -> list[Act]:
        """What as many attempts do as there may be."""
        script = self.bodies.script(Body(*each))
        return [script[min(attempt, len(script) - 1)] for attempt in range(self.graph.tasks[each.row].retries + 1)]

    def width(self, each: Instance) -> int | None:
        """How many instances a map has whose verdict is to run; None if that cannot be found."""
        width = 1
        for source in self.graph.sources(each.row):
            found = source if isinstance(source, int) else self._length(each, source)
            if found is None:
                return None
            width *= found
        return width

    def _length(self, each: Instance, source: str) -> int | None:
        """The length of the list that a task returns; of a mapped one, the list has an item for each instance."""
        if self.graph.is_mapped(source) or self.graph.map_around(source):
            return len(self.seen(each, source))
        [only] = self.seen(each, source)
        length = self.last_act(only).width
        return None if length < 0 else length

    # --- What an instance depends on

    def circumstances(self, each: Instance) -> Circumstances:
        """What the verdict on an instance is made of."""
        graph, row = self.graph, each.row
        deciders = [(one, self.state(one)) for other in graph.deciders(row) for one in self.seen(each, other)]
        return Circumstances(
            rule=graph.rule(row),
            decisions=tuple(self.chose(one, row) for one, state in deciders if state == S),
            silent=sum(state != S for _, state in deciders),
            guards=self.states_of(each, graph.guards(row)),
            parents=self.states_of(each, graph.judged_by(row)),
        )

    def chose(self, decider: Instance, row: str) -> bool:
        """Whether a decider that succeeded lets a row run."""
        names = self.last_act(decider).chosen
        if names is None or self.graph.tasks[decider.row].decides == "short_circuit":
            return names is None
        return row in self.graph.chosen(decider.row, names)

    def states_of(self, each: Instance, others: list[str]) -> frozenset[str]:
        """The states in which an instance sees these tasks."""
        return frozenset(self.state(one) for other in others for one in self.seen(each, other))

    def seen(self, each: Instance, other: str) -> list[Instance]:
        """The instances of another task that an instance has to do with: in one mapped group those of its own index,
        in one retried group those of its own round, and of groups that it is not in, those of the last round."""
        common = 0
        for mine, theirs in zip(self.graph.retried_around(each.row), self.graph.retried_around(other), strict=False):
            common += mine == theirs
        if not self.graph.same_map(each.row, other):
            return self.instances(other, each.rounds[:common])
        return [self.settled(other, each.place, each.rounds[:common])]

    def instances(self, row: str, rounds: tuple[int, ...]) -> list[Instance]:
        """All instances of a row in these rounds of the outermost retried groups around it."""
        around = self.graph.map_around(row)
        if not self.is_map(row) and not around:
            return [self.settled(row, -1, rounds)]
        if row not in self.graph.tasks:
            return [self.settled(row, -1, rounds)]
        of_all = self.settled(around or row, -1 if around else UNEXPANDED, rounds)
        if self.state(of_all) != S:
            return [self.settled(row, UNEXPANDED, rounds)]
        return [self.settled(row, index, rounds) for index in range(self.width(of_all) or 0)]

    # --- Groups that are retried as a unit

    def settled(self, row: str, index: int, rounds: tuple[int, ...]) -> Instance:
        """An instance in these rounds of the outermost groups around it, and in the last ones of the others."""
        for group in self.graph.retried_around(row)[len(rounds) :]:
            rounds += (self.last_round(group, index if self.graph.map_of_group(group) else -1, rounds),)
        return Instance(row, index, rounds)

    def last_round(self, group: str, index: int, outer: tuple[int, ...]) -> int:
        """The round with which a group is settled, in these rounds of the groups around it."""
        if self.rounds is not None:
            return self.rounds.get((group, index), 0)
        key = group, index, outer
        if key not in self._last_rounds:
            retries = self.graph.groups[group].retries
            ways = (this for this in range(retries) if not self.begins_anew(group, index, outer, this))
            self._last_rounds[key] = next(ways, retries)
        return self._last_rounds[key]

    def begins_anew(self, group: str, index: int, outer: tuple[int, ...], this: int) -> bool:
        """Whether this round of a group is one that another follows, if any is left."""
        failed = [each for each in self._inside(group, index, (*outer, this)) if self.counts(each)]
        return bool(failed) and not any(self.is_fatal(each) for each in failed)

    def _inside(self, group: str, index: int, rounds: tuple[int, ...]) -> list[Instance]:
        """All that is in a group (of this index of the map around it), maps as a whole too."""
        found = []
        for row in self.graph.rows_in(group):
            if self.graph.map_of_group(group):
                found.append(self.settled(row, index, rounds))
            else:
                found += self.instances(row, rounds)
        return found

    def counts(self, each: Instance) -> bool:
        """Whether an instance is a failure that counts."""
        return self.state(each) == F and failure_counts(self.graph, each.row)

    def is_fatal(self, each: Instance) -> bool:
        """Whether a failed instance failed for good, so that nobody is to try it again."""
        bodiless = each.row not in self.graph.tasks or (self.graph.is_mapped(each.row) and each.place == UNEXPANDED)
        return not bodiless and self.last_act(each).what == FATAL


def failure_counts(graph: Graph, row: str) -> bool:
    """Whether a run minds that this row has failed."""
    if row not in graph.tasks:
        return True
    task = graph.tasks[row]
    return not task.allow_failure and (not task.teardown or task.on_failure_fail_run)


def verdict(graph: Graph, states: Mapping[tuple[str, int], str], maps: Mapping[str, str]) -> str:
    """The final state of an undisturbed run in which the tasks and maps ended so."""
    everything = [*states.items(), *(((row, -1), state) for row, state in maps.items() if row not in graph.tasks)]
    if graph.flow.run_state == "leaves":
        bad = any(
            graph.is_leaf(row) and (state == U or (state == F and failure_counts(graph, row)))
            for (row, _), state in everything
        )
    else:
        bad = any(state == F and failure_counts(graph, row) for (row, _), state in everything)
    return F if bad else S
