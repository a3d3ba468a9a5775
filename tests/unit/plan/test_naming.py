"""What a module is called, however it came into its process."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from penstock.plan.naming import LOADED_FROM, module_label


def module(name: str, **attributes: object) -> ModuleType:
    made = ModuleType(name)
    vars(made).update(attributes)
    return made


@pytest.mark.parametrize(
    ("main", "label"),
    [
        (module("__main__", __file__="/somewhere/flights.py"), "flights"),
        (module("__main__"), "__main__"),
        (module("__main__", __file__=None), "__main__"),
    ],
    ids=["script", "prompt", "stdin"],
)
def test_the_main_module_is_called_after_its_file(
    main: ModuleType, label: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "__main__", main)
    assert module_label("__main__") == label


def test_a_file_that_was_loaded_is_called_as_when_it_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "loaded", module("loaded", **{LOADED_FROM: "/somewhere/flights.py"}))
    assert module_label("loaded") == "flights"


def test_any_other_is_called_by_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "alias", module("package.real"))
    assert module_label("alias") == "package.real"
    assert module_label("not.imported") == "not.imported"
    assert module_label(None) == ""
