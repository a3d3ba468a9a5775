"""Penstock's own driver and manager in simulated worlds: the promise holds in each, and a seed says all."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.simulation.world import simulate

ROOT = Path(__file__).parents[2]
SEEDS = (ROOT / "tests" / "simulation" / "SEEDS").read_text().splitlines()
FAILED_ONCE = [line.split() for line in SEEDS if line[:1].isdigit()]
HOW = "python -m tests.simulation.world"
"""Prints a world."""


# In how many of the first hundred worlds each thing happens at least, and of the first eighty that are nested.
LEAST = {
    "is killed": 20,
    "loses power": 20,
    "is stopped": 20,
    "forgets": 1,
    "hears": 30,
    "waits": 15,
    "looks in vain": 8,
    "sends": 8,
    "a pool is full": 8,
    "parks": 5,
    "approves": 4,
    "told: task_started": 15,
    "told: run_started": 10,
    "told: task_asks": 2,
}
LEAST_WITH_RULES = {
    **LEAST,
    "a rule": 60,
    "a branch": 20,
    "a short circuit": 20,
    "a setup and teardown": 15,
    "a mapped task": 20,
    "a mapped group": 15,
    "a width known at run time": 15,
    "a failure that is allowed": 10,
    "a limit of instances": 10,
    "fail_fast": 4,
    "instances": 25,
    "another round": 3,
    "a skip": 15,
    "told: task_skipped": 8,
    "judged: as a whole": 30,
    "judged: by cancel": 1,
    "judged: by fail_fast": 1,
    "judged: single tasks": 2,
}
LEAST_NESTED = {
    "is killed": 15,
    "parks": 6,
    "a task runs a workflow": 40,
    "and a task of that another": 5,
    "and does not wait for it": 8,
    "and that is taken over": 12,
    "and that is cancelled": 2,
    "and that is tried again": 6,
    "and that has failed": 12,
}


def check(seed: int, *words: str) -> set[str]:
    """What happened in a world, if it kept the promise."""
    world = simulate(seed, **dict.fromkeys(words, True))
    assert not world.referee.violations, " ".join([HOW, str(seed), *(f"--{word}" for word in words)])
    return world.happened()


def happened_in(seeds: range, *words: str) -> Counter[str]:
    """In how many of these worlds each thing happened, all of which kept the promise."""
    happened: Counter[str] = Counter()
    for seed in seeds:
        happened.update(check(seed, *words))
    return happened


def assert_bad(happened: Counter[str], least: dict[str, int]) -> None:
    """That worlds kept the promise is worth what they went through."""
    for what, times in least.items():
        assert happened[what] >= times, f"in only {happened[what]} worlds: {what}"


@pytest.mark.parametrize("first", range(0, 200, 100))
def test_the_promise_holds_in_every_world(first: int) -> None:
    assert_bad(happened_in(range(first, first + 100)), LEAST if first == 0 else {})


@pytest.mark.parametrize("first", range(0, 300, 100))
def test_the_promise_and_the_law_hold_in_every_world_with_rules(first: int) -> None:
    assert_bad(happened_in(range(first, first + 100), "rules"), LEAST_WITH_RULES if first == 0 else {})


@pytest.mark.parametrize("words", [["nested"], ["rules", "nested"]])
def test_the_promise_holds_in_every_world_whose_tasks_run_workflows(words: list[str]) -> None:
    assert_bad(happened_in(range(80), *words), LEAST_NESTED)


def test_what_once_failed_does_not_fail_again() -> None:
    assert FAILED_ONCE
    for seed, *words in FAILED_ONCE:
        check(int(seed), *(word for word in words[:2] if word in ("rules", "nested")))


@pytest.mark.parametrize(("rules", "nested"), [(False, False), (True, False), (True, True)])
def test_a_seed_gives_one_trace(rules: bool, nested: bool) -> None:
    for seed in range(10):
        one, other = simulate(seed, rules=rules, nested=nested), simulate(seed, rules=rules, nested=nested)
        assert one.lines() == other.lines()
        assert one.digest() == other.digest()


DIGESTS = """
from tests.simulation.world import simulate
print(*(simulate(seed, rules=seed % 2 == 1, nested=seed % 4 > 1).digest() for seed in range(16)))
"""


def test_the_trace_does_not_depend_on_the_process() -> None:
    digests = set()
    for hash_seed in ("0", "1", "4711"):
        done = subprocess.run(
            [sys.executable, "-c", DIGESTS],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        )
        digests.add(done.stdout)
    assert len(digests) == 1
    assert len(digests.pop().split()) == 16
