"""Times on record, as people read them."""

from __future__ import annotations

from datetime import UTC, datetime

from penstock.errors import StoreCorrupt


def moment(seconds: float | None) -> datetime | None:
    """A time on record as an aware datetime; None for one that has not come. StoreCorrupt if it is none."""
    try:
        return datetime.fromtimestamp(seconds, UTC) if seconds else None
    except (ValueError, OverflowError, OSError) as error:
        raise StoreCorrupt(f"the store says {seconds} where there should be a time") from error


def local(seconds: float | None) -> str:
    """A time on record as people here read it; "" for one that has not come."""
    at = moment(seconds)
    return at.astimezone().strftime("%Y-%m-%d %H:%M:%S") if at is not None else ""
