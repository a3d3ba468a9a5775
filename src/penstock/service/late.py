"""Telling those who want to know that a run has not ended by its deadline."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from time import time
from typing import TYPE_CHECKING

from penstock.definition.workflow_function import WorkflowFunction
from penstock.policy import USUAL_NOTICES, Notice, NoticeKind

if TYPE_CHECKING:
    from penstock.manager import WorkflowManager
    from penstock.runtime.loader import Flow

KIND: NoticeKind = "run_late"


def tell_late(manager: WorkflowManager, flow: Flow, run_id: str, deadline_at: float) -> None:
    """Call the workflow's `on_deadline`, and tell the notifiers that want such notices. What one of them raises is
    shown, and keeps nobody else from being told."""
    by = datetime.fromtimestamp(deadline_at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    notice = Notice(
        id=f"{run_id}/{KIND}",
        kind=KIND,
        run_id=run_id,
        workflow=flow.name,
        task=None,
        generation=0,
        attempt=0,
        at=time(),
        error=None,
        reason=f"it should have ended by {by}",
    )
    unfilled = flow.unfilled() if isinstance(flow, WorkflowFunction) else flow
    receivers = [unfilled.on_deadline] if unfilled.on_deadline is not None else []
    wanted = manager._equipment.wanted_notices(flow.name)
    for name, notifier in manager._equipment.new_notifiers().items():
        kinds = wanted[name].split() or USUAL_NOTICES if name in wanted else ()
        if KIND in kinds:
            receivers.append(notifier.notify)
    for receive in receivers:
        try:
            receive(notice)
        except Exception as error:
            if sys.__stderr__ is not None:  # what goes to sys.stderr is taken for what a task prints
                sys.__stderr__.write(f"Run {run_id} is late, and who is to be told was not: {error}\n")
