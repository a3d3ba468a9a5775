"""Digests that name a plan, and the question whether a changed plan fits what a run has done."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from hashlib import blake2b

from penstock.plan.plan import Plan


def fingerprint(encoded: bytes) -> str:
    """The name of an encoded plan."""
    return blake2b(encoded, digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Fit:
    """How a new plan relates to the tasks that a run has done under an old one."""

    problems: tuple[str, ...]
    """Why the run cannot go on with the new plan; none if it can."""
    changed: tuple[str, ...]
    """Done tasks whose code is another now. Their outcomes are kept."""
    added: tuple[str, ...]
    removed: tuple[str, ...]


def same_work(old: Plan, new: Plan) -> bool:
    """Whether two plans are the same but for the lines on which their tasks are written."""
    return replace(old, places=()) == replace(new, places=())


def fit(old: Plan, new: Plan, done: Collection[int]) -> Fit:
    """Whether a run that has `done` these tasks of `old` can go on with `new`.

    A done task must keep, under its name, its function, its upstreams and its wiring. Tasks that are not done may
    change, come and go. A name that was made by counting calls says little, so all calls of such a function must keep
    their numbers and their wiring once one of them is done.
    """
    problems: list[str] = []
    changed: list[str] = []
    for number in sorted(done):
        name = old.names[number]
        now = new.numbers.get(name)
        if now is None:
            problems.append(f"task '{name}' is done and is no longer there")
            continue
        if new.functions[now] != old.functions[number]:
            problems.append(f"task '{name}' is done and called {old.functions[number]}, now {new.functions[now]}")
        elif _names(new, now) != _names(old, number):
            before, after = _listed(_names(old, number)), _listed(_names(new, now))
            problems.append(f"task '{name}' is done and depended on {before}, now on {after}")
        elif new.wiring[now] != old.wiring[number]:
            problems.append(
                f"task '{name}' is done and was called with {old.wiring[number]}, now with {new.wiring[now]}"
            )
        elif new.digests[now] != old.digests[number]:
            changed.append(name)
    problems = problems or _numbered_problems(old, new, done)
    old_names, new_names = set(old.names), set(new.names)
    return Fit(
        problems=tuple(problems),
        changed=tuple(changed),
        added=tuple(name for name in new.names if name not in old_names),
        removed=tuple(name for name in old.names if name not in new_names),
    )


def _numbered_problems(old: Plan, new: Plan, done: Collection[int]) -> list[str]:
    problems = []
    functions = {old.functions[number]: None for number in sorted(done) if number in old.numbered}
    before, after = _calls(old), _calls(new)
    for function in functions:
        if before.get(function) != after.get(function):
            problems.append(
                f"the calls of {function} changed while some of them are done, and their names are only counted: "
                "give the calls names, f.named('...')(...), before the next run"
            )
    return problems


def _calls(plan: Plan) -> dict[str, list[tuple[str, str]]]:
    """Function -> the names and wiring of its calls that were numbered."""
    calls: dict[str, list[tuple[str, str]]] = {}
    for number in sorted(plan.numbered):
        calls.setdefault(plan.functions[number], []).append((plan.names[number], plan.wiring[number]))
    return calls


def _names(plan: Plan, number: int) -> set[str]:
    return {plan.names[upstream] for upstream in plan.upstreams[number]}


def _listed(names: set[str]) -> str:
    return ", ".join(f"'{name}'" for name in sorted(names)) or "nothing"
