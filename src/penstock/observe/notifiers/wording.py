"""What a notice says to people: a line, and a text with what happened, why, and what shows more."""

from __future__ import annotations

from datetime import UTC, datetime

from penstock.policy import Notice, NoticeKind

_HAPPENED: dict[NoticeKind, str] = {
    "task_started": "began",
    "task_success": "succeeded",
    "task_failed": "failed",
    "task_retry": "failed, and is tried again",
    "task_skipped": "was skipped",
    "task_asks": "waits for somebody to decide",
    "run_started": "began",
    "run_success": "succeeded",
    "run_failed": "failed",
    "run_cancelled": "was cancelled",
    "run_late": "has not ended by its deadline",
}
LONGEST = 4_000
"""Characters of an error's message and of a traceback that are passed on: of long ones the end, which says most."""


def subject(notice: Notice) -> str:
    """A notice in one line."""
    return f"{_name(notice)} {_HAPPENED[notice.kind]}{_more(notice)}"


def body(notice: Notice) -> str:
    """A notice as plain text."""
    lines = [f"{_name(notice)} {_HAPPENED[notice.kind]}.", ""]
    if notice.error is not None:
        lines += [f"{notice.error.type}: {shortened(notice.error.message)}", ""]
    if notice.reason:
        lines += [f"{'Question' if notice.kind == 'task_asks' else 'Why'}: {shortened(notice.reason)}", ""]
    if len(notice.stands_for) > 1:
        lines += [f"It stands for {len(notice.stands_for):,} notices, of which the limit let one through.", ""]
    lines += [
        f"Workflow: {notice.workflow}",
        f"Run:      {notice.run_id}",
        *([f"Task:     {notice.task}, attempt {notice.attempt}"] if notice.task is not None else []),
        f"When:     {datetime.fromtimestamp(notice.at, UTC):%Y-%m-%d %H:%M:%S} UTC",
        f"Notice:   {notice.id}",
        "",
        f"More: {command(notice)}",
    ]
    if notice.error is not None and notice.error.traceback:
        lines += ["", shortened(notice.error.traceback)]
    return "\n".join(lines) + "\n"


def command(notice: Notice) -> str:
    """What shows more of what happened."""
    if notice.kind == "task_asks":
        return f"penstock approvals {notice.run_id}"
    task = "" if notice.task is None or notice.kind == "task_skipped" else notice.task
    return f"penstock logs {notice.run_id} {task}" if task else f"penstock show {notice.run_id}"


def shortened(text: str) -> str:
    """The end of a text, if it is long."""
    return text if len(text) <= LONGEST else f"... {text[-LONGEST:]}"


def _name(notice: Notice) -> str:
    return f"{notice.workflow}: task {notice.task}" if notice.task is not None else f"{notice.workflow}: run"


def _more(notice: Notice) -> str:
    count = len(notice.stands_for) - 1
    return f", and {count:,} more" if count > 0 else ""
