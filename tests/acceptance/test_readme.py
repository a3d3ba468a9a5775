"""README keeps its promises: its programme is the tutorial's, and what it shows is what appears."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.acceptance.pages import DOCS, README, ROOT, blocks
from tests.acceptance.terminals import Player

PROGRAMME = """\
manager = WorkflowManager()
manager.add_task(Task("extract", extract))
manager.add_task(Task("transform", transform, dependencies=["extract"]))
manager.add_task(Task("load", load, dependencies=["transform"]))
manager.run()
"""


def test_its_examples_run_and_show_what_it_says(tmp_path: Path) -> None:
    problems = Player(README, tmp_path).play()
    assert not problems, problems[0]


def test_it_opens_with_the_tutorials_programme_what_to_type_and_what_one_sees() -> None:
    programme, typed = blocks(README)[:2]
    assert programme.text.startswith("from penstock import Task, WorkflowManager\n")
    assert programme.text.endswith(PROGRAMME)
    assert typed.text.startswith(f"$ python {programme.title}\nRunning task: extract\n")
    assert typed.line + len(typed.text.splitlines()) < 60, "it does not fit the first screen"


def test_its_two_commands_are_targets_of_the_makefile() -> None:
    commands = re.findall(r"^\$ make (\w+)", README.read_text("utf-8"), re.MULTILINE)
    assert commands == ["demo", "test"]
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert set(commands) <= set(targets)


def test_it_leads_to_every_page_of_the_docs() -> None:
    text = README.read_text("utf-8")
    index = ROOT / "docs" / "index.md"
    assert [page for page in DOCS if page != index and f"({page.relative_to(ROOT)})" not in text] == []


@pytest.mark.parametrize("page", [README, *DOCS], ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        path, _, anchor = link.partition("#")
        if path.startswith("https://"):
            continue
        target = (page.parent / path) if path else page
        assert target.exists(), f"{link} leads nowhere"
        if anchor:
            titles = re.findall(r"^#+ (.+)$", target.read_text("utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-") for title in titles}
