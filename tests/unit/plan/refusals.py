"""Workflows that are not well formed, and what is said of them."""

from __future__ import annotations

from typing import Any

import pytest

from penstock import Workflow, WorkflowManager
from penstock.errors import DefinitionError, PenstockError


def work(*values: object) -> None:
    """Anything."""


def flow_of(*tasks: Any) -> Workflow:
    flow = Workflow("flow")
    for one in tasks:
        flow.add_task(one)
    return flow


def problem(*tasks: Any) -> DefinitionError:
    """The one thing that is wrong with these tasks."""
    return refusal(flow_of(*tasks))


def refusal(flow: Any) -> DefinitionError:
    with pytest.raises(DefinitionError) as caught:
        WorkflowManager("memory").compile(flow)
    error = caught.value
    assert isinstance(error, PenstockError)
    if error.where is not None:
        assert str(error).endswith(f"({error.where})")
    return error
