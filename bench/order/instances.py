"""What is scheduled: every graph with durations of every law, on every number of workers; all from fixed seeds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from random import Random

from bench.order.families import RANDOM, Graph, pipelines
from bench.order.laws import LAWS

SEEDS = 6
WORKERS = (2, 4, 8, 16)
OPTIMA = Path(__file__).with_name("optima.json")


@dataclass(frozen=True)
class Instance:
    """One graph with durations, on so many workers."""

    family: str
    graph_name: str
    graph: Graph
    law: str
    durations: list[int]
    workers: int

    @property
    def key(self) -> str:
        """What it is called in the file of optima."""
        return f"{self.graph_name}, {self.law}, {self.workers}"

    @property
    def digest(self) -> str:
        """What it is: an optimum is that of another instance if this differs."""
        return blake2b(json.dumps([self.graph, self.durations]).encode(), digest_size=4).hexdigest()


def graphs() -> Iterator[tuple[str, str, Graph]]:
    """Family, name and graph."""
    for family, make in RANDOM.items():
        for seed in range(SEEDS):
            yield family, f"{family}{seed}", make(Random(f"{family} {seed}"))
    for name, graph in pipelines().items():
        yield "pipelines", name, graph


def instances() -> Iterator[Instance]:
    """All of them."""
    for family, name, graph in graphs():
        for law, draw in LAWS.items():
            random = Random(f"{name} {law}")
            durations = [draw(random) for _ in graph]
            for workers in WORKERS:
                yield Instance(family, name, graph, law, durations, workers)
