"""The part of the reference run that waits: a sensor, a body that comes too early, one that waits for a message which
another sends, slots of a pool, and a workflow as a task.

What they give depends on their inputs alone here too.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from penstock import Defer, Done, WorkflowManager, current, task, workflow
from tests.faults.noting import LEDGER, begin

POOL, SLOTS = "few", 2
CHILDREN = 1
"""How many runs there are beside the reference run."""
TOPIC = "number"


@task.sensor(poll_interval=0.001)
def sees(start: int) -> Done[int] | None:
    attempt = begin(start)
    return None if attempt is not None and attempt.attempt < 3 else Done(start + 11)


@task
def comes_early(start: int) -> int:
    attempt = begin(start)
    if attempt is not None and attempt.attempt == 1:
        raise Defer(0.001)
    return start + 12


@task
def says(start: int) -> None:
    attempt = begin(start)
    if attempt is not None:
        folder = Path(os.environ[LEDGER]).parent
        with WorkflowManager(f"sqlite:///{folder}/store", observers=[]) as manager:
            manager.send(attempt.run_id, TOPIC, start + 13)


@task
def hears(start: int) -> int:
    attempt = begin(start)
    return start + 13 if attempt is None else int(current().receive(TOPIC))


@task(pool=POOL)
def shares(start: int, number: int) -> int:
    begin(start, number)
    return start * 100 + number


@task
def inner_first(number: int) -> int:
    begin(number)
    return number + 14


@task(retries=1)
def inner_second(number: int) -> bytes:
    attempt = begin(number)
    if attempt is not None and attempt.attempt == 1:
        raise RuntimeError("the first attempt fails")
    return b"%d " % number * 2_000


@workflow
def part(number: int) -> bytes:
    return inner_second(inner_first(number))


@task
def after_waiting(numbers: list[int], inside: bytes) -> int:
    begin(numbers, inside)
    return sum(numbers) + len(inside)


def add_waits(start: Any) -> None:
    """Add all this to the workflow that is being built, after a task that gives a number."""
    says(start)
    shared = [shares.named(f"shares{number}")(start, number) for number in range(4)]
    after_waiting([sees(start), comes_early(start), hears(start), *shared], part.named("part")(start))


def values_with_waits(start: int) -> dict[str, Any]:
    """The value of each of these tasks, those of the workflow in the workflow not among them."""
    found: dict[str, Any] = {"sees": start + 11, "comes_early": comes_early(start), "says": None, "hears": hears(start)}
    found |= {f"shares{number}": shares(start, number) for number in range(4)}
    found["part"] = inner_second(inner_first(start))
    numbers = [found[name] for name in ("sees", "comes_early", "hears", *(f"shares{number}" for number in range(4)))]
    found["after_waiting"] = after_waiting(numbers, found["part"])
    return found
