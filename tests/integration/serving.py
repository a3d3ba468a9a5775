"""Services, as `penstock serve` starts them, in processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.integration.commands import PENSTOCK, read_json
from tests.integration.waiting import is_alive, wait_until


class Service:
    """One that goes on. What it says is in `lines`."""

    def __init__(self, folder: str, *arguments: str, number: int = 0, web: bool = False) -> None:
        self._told = Path(f"service-{os.getpid()}-{number}.log")
        self._told.write_text("")
        with self._told.open("ab") as told:
            self.process = subprocess.Popen(
                [*PENSTOCK, "serve", folder, *(["--port", "0"] if web else ["--no-web"]), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=told,
                stderr=told,
                start_new_session=True,
            )

    @property
    def lines(self) -> list[str]:
        return self._told.read_text(errors="replace").splitlines()

    @property
    def url(self) -> str:
        """Where its API is."""
        return next(line.split()[-1] for line in self.lines if line.startswith("Listening on")).rstrip("/")

    def says(self, text: str) -> bool:
        return any(text in line for line in self.lines)

    def wait_ready(self) -> Service:
        wait_until(lambda: self.says("Serving ") or self.process.poll() is not None, "the service is ready")
        assert self.process.poll() is None, self.lines
        return self

    def processes(self) -> list[int]:
        """The process that the others are forked from, and those."""
        return [pid for pid in below(self.process.pid) if is_alive(pid)]

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def serving(folder: str = "flows", *arguments: str, number: int = 0, web: bool = False) -> Iterator[Service]:
    """A service that has found its workflows; it is stopped in the end."""
    service = Service(folder, *arguments, number=number, web=web)
    try:
        yield service.wait_ready()
        if service.process.poll() is None:
            assert service.stop() == 0, service.lines
    finally:
        left = service.processes()
        if service.process.poll() is None:
            service.kill()
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


def below(pid: int) -> list[int]:
    """The processes that a process has begun, and those that these have."""
    found: list[int] = []
    for child in _children(pid):
        found += [child, *below(child)]
    return found


def _children(pid: int) -> list[int]:
    try:
        tasks = [*Path(f"/proc/{pid}/task").iterdir()]
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def states(workflow: str) -> list[str]:
    """The states of a workflow's runs, newest first."""
    return [run["state"] for run in runs(workflow)]


def runs(workflow: str) -> list[Any]:
    if not any(Path(".penstock").glob("*.db")):
        return []
    found: list[Any] = read_json("runs", workflow)
    return found


def driver_of(run_id: str) -> int | None:
    """The process that drives a run."""
    driver = read_json("show", run_id)["driver"]
    return driver["pid"] if driver else None
