"""Protects the tests of this process from each other."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator

import pytest


class _Nothing(BaseException):
    """Raised to be caught."""


@pytest.fixture(autouse=True)
def calm_interpreter() -> Iterator[None]:
    """Until `invoke._close_window` is mended: it leaves the interpreter looking for an exception that is not there, and
    CPython 3.11 then hangs at the next call under a tracer (coverage, hypothesis's explanations). One that is there
    calms it."""
    yield
    try:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(threading.get_ident()), ctypes.py_object(_Nothing)
        )
        while True:
            pass
    except _Nothing:
        pass
