"""What a branch chooses: from the names that it returns to tasks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penstock.errors import PenstockError
from penstock.plan.plan import Plan


class ChoiceError(PenstockError):
    """A branch returned something that names none of its direct downstreams."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What a branch has to choose from. It can be sent to where the branch runs."""

    branch: str
    children: tuple[str, ...]
    """The names of its direct downstreams."""
    named: Mapping[str, tuple[int, ...]]
    """Which of them are followed by a name: those that it stands for, and those below these. Names are those of tasks
    and groups, also without the names of the groups around the branch."""

    def follow(self, returned: Any) -> tuple[int, ...]:
        """The rows that are followed when the branch returns this: a name or several, or None. ChoiceError for anything
        else."""
        if returned is None:
            return ()
        names = [returned] if isinstance(returned, str) else returned
        if not isinstance(names, (list, tuple, set, frozenset)) or not all(isinstance(name, str) for name in names):
            raise ChoiceError(
                f"branch '{self.branch}' returned a {type(returned).__qualname__}; "
                "it returns the name of a task or group, a list of names, or None"
            )
        for name in names:
            if name not in self.named:
                raise ChoiceError(
                    f"branch '{self.branch}' chose '{name}', which is none of its direct downstreams; "
                    f"they are {', '.join(self.children) or 'none at all'}"
                )
        return tuple(sorted({row for name in names for row in self.named[name]}))


def choices(plan: Plan, branch: int) -> Choices:
    """What a branch has to choose from: its direct downstreams, but for teardowns, by their own names and by those of
    the groups that they are in."""
    below = plan.downstreams[branch]
    children = [child for child in below if not plan.policies[child].teardown]
    named: dict[str, tuple[int, ...]] = {}
    for group in plan.groups:
        inside = {*group.rows, group.expansion}
        if not inside.isdisjoint(children):
            named[group.name] = tuple(child for child in below if child in inside)
    named |= {plan.names[child]: (child,) for child in children}
    together = _followed_together(plan, below, frozenset(children))
    named = {name: _all_of(together[row] for row in rows) for name, rows in named.items()}
    relative: dict[str, tuple[int, ...]] = {}
    for around in (group.name for group in plan.groups if branch in group.rows):  # the innermost last, which counts
        start = f"{around}."
        relative |= {name.removeprefix(start): rows for name, rows in named.items() if name.startswith(start)}
    return Choices(plan.names[branch], tuple(plan.names[child] for child in children), {**relative, **named})


def _followed_together(plan: Plan, starts: Sequence[int], children: frozenset[int]) -> dict[int, frozenset[int]]:
    """What is directly below a branch -> which of its children are followed with it: itself, and those below it. So
    what joins the ways of a branch is not left out with a way that is empty."""
    last = max(map(plan.ranks.__getitem__, children), default=0)  # beyond it there is none of them
    below: dict[int, frozenset[int]] = {}
    for child in starts:
        reached = {child}
        frontier = [child]
        for row in frontier:
            for down in (*plan.downstreams[row], *plan.expanded_by.get(row, ())):
                if down not in reached and plan.ranks[down] <= last:
                    reached.add(down)
                    frontier.append(down)
        below[child] = children & reached
    return below


def _all_of(sets: Iterable[frozenset[int]]) -> tuple[int, ...]:
    return tuple(sorted(frozenset[int]().union(*sets)))


def choose(plan: Plan, branch: int, returned: Any) -> tuple[int, ...]:
    """The direct downstreams that a branch follows when it returns this. ChoiceError if it cannot be followed."""
    return choices(plan, branch).follow(returned)
