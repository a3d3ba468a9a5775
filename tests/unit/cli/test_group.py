"""What the command line makes of an end that nobody has foreseen."""

from __future__ import annotations

import pytest

from penstock.cli import runs
from penstock.cli.group import execute


@pytest.mark.parametrize("error", [KeyboardInterrupt, EOFError])
def test_a_command_that_is_interrupted_anywhere_says_so(
    error: type[BaseException], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def interrupted(store: str | None) -> None:
        raise error

    monkeypatch.setattr(runs, "Choices", interrupted)
    assert execute(["runs"]) == 130
    assert capsys.readouterr().err.strip() == "Error: interrupted"
