"""A process that has imported Penstock and nothing of a user's, opens nothing and has no threads: what the processes
with user code are forked from. `python -m penstock.service.nursery FD`."""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
from importlib import import_module

from penstock.service.forking import forget_children, fork
from penstock.service.roles import begin
from penstock.service.wire import Message, Wire

NEEDED = (
    "logging",
    "random",
    "tempfile",
    "zoneinfo",
    "cronsim.explain",
    "penstock.manager",
    "penstock.parts",
    "penstock.code.identity",
    "penstock.definition.decorators",
    "penstock.definition.kept",
    "penstock.definition.schema",
    "penstock.executor.task_logging",
    "penstock.executor.threads",
    "penstock.logs.folder",
    "penstock.plan.codec",
    "penstock.plan.compile",
    "penstock.results.claim",
    "penstock.results.files",
    "penstock.runtime.beginning",
    "penstock.runtime.given",
    "penstock.runtime.history",
    "penstock.runtime.home",
    "penstock.runtime.loader",
    "penstock.runtime.pruner",
    "penstock.runtime.session",
    "penstock.runtime.takeover",
    "penstock.service.driver",
    "penstock.service.report",
    "penstock.service.schedules",
    "penstock.service.template",
    "penstock.store.records",
    "penstock.timetable.cron",
    "penstock.service.threshold",  # after all others
)
"""What its children would import one by one. No store is among them, since SQLite is not to be taken across a fork."""


def main(fd: int) -> None:
    """Fork what is asked for until the service is gone."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN if number == signal.SIGINT else signal.SIG_DFL)
    for module in NEEDED:
        import_module(module)
    sys.dont_write_bytecode = True  # an edit within a second would go unnoticed
    gc.collect()
    gc.freeze()  # what children share is not written to
    forget_children()
    wire = Wire(socket.socket(fileno=fd))
    while (asked := wire.receive()) is not None:
        _fork(asked, wire)


def _fork(asked: Message, wire: Wire) -> None:
    end = wire.take_fd()

    def become() -> None:
        wire.close()
        begin(asked, Wire(socket.socket(fileno=end)))

    fork(become)
    os.close(end)


if __name__ == "__main__":
    main(int(sys.argv[1]))
