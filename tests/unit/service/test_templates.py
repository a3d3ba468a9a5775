"""Files are imported few at a time, none waits for a slow one, and one that has changed is begun again."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

import pytest

from penstock.clock import SystemClock
from penstock.service.templates import Templates

LOADED = {"error": None, "threads": False, "workflows": ["one"], "imported": []}
BROKEN = {**LOADED, "error": {"text": "broken"}}


class VirtualClock(SystemClock):
    now = 0.0

    def monotonic(self) -> float:
        return self.now


class Imports:
    """Instead of processes that import files: what is being imported now, by the order in which it was begun."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.loaded: list[tuple[str, Any]] = []
        self.going: dict[int, tuple[str, Callable[[Any], None]]] = {}
        self.begun = 0
        self.templates = Templates(
            self,  # type: ignore[arg-type]
            self.clock,
            {},
            60.0,
            lambda path, report: self.loaded.append((path, report["error"])),
        )

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.going.values()]

    def begin(self, asked: Any, hear: Callable[[Any], None], gone: Callable[[], None], template: Any = None) -> int:
        self.begun += 1
        self.going[self.begun] = asked["file"], hear
        hear({"pid": None})
        return self.begun

    def end(self, wire: int) -> None:
        self.going.pop(wire, None)

    def finish(self, path: str, report: Any = LOADED) -> None:
        number = next(number for number, (going, _) in self.going.items() if going == path)
        self.going.pop(number)[1](report)
        self.templates.step()

    def pass_time(self, seconds: float) -> None:
        """Step whenever there is something to do."""
        until = self.clock.now + seconds
        while (at := self.templates.next_at()) <= until:
            assert at > self.clock.now or at == 0.0
            self.clock.now = max(at, self.clock.now)
            self.templates.step()
        self.clock.now = until


@pytest.fixture
def imports() -> Imports:
    return Imports()


def test_few_are_imported_at_once_and_slow_ones_hold_up_nobody(imports: Imports) -> None:
    for number in range(100):
        imports.templates.load(f"{number:02}")
    imports.templates.step()
    assert imports.paths == ["00", "01"]
    imports.finish("01")
    assert imports.paths == ["00", "02"]
    imports.pass_time(1.9)
    assert imports.paths == ["00", "02"]
    imports.pass_time(0.2)
    assert imports.paths == ["00", "02", "03", "04"]
    imports.pass_time(30.0)
    assert len(imports.paths) == 16  # none ends, and the machine has to bear them all


def test_one_that_does_not_end_is_given_up(imports: Imports) -> None:
    imports.templates.load("endless")
    imports.templates.step()
    imports.pass_time(59.9)
    assert imports.paths == ["endless"]
    assert imports.templates.is_loading
    imports.pass_time(0.2)
    assert imports.paths == []
    assert not imports.templates.is_loading
    ((path, error),) = imports.loaded
    assert path == "endless"
    assert error["text"] == "endless: importing it took more than 60 s"


def test_one_that_has_changed_meanwhile_is_begun_again_at_once(imports: Imports) -> None:
    imports.templates.load("endless")
    imports.templates.step()
    imports.pass_time(1.0)
    imports.templates.load("endless")
    assert imports.paths == []
    imports.pass_time(59.5)
    assert imports.paths == ["endless"]
    assert imports.begun == 2
    assert imports.loaded == []
    imports.finish("endless")
    assert imports.loaded == [("endless", None)]


def test_what_could_not_be_imported_is_tried_again_less_and_less_often(imports: Imports) -> None:
    imports.templates.load("broken")
    imports.templates.step()
    for pause in (2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 600.0, 600.0):
        imports.finish("broken", BROKEN)
        imports.pass_time(pause - 0.5)
        assert imports.paths == []
        imports.pass_time(1.0)
        assert imports.paths == ["broken"]
        assert not imports.templates.is_loading  # nobody waits for it
    imports.templates.load("broken")  # it was changed
    imports.templates.step()
    imports.finish("broken", BROKEN)
    imports.pass_time(2.5)
    imports.finish("broken")
    assert imports.templates.next_at() == inf


def test_what_has_gone_is_not_tried_again(imports: Imports) -> None:
    imports.templates.load("gone")
    imports.templates.step()
    imports.finish("gone", BROKEN)
    imports.templates.drop("gone")
    imports.pass_time(10_000.0)
    assert imports.begun == 1
