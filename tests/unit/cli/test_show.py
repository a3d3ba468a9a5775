"""What `penstock show` says of whoever drives a run."""

from __future__ import annotations

import time

from penstock.cli.show import driver_text
from penstock.store.base import Holder


def test_a_driver_that_is_heard_is_named():
    now = time.time()
    told = driver_text(Holder(4711, "mill", since=now - 3_600, heard_at=now - 2))
    assert told.startswith("process 4711 on mill, since 20")
    assert "no sign of life" not in told


def test_one_that_is_silent_is_said_to_be():
    now = time.time()
    told = driver_text(Holder(4711, "mill", since=now - 3_600, heard_at=now - 125))
    assert told.endswith("; it has given no sign of life for 2 min 05 s")
