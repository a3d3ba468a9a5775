"""What a campaign has shown, as a page that is the same whenever the same mutants survive."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.mutation.reasons import REASONS
from tests.mutation.trial import KILLED, TIMED_OUT

SURVIVORS = Path(__file__).with_name("survivors.md")
ENOUGH = 0.95


class Score:
    """How many mutants there were, and which of them survived."""

    def __init__(self, verdicts: Mapping[str, str]) -> None:
        self.modules: dict[str, list[int]] = {}
        """Module -> how many of its mutants were killed, and how many there were."""
        self.survivors = [name for name, verdict in verdicts.items() if verdict not in (KILLED, TIMED_OUT)]
        for name, verdict in verdicts.items():
            counts = self.modules.setdefault(name.partition(":")[0], [0, 0])
            counts[0] += verdict in (KILLED, TIMED_OUT)
            counts[1] += 1

    @property
    def killed(self) -> int:
        """Of all modules."""
        return sum(killed for killed, _ in self.modules.values())

    @property
    def total(self) -> int:
        """Of all modules."""
        return sum(total for _, total in self.modules.values())

    @property
    def unexplained(self) -> list[str]:
        """Survivors without a reason."""
        return [name for name in self.survivors if name not in REASONS]

    @property
    def is_enough(self) -> bool:
        """Whether enough were killed, and every other has a reason."""
        return self.killed >= ENOUGH * self.total and not self.unexplained


def text(score: Score) -> str:
    """The page."""
    lines = [
        "# Mutants that survive",
        "",
        "Written by `python -m tests.mutation`; the reasons are in reasons.py.",
        "",
        "| module | mutants | killed | |",
        "|---|---|---|---|",
    ]
    for module, (killed, total) in score.modules.items():
        lines.append(f"| {module} | {total} | {killed} | {killed / total:.1%} |")
    lines.append(f"| all | {score.total} | {score.killed} | {score.killed / max(score.total, 1):.1%} |")
    module = ""
    for name in score.survivors:
        if name.partition(":")[0] != module:
            module = name.partition(":")[0]
            lines += ["", f"## {module}", ""]
        lines.append(f"- {name.partition(':')[2]}: {REASONS.get(name, '**no reason yet**')}")
    return "\n".join(lines) + "\n"
