"""How long to wait before a task is tried again."""

from __future__ import annotations

from hashlib import blake2b

from penstock.policy import TaskPolicy


def pause(policy: TaskPolicy, failures: int, seed: str) -> float:
    """Seconds between the failure numbered `failures` (from 1) and the next attempt.

    The jitter is a hash of `seed`, so that a replayed run waits as the first one did.
    """
    if not policy.retry_delay:
        return 0.0
    try:
        seconds = policy.retry_delay * policy.retry_backoff ** (failures - 1)
    except OverflowError:
        seconds = float("inf")
    if policy.retry_jitter:
        seconds *= 1.0 + policy.retry_jitter * _fraction(seed)
    bound = policy.max_retry_delay
    return min(seconds, bound if bound is not None else _LONGEST)


_LONGEST = 365 * 86_400.0
"""A year: past it, a back-off without a cap is a mistake, and dates overflow soon after."""


def _fraction(seed: str) -> float:
    digest = blake2b(seed.encode(errors="backslashreplace"), digest_size=7).digest()
    return int.from_bytes(digest, "big") / (1 << 56)
