"""The run that the campaigns disturb: retries, values small, large and volatile, promises about starts, callbacks; and,
in `reference_rules`, rules, maps and groups; in `reference_waits`, what waits.

Its bodies write into a ledger what they do. What they give depends on their inputs alone, so that the values of a run
that was disturbed can be compared with those of plain calls.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from hashlib import blake2b
from typing import Any

from penstock import task, workflow
from tests.faults.ledger import digest_of, note
from tests.faults.noting import LEDGER, begin, told
from tests.faults.reference_rules import FAIL_AT_FIRST, add_rules, others_with_rules, values_with_rules
from tests.faults.reference_waits import add_waits, values_with_waits

VOLATILE = ("handle",)
"""Tasks that may run again after a success, since no store can keep what they give."""
STARTS_ARE_SAFE = ("once", "announced")
"""Tasks of which nobody may forget that they were started, once their bodies run."""
FAIL_BY_THEMSELVES = ("flaky", "flaky_large", "broken", "inner_second", *FAIL_AT_FIRST)
"""Tasks of which some attempts fail."""


def block(seed: object, size: int) -> bytes:
    """Bytes that look like chance, and are told by the seed."""
    return b"".join(blake2b(f"{seed}/{part}".encode()).digest() for part in range(size // 64 + 1))[:size]


@task
def seed(size: int) -> int:
    begin(size)
    return size * 7


@task(on_success=told)
def large(start: int) -> bytes:
    if begin(start):
        print(f"large from {start}")
    return block(start, 40_000)


@task(retries=2, on_retry=told, on_success=told)
def flaky(start: int) -> int:
    attempt = begin(start)
    if attempt is not None and attempt.attempt == 1:
        raise RuntimeError("the first attempt fails")
    return start + 1


@task(retries=1)
def flaky_large(start: int) -> list[bytes]:
    attempt = begin(start)
    if attempt is not None:
        print("flaky_large begins")
    if attempt is not None and attempt.attempt == 1:
        raise RuntimeError("the first attempt fails")
    return [block(start + 1, 9_000)]


@task
def handle(start: int) -> Iterator[int]:
    begin(start)
    return (start + step for step in range(3))


@task
def with_handle(numbers: Iterator[int], after: int) -> int:
    begin(after)
    return after + (numbers is not None)


@task
def wide(start: int, number: int) -> int:
    if begin(start, number) and number % 2:
        print(f"wide {number}")
    return start * 10 + number


@task
def keyed(start: int) -> str:
    attempt = begin(start)
    if attempt is not None:
        key = attempt.idempotency_key
        note(os.environ[LEDGER], "key", task=attempt.task, attempt=attempt.attempt, key=key)
    return f"{start}"


@task(at_most_once=True)
def once(number: int) -> int:
    begin(number)
    return number * 2


@task
def after_once(number: int) -> int:
    begin(number)
    return number + 5


@task(commit_first=True, on_success=told)
def announced(data: bytes) -> str:
    begin(data)
    return digest_of(data)


@task
def join(parts: list[int], data: bytes, blocks: list[bytes], number: int) -> dict[str, Any]:
    begin(parts, data, blocks, number)
    return {"parts": parts, "digest": digest_of(data, blocks), "number": number}


@task
def report(joined: dict[str, Any], key: str, digest: str) -> str:
    if begin(joined, key, digest):
        print("the report is written")
    return digest_of(joined, key, digest) + "x" * 5_000


@task(retries=1, on_failure=told, on_retry=told)
def broken(number: int) -> None:
    attempt = begin(number)
    if attempt is not None:
        raise ValueError("it always fails")


@task
def held_up(nothing: None) -> None:
    begin(nothing)


@workflow(build=("volatile", "fails", "waits"), on_success=told, on_failure=told)
def reference(size: int = 3, volatile: bool = False, fails: bool = False, waits: bool = False) -> None:
    """`volatile` adds a value that dies with its process, `fails` a task that fails, `waits` what waits."""
    start = seed(size)
    data = large(start)
    number = flaky(start)
    blocks = flaky_large(start)
    parts = [wide.named(f"wide{i}")(start, i) for i in range(4)]
    key = keyed(number)
    after_once(once(number))
    if volatile:
        numbers = handle(start)
        with_handle.named("with_handle")(numbers, number)
        with_handle.named("late_with_handle")(numbers, parts[0])
    if fails:
        held_up(broken(number))
    add_rules(start, fails)
    if waits:
        add_waits(start)
    report(join(parts, data, blocks, number), key, announced(data))


@cache
def values(size: int, *, volatile: bool = False, fails: bool = False, waits: bool = False) -> dict[str, Any]:
    """The value of each task of an undisturbed run that succeeds; that of a volatile one is left out."""
    found: dict[str, Any] = {"seed": seed(size)}
    start = found["seed"]
    found["large"] = large(start)
    found["flaky"] = flaky(start)
    found["flaky_large"] = flaky_large(start)
    found.update({f"wide{i}": wide(start, i) for i in range(4)})
    found["keyed"] = keyed(found["flaky"])
    found["once"] = once(found["flaky"])
    found["after_once"] = after_once(found["once"])
    if volatile:
        found["with_handle"] = with_handle(iter(()), found["flaky"])
        found["late_with_handle"] = with_handle(iter(()), found["wide0"])
    found["announced"] = announced(found["large"])
    parts = [found[f"wide{i}"] for i in range(4)]
    found["join"] = join(parts, found["large"], found["flaky_large"], found["flaky"])
    found["report"] = report(found["join"], found["keyed"], found["announced"])
    return found | values_with_rules(start, fails=fails) | (values_with_waits(start) if waits else {})


def others(size: int, *, volatile: bool = False, fails: bool = False, waits: bool = False) -> dict[str, str]:
    """The states of the other tasks, and of what gives a value that cannot be compared."""
    found = {"handle": "success"} if volatile else {}
    found |= {"broken": "failed", "held_up": "upstream_failed"} if fails else {}
    return found | others_with_rules(seed(size), fails=fails)
