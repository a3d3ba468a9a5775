"""Random workflows from a seed. Every second one is built around a chosen situation, so that each is met; the rest is a
walk in which tasks and groups are added as chance will have it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from penstock.policy import TriggerRule
from tests.law.bodies import Inventor, Temper
from tests.law.cells import Cell, cells
from tests.law.description import Bodies, Flow, Sources
from tests.law.draft import Draft
from tests.law.shrink import leave_out
from tests.law.situation import add_situation

RULES = [str(rule) for rule in TriggerRule if rule != TriggerRule.ALL_DONE_SETUP_SUCCESS]


@dataclass(slots=True)
class Case:
    """A workflow, what its bodies do, and the situation that it was built around."""

    flow: Flow
    bodies: Bodies
    target: Cell | None = None


def generate(seed: int, number: int, without: frozenset[str] = frozenset()) -> Case:
    """The case of this number among those of a seed; `without` "maps", "groups", "retries" of groups or
    "fail_fast"."""
    random = Random(seed * 1_000_003 + number)
    draft = Draft(random)
    target = None
    if number % 2:
        target = cells()[number // 2 % len(cells())]
        add_situation(draft, target)
        walk(draft, random.randint(0, 4))
    else:
        walk(draft, random.randint(1, 11))
    flow = draft.flow(
        fail_fast=random.random() < 0.12,
        run_state="leaves" if random.random() < 0.3 else "any",
    )
    flow = _less(flow, without)
    return Case(flow, Bodies(invent=Inventor(random.getrandbits(32), flow, draft.tempers)), target)


def _less(flow: Flow, without: frozenset[str]) -> Flow:
    """The same workflow without some kinds of things."""
    tasks, groups = flow.tasks, flow.groups
    if "maps" in without:
        tasks = tuple(replace(task, over=None) for task in tasks)
        groups = tuple(replace(group, over=None) for group in groups)
    if "retries" in without:
        groups = tuple(replace(group, retries=0) for group in groups)
    flow = replace(flow, tasks=tasks, groups=groups, fail_fast=flow.fail_fast and "fail_fast" not in without)
    for group in groups if "groups" in without else ():
        flow = leave_out(flow, group.name)
    return flow


def walk(draft: Draft, steps: int) -> None:
    """Add as many tasks, and groups around them."""
    random = draft.random
    for step in range(steps):
        while len(draft.open_groups) < 3 and random.random() < 0.22:
            _open_group(draft, f"g{step}")
        if random.random() < 0.03 and not draft.inside and draft.tasks:
            draft.open(f"e{step}", after=_some(draft, 2))
            draft.close()
        _add_task(draft, f"t{step}")
        while draft.inside and random.random() < 0.3:
            draft.close()
    while draft.inside:
        draft.close()


def _open_group(draft: Draft, name: str) -> None:
    random = draft.random
    while draft._full(name) in draft.groups:
        name += "g"
    over = None
    if not draft.in_map and random.random() < 0.4:
        over = _sources(draft)
    retries = random.choices((0, 1, 2), (6, 3, 1))[0]
    draft.open(name, over=over, retries=retries, after=_some(draft, random.choice((0, 0, 1, 2))))


def _some(draft: Draft, count: int) -> tuple[str, ...]:
    """So many of the tasks and complete groups, the last ones rather than the first."""
    tasks = [*draft.tasks]
    found = []
    for _ in range(min(count, len(tasks))):
        if draft.ends and draft.random.random() < 0.2:
            found.append(draft.random.choice(draft.ends))
        else:
            found.append(tasks[-1 - int(draft.random.random() ** 1.7 * len(tasks))])
    return tuple(found)


def _sources(draft: Draft) -> Sources:
    """What a map is expanded over."""
    random = draft.random
    lists = [name for name, task in draft.tasks.items() if not task.decides and not task.teardown]
    found: list[int | str] = []
    for _ in range(random.choice((1, 1, 1, 2))):
        if lists and random.random() < 0.55 and len(found) == 0:
            found.append(lists[-1 - int(random.random() ** 2 * len(lists))])
        else:
            found.append(random.choices((0, 1, 2, 3, 4), (1, 3, 4, 2, 1))[0] if not found else random.randint(0, 2))
    return tuple(found)


def _add_task(draft: Draft, name: str) -> None:
    random = draft.random
    while draft._full(name) in draft.tasks:
        name += "t"
    upstreams = _some(draft, random.choices((0, 1, 2, 3, 4), (2, 7, 6, 3, 1))[0])
    takes = [one for one in upstreams if one in draft.tasks and random.random() < 0.3]
    after = [one for one in upstreams if one not in takes]
    rule = random.choice(RULES) if random.random() < 0.6 else "all_success"
    retries = random.choices((0, 1, 2), (7, 2, 1))[0]
    options = {"rule": rule, "retries": retries, "allow_failure": random.random() < 0.1}
    kind = random.random()
    setups = [one for one, task in draft.tasks.items() if task.setup and one not in draft.settled_setups]
    if kind < 0.18 and setups:
        chosen = random.sample(setups, min(len(setups), random.choice((1, 1, 2, 3))))
        fails_run = random.random() < 0.4
        options |= {"rule": "all_success", "teardown": True, "on_failure_fail_run": fails_run}
        after = [one for one in (*after, *chosen) if not draft.settled_setups & {one, *draft.tasks_in(one)}]
        takes = [one for one in takes if one not in {*chosen, *draft.settled_setups}]
    elif kind < 0.34:
        options["setup"] = True
        if not draft.in_map and random.random() < 0.15:
            options["over"] = _sources(draft)
    elif kind < 0.46:
        options["decides"] = "branch"
    elif kind < 0.55:
        options |= {"decides": "short_circuit", "far": random.random() < 0.6}
    elif kind < 0.72 and not draft.in_map:
        options["over"] = _sources(draft)
    draft.add(name, Temper(), after=after, takes=takes, **options)
