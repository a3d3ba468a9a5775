"""The mutants that are made of a source, what becomes of them, and whether the page about them is of this source."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.mutation import verdicts
from tests.mutation.campaign import Known
from tests.mutation.mutants import Mutant, mutants_of
from tests.mutation.reasons import REASONS
from tests.mutation.report import SURVIVORS, Score, text
from tests.mutation.trial import KILLED, SOURCES, SURVIVED, TIMED_OUT
from tests.mutation.verdicts import Verdicts

SOURCE = '''
"""A module."""
LIMIT: int = 3
TABLE = {"a": 1, "b": 2}

class Box:
    size = "small"

    def holds(self, count: int = 0) -> bool:
        """Whether it does."""
        if not count or self.size == "none":
            raise ValueError(f"{count + 1} is wrong", "so it is")
        return min(count, 5) < LIMIT
'''


def changes(source: str) -> list[str]:
    return [mutant.name.removeprefix("m.py:") for mutant in mutants_of("m.py", source)]


def test_what_is_changed_and_what_is_not() -> None:
    assert changes(SOURCE) == [
        "(module): `3` -> `4`",
        "(module): `{'a': 1, 'b': 2}` without `'a'`",
        "(module): `{'a': 1, 'b': 2}` without `'b'`",
        "(module): `'a'` -> `'a_'`",
        "(module): `'b'` -> `'b_'`",
        "(module): `1` -> `2`",
        "(module): `2` -> `3`",
        "Box: `'small'` -> `'small_'`",
        "Box: `0` -> `1`",
        "Box.holds: `not count or self.size == 'none'` -> `not count and self.size == 'none'`",
        "Box.holds: `not count` -> `count`",
        "Box.holds: `self.size == 'none'` -> `self.size != 'none'`",
        "Box.holds: `'none'` -> `'none_'`",
        "Box.holds: `raise ValueError(f'{count + 1} is wrong', 'so it is')` -> `pass`",
        "Box.holds: `count + 1` -> `count - 1`",
        "Box.holds: `1` -> `2`",
        "Box.holds: `return min(count, 5) < LIMIT` -> `return None`",
        "Box.holds: `min(count, 5) < LIMIT` -> `min(count, 5) <= LIMIT`",
        "Box.holds: `min(count, 5) < LIMIT` -> `min(count, 5) >= LIMIT`",
        "Box.holds: `min(count, 5)` -> `max(count, 5)`",
        "Box.holds: `5` -> `6`",
    ]


def test_changes_that_read_the_same_are_numbered() -> None:
    first, *others = changes("def f(a):\n    a(1)\n    a(1)\n")
    assert first == "f: `a(1)` -> `pass`"
    assert others == ["f: `1` -> `2`", "f: `a(1)` -> `pass` #2", "f: `1` -> `2` #2"]


@pytest.mark.parametrize("number", range(21))
def test_each_changes_the_source_in_one_place(number: int) -> None:
    mutant = mutants_of("m.py", SOURCE)[number]
    mutant.apply()
    before, after = ast.unparse(ast.parse(SOURCE)).splitlines(), ast.unparse(mutant.tree).splitlines()
    assert len(before) == len(after)
    assert sum(one != other for one, other in zip(before, after, strict=True)) == 1
    compile(mutant.tree, "m.py", "exec")


def test_a_mutant_of_a_function_is_known_by_it_and_one_of_an_import_is_not() -> None:
    functions = {mutant.function for mutant in mutants_of("m.py", SOURCE)}
    assert functions == {None, ("Box.holds", 9)}


def test_the_quickest_of_the_tests_that_run_its_lines_are_tried_first() -> None:
    seconds = {"slow": 2.0, "quick": 0.1, "other": 0.3, "elsewhere": 0.0}
    known = Known(seconds, {"m.py": {11: ["slow", "quick"], 12: ["other"]}})
    by_change = {mutant.change: mutant for mutant in mutants_of("m.py", SOURCE)}
    assert known.tests_of(by_change["`not count` -> `count`"]) == ["quick", "slow"]
    assert known.tests_of(by_change["`5` -> `6`"]) == []
    assert known.tests_of(by_change["`3` -> `4`"]) == ["quick", "other", "slow", "elsewhere"]


def test_the_page_gives_the_score_and_a_reason_for_each_survivor() -> None:
    reason = next(iter(REASONS))
    module = reason.partition(":")[0]
    score = Score({f"{module}:a: x": KILLED, f"{module}:b: y": TIMED_OUT, reason: SURVIVED})
    page = text(score)
    assert f"| {module} | 3 | 2 | 66.7% |" in page
    assert REASONS[reason] in page
    assert not score.unexplained
    assert not score.is_enough
    assert not Score({"m.py:a: x": SURVIVED}).is_enough
    assert Score({f"m.py:{number}": KILLED for number in range(19)} | {reason: SURVIVED}).is_enough
    assert not Score({f"m.py:{number}": KILLED for number in range(99)} | {"m.py:b": SURVIVED}).is_enough


def test_a_verdict_is_kept_for_as_long_as_its_module_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(verdicts, "SOURCES", tmp_path)
    (tmp_path / "m.py").write_text(SOURCE)
    first, second = mutants_of("m.py", SOURCE)[:2]
    Verdicts(tmp_path / "kept").add(first, KILLED)
    assert [Verdicts(tmp_path / "kept").get(mutant) for mutant in (first, second)] == [KILLED, None]
    (tmp_path / "m.py").write_text(f"{SOURCE}\n")
    assert Verdicts(tmp_path / "kept").get(first) is None
    assert Verdicts(None).get(first) is None


def made_now() -> set[str]:
    modules = {name.partition(":")[0] for name in REASONS}
    made: list[Mutant] = []
    for module in sorted(modules):
        made += mutants_of(module, (SOURCES / module).read_text())
    return {mutant.name for mutant in made}


def test_every_reason_is_for_a_mutant_that_there_is() -> None:
    assert set(REASONS) <= made_now()


def test_the_page_tells_of_survivors_with_reasons_alone() -> None:
    page = Path(SURVIVORS).read_text()
    assert "no reason yet" not in page
    told, module = set(), ""
    for line in page.splitlines():
        if line.startswith("## "):
            module = line.removeprefix("## ")
        elif match := re.match(r"- (.*?`(?: #\d+)?): ", line):
            told.add(f"{module}:{match[1]}")
    assert told == set(REASONS)
