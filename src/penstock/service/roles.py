"""What a forked process becomes, by what is asked of the one that it is forked from."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from penstock.service.wire import Message, Wire

if TYPE_CHECKING:
    from penstock.service.report import Found


def begin(asked: Message, wire: Wire, found: Found | None = None) -> None:
    """Be a template, a driver or a compiler of the workflows in a file, which `found` has loaded already."""
    from penstock.service.report import load_file

    sys.dont_write_bytecode = True
    wire.send({"pid": os.getpid()})
    found = found or load_file(asked["file"], asked["folder"])
    if asked["role"] == "template":
        from penstock.service.template import serve

        serve(found, wire)
    elif asked["role"] == "driver":
        from penstock.service.driver import Driver

        Driver(found, wire, asked["choices"]).serve()
    else:
        from penstock.service.compiler import answer

        answer(found, wire, asked)
