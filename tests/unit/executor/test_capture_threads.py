"""Streams that are routed and given back while other threads print."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """\
import threading
from penstock.executor.capture import Capture

over = threading.Event()

def come_and_go():
    for _ in range(20_000):
        with Capture(lambda: None):
            pass
    over.set()

threading.Thread(target=come_and_go).start()
while not over.is_set():
    print("north", "success", 6)
"""


def test_a_print_that_goes_on_while_its_stream_is_given_back_does_no_harm() -> None:
    subprocess.run([sys.executable, "-c", SCRIPT], check=True, stdout=subprocess.DEVNULL, timeout=100)
