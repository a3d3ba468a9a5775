"""Penstock's own driver and manager in simulated worlds: the promise holds in each, and a seed says all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.scenario import draw
from tests.simulation.world import World, simulate

ROOT = Path(__file__).parents[2]
SEEDS = (ROOT / "tests" / "simulation" / "SEEDS").read_text().splitlines()
FAILED_ONCE = [int(line.split()[0]) for line in SEEDS if line[:1].isdigit()]
HOW = "python -m tests.simulation.world"
"""Prints a world."""


@pytest.mark.parametrize("first", range(0, 600, 100))
def test_the_promise_holds_in_every_world(first: int) -> None:
    for seed in range(first, first + 100):
        assert not simulate(seed).referee.violations, f"{HOW} {seed}"


def test_what_once_failed_does_not_fail_again() -> None:
    assert FAILED_ONCE
    for seed in FAILED_ONCE:
        assert not simulate(seed).referee.violations, f"{HOW} {seed}"


def test_a_seed_gives_one_trace() -> None:
    for seed in range(20):
        one, other = simulate(seed), simulate(seed)
        assert one.lines() == other.lines()
        assert one.digest() == other.digest()


DIGESTS = """
from tests.simulation.world import simulate
print(*(simulate(seed).digest() for seed in range(30)))
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
    assert len(digests.pop().split()) == 30


def test_worlds_are_as_bad_as_they_are_meant_to_be() -> None:
    """What the seeds above show is worth what they go through."""
    happened: dict[str, int] = {}
    for seed in range(100):
        world = World(draw(seed))
        world.run()
        for what in {what for _, _, what, _ in world.trace}:
            happened[what] = happened.get(what, 0) + 1
    for what, least in {"is killed": 20, "loses power": 20, "is stopped": 20, "forgets": 1, "hears": 30}.items():
        assert happened.get(what, 0) >= least, f"only {happened.get(what, 0)} of 100 worlds: {what}"
