"""What tasks log is shown and kept as what they print is, and Python's logging stays as its user configured it.

- Handlers that write to `sys.stdout` or `sys.stderr` hold the stream itself, so while a run lives they get the router
  that stands in its place. No handler is added to the root logger, and no level of the user's is changed.
- Records of `current().logger`, which is the logger "penstock.task", are kept whatever the configuration. They are
  shown as records of any logger are, by the user's handlers; ours shows them only where no handler of the user's takes
  them.

Only imported when a run begins: logging is no cheap import.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from typing import Any

from penstock.executor.capture import AttemptOutput, Capture, Router

LOGGER = "penstock.task"
FORMAT = "%(asctime)s %(levelname)s %(message)s"


class TaskHandler(logging.Handler):
    """Keeps the records of tasks with their attempts. On the logger only while a run lives."""

    def __init__(self, level_set: bool) -> None:
        super().__init__()
        self.level_set = level_set
        """Whether the logger's level is ours to take back."""
        self.captures: list[Capture] = []
        self.setFormatter(logging.Formatter(FORMAT))

    def emit(self, record: logging.LogRecord) -> None:
        others = list(self._others(record))
        if any(isinstance(_stream(handler), Router) for handler in others):
            return  # what it writes will come by the router, and be kept there
        try:
            text = self.format(record) + "\n"
            if (output := self._output()) is not None:
                output.write("log", text, _hide if others else _show)
            elif not others:
                _show(text)
        except Exception:
            self.handleError(record)

    def _others(self, record: logging.LogRecord) -> Iterator[logging.Handler]:
        """The other handlers that the record will come to."""
        logger: logging.Logger | None = logging.getLogger(record.name)
        while logger is not None:
            for handler in logger.handlers:
                if handler is not self and record.levelno >= handler.level:
                    yield handler
            logger = logger.parent if logger.propagate else None

    def _output(self) -> AttemptOutput | None:
        for capture in self.captures:
            if (output := capture.current_output()) is not None:
                return output
        return None


def attach(capture: Capture) -> None:
    """Keep task records while `capture` is installed. At level INFO, unless the user set another on the logger."""
    logger = logging.getLogger(LOGGER)
    handler = _installed(logger)
    if handler is None:
        handler = TaskHandler(level_set=logger.level == logging.NOTSET)
        if handler.level_set:
            logger.setLevel(logging.INFO)
        logger.addHandler(handler)
    handler.captures.append(capture)


def detach(capture: Capture) -> None:
    """Undo `attach`, with the last capture all of it. Harmless for one that is not attached."""
    logger = logging.getLogger(LOGGER)
    handler = _installed(logger)
    if handler is None or capture not in handler.captures:
        return
    handler.captures.remove(capture)
    if not handler.captures:
        logger.removeHandler(handler)
        if handler.level_set:
            logger.setLevel(logging.NOTSET)


def redirect(old: object, new: Any) -> None:
    """Let every handler that writes to `old` write to `new`.

    Assigned, where `setStream` would flush the old stream first: a closed one would not stand that, and both lead to
    the same place."""
    root = logging.getLogger()
    for logger in (root, *root.manager.loggerDict.values()):
        for handler in getattr(logger, "handlers", ()):  # a PlaceHolder has none
            if isinstance(handler, logging.StreamHandler) and vars(handler).get("stream") is old:
                handler.stream = new


def _installed(logger: logging.Logger) -> TaskHandler | None:
    return next((handler for handler in logger.handlers if isinstance(handler, TaskHandler)), None)


def _stream(handler: logging.Handler) -> object:
    """Where a handler writes: a StreamHandler has a stream, rich's handler a console, which asks `sys` for its file."""
    console = getattr(handler, "console", None)
    return getattr(handler, "stream", None) if console is None else getattr(console, "file", None)


def _show(text: str) -> None:
    stream = sys.stderr
    if isinstance(stream, Router):
        stream.show(text)
    elif stream is not None:
        stream.write(text)


def _hide(text: str) -> None:
    """The user's handlers show it."""
