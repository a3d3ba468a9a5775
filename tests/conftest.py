"""What holds for every test: a directory of its own, none of the caller's settings, and how hypothesis searches."""

from __future__ import annotations

import gc
import os
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis.database import DirectoryBasedExampleDatabase

ROOT = Path(__file__).parent.parent

# No deadline: the machine may be busy, and no test judges by the clock. The same examples each time, so that a change
# is judged by what it changed; `make explore` searches with new ones, and those that failed before come first.
settings.register_profile("penstock", deadline=None, derandomize=True, database=None)
settings.register_profile(
    "explore", deadline=None, database=DirectoryBasedExampleDatabase(ROOT / ".hypothesis" / "examples")
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "penstock"))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What collecting makes lives to the end: whoever looks for garbage in it, now and at every later time, looks at
    half a million objects in vain."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()
        gc.collect()  # which counts what is left, a quarter of which is to come before all is looked at again


@pytest.fixture(autouse=True)
def own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The test runs in an empty directory, where a `.penstock` that it makes is its own."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("PENSTOCK_") or name in {"NO_COLOR", "FORCE_COLOR"}:
            monkeypatch.delenv(name)
    return tmp_path
