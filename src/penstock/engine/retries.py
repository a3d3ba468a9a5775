"""How long to wait before a task is tried again, because it failed or came too early."""

from __future__ import annotations

from hashlib import blake2b

from penstock.policy import Polling, TaskPolicy


def pause(policy: TaskPolicy, failures: int, seed: str) -> float:
    """Seconds between the failure numbered `failures` (from 1) and the next attempt.

    The jitter is a hash of `seed`, so that a replayed run waits as the first one did.
    """
    if not policy.retry_delay:
        return 0.0
    jitter = 1.0 + policy.retry_jitter * _fraction(seed) if policy.retry_jitter else 1.0
    return _grown(policy.retry_delay, policy.retry_backoff, failures, policy.max_retry_delay, jitter)


def poll_pause(polling: Polling, looks: int) -> float:
    """Seconds between the look numbered `looks` (from 1), which came too early, and the next."""
    return _grown(polling.interval, polling.backoff, looks, polling.longest)


def _grown(first: float, factor: float, number: int, bound: float | None, jitter: float = 1.0) -> float:
    try:
        seconds = first * factor ** (number - 1) * jitter
    except OverflowError:
        seconds = float("inf")
    return min(seconds, bound if bound is not None else _LONGEST)


_LONGEST = 365 * 86_400.0
"""A year: past it, a back-off without a cap is a mistake, and dates overflow soon after."""


def _fraction(seed: str) -> float:
    digest = blake2b(seed.encode(errors="backslashreplace"), digest_size=7).digest()
    return int.from_bytes(digest, "big") / (1 << 56)
