"""A plan as bytes and back: compressed JSON of its columns, so that a store can keep it and any process read it."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from typing import Any

from penstock.errors import StoreCorrupt
from penstock.plan.graph import topological_order
from penstock.plan.plan import Group, Plan, Some
from penstock.policy import Asking, Polling, TaskPolicy, TriggerRule

_FORMAT = 6
"""It grows with every field that an older Penstock would not understand; what an older one wrote is still read."""
_LATER = {"priority_weight": 4, "weight_rule": 4, "polling": 5} | dict.fromkeys(
    ("asking", "waits_for", "workflow", "pool", "pool_slots", "concurrency"), 6
)
"""Options of tasks -> the format that brought them. A plan without any is written as before, under its old name."""
_LATER_COLUMNS = {"max_active_tasks": 6}
"""The same of what is said of the whole plan."""

_SPARSE = ("deciders", "guards", "waits", "setups")


def encode(plan: Plan) -> bytes:
    """The plan's bytes: the same plan gives the same bytes, whatever process or day."""
    policies: dict[TaskPolicy, int] = {}
    # Rows mostly share the very object, and to compare objects is cheaper than to compare what is in them.
    numbers = {key: policies.setdefault(policy, len(policies)) for key, policy in plan.distinct_policies.items()}
    rows = [numbers[id(policy)] for policy in plan.policies]
    columns = {field.name: getattr(plan, field.name) for field in fields(Plan)}
    columns = {name: value for name, value in columns.items() if name not in _LATER_COLUMNS or value is not None}
    columns |= {name: sorted(getattr(plan, name).items()) for name in _SPARSE}
    options = [_options(policy) for policy in policies]
    later = [_LATER[name] for policy in options for name in policy if name in _LATER]
    later += [_LATER_COLUMNS[name] for name in columns if name in _LATER_COLUMNS]
    columns |= {
        "format": max(later, default=3),
        "policies": rows,
        "policy": options,
        "numbered": sorted(plan.numbered),
        "maps": sorted(plan.maps.items()),
        "groups": [
            asdict(group) | {"policy": None if group.policy is None else _options(group.policy)}
            for group in plan.groups
        ],
    }
    return zlib.compress(json.dumps(columns, separators=(",", ":")).encode(), 1)


def decode(data: bytes) -> Plan:
    """The plan in `data`. StoreCorrupt if there is none."""
    try:
        columns: dict[str, Any] = json.loads(zlib.decompress(data))
        if not 1 <= columns.pop("format") <= _FORMAT:
            raise StoreCorrupt("a plan was written by a newer Penstock; upgrade this one to read it")
        policies = [_policy(**policy) for policy in columns.pop("policy")]
        columns["policies"] = tuple(policies[row] for row in columns["policies"])
        columns["numbered"] = frozenset(columns["numbered"])
        for name in ("upstreams", "inputs"):
            columns[name] = tuple(map(tuple, columns[name]))
        for name in ("names", "functions", "digests", "wiring", "places", "tags"):
            columns[name] = tuple(columns[name])
        columns["notices"] = tuple(columns.get("notices", ()))
        columns |= {name: _some(columns.get(name, ())) for name in _SPARSE}
        columns["maps"] = dict(map(tuple, columns.get("maps", ())))
        columns["groups"] = tuple(_group(**group) for group in columns.get("groups", ()))
        plan = Plan(**columns)
        _check(plan)
        return plan
    except (zlib.error, ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        raise StoreCorrupt(f"a stored plan cannot be read: {error}") from error


def decode_names(data: bytes) -> tuple[str, ...]:
    """Only the names of the tasks of the plan in `data`. StoreCorrupt if there is none."""
    try:
        return tuple(json.loads(zlib.decompress(data))["names"])
    except (zlib.error, ValueError, KeyError, TypeError, RecursionError) as error:
        raise StoreCorrupt(f"a stored plan cannot be read: {error}") from error


def _options(policy: TaskPolicy) -> dict[str, Any]:
    return {name: value for name, value in asdict(policy).items() if name not in _LATER or value is not None}


def _policy(
    notices: Sequence[str] = (),
    trigger_rule: str = "all_success",
    polling: dict[str, Any] | None = None,
    asking: dict[str, Any] | None = None,
    **options: Any,
) -> TaskPolicy:
    return TaskPolicy(
        **options,
        notices=tuple(notices),
        trigger_rule=TriggerRule(trigger_rule),
        polling=None if polling is None else Polling(**polling),
        asking=None if asking is None else Asking(**asking),
    )


def _group(rows: Sequence[int], policy: dict[str, Any] | None, **fields: Any) -> Group:
    return Group(**fields, rows=tuple(rows), policy=None if policy is None else _policy(**policy))


def _some(pairs: Iterable[tuple[int, Sequence[int]]]) -> Some:
    return {task: tuple(others) for task, others in pairs}


def _check(plan: Plan) -> None:
    """A run that followed a plan which cannot be would hang, or fail somewhere far from the cause."""
    size = len(plan.names)
    columns = (plan.upstreams, plan.inputs, plan.policies, plan.functions, plan.digests, plan.wiring, plan.places)
    if any(len(column) != size for column in columns):
        raise ValueError("its columns differ in length")
    if len(plan.numbers) != size:
        raise ValueError("two tasks have one name")
    numbers = range(size)
    sparse = [getattr(plan, name) for name in _SPARSE]
    dense = [*plan.upstreams, *plan.inputs, *(row for column in sparse for row in column.values())]
    others = [*plan.maps, *(task for column in sparse for task in column)]
    others += [task for group in plan.groups for task in group.rows]
    others += [group.expansion for group in plan.groups if group.expansion != -1]
    if not all(type(task) is int and task in numbers for row in (*dense, others) for task in row):
        raise ValueError("a task depends on one that is not there")
    if len(topological_order(plan.all_upstreams)) != size:
        raise ValueError("its tasks depend on each other in a circle")
    if any(group.parent not in range(-1, number) for number, group in enumerate(plan.groups)):
        raise ValueError("a group is in one that is not before it")
