"""Workflows and what they are compiled to, by the names of tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from penstock import Workflow
from penstock.code.identity import Identify
from penstock.definition.workflow_function import WorkflowFunction
from penstock.plan.codec import decode, encode
from penstock.plan.compile import Compiled, compile_workflow
from penstock.plan.plan import Plan


def compiled(flow: Workflow | WorkflowFunction[Any, Any]) -> Compiled:
    found = compile_workflow(flow.build({}) if isinstance(flow, WorkflowFunction) else flow, Identify())
    assert decode(encode(found.plan)) == found.plan, "a plan comes back from its bytes"
    return found


def plan_of(flow: Workflow | WorkflowFunction[Any, Any]) -> Plan:
    return compiled(flow).plan


def edges(plan: Plan) -> dict[str, list[str]]:
    """Task -> its upstreams."""
    return {name: [plan.names[row] for row in plan.upstreams[number]] for name, number in plan.numbers.items()}


def named(plan: Plan, column: Mapping[int, tuple[int, ...]]) -> dict[str, list[str]]:
    """One of the columns that only some tasks have an entry in."""
    return {plan.names[row]: [plan.names[other] for other in others] for row, others in column.items()}
