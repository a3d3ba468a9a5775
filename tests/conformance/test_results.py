"""Both result stores do what every result store must."""

from __future__ import annotations

from pathlib import Path

from penstock.results.base import ResultStore
from penstock.results.files import FileResults
from penstock.results.memory import MemoryResults
from penstock.testing.results_conformance import ResultsConformance


class TestMemoryResults(ResultsConformance):
    durable = False

    def open(self, folder: Path) -> ResultStore:
        return MemoryResults()


class TestFileResults(ResultsConformance):
    def open(self, folder: Path) -> ResultStore:
        return FileResults(folder)


class TestFileResultsWithoutSync(ResultsConformance):
    def open(self, folder: Path) -> ResultStore:
        return FileResults(folder, sync=False)
