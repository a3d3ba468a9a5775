"""What a forked process becomes, by what is asked of the one that it is forked from."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

from penstock.service.wire import Message, Wire

if TYPE_CHECKING:
    from penstock.service.report import Found


def begin(asked: Message, wire: Wire, found: Found | None = None) -> None:
    """Be a template, a driver or a compiler of the workflows in a file, which `found` has loaded already."""
    sys.dont_write_bytecode = True
    try:
        wire.send({"pid": os.getpid()})
    except OSError:
        return  # nobody wants it any more
    found = found or _load(asked)
    if asked["role"] == "template":
        from penstock.service.template import serve

        serve(found, wire)
    elif asked["role"] == "driver":
        from penstock.service.driver import Driver

        Driver(found, wire, asked["choices"]).serve()
    else:
        from penstock.service.compiler import answer

        answer(found, wire, asked)


def _load(asked: Message) -> Found:
    """Import the file. The process ends, whatever it is at, if that takes more than the `patience` that was told."""
    from penstock.service.report import load_file

    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, asked["patience"])
    try:
        return load_file(asked["file"], asked["folder"])
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
