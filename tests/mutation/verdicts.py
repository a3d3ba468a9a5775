"""What became of mutants, kept in a file as it is found: a campaign that is interrupted goes on where it was."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

from tests.mutation.mutants import Mutant
from tests.mutation.trial import SOURCES


class Verdicts:
    """Verdicts on mutants, each of the text of its module: where that has changed, there is none.

    The tests may have changed as well: who has taken tests away begins with a new file."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._texts: dict[str, str] = {}
        self._known: dict[tuple[str, str], str] = {}
        if path is not None and path.exists():
            for line in path.read_text().splitlines():
                name, digest, verdict = json.loads(line)
                self._known[name, digest] = verdict

    def get(self, mutant: Mutant) -> str | None:
        """What became of it, if that is known."""
        return self._known.get((mutant.name, self._digest(mutant)))

    def add(self, mutant: Mutant, verdict: str) -> None:
        """Keep what has become of it."""
        self._known[mutant.name, self._digest(mutant)] = verdict
        if self._path is not None:
            with self._path.open("a") as file:
                file.write(json.dumps([mutant.name, self._digest(mutant), verdict]) + "\n")

    def _digest(self, mutant: Mutant) -> str:
        if mutant.module not in self._texts:
            self._texts[mutant.module] = sha256((SOURCES / mutant.module).read_bytes()).hexdigest()
        return self._texts[mutant.module]
