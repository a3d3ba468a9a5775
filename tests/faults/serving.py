"""A process that serves a folder in a race: see campaign_services. `python -m tests.faults.serving FOLDER STORE`."""

from __future__ import annotations

import os
import signal
import sys

from penstock.service import adopter
from penstock.service.service import Service
from tests.faults.plants import PLANT, plant


def main(folder: str, store: str) -> None:
    """Serve until SIGTERM."""
    if PLANT in os.environ:
        plant(os.environ[PLANT])
    adopter._PUT_OFF = (0.2, 2.0)  # in a race a run is often found in other hands
    service = Service(folder, store=store, durability="process", say=lambda line: print(line, flush=True))
    signal.signal(signal.SIGTERM, lambda number, frame: service.stop())
    service.run()


if __name__ == "__main__":
    main(*sys.argv[1:3])
