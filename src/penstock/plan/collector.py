"""The garbage collector, at rest while many objects are made that all stay."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_at_rest() -> Iterator[None]:
    """Look for no garbage within. As objects come and none goes, the collector would look at all of them again and
    again; a workflow and its plan are a good ten objects a task.

    What was made within counts as old afterwards: else the next look would be at all of it, as if it were news."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            if not gc.get_freeze_count():  # what somebody has put aside stays there
                gc.freeze()
                gc.unfreeze()  # to the oldest generation, whatever it was in
            gc.enable()
