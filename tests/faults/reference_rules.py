"""The part of the reference run that has rules: a branch with a join, a skip, a setup and teardown, a mapped task and a
mapped group whose width is known at run time, and groups that are tried again as units.

What they give depends on their inputs alone here too, but for what fails at first.
"""

from __future__ import annotations

from typing import Any

from penstock import Skip, TaskGroup, setup, task, task_group, teardown
from tests.faults.noting import begin, told

ROOM = ("open_room", "use_room", "close_room")
"""A setup, what works with what it has made, and its teardown."""
FAIL_AT_FIRST = ("use_room", "halve", "again.second", "each.check")
"""Tasks that fail once or more by themselves."""


@task.branch
def choose(start: int) -> str:
    begin(start)
    return "odd" if start % 2 else "even"


@task
def odd(start: int) -> int:
    begin(start)
    return start * 3 + 1


@task
def even(start: int) -> int:
    begin(start)
    return start // 2


@task(trigger_rule="none_failed_min_one_success")
def either(one: int | None = None, other: int | None = None) -> int | None:
    begin(one, other)
    return other if one is None else one


@task
def nothing_to_do(start: int) -> None:
    begin(start)
    raise Skip("there is nothing to do")


@task(trigger_rule="all_done")
def nevertheless(nothing: None = None) -> str:
    begin(nothing)
    return "done"


@setup
def open_room(start: int) -> str:
    begin(start)
    return f"room {start}"


@task(retries=1)
def use_room(room: str, fails: bool) -> str:
    attempt = begin(room, fails)
    if attempt is not None and (fails or attempt.attempt == 1):
        raise RuntimeError("it always fails" if fails else "the first attempt fails")
    return f"{room} was used"


@task
def after_room(used: str) -> str:
    begin(used)
    return used.upper()


@teardown
def close_room(room: str) -> None:
    begin(room)


@task
def numbers(start: int) -> list[int]:
    begin(start)
    return [start + step for step in range(start // 7)]


@task(on_success=told, max_active_instances=2)
def square(number: int) -> int:
    begin(number)
    return number * number


@task(retries=1)
def halve(number: int) -> float:
    attempt = begin(number)
    if attempt is not None and attempt.attempt == 1 and number % 2:
        raise RuntimeError("the first attempt fails")
    return number / 2


@task
def check(number: int) -> int:
    """Fails in the first round, for some."""
    attempt = begin(number)
    if attempt is not None and attempt.generation == 0 and number % 2:
        raise RuntimeError("the first round fails")
    return number + 100


@task
def double(number: int) -> bytes:
    begin(number)
    return b"%d " % number * 2_000


@task_group(retries=1)
def each(number: int) -> Any:
    return double(check(number))


@task
def total(squares: list[int], halves: list[float], doubled: list[bytes]) -> tuple[int, float, int]:
    begin(squares, halves, doubled)
    return sum(squares), sum(halves), sum(map(len, doubled))


@task
def first(start: int) -> int:
    begin(start)
    return start + 7


@task
def second(number: int) -> int:
    attempt = begin(number)
    if attempt is not None and attempt.generation == 0:
        raise RuntimeError("the first round fails")
    return number + 8


@task
def third(number: int) -> int:
    begin(number)
    return number + 9


@task
def after_again(number: int) -> int:
    begin(number)
    return -number


def add_rules(start: Any, fails: bool) -> None:
    """Add all this to the workflow that is being built, after a task that gives a number."""
    chosen: Any = choose(start)
    sides = [side(start) for side in (odd, even)]
    for side in sides:
        chosen >> side
    either(*sides)
    nevertheless(nothing_to_do(start))

    room = open_room(start)
    used = use_room(room, fails)
    after_room(used)
    used >> close_room(room).as_teardown(setups=room)

    listed = numbers(start)
    doubled: Any = each.expand(number=listed)
    total(square.expand(number=listed), halve.expand(number=listed), doubled)

    with TaskGroup("again", retries=1):
        last = third(second(first(start)))
    after_again(last)


def values_with_rules(start: int, *, fails: bool) -> dict[str, Any]:
    """The value of each of these tasks that succeeds."""
    chosen = choose(start)
    found: dict[str, Any] = {"choose": chosen, chosen: (odd if chosen == "odd" else even)(start)}
    found["either"] = either(found[chosen])
    found["nevertheless"] = nevertheless()
    found["open_room"], found["close_room"] = open_room(start), None
    if not fails:
        found["use_room"] = use_room(found["open_room"], fails)
        found["after_room"] = after_room(found["use_room"])
    found["numbers"] = numbers(start)
    for index, number in enumerate(found["numbers"]):
        found[f"square[{index}]"], found[f"halve[{index}]"] = square(number), halve(number)
        found[f"each.check[{index}]"] = check(number)
        found[f"each.double[{index}]"] = double(check(number))
    lists = [[found[f"{name}[{index}]"] for index in range(len(found["numbers"]))] for name in _LISTS]
    found["total"] = total(*lists)
    found["again.first"] = first(start)
    found["again.second"] = second(found["again.first"])
    found["again.third"] = third(found["again.second"])
    found["after_again"] = after_again(found["again.third"])
    return found


_LISTS = ("square", "halve", "each.double")


def others_with_rules(start: int, *, fails: bool) -> dict[str, str]:
    """The states of those that do not."""
    found = {"even" if start % 2 else "odd": "skipped", "nothing_to_do": "skipped"}
    return {**found, "use_room": "failed", "after_room": "upstream_failed"} if fails else found
