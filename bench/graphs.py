"""The graphs that are measured: (number, upstreams) in an order in which they could run."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator

Graph = Iterable[tuple[int, list[int]]]


def chain(size: int) -> Iterator[tuple[int, list[int]]]:
    """W1: each task waits for the one before."""
    return ((i, [i - 1] if i else []) for i in range(size))


def fan(size: int) -> Iterator[tuple[int, list[int]]]:
    """W2, W4: one, then `size` at once, then one that waits for all of them."""
    yield 0, []
    for i in range(1, size + 1):
        yield i, [0]
    yield size + 1, list(range(1, size + 1))


def layered(size: int, width: int = 100, parents: int = 3, seed: int = 7) -> Iterator[tuple[int, list[int]]]:
    """W3: layers of 100, each task waiting for three of the layer before."""
    choose = random.Random(seed)
    for i in range(size):
        above = (i // width - 1) * width
        yield i, sorted(choose.sample(range(above, above + width), parents)) if above >= 0 else []


GRAPHS: dict[str, Callable[[int], Iterator[tuple[int, list[int]]]]] = {"W1": chain, "W2": fan, "W3": layered}
