from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.store.sqlite import locks
from penstock.store.sqlite.locks import open_lock_file

TAKE = """
import sys
from pathlib import Path
from penstock.store.sqlite.locks import open_lock_file
file = open_lock_file(Path(sys.argv[1]))
print(file.take(int(sys.argv[2])), file.owner(int(sys.argv[2])))
"""


def elsewhere(path: Path, byte: int) -> str:
    """Whether another process gets the lock, and whom it sees to have it."""
    done = subprocess.run([sys.executable, "-c", TAKE, path, str(byte)], capture_output=True, text=True, check=True)
    return done.stdout.strip().replace(str(os.getpid()), "me")


def test_a_byte_has_one_owner(tmp_path: Path):
    file = open_lock_file(tmp_path / "lock")
    assert file.owner(7) is None
    assert file.take(7)
    assert not file.take(7)
    assert file.take(8)
    assert file.owner(7) == os.getpid()
    assert elsewhere(tmp_path / "lock", 7) == "False me"
    assert elsewhere(tmp_path / "lock", 9).startswith("True")
    file.give_back(7)
    assert file.owner(7) is None
    assert elsewhere(tmp_path / "lock", 7).startswith("True")
    assert elsewhere(tmp_path / "lock", 8) == "False me"
    file.close()
    assert elsewhere(tmp_path / "lock", 8).startswith("True")


def test_closing_one_of_two_uses_keeps_the_locks_of_the_other(tmp_path: Path):
    one, other = open_lock_file(tmp_path / "lock"), open_lock_file(tmp_path / "lock")
    assert one.take(1)
    assert not other.take(1)
    assert other.owner(1) == os.getpid()
    other.close()
    assert elsewhere(tmp_path / "lock", 1) == "False me"
    one.close()


def test_looking_does_not_disturb_the_owner(tmp_path: Path):
    file = open_lock_file(tmp_path / "lock")
    assert file.take(1 << 40)
    for _ in range(3):
        assert file.owner(1 << 40) == os.getpid()
        assert elsewhere(tmp_path / "lock", 1 << 40) == "False me"
    file.close()


CROSSED = """
import sys, threading
from pathlib import Path
from penstock.store.sqlite.locks import open_lock_file
one, other = open_lock_file(Path(sys.argv[1])), open_lock_file(Path(sys.argv[2]))
other.queue(0)
print("holding", flush=True)
one.queue(0)
other.leave(0)
one.leave(0)
"""


def test_two_processes_that_queue_crosswise_both_go_on(tmp_path: Path):
    one, other = open_lock_file(tmp_path / "one"), open_lock_file(tmp_path / "other")
    one.queue(0)
    with subprocess.Popen(
        [sys.executable, "-c", CROSSED, tmp_path / "one", tmp_path / "other"], stdout=subprocess.PIPE
    ) as child:
        assert child.stdout
        assert child.stdout.readline() == b"holding\n"
        other.queue(0)
        other.leave(0)
        one.leave(0)
    assert child.returncode == 0
    one.close()
    other.close()


STOPPED = """
import os, signal, sys
from pathlib import Path
from penstock.store.sqlite.locks import open_lock_file
file = open_lock_file(Path(sys.argv[1]))
file.queue(0)
os.kill(os.getpid(), signal.SIGSTOP)
"""


def test_nobody_queues_for_ever_behind_a_process_that_was_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(locks, "LOOK_EVERY", 0.02)
    file = open_lock_file(tmp_path / "lock")
    with subprocess.Popen([sys.executable, "-c", STOPPED, tmp_path / "lock"]) as child:
        os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
        with pytest.raises(locks.Stopped, match=f"process {child.pid} was stopped .* kill -CONT {child.pid}"):
            file.queue(0)
        file.close()  # though a thread still waits
        file = open_lock_file(tmp_path / "lock")
        os.kill(child.pid, signal.SIGCONT)
        file.queue(0)
        file.leave(0)
    assert child.returncode == 0
    assert elsewhere(tmp_path / "lock", 0).startswith("True")
    file.close()


def test_files_do_not_stay_open(tmp_path: Path):
    before = len(os.listdir("/dev/fd"))
    for number in range(50):
        open_lock_file(tmp_path / str(number)).close()
    assert len(os.listdir("/dev/fd")) == before
