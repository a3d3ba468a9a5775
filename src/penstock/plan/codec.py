"""A plan as bytes and back: compressed JSON of its columns, so that a store can keep it and any process read it."""

from __future__ import annotations

import json
import zlib
from dataclasses import asdict, fields
from typing import Any

from penstock.errors import StoreCorrupt
from penstock.plan.plan import Plan
from penstock.policy import TaskPolicy

_FORMAT = 1


def encode(plan: Plan) -> bytes:
    """The plan's bytes: the same plan gives the same bytes, whatever process or day."""
    policies: dict[TaskPolicy, int] = {}
    rows = [policies.setdefault(policy, len(policies)) for policy in plan.policies]
    columns = {field.name: getattr(plan, field.name) for field in fields(Plan)}
    columns |= {
        "format": _FORMAT,
        "policies": rows,
        "policy": [asdict(policy) for policy in policies],
        "numbered": sorted(plan.numbered),
    }
    return zlib.compress(json.dumps(columns, separators=(",", ":")).encode(), 1)


def decode(data: bytes) -> Plan:
    """The plan in `data`. StoreCorrupt if there is none."""
    try:
        columns: dict[str, Any] = json.loads(zlib.decompress(data))
        if columns.pop("format") != _FORMAT:
            raise StoreCorrupt("a plan was written by a newer Penstock; upgrade this one to read it")
        policies = [TaskPolicy(**policy) for policy in columns.pop("policy")]
        columns["policies"] = tuple(policies[row] for row in columns["policies"])
        columns["numbered"] = frozenset(columns["numbered"])
        for name in ("upstreams", "inputs"):
            columns[name] = tuple(map(tuple, columns[name]))
        for name in ("names", "functions", "digests", "wiring", "places", "tags"):
            columns[name] = tuple(columns[name])
        return Plan(**columns)
    except (zlib.error, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise StoreCorrupt(f"a stored plan cannot be read: {error}") from error
