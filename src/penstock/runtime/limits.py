"""Of what the tasks of a run may have only so much at once: found in its plan."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

from penstock.engine.priorities import priority_weights
from penstock.plan.plan import Plan
from penstock.policy import TaskPolicy
from penstock.runtime.lines import Limit, LimitedQueue, Needs
from penstock.runtime.ready import ReadyQueue
from penstock.runtime.slots import SharedLimit


def queue_of(
    plan: Plan, row: Callable[[int], int], ranks: Sequence[float], ask: Callable[[], None]
) -> tuple[ReadyQueue, list[SharedLimit]]:
    """The queue of a run, and the limits in it that it shares with other runs, in the order in which they are to be
    claimed. `ask` is called when there is something to claim."""
    shared: dict[str, SharedLimit] = {}

    def share(name: str, capacity: int | None) -> SharedLimit:
        return shared.setdefault(name, SharedLimit(name, capacity, ask))

    queue = _build(plan, row, ranks, share)
    if shared and isinstance(queue, LimitedQueue):
        queue.weights = priority_weights(plan) or ()
    # Who has what only his task can take, and waits for what many can, keeps nobody from anything: first these.
    return queue, sorted(shared.values(), key=lambda limit: limit.capacity is None)


def foreseen_queue(
    plan: Plan, row: Callable[[int], int], ranks: Sequence[float], pools: Mapping[str, int]
) -> ReadyQueue:
    """The queue of a run that has all slots for itself. A pool of which nothing is known has enough."""
    found: dict[str, Limit] = {}
    enough = len(plan) + 1_000_000_000

    def share(name: str, capacity: int | None) -> Limit:
        return found.setdefault(name, Limit(pools.get(name, enough) if capacity is None else capacity))

    return _build(plan, row, ranks, share)


def _build(
    plan: Plan,
    row: Callable[[int], int],
    ranks: Sequence[float],
    share: Callable[[str, int | None], Limit],
) -> ReadyQueue:
    common: Needs = () if plan.max_active_tasks is None else ((Limit(plan.max_active_tasks), 1),)
    different = {id(policy): policy for policy in plan.policies}  # most tasks have one and the same
    limited = {number for number, policy in different.items() if _is_limited(policy)}
    if not common and not limited:
        return ReadyQueue(row, ranks)
    rows = [number for number, policy in enumerate(plan.policies) if id(policy) in limited]
    return LimitedQueue(row, {number: (*common, *_needs(plan, number, share)) for number in rows}, common, ranks)


def _is_limited(policy: TaskPolicy) -> bool:
    return policy.pool is not None or policy.concurrency is not None or policy.max_active_instances is not None


def _needs(plan: Plan, row: int, share: Callable[[str, int | None], Limit]) -> Needs:
    """What an attempt of a task takes. Limits of the run itself come first: what is shared is claimed for what could
    start but for that."""
    policy = plan.policies[row]
    needs: list[tuple[Limit, int]] = []
    if policy.max_active_instances is not None:
        needs.append((Limit(policy.max_active_instances), 1))
    if policy.concurrency is not None:
        needs.append((share(concurrency_pool(plan, row), policy.concurrency), 1))
    if policy.pool is not None:
        needs.append((share(policy.pool, None), policy.pool_slots or 1))
    return tuple(needs)


def concurrency_pool(plan: Plan, row: int) -> str:
    """The name of what bounds how often a task runs at once. No pool that users make can have such a name."""
    return json.dumps([plan.workflow, plan.names[row]])
