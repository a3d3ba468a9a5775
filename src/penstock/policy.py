"""Values that say how a task is to be treated, shared by definition, plan and engine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TaskPolicy:
    """How the attempts of a task are made. All durations are seconds."""

    retries: int = 0
    """How many times a failed attempt is followed by another."""
    retry_delay: float = 0.0
    """Pause before the first retry."""
    retry_backoff: float = 1.0
    """Each further pause is this many times the one before."""
    max_retry_delay: float | None = None
    """No pause is longer."""
    retry_jitter: float = 0.0
    """A pause is stretched by a factor between 1 and 1 + this, drawn anew for each attempt."""
    timeout: float | None = None
    """How long one attempt may run."""
    share: bool = False
    """Give the task's value to all its consumers as one object, whatever its type."""


MAX_LOST_ATTEMPTS = 3
"""How many attempts of a task may vanish with their worker or driver before the task is failed, so that a task which
kills whatever runs it cannot do so for ever."""
