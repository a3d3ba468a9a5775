"""Simulated worlds, each drawn from a seed of its own: Penstock's manager and driver in virtual time, with crashes,
power cuts, pauses, jumping clocks, failing stores, and people; see tests/simulation/world.py.

PENSTOCK_SEEDS in the environment sets how many there are, whatever the campaign was asked for.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from tests.faults.campaign import Campaign, Report
from tests.simulation.world import simulate

APART = 10_000_000
"""The first world of campaign seed n is that of seed n times this."""
TOGETHER = 100
"""Worlds that one process is asked for at a time."""
TOLD = {
    "is killed": "with kills",
    "kills itself": "with bodies that killed their driver",
    "loses power": "with power cuts",
    "forgets": "of which lost something",
    "is stopped": "with processes stopped",
    "has lost": "with drivers fenced",
    "sets": "with clocks set",
    "waits": "with tasks that came too early",
    "looks in vain": "with sensors",
    "sends": "with messages to runs",
    "a rule": "with trigger rules",
    "a branch": "with branches",
    "a short circuit": "with short circuits",
    "a setup and teardown": "with setups and teardowns",
    "a mapped task": "with mapped tasks",
    "a mapped group": "with mapped groups",
    "a width known at run time": "with widths known at run time",
    "a failure that is allowed": "with allow_failure",
    "a limit of instances": "with max_active_instances",
    "fail_fast": "with fail_fast",
    "another round": "with groups that began anew",
    "a skip": "with bodies that skipped",
    "approves": "with decisions of people",
    "told: task_started": "where somebody heard of attempts that began",
    "told: task_skipped": "where somebody heard of tasks that were skipped",
    "a task runs a workflow": "with tasks that ran workflows",
    "and that is taken over": "of which somebody took such a run over",
    "and that is cancelled": "of which such a run was cancelled",
    "and does not wait for it": "with runs that were only begun",
    "judged: as a whole": "judged by the law as a whole",
    "judged: by cancel": "cancelled, and judged as such",
    "judged: by timeout": "timed out, and judged as such",
    "judged: by fail_fast": "ended by a failure, and judged as such",
    "judged: single tasks": "judged task by task, since parts were done anew",
}
"""What is counted: in how many worlds it happened."""
DAY = 86_400.0


class Seen(NamedTuple):
    """What some worlds came to."""

    worlds: int
    violations: list[str]
    seconds: float
    """In simulated time."""
    happened: Counter[str]


def look(seeds: Sequence[int]) -> Seen:
    """Go through worlds."""
    violations: list[str] = []
    happened: Counter[str] = Counter()
    seconds = 0.0
    for seed in seeds:
        world = simulate(seed, rules=_has_rules(seed), nested=_is_nested(seed))
        how = f"{seed}{' --rules' if _has_rules(seed) else ''}{' --nested' if _is_nested(seed) else ''}"
        violations += [f"python -m tests.simulation.world {how}: {line}" for line in world.referee.violations]
        seconds += world.scheduler.now
        happened.update(world.happened() & TOLD.keys())
    return Seen(len(seeds), violations, seconds, happened)


def _has_rules(seed: int) -> bool:
    """Two of three worlds have a workflow with rules."""
    return seed % 3 != 0


def _is_nested(seed: int) -> bool:
    """One of four worlds has tasks that run workflows."""
    return seed % 4 == 0


def run(count: int, seed: int, folder: Path) -> Report:
    """Go through so many worlds, on all cores."""
    count = int(os.environ.get("PENSTOCK_SEEDS", count))
    report = Report()
    seconds = 0.0
    happened: Counter[str] = Counter()
    for seen in _everywhere(range(seed * APART, seed * APART + count)):
        report.done += seen.worlds
        report.violations += seen.violations
        seconds += seen.seconds
        happened += seen.happened
    report.notes["simulated"] = f"{seconds / DAY:,.1f} days"
    report.notes |= {name: f"{happened[what]:,}" for what, name in TOLD.items()}
    return report


def _everywhere(seeds: range) -> Iterator[Seen]:
    if len(seeds) <= TOGETHER:
        yield look(seeds)
        return
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    with ProcessPoolExecutor(cores, mp_context=get_context("spawn")) as pool:
        parts = [seeds[first : first + TOGETHER] for first in range(0, len(seeds), TOGETHER)]
        for part in as_completed([pool.submit(look, part) for part in parts]):
            yield part.result()


CAMPAIGN = Campaign("simulation", 100_000, run)
