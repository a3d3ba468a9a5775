"""What tasks print is shown as it comes, and kept."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import io
import logging
import random
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from penstock.definition.secret import Secret
from penstock.executor.capture import AttemptOutput, Capture

running: contextvars.ContextVar[AttemptOutput | None] = contextvars.ContextVar("running", default=None)


class Attempt:
    """An attempt for code to run in, and what was kept of it."""

    def __init__(self, *, shown: bool = True) -> None:
        self.kept: list[tuple[str, str]] = []
        self.output = AttemptOutput(lambda stream, text: self.kept.append((stream, text)), shown=shown)

    def __enter__(self) -> Attempt:
        self._token = running.set(self.output)
        return self

    def __exit__(self, *exc_info: object) -> None:
        running.reset(self._token)
        self.output.end()

    def text(self, stream: str = "stdout") -> str:
        return "".join(text for name, text in self.kept if name == stream)


@pytest.fixture
def replace(monkeypatch) -> Callable[[str], io.StringIO]:
    """Replaces a standard stream. Not a stream itself, since pytest puts its own in place when the test begins."""

    def replace(name: str) -> io.StringIO:
        stream = io.StringIO()
        monkeypatch.setattr(sys, name, stream)
        return stream

    return replace


def test_a_print_in_an_attempt_is_shown_and_kept(capsys):
    with Capture(running.get), Attempt() as attempt:
        print("one", 2)
        print("three", file=sys.stderr)
        sys.stdout.writelines(["four\n", "five\n"])
    assert capsys.readouterr() == ("one 2\nfour\nfive\n", "three\n")
    assert attempt.kept == [("stdout", "one 2\n"), ("stderr", "three\n"), ("stdout", "four\n"), ("stdout", "five\n")]


def test_text_outside_of_attempts_passes_through(capsys):
    with Capture(running.get):
        print("outside")
        with Attempt() as attempt:
            print("inside")
        print("after")
    print("at the end")
    assert capsys.readouterr().out == "outside\ninside\nafter\nat the end\n"
    assert attempt.text() == "inside\n"


def test_it_is_shown_at_once(replace):
    stdout = replace("stdout")
    with Capture(running.get), Attempt():
        for number in range(3):
            print(number)
            assert stdout.getvalue().endswith(f"{number}\n")


def test_a_part_of_a_line_waits_for_its_end_or_a_flush(replace):
    stdout = replace("stdout")
    with Capture(running.get), Attempt() as attempt:
        print("a", end="")
        assert (stdout.getvalue(), attempt.text()) == ("", "")
        print("b", end="", flush=True)
        assert (stdout.getvalue(), attempt.text()) == ("ab", "ab")
        print("c\nd", end="")
        assert (stdout.getvalue(), attempt.text()) == ("abc\n", "abc\n")
    assert (stdout.getvalue(), attempt.text()) == ("abc\nd", "abc\nd")


def test_a_line_that_does_not_end_does_not_wait_for_ever(replace):
    stdout = replace("stdout")
    with Capture(running.get), Attempt() as attempt:
        for _ in range(100):
            sys.stdout.write("x" * 1000)
        assert len(stdout.getvalue()) > 90_000
        assert attempt.text() == stdout.getvalue()


def test_lines_of_attempts_at_the_same_time_stay_whole_and_apart(replace):
    stdout = replace("stdout")
    attempts = [Attempt() for _ in range(8)]
    start = threading.Barrier(len(attempts))

    def body(number: int) -> None:
        with attempts[number]:
            start.wait()
            for line in range(300):
                print("attempt", number, "line", line)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with Capture(running.get):
            threads = [threading.Thread(target=body, args=(number,)) for number in range(len(attempts))]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    finally:
        sys.setswitchinterval(interval)

    for number, attempt in enumerate(attempts):
        assert attempt.text() == "".join(f"attempt {number} line {line}\n" for line in range(300))
    shown = stdout.getvalue().splitlines(keepends=True)
    assert sorted(shown) == sorted(line for attempt in attempts for line in attempt.text().splitlines(keepends=True))


def test_async_attempts_on_one_thread_stay_apart(replace):
    stdout = replace("stdout")

    async def body(number: int) -> Attempt:
        with Attempt() as attempt:
            for line in range(5):
                print(number, end=" ")
                await asyncio.sleep(0)
                print(line)
        return attempt

    async def both() -> tuple[Attempt, Attempt]:
        return await asyncio.gather(body(1), body(2))

    with Capture(running.get):
        one, two = asyncio.run(both())
    assert one.text() == "".join(f"1 {line}\n" for line in range(5))
    assert two.text() == "".join(f"2 {line}\n" for line in range(5))
    assert sorted(stdout.getvalue().splitlines()) == sorted((one.text() + two.text()).splitlines())


def test_threads_of_a_task_belong_to_it_if_they_have_its_context(replace):
    stdout = replace("stdout")
    with Capture(running.get), Attempt() as attempt:
        copied = contextvars.copy_context()
        for thread in (
            threading.Thread(target=print, args=("without",)),
            threading.Thread(target=copied.run, args=(print, "with")),
        ):
            thread.start()
            thread.join()
    assert attempt.text() == "with\n"
    assert stdout.getvalue() == "without\nwith\n"


def test_what_a_thread_writes_after_the_attempt_ended_is_kept_without_waiting(replace):
    stdout = replace("stdout")
    with Capture(running.get):
        with Attempt() as attempt:
            copied = contextvars.copy_context()
        copied.run(print, "late", end="")
        assert (attempt.text(), stdout.getvalue()) == ("late", "late")


def test_an_output_that_somebody_else_shows_is_only_kept(replace):
    stdout = replace("stdout")
    with Capture(running.get) as capture, Attempt(shown=False) as attempt:
        print("from a worker")
        assert stdout.getvalue() == ""
        capture.show("stdout", attempt.text())
    assert stdout.getvalue() == "from a worker\n"


@pytest.mark.parametrize(("stream", "place"), [("stdout", "out"), ("stderr", "err"), ("log", "err")])
def test_text_of_another_process_is_shown_where_it_belongs(capsys, stream, place):
    with Capture(running.get) as capture:
        capture.show(stream, "text\n")
    assert getattr(capsys.readouterr(), place) == "text\n"


# --- Installing


def test_the_streams_are_put_back(capsys):
    before = sys.stdout, sys.stderr
    with Capture(running.get):
        assert sys.stdout is not before[0]
        assert sys.stderr is not before[1]
    assert (sys.stdout, sys.stderr) == before


def test_captures_may_overlap_in_any_order(capsys):
    before = sys.stdout, sys.stderr
    chance = random.Random(1)
    captures = [Capture(running.get) for _ in range(6)]
    for _ in range(20):
        live: set[Capture] = set()
        for capture in chance.sample(captures * 2, 12):
            if capture in live:
                live.remove(capture)
                capture.uninstall()
            else:
                live.add(capture)
                capture.install()
            with Attempt() as attempt:
                print("text")
            assert attempt.text() == ("text\n" if live else "")
        assert (sys.stdout, sys.stderr) == before
    assert capsys.readouterr().out == "text\n" * 12 * 20


def test_installing_and_uninstalling_twice_is_harmless(replace):
    stdout = replace("stdout")
    capture = Capture(running.get)
    capture.uninstall()
    capture.install()
    capture.install()
    capture.uninstall()
    assert sys.stdout is stdout
    capture.uninstall()
    assert sys.stdout is stdout


def test_runs_in_several_threads_share_the_streams(replace):
    stdout = replace("stdout")

    def run(number: int) -> None:
        for _ in range(50):
            with Capture(running.get), Attempt() as attempt:
                print("run", number)
            assert attempt.text() == f"run {number}\n"
            done.append(number)

    done: list[int] = []
    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 200
    assert len(stdout.getvalue().splitlines()) == 200
    assert sys.stdout is stdout


def test_a_router_that_somebody_holds_passes_through_after_the_run(replace):
    stdout = replace("stdout")
    with Capture(running.get), Attempt() as attempt:
        held = sys.stdout
    print("held", file=held, flush=True)
    assert stdout.getvalue() == "held\n"
    assert attempt.text() == ""
    assert held.isatty() is False


def test_redirected_text_goes_where_it_is_redirected(replace):
    stdout = replace("stdout")
    buffer = io.StringIO()
    with Capture(running.get), Attempt() as attempt:
        with contextlib.redirect_stdout(buffer):
            print("redirected")
        print("again")
    assert buffer.getvalue() == "redirected\n"
    assert attempt.text() == stdout.getvalue() == "again\n"


def test_a_run_under_a_redirection_that_ends_later_or_sooner(replace):
    stdout = replace("stdout")
    buffer = io.StringIO()
    first, second = Capture(running.get), Capture(running.get)
    first.install()
    with contextlib.redirect_stdout(buffer):
        second.install()
        with Attempt() as attempt:
            print("both live")
        first.uninstall()
        print("under the redirection")
        second.uninstall()
        assert sys.stdout is buffer
    print("afterwards")  # redirect_stdout put the first router back, which is dead by now
    assert buffer.getvalue() == "both live\nunder the redirection\n"
    assert attempt.text() == "both live\n"
    assert stdout.getvalue() == "afterwards\n"
    with Capture(running.get), Attempt() as attempt:
        print("a new run")
    assert attempt.text() == "a new run\n"
    assert sys.stdout is stdout


def test_a_stream_that_was_replaced_meanwhile_is_left_alone(replace, monkeypatch):
    replace("stdout")
    other = io.StringIO()
    with Capture(running.get):
        sys.stdout = other
    assert sys.stdout is other


# --- Streams of every kind


@contextmanager
def file_stdout(tmp_path, monkeypatch, **options) -> Iterator[io.TextIOWrapper]:
    with open(tmp_path / "out", "w", **options) as file:
        monkeypatch.setattr(sys, "stdout", file)
        yield file


def test_a_router_is_like_the_stream_it_stands_for(tmp_path, monkeypatch):
    with file_stdout(tmp_path, monkeypatch, encoding="latin-1", errors="replace") as file, Capture(running.get):
        router: Any = sys.stdout
        assert router is not file
        assert isinstance(router, io.TextIOBase) is True
        assert (router.encoding, router.errors, router.name, router.mode) == ("latin-1", "replace", file.name, "w")
        assert router.fileno() == file.fileno()
        assert router.writable()
        assert not router.readable()
        assert not router.isatty()
        assert not router.closed
        assert router.write("text") == 4
        router.reconfigure(encoding="utf-8", line_buffering=True)
        assert file.encoding == "utf-8"
        assert file.line_buffering
        with Attempt() as attempt:
            print("kept")
            router.flush()
            router.buffer.write(b"bytes\n")
        assert attempt.text() == "kept\n"
    assert (tmp_path / "out").read_text() == "textkept\nbytes\n"


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("no_text", [b"bytes", None])
def test_only_text_can_be_written(capsys, inside, no_text):
    with Capture(running.get), Attempt() if inside else contextlib.nullcontext(), pytest.raises(TypeError):
        sys.stdout.write(no_text)


def test_without_a_stream_text_is_kept(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    with Capture(running.get), Attempt() as attempt:
        print("text", flush=True)
        assert sys.stdout.isatty() is False
        logging.getLogger("penstock.task").info("record")
    assert attempt.text() == "text\n"
    assert "record" in attempt.text("log")
    assert sys.stdout is None
    assert sys.stderr is None


def test_a_closed_stream_costs_no_task(replace):
    stdout = replace("stdout")
    with Capture(running.get), Attempt() as attempt:
        stdout.close()
        print("text", flush=True)
    assert attempt.text() == "text\n"
    assert sys.stdout is stdout


class Broken(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError("the reader went away")

    def flush(self) -> None:
        raise BrokenPipeError("the reader went away")


def test_a_body_that_closes_its_stream_takes_it_from_nobody(replace):
    stream = replace("stdout")
    with Capture(running.get):
        with Attempt():
            print("half", end="")
            sys.stdout.close()
        with Attempt() as other:
            print("another")
    assert (stream.closed, stream.getvalue(), other.text()) == (False, "halfanother\n", "another\n")
    sys.stdout.close()
    assert stream.closed, "once the run is over it is the program's own"


def test_a_reader_that_went_away_costs_no_task_but_is_told_to_others(monkeypatch):
    monkeypatch.setattr(sys, "stdout", Broken())
    with Capture(running.get):
        with Attempt() as attempt:
            print("text", flush=True)
        with pytest.raises(BrokenPipeError):
            print("outside")
    assert attempt.text() == "text\n"


def test_what_the_terminal_cannot_encode_is_shown_as_escapes_and_kept_as_it_is(tmp_path, monkeypatch):
    with file_stdout(tmp_path, monkeypatch, encoding="ascii"), Capture(running.get), Attempt() as attempt:
        print("café \N{PARTY POPPER}")
    assert (tmp_path / "out").read_text() == "caf\\xe9 \\U0001f389\n"
    assert attempt.text() == "café \N{PARTY POPPER}\n"


# --- The echo


def test_an_echo_shows_in_the_place_of_the_streams(capsys):
    shown: list[tuple[str, str]] = []
    with Capture(running.get, echo=lambda stream, text: shown.append((stream, text))) as capture:
        with Attempt() as attempt:
            print("inside")
            print("error", file=sys.stderr)
        print("outside", "too")
        assert shown == [("stdout", "inside\n"), ("stderr", "error\n"), ("stdout", "outside too\n")]
        assert attempt.text() == "inside\n"
        capture.echo = None
        print("raw")
    assert capsys.readouterr() == ("raw\n", "")


def test_an_echo_may_print(replace):
    stdout = replace("stdout")

    def echo(stream: str, text: str) -> None:
        print("table")
        print(text, end="")

    with Capture(running.get, echo=echo), Attempt() as attempt:
        print("text")
    assert stdout.getvalue() == "table\ntext\n"
    assert attempt.text() == "text\n"


def test_what_waits_outside_is_shown_when_the_echo_goes(replace):
    stdout = replace("stdout")
    shown: list[str] = []
    with Capture(running.get, echo=lambda stream, text: shown.append(text)) as capture:
        print("a", end="")
        capture.echo = None
        print("b", end="")
        capture.echo = lambda stream, text: shown.append(text)
        print("c", end="")
    assert shown == ["a", "c"]
    assert stdout.getvalue() == "b"


def test_a_flush_outside_of_attempts_reaches_the_echo(replace):
    replace("stdout")
    shown: list[str] = []
    with Capture(running.get, echo=lambda stream, text: shown.append(text)):
        print("a", end="")
        assert shown == []
        sys.stdout.flush()
        assert shown == ["a"]


def test_of_several_echoes_the_last_shows(replace):
    replace("stdout")
    first: list[str] = []
    second: list[str] = []
    with Capture(running.get, echo=lambda stream, text: first.append(text)):
        with Capture(running.get, echo=lambda stream, text: second.append(text)), Capture(running.get):
            print("two")
        print("one")
    assert (first, second) == (["one\n"], ["two\n"])


def test_an_echo_that_fails_to_write_costs_no_task(replace):
    replace("stdout")

    def echo(stream: str, text: str) -> None:
        raise BrokenPipeError

    with Capture(running.get, echo=echo), Attempt() as attempt:
        print("text")
    assert attempt.text() == "text\n"


# --- A signal handler or a finalizer that prints while the same thread prints


def test_printing_while_showing_does_not_deadlock(monkeypatch):
    class Meddling(io.StringIO):
        def write(self, text: str) -> int:
            if text == "outer\n":
                print("inner")
            return super().write(text)

    stream = Meddling()
    monkeypatch.setattr(sys, "stdout", stream)
    with Capture(running.get), Attempt() as attempt:
        thread = threading.Thread(target=contextvars.copy_context().run, args=(print, "outer"), daemon=True)
        thread.start()
        thread.join(timeout=30)
        assert not thread.is_alive()
    assert attempt.text() == "outer\ninner\n"
    assert stream.getvalue() == "inner\nouter\n"


def test_what_may_become_a_secret_is_shown_when_the_run_is_over(replace):
    replace("stdout")
    shown: list[str] = []
    secret = Secret("unheard-of")
    with Capture(running.get, echo=lambda stream, text: shown.append(text)):
        print("said: unhea", end="")
    assert "".join(shown) == "said: unhea"
    del secret
