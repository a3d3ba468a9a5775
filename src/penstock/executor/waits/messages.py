"""`wait_for_message`: a task whose value is a message that somebody sends to the run."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from penstock.definition.decorators import task
from penstock.definition.expansion import NOTHING
from penstock.errors import MessageTimeout, Skip
from penstock.executor.current import current


@task
def wait_for_message(
    topic: str, *, timeout: float | timedelta | None = None, default: Any = NOTHING, soft_fail: bool = False
) -> Any:
    """Wait until somebody sends the run a message of this topic: `penstock send RUN TOPIC VALUE`. The message's value.

    After `timeout`, in seconds or as timedelta, it is `default`; without one the task fails, or is skipped with
    `soft_fail`."""
    try:
        return current().receive(topic, timeout=timeout, default=default)
    except MessageTimeout as error:
        if soft_fail:
            raise Skip(str(error)) from None
        raise
