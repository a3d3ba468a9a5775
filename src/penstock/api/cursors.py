"""Where the next page of a list begins, as a text that clients hand back and do not read."""

from __future__ import annotations

import base64
import binascii
import json
from math import isfinite

from penstock.api.problems import Refused


def cursor(*place: float | str) -> str:
    """The text for a place in a list."""
    return base64.urlsafe_b64encode(json.dumps(place, separators=(",", ":")).encode()).decode().rstrip("=")


def place_of(text: str, *kinds: type) -> list[float | str]:
    """The place behind such a text. Refused if it is none, or one of another list."""
    try:
        place = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True))
        known = isinstance(place, list) and [*map(type, place)] == [*kinds]
        if known and all(isfinite(part) for part in place if isinstance(part, float)):
            return place  # type: ignore[no-any-return]
    except (ValueError, binascii.Error, RecursionError):
        pass
    raise Refused(404, "wrong-cursor", "this cursor is of no page of this list: begin without one")
