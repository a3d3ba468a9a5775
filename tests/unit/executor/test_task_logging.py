"""Logging stays as its user configured it, and what tasks log is kept."""

from __future__ import annotations

import io
import logging
import sys

import pytest

from penstock.executor.capture import Capture
from tests.unit.executor.test_capture import Attempt, replace, running

__all__ = ["replace"]


@pytest.fixture
def root():
    """The root logger, put back after the test."""
    logger = logging.getLogger()
    handlers, level = list(logger.handlers), logger.level
    yield logger
    logger.handlers[:], logger.level = handlers, level


@pytest.fixture
def cut_off():
    """Gives the logger of tasks, cut off from the handlers that pytest has put on the root when the test begins."""
    logger = logging.getLogger("penstock.task")

    def cut_off() -> logging.Logger:
        logger.propagate = False
        return logger

    yield cut_off
    logger.propagate = True
    logger.setLevel(logging.NOTSET)


def snapshot() -> object:
    """All of logging's configuration that a run could change."""
    loggers = [logging.getLogger(), *map(logging.getLogger, list(logging.Logger.manager.loggerDict))]
    handlers = {handler for logger in loggers for handler in logger.handlers}
    return (
        [(logger.name, logger.level, logger.propagate, logger.filters[:], logger.handlers[:]) for logger in loggers],
        {handler: (handler.level, handler.formatter, getattr(handler, "stream", None)) for handler in handlers},
    )


def test_configuration_is_the_same_after_a_run_and_the_root_during_it(replace, root):
    replace("stderr")
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
def test_a_handler_on_the_stream_shows_once_and_is_kept(replace, root, name):
    stderr = replace("stderr")
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


def test_a_handler_on_another_stream_is_left_alone(replace, root):
    replace("stderr")
    other = io.StringIO()
    handler = logging.StreamHandler(other)
    root.addHandler(handler)
    with Capture(running.get), Attempt() as attempt:
        logging.getLogger("somebody.else").warning("text")
        assert handler.stream is other
    assert attempt.kept == []
    assert other.getvalue() == "text\n"


def test_a_handler_made_during_a_run_writes_to_the_stream_after_it(replace, root):
    stderr = replace("stderr")
    with Capture(running.get), Attempt() as attempt:
        handler = logging.StreamHandler()
        root.addHandler(handler)
        root.warning("during")
    root.warning("after")
    assert attempt.text("stderr") == "during\n"
    assert stderr.getvalue() == "during\nafter\n"
    assert handler.stream is stderr


def test_a_stream_that_was_closed_does_not_stop_the_end_of_a_run(replace, root):
    stderr = replace("stderr")
    handler: logging.StreamHandler = logging.StreamHandler()
    root.addHandler(handler)
    with Capture(running.get):
        stderr.close()
    assert handler.stream is stderr


def test_task_records_are_shown_and_kept_without_any_configuration(replace, cut_off):
    task_logger = cut_off()
    stderr = replace("stderr")
    with Capture(running.get), Attempt() as attempt:
        task_logger.info("row %d", 7)
        task_logger.debug("not at this level")
        assert stderr.getvalue().endswith(" INFO row 7\n")
    assert attempt.kept == [("log", stderr.getvalue())]


def test_task_records_with_a_traceback_are_kept_whole(replace, cut_off):
    task_logger = cut_off()
    replace("stderr")
    with Capture(running.get), Attempt() as attempt:
        try:
            raise LookupError("no such airport")
        except LookupError:
            task_logger.exception("failed")
    assert "ERROR failed\nTraceback" in attempt.text("log")
    assert attempt.text("log").endswith("LookupError: no such airport\n")


def test_a_level_of_the_users_holds(replace, cut_off):
    task_logger = cut_off()
    replace("stderr")
    task_logger.setLevel(logging.ERROR)
    with Capture(running.get), Attempt() as attempt:
        task_logger.warning("too little")
        task_logger.error("enough")
    assert [text[-13:] for _, text in attempt.kept] == ["ERROR enough\n"]
    assert task_logger.level == logging.ERROR


def test_task_records_are_shown_once_by_the_users_handler(replace, cut_off):
    task_logger = cut_off()
    stderr = replace("stderr")
    handler = logging.StreamHandler()
    task_logger.addHandler(handler)
    try:
        with Capture(running.get), Attempt() as attempt:
            task_logger.info("text")
    finally:
        task_logger.removeHandler(handler)
    assert stderr.getvalue() == "text\n"
    assert attempt.kept == [("stderr", "text\n")]


def test_task_records_are_kept_once_and_shown_only_where_the_users_handler_does(replace, cut_off, tmp_path):
    task_logger = cut_off()
    stderr = replace("stderr")
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


def test_a_handler_that_takes_only_errors_does_not_hide_the_rest(replace, cut_off):
    task_logger = cut_off()
    stderr = replace("stderr")
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
def test_rich_shows_task_records_once(replace, cut_off, place):
    task_logger = cut_off()
    stdout = replace("stdout")
    stderr = replace("stderr")
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


def test_records_of_several_runs_are_kept_once(replace, cut_off):
    task_logger = cut_off()
    stderr = replace("stderr")
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


def test_a_record_that_cannot_be_formatted_costs_no_task(replace, cut_off):
    task_logger = cut_off()
    stderr = replace("stderr")
    with Capture(running.get), Attempt():
        task_logger.info("%d", "no number")
    assert "Logging error" in stderr.getvalue()


def test_a_record_outside_of_attempts_is_shown(replace, cut_off):
    task_logger = cut_off()
    stderr = replace("stderr")
    with Capture(running.get):
        task_logger.info("text")
    assert stderr.getvalue().endswith("INFO text\n")
    assert sys.stderr is stderr
