"""How long tasks take: three laws, each drawn from a seed, in whole units so that optima can be proved exactly."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

Draw = Callable[[Random], int]


def uniform(random: Random) -> int:
    """Anything from 1 to 40."""
    return random.randint(1, 40)


def exponential(random: Random) -> int:
    """20 on average, without memory."""
    return max(1, round(random.expovariate(1 / 20)))


def pareto(random: Random) -> int:
    """Heavy-tailed: half of the tasks take up to 12, one in a hundred more than 120 (exponent 1.7, at most 600)."""
    return min(600, round(8 * random.paretovariate(1.7)))


LAWS: dict[str, Draw] = {"uniform": uniform, "exponential": exponential, "Pareto": pareto}


def remembered(durations: list[int], random: Random, runs: int = 5, spread: float = 0.4) -> list[list[float]]:
    """What earlier runs of the same tasks took: each duration times a factor that is log-normal with this sigma."""
    return [[duration * random.lognormvariate(0.0, spread) for duration in durations] for _ in range(runs)]
