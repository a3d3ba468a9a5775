"""Pages of the list of runs, for a store that asks a database for them."""

from __future__ import annotations

LAST = (1 << 63) - 1
"""No run has so high a number."""
PAGES = {
    (False, False): "runs",
    (True, False): "runs_of",
    (False, True): "runs_in",
    (True, True): "runs_of_in",
}
"""Which query gives a page, by whether a workflow and whether states are chosen."""
