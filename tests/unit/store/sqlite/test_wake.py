from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from penstock.store.sqlite.wake import PipeListener, heard_at, wake

Listen = Callable[..., PipeListener]


@pytest.fixture
def listen(tmp_path: Path) -> Iterator[Listen]:
    made = []

    def make(path: Path = tmp_path / "pipe", has_messages: Callable[[], bool] = lambda: False) -> PipeListener:
        made.append(PipeListener(path, has_messages))
        return made[-1]

    yield make
    for listener in made:
        listener.close()


def test_a_wake_up_comes_through_the_pipe(listen: Listen, tmp_path: Path):
    listener = listen()
    wake(tmp_path / "pipe")
    assert listener.wait(60)
    assert not listener.wait(0)


def test_a_wake_up_for_nobody(tmp_path: Path):
    wake(tmp_path / "pipe")
    assert not (tmp_path / "pipe").exists()


def test_more_wake_ups_than_a_pipe_holds(listen: Listen, tmp_path: Path):
    listener = listen()
    for _ in range(70_000):
        wake(tmp_path / "pipe")
    assert listener.wait(0)
    listener.wait(0)
    assert not listener.wait(0)


def test_the_pipe_of_a_dead_driver_is_replaced(listen: Listen, tmp_path: Path):
    dying = (
        "import os, sys; from pathlib import Path; from penstock.store.sqlite.wake import PipeListener\n"
        "listener = PipeListener(Path(sys.argv[1]), bool); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", dying, tmp_path / "pipe"], check=True)
    assert (tmp_path / "pipe").exists()
    wake(tmp_path / "pipe")
    listener = listen()
    assert not listener.wait(0)
    wake(tmp_path / "pipe")
    assert listener.wait(60)


def test_closing_takes_the_pipe_away_but_not_that_of_the_next_driver(listen: Listen, tmp_path: Path):
    old = listen()
    new = listen()
    old.close()
    wake(tmp_path / "pipe")
    assert new.wait(60)
    new.close()
    assert not (tmp_path / "pipe").exists()


@pytest.mark.parametrize("place", ["no/such/folder/pipe", "x" * 300])
def test_without_a_pipe_the_inbox_is_looked_into(listen: Listen, tmp_path: Path, place: str):
    inbox: list[int] = []
    listener = listen(tmp_path / place, lambda: bool(inbox))
    assert not listener.wait(0)
    listener.poke()
    assert listener.wait(60)
    inbox.append(1)
    assert listener.wait(None)


def test_a_listener_that_waits_gives_signs_of_life_and_nobody_else_does(listen: Listen, tmp_path: Path):
    assert heard_at(tmp_path / "pipe") is None
    listener = listen()
    first = heard_at(tmp_path / "pipe")
    assert first is not None
    assert abs(first - time.time()) < 60
    os.utime(tmp_path / "pipe", (1.0, 1.0))
    for _ in range(10):
        wake(tmp_path / "pipe")
        listener.poke()
    assert heard_at(tmp_path / "pipe") == 1.0, "it is silent, however often others call"
    listener.wait(0)
    assert heard_at(tmp_path / "pipe") != 1.0, "it has read the calls"
    os.utime(tmp_path / "pipe", (1.0, 1.0))
    assert not listener.wait(1.1)
    last = heard_at(tmp_path / "pipe")
    assert last is not None
    assert last >= first
    listener.close()
    assert heard_at(tmp_path / "pipe") is None


def test_many_listeners_leave_nothing_open(listen: Listen):
    listen()
    before = len(os.listdir("/dev/fd"))
    for _ in range(20):
        listen().close()
    assert len(os.listdir("/dev/fd")) == before
