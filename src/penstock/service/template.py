"""A process that has imported one file, and of which the drivers of that code are forked. It opens no store."""

from __future__ import annotations

import gc
import os
import signal
import socket

from penstock.service.forking import forget_children, fork
from penstock.service.report import Found, report_of
from penstock.service.roles import begin
from penstock.service.wire import Wire


def serve(found: Found, wire: Wire) -> None:
    """Tell what the file has, and fork what is asked for until the service wants no more."""
    wire.send(report_of(found))
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    forget_children()
    while (asked := wire.receive()) is not None:
        end = wire.take_fd()

        def become(asked=asked, end=end) -> None:  # type: ignore[no-untyped-def]
            wire.close()
            begin(asked, Wire(socket.socket(fileno=end)), found)

        fork(become)
        os.close(end)
