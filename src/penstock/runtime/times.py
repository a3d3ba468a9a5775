"""Times on record, as people read them."""

from __future__ import annotations

from datetime import UTC, datetime


def moment(seconds: float | None) -> datetime | None:
    """A time on record as an aware datetime; None for one that has not come."""
    return datetime.fromtimestamp(seconds, UTC) if seconds else None


def local(seconds: float | None) -> str:
    """A time on record as people here read it; "" for one that has not come."""
    at = moment(seconds)
    return at.astimezone().strftime("%Y-%m-%d %H:%M:%S") if at is not None else ""
