"""`python -m tests.mutation`: how many small changes to the engine and the plan the tests notice.

Writes survivors.md beside this file: the score of each module, and each mutant that survived with the reason why. Names
of modules, as `engine/run.py`, try only those and write nothing. Ends with 1 if less than 95 % were killed, or a
survivor has no reason.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from time import monotonic

from tests.mutation.campaign import TESTS, run
from tests.mutation.report import SURVIVORS, Score, text
from tests.mutation.trial import SOURCES
from tests.mutation.verdicts import Verdicts


def main() -> int:
    """Try all mutants, and report."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__.split("\n\n")[0])
    parser.add_argument("modules", nargs="*", help="only these, e.g. engine/run.py")
    parser.add_argument("--workers", type=int, default=2, help="how many at a time (default 2)")
    parser.add_argument("--tests", nargs="+", default=TESTS, help="where the tests are (default all that matter)")
    parser.add_argument("--verdicts", type=Path, help="a file of what is found, with which a later run goes on")
    options = parser.parse_args()
    modules = options.modules or [
        str(path.relative_to(SOURCES))
        for room in ("engine", "plan")
        for path in sorted((SOURCES / room).glob("*.py"))
        if path.name != "__init__.py"
    ]
    began = monotonic()
    known = Verdicts(options.verdicts)
    found = run(modules, options.tests, options.workers, lambda line: print(line, file=sys.stderr, flush=True), known)
    score = Score(found)
    report = text(score)
    if not options.modules:
        Path(SURVIVORS).write_text(report)
    print(report)
    print(f"{monotonic() - began:.0f} s", file=sys.stderr)
    return 0 if score.is_enough else 1


if __name__ == "__main__":
    sys.exit(main())
