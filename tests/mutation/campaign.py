"""All mutants against all tests that could notice them."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import process_time
from typing import Any

import pytest

from tests.mutation.mutants import Mutant, mutants_of
from tests.mutation.trial import (
    FEW,
    ROOT,
    SOURCES,
    SURVIVED,
    ChangedModule,
    ask_for,
    in_fork,
    passes,
    put_into_place,
    verdict,
)
from tests.mutation.verdicts import Verdicts

TESTS = (
    "tests/unit/plan",
    "tests/unit/engine",
    "tests/unit/definition",
    "tests/unit/code/test_identity.py",
    "tests/simulation/test_random_runs.py",
    "tests/simulation/test_at_most_once.py",
    "tests/simulation/test_notices.py",
)
OPTIONS = (
    *("-q", "--no-header", "-p", "no:cacheprovider", "-p", "no:xdist", "-o", "timeout=0"),
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),
)
UNCOVERED = "no test runs it"
NEAREST = 60
"""Tests that are tried first where each mutant needs a fresh import."""


@dataclass
class Known:
    """What is known of the tests as they are: which pass, how long they take, what they run."""

    seconds: dict[str, float] = field(default_factory=dict)
    """Test -> seconds of computing."""
    lines: dict[str, dict[int, list[str]]] = field(default_factory=dict)
    """Module -> line -> tests that run it."""

    def tests_of(self, mutant: Mutant) -> list[str]:
        """The tests that could notice a mutant, the quickest first. What a module does on import may be noticed by any;
        those that run its functions come first."""
        lines = self.lines[mutant.module]
        if mutant.function is not None:
            return sorted({test for line in mutant.lines for test in lines.get(line, [])}, key=self._quickest)
        nearest = {test for tests in lines.values() for test in tests}
        return sorted(self.seconds, key=lambda test: (test not in nearest, *self._quickest(test)))

    def patience(self, mutant: Mutant) -> float:
        """Seconds of computing after which a mutant is taken to go on for ever."""
        return 3.0 + 4.0 * sum(self.seconds[test] for test in self.tests_of(mutant))

    def _quickest(self, test: str) -> tuple[float, str]:
        return self.seconds[test], test


def run(
    modules: Sequence[str], tests: Sequence[str], workers: int, tell: Callable[[str], None], verdicts: Verdicts
) -> dict[str, str]:
    """What becomes of each mutant of the modules, by its name; those on which there is a verdict are not tried."""
    mutants = [mutant for module in modules for mutant in mutants_of(module, (SOURCES / module).read_text())]
    found = {mutant.name: told for mutant in mutants if (told := verdicts.get(mutant)) is not None}
    untried = [mutant for mutant in mutants if mutant.name not in found]
    if untried:
        known = _learn(sorted({mutant.module for mutant in untried}), tests)
        tell(f"{len(untried)} of {len(mutants)} mutants, {len(known.seconds)} tests")
        trials = _Trials(known, workers, tell, verdicts)
        inside = [mutant for mutant in untried if mutant.function is not None]
        outside = [mutant for mutant in untried if mutant.function is None]
        found |= _in_child(lambda: _loaded(_TryLoaded(inside, trials), tests))
        found |= trials.of(outside, lambda mutant: _fresh(mutant, known))
    return {mutant.name: found[mutant.name] for mutant in mutants}


def _in_child(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What some work returns, done in a child so that what it loads is not loaded here."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        code = 1
        try:
            os.close(read)
            with open(write, "w") as file:
                json.dump(work(), file)
            code = 0
        finally:
            os._exit(code)
    os.close(write)
    with open(read) as file:
        text = file.read()
    _, status = os.waitpid(child, 0)
    if status:
        raise SystemExit("the tests cannot be run: see above")
    return json.loads(text)


def _learn(modules: Sequence[str], tests: Sequence[str]) -> Known:
    plugin = _Learn(modules)
    known = _in_child(lambda: _loaded(plugin, tests))
    lines = {module: {int(line): tests for line, tests in found.items()} for module, found in known["lines"].items()}
    return Known(known["seconds"], lines)


def _loaded(plugin: Any, tests: Sequence[str]) -> dict[str, Any]:
    """Collect all tests, and let the plugin do with them what it wants."""
    os.chdir(ROOT)
    pytest.main([*OPTIONS, *tests], plugins=[plugin])
    result: dict[str, Any] = plugin.result
    return result


class _Learn:
    """Runs each test once, to see how long it takes and which lines it runs."""

    def __init__(self, modules: Sequence[str]) -> None:
        self.modules = modules
        self.result: dict[str, Any] = {}

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        from coverage import Coverage

        ask_for(session.items, FEW)
        files = {module: str(SOURCES / module) for module in self.modules}
        coverage = Coverage(data_file=None, config_file=False, include=list(files.values()))
        coverage.start()
        seconds: dict[str, float] = {}
        for item in session.items:
            coverage.switch_context(item.nodeid)
            began = process_time()
            if passes([item]):
                seconds[item.nodeid] = round(process_time() - began, 4)
        coverage.stop()
        data = coverage.get_data()
        lines = {}
        for module, file in files.items():
            found = data.contexts_by_lineno(file)
            lines[module] = {line: [test for test in tests if test in seconds] for line, tests in found.items()}
        self.result = {"seconds": seconds, "lines": lines}
        return True


class _TryLoaded:
    """Puts each mutant of a function to the test in a fork of the process that has collected the tests."""

    def __init__(self, mutants: Sequence[Mutant], trials: _Trials) -> None:
        self.mutants = mutants
        self.trials = trials
        self.result: dict[str, str] = {}

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = {item.nodeid: item for item in session.items}
        known = self.trials.known

        def attempt(mutant: Mutant) -> bool:
            tests = [items[test] for test in known.tests_of(mutant)]
            put_into_place(mutant)
            ask_for(tests, FEW)
            if not passes(tests):
                return False
            signal.setitimer(signal.ITIMER_PROF, 0)  # it does not go on for ever
            properties = [test for test in tests if hasattr(getattr(test, "obj", None), "hypothesis")]
            for test in properties:
                test._initrequest()  # type: ignore[attr-defined]
            ask_for(properties, None)
            return passes(properties)

        uncovered = [mutant for mutant in self.mutants if not known.tests_of(mutant)]
        self.result = dict.fromkeys((mutant.name for mutant in uncovered), UNCOVERED)
        covered = [mutant for mutant in self.mutants if mutant.name not in self.result]
        self.result |= self.trials.of(covered, attempt)
        return True


class _InOrder:
    """Runs certain tests, the quickest first."""

    def __init__(self, tests: Sequence[str]) -> None:
        self.tests = tests

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        by_name = {item.nodeid: item for item in items}
        items[:] = [by_name[test] for test in self.tests]
        ask_for(items, FEW)


def _fresh(mutant: Mutant, known: Known) -> bool:
    """Whether all tests pass with a mutant of what a module does when it is imported. The nearest come first by
    themselves: most mutants do not survive those, and it takes long to import all."""
    tests = known.tests_of(mutant)
    os.chdir(ROOT)
    ChangedModule(mutant).install()
    return _pass_fresh(tests[:NEAREST]) and _pass_fresh(tests[NEAREST:])


def _pass_fresh(tests: Sequence[str]) -> bool:
    files = dict.fromkeys(test.partition("::")[0] for test in tests)
    return not files or pytest.main([*OPTIONS, "-x", *files], plugins=[_InOrder(tests)]) == pytest.ExitCode.OK


class _Trials:
    """Puts mutants to the test, so many at a time."""

    def __init__(self, known: Known, workers: int, tell: Callable[[str], None], verdicts: Verdicts) -> None:
        self.known = known
        self._workers = workers
        self._tell = tell
        self._verdicts = verdicts

    def of(self, mutants: Sequence[Mutant], attempt: Callable[[Mutant], bool]) -> dict[str, str]:
        """What becomes of each."""
        found: dict[str, str] = {}
        running: dict[int, Mutant] = {}
        waiting = list(reversed(mutants))
        while waiting or running:
            while waiting and len(running) < self._workers:
                mutant = waiting.pop()
                patience = self.known.patience(mutant)
                child = in_fork(lambda mutant=mutant: attempt(mutant), patience)  # type: ignore[misc]
                running[child] = mutant
            child, status = os.wait()
            mutant = running.pop(child)
            found[mutant.name] = verdict(status)
            self._verdicts.add(mutant, found[mutant.name])
            if found[mutant.name] == SURVIVED:
                self._tell(f"survived: {mutant.name} (line {mutant.lines[0]})")
            elif len(found) % 100 == 0:
                self._tell(f"{len(found)} of {len(mutants)}")
        return found
