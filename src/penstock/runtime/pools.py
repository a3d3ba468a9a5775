"""The pools that runs share: put on record by the settings, and checked before a run takes slots of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches

from penstock.errors import DefinitionError, InvalidWorkflowError, OptionError, PenstockError
from penstock.plan.compile import Compiled
from penstock.plan.plan import Plan
from penstock.policy import misnamed_pool
from penstock.store.base import Pool, Store

MOST_SLOTS = 1_000_000_000


def set_pool(store: Store, name: str, slots: int) -> Pool:
    """Put a pool on record, or give it another number of slots. PenstockError for what cannot be."""
    wrong = misnamed_pool(name)
    if wrong:
        raise PenstockError(f"{name!r:.80} {wrong}")
    if type(slots) is not int or not 0 <= slots <= MOST_SLOTS:
        raise PenstockError(f"pool '{name}': {slots!r:.80} is not a whole number of slots from 0 to {MOST_SLOTS:,}")
    store.set_pool(name, slots)
    return next(pool for pool in store.pools() if pool.name == name)


def put_on_record(store: Store, pools: Mapping[str, int]) -> None:
    """Have the store know the pools of the settings. Those that it knows stay as they are."""
    if not pools:
        return
    known = {pool.name for pool in store.pools()}
    for name, slots in pools.items():
        if name not in known:
            store.set_pool(name, slots)


def check_pools(store: Store, compiled: Compiled) -> None:
    """Whether the pools are there of which tasks take slots, and have so many: of a workflow and of those that are
    tasks of it. OptionError if one is not, and InvalidWorkflowError with all that is wrong."""
    refuse(compiled, problems_with_pools(compiled, lambda: sizes(store)))


def refuse(compiled: Compiled, problems: Sequence[DefinitionError]) -> None:
    """Raise what is wrong, if anything is."""
    if len(problems) > 1:
        raise InvalidWorkflowError(compiled.plan.workflow, problems)
    if problems:
        raise problems[0]


def problems_with_pools(compiled: Compiled, look_up: Callable[[], Mapping[str, int]]) -> list[DefinitionError]:
    """What is wrong with the pools of which tasks take slots. How many slots each pool has is looked up if any does."""
    wanted = [(plan, row) for plan in _plans(compiled, set()) for row in _takers(plan)]
    pools = look_up() if wanted else {}
    return [problem for plan, row in wanted if (problem := _problem(plan, row, pools)) is not None]


def sizes(store: Store) -> dict[str, int]:
    """How many slots each pool on record has."""
    return {pool.name: pool.slots for pool in store.pools()}


def _plans(compiled: Compiled, seen: set[int]) -> Iterator[Plan]:
    if id(compiled.plan) not in seen:
        seen.add(id(compiled.plan))
        yield compiled.plan
        for child in compiled.children.values():
            yield from _plans(child, seen)


def _takers(plan: Plan) -> list[int]:
    return [row for row, policy in enumerate(plan.policies) if policy.pool is not None]


def _problem(plan: Plan, row: int, pools: Mapping[str, int]) -> DefinitionError | None:
    policy, task = plan.policies[row], f"task '{plan.names[row]}'"
    name, wanted = policy.pool or "", policy.pool_slots or 1
    if name not in pools:
        near = get_close_matches(name, pools, 1)
        there = f"there are {', '.join(sorted(pools))}" if pools else "there are none"
        hint = f"did you mean '{near[0]}'?" if near else f"{there}; penstock pool set NAME SLOTS makes one"
        return OptionError(f"{task}: pool='{name}' does not exist; {hint}", where=plan.places[row])
    if wanted > pools[name]:
        has = f"pool '{name}' has {pools[name]:,}"
        message = f"{task}: pool_slots={wanted:,}, and {has}: it would wait for ever; penstock pool set {name} {wanted}"
        return OptionError(message, where=plan.places[row])
    return None
