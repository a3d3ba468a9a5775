"""A run that waits for something which does not come."""

from __future__ import annotations

from pathlib import Path

from penstock import WorkflowManager, task, workflow


@task.sensor(poll_interval=3600, timeout=None)
def look() -> bool:
    """Not yet."""
    Path("looked").touch()
    return False


@workflow
def waits() -> None:
    """For ever."""
    look()


if __name__ == "__main__":
    WorkflowManager().run(waits)
