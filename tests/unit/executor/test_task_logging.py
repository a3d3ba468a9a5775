"""Logging stays as its user configured it, and what tasks log is kept."""

from __future__ import annotations

import io
import logging
import sys

import pytest

from penstock.executor.capture import Capture
from tests.unit.executor.test_capture import Attempt, running, stderr, stdout

__all__ = ["stderr", "stdout"]


@pytest.fixture
def root():
    """The root logger, put back after the test."""
    logger = logging.getLogger()
    handlers, level = list(logger.handlers), logger.level
    yield logger
    logger.handlers[:], logger.level = handlers, level


@pytest.fixture
def task_logger():
    """The logger of tasks, cut off from the handlers that pytest puts on the root."""
    logger = logging.getLogger("penstock.task")
    logger.propagate = False
    yield logger
    logger.propagate = True
    logger.setLevel(logging.NOTSET)


def snapshot() -> object:
    """All of logging's configuration that a run could change."""
    loggers = [logging.getLogger(), *map(logging.getLogger, list(logging.Logger.manager.loggerDict))]
    return [
        (logger.name, logger.level, logger.propagate, logger.disabled, list(logger.filters))
        + tuple((handler, handler.level, handler.formatter, getattr(handler, "stream", None)) for handler in logger.handlers)
        for logger in loggers
    ]


def test_configuration_is_the_same_after_a_run_and_the_root_during_it(stderr, root):
    root.addHandler(logging.StreamHandler())
    logging.getLogger("somebody.else").addHandler(logging.StreamHandler())
    logging.getLogger("penstock.task")
    before = snapshot()
    handlers, level, filters = list(root.handlers), root.level, list(root.filters)
    with Capture(running.get), Capture(running.get), Attempt():
        logging.getLogger("penstock.task").warning("text")
        assert (root.handlers, root.level, root.filters) == (handlers, level, filters)
    assert snapshot() == before


@pytest.mark.parametrize("name", [None, "somebody.else"])
def test_a_handler_on_the_stream_shows_once_and_is_kept(stderr, root, name):
    logger = logging.getLogger(name)
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("user: %(message)s"))
    logger.addHandler(handler)
    try:
        with Capture(running.get), Attempt() as attempt:
            logging.getLogger("somebody.else").warning("text")
            assert stderr.getvalue() == "user: text\n"
    finally:
        logger.removeHandler(handler)
    assert attempt.kept == [("stderr", "user: text\n")]
    assert handler.stream is stderr


def test_a_handler_on_another_stream_is_left_alone(stderr, root):
    other = io.StringIO()
    handler = logging.StreamHandler(other)
    root.addHandler(handler)
    with Capture(running.get), Attempt() as attempt:
        logging.getLogger("somebody.else").warning("text")
        assert handler.stream is other
    assert attempt.kept == []
    assert other.getvalue() == "text\n"


def test_a_handler_made_during_a_run_writes_to_the_stream_after_it(stderr, root):
    with Capture(running.get), Attempt() as attempt:
        handler = logging.StreamHandler()
        root.addHandler(handler)
        root.warning("during")
    root.warning("after")
    assert attempt.text("stderr") == "during\n"
    assert handler.stream is stderr
    assert stderr.getvalue() == "during\nafter\n"


def test_a_stream_that_was_closed_does_not_stop_the_end_of_a_run(stderr, root):
    handler = logging.StreamHandler()
    root.addHandler(handler)
    with Capture(running.get):
        stderr.close()
    assert handler.stream is stderr


def test_task_records_are_shown_and_kept_without_any_configuration(stderr, task_logger):
    with Capture(running.get), Attempt() as attempt:
        task_logger.info("row %d", 7)
        task_logger.debug("not at this level")
        assert stderr.getvalue().endswith(" INFO row 7\n")
    assert attempt.kept == [("log", stderr.getvalue())]


def test_task_records_with_a_traceback_are_kept_whole(stderr, task_logger):
    with Capture(running.get), Attempt() as attempt:
        try:
            raise LookupError("no such airport")
        except LookupError:
            task_logger.exception("failed")
    assert "ERROR failed\nTraceback" in attempt.text("log")
    assert attempt.text("log").endswith("LookupError: no such airport\n")


def test_a_level_of_the_users_holds(stderr, task_logger):
    task_logger.setLevel(logging.ERROR)
    with Capture(running.get), Attempt() as attempt:
        task_logger.warning("too little")
        task_logger.error("enough")
    assert [text[-13:] for _, text in attempt.kept] == ["ERROR enough\n"]
    assert task_logger.level == logging.ERROR


def test_task_records_are_shown_once_by_the_users_handler(stderr, task_logger):
    handler = logging.StreamHandler()
    task_logger.addHandler(handler)
    try:
        with Capture(running.get), Attempt() as attempt:
            task_logger.info("text")
    finally:
        task_logger.removeHandler(handler)
    assert stderr.getvalue() == "text\n"
    assert attempt.kept == [("stderr", "text\n")]


def test_task_records_are_kept_once_and_not_shown_when_the_users_handler_writes_elsewhere(stderr, task_logger, tmp_path):
    handler = logging.FileHandler(tmp_path / "user.log")
    task_logger.addHandler(handler)
    try:
        with Capture(running.get), Attempt() as attempt:
            task_logger.info("text")
    finally:
        task_logger.removeHandler(handler)
        handler.close()
    assert (tmp_path / "user.log").read_text() == "text\n"
    assert [stream for stream, _ in attempt.kept] == ["log"]
    assert stderr.getvalue() == ""


def test_a_handler_that_takes_only_errors_does_not_hide_the_rest(stderr, task_logger):
    handler = logging.StreamHandler()
    handler.setLevel(logging.ERROR)
    task_logger.addHandler(handler)
    try:
        with Capture(running.get), Attempt() as attempt:
            task_logger.info("small")
            task_logger.error("large")
    finally:
        task_logger.removeHandler(handler)
    assert [stream for stream, _ in attempt.kept] == ["log", "stderr"]
    assert stderr.getvalue().count("small") == stderr.getvalue().count("large") == 1


@pytest.mark.parametrize("place", ["stdout", "stderr"])
def test_rich_shows_task_records_once(stdout, stderr, task_logger, place):
    from rich.console import Console
    from rich.logging import RichHandler

    handler = RichHandler(console=Console(stderr=place == "stderr"))
    task_logger.addHandler(handler)
    try:
        with Capture(running.get), Attempt() as attempt:
            task_logger.info("text")
    finally:
        task_logger.removeHandler(handler)
    assert (stdout.getvalue() + stderr.getvalue()).count("text") == 1
    assert {stream for stream, _ in attempt.kept} == {place}


def test_records_of_several_runs_are_kept_once(stderr, task_logger):
    first, second = Capture(running.get), Capture(running.get)
    first.install()
    second.install()
    with Attempt() as attempt:
        task_logger.info("both live")
        first.uninstall()
        task_logger.info("one lives")
    second.uninstall()
    assert len(attempt.kept) == 2
    assert stderr.getvalue().count("\n") == 2
    assert task_logger.handlers == []


def test_a_record_that_cannot_be_formatted_costs_no_task(stderr, task_logger):
    with Capture(running.get), Attempt():
        task_logger.info("%d", "no number")
    assert "Logging error" in stderr.getvalue()


def test_a_record_outside_of_attempts_is_shown(stderr, task_logger):
    with Capture(running.get):
        task_logger.info("text")
    assert stderr.getvalue().endswith("INFO text\n")
    assert sys.stderr is stderr
