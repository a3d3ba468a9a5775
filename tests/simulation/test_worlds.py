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


def check(seed: int, *, rules: bool = False) -> None:
    violations = simulate(seed, rules=rules).referee.violations
    assert not violations, f"{HOW} {seed}{' --rules' if rules else ''}"


@pytest.mark.parametrize("first", range(0, 300, 100))
def test_the_promise_holds_in_every_world(first: int) -> None:
    for seed in range(first, first + 100):
        check(seed)


@pytest.mark.parametrize("first", range(0, 400, 100))
def test_the_promise_and_the_law_hold_in_every_world_with_rules(first: int) -> None:
    for seed in range(first, first + 100):
        check(seed, rules=True)


def test_what_once_failed_does_not_fail_again() -> None:
    assert FAILED_ONCE
    for seed, *words in FAILED_ONCE:
        check(int(seed), rules=words[:1] == ["rules"])


@pytest.mark.parametrize("rules", [False, True])
def test_a_seed_gives_one_trace(rules: bool) -> None:
    for seed in range(20):
        one, other = simulate(seed, rules=rules), simulate(seed, rules=rules)
        assert one.lines() == other.lines()
        assert one.digest() == other.digest()


DIGESTS = """
from tests.simulation.world import simulate
print(*(simulate(seed, rules=seed % 2 == 1).digest() for seed in range(40)))
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
    assert len(digests.pop().split()) == 40


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
    "judged: as a whole": 30,
    "judged: by cancel": 1,
    "judged: by fail_fast": 1,
    "judged: single tasks": 2,
}


@pytest.mark.parametrize("rules", [False, True])
def test_worlds_are_as_bad_as_they_are_meant_to_be(rules: bool) -> None:
    """What the seeds above show is worth what they go through."""
    happened: Counter[str] = Counter()
    for seed in range(100):
        happened.update(simulate(seed, rules=rules).happened())
    for what, least in (LEAST_WITH_RULES if rules else LEAST).items():
        assert happened[what] >= least, f"only {happened[what]} of 100 worlds: {what}"
