"""What a reader of a page has in front of them: shells and a Python prompt in one folder, driven through pipes."""

from __future__ import annotations

import contextlib
import json
import os
import re
import selectors
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import monotonic

from tests.acceptance.pages import Block, Typed, appears, blocks, typed

PATIENCE = 60.0
"""Seconds after which what did not appear will not."""

_DONE = "\x00done\x00"

_JOB_ENDED = re.compile(r"^bash: .*\d+ (Killed|Terminated) .*\n", re.MULTILINE)
"""What a bash that reads from a pipe says of its jobs. At a terminal it says other things, at other times."""

_SHELL = ["bash", "--noprofile", "--norc"]

_PROMPT = [
    sys.executable,
    "-c",
    """if True:
    def _serve():
        import json, os, sys
        with os.fdopen(os.dup(0)) as commands:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            for command in commands:
                number, page, text = json.loads(command)
                code = compile("\\n" * (number - 1) + text, page, "exec", dont_inherit=True)
                exec(code, vars(sys.modules["__main__"]))
                print(end="\\0done\\0", flush=True)
    _serve()
    """,
]


class Terminal:
    """A process that takes commands through one pipe, and whose output, and that of its children, comes by another."""

    def __init__(self, arguments: list[str], folder: Path, *, errors: int = subprocess.STDOUT) -> None:
        ours = ("PENSTOCK_", "PYTEST_", "COV")
        own = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        path = os.pathsep.join([str(Path(sys.executable).parent), own.get("PATH", "")])
        shown = {"COLUMNS": "100", "TERM": "dumb", "PYTHONUNBUFFERED": "1", "TZ": "UTC"}
        self._process = subprocess.Popen(
            arguments,
            cwd=folder,
            env={**own, "PATH": path, **shown},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
        self._text = b""

    def say(self, command: str) -> None:
        """Hand in a command."""
        assert self._process.stdin is not None
        self._process.stdin.write(command.encode())
        self._process.stdin.flush()

    def until(self, enough: Callable[[str], bool]) -> str:
        """The output since it was last asked for, once it is enough, has ended, or PATIENCE is over."""
        assert self._process.stdout is not None
        output = self._process.stdout.fileno()
        deadline = monotonic() + PATIENCE
        with selectors.DefaultSelector() as selector:
            selector.register(output, selectors.EVENT_READ)
            while not enough(self._text.decode(errors="replace")) and selector.select(deadline - monotonic()):
                if not (more := os.read(output, 65_536)):
                    break
                self._text += more
        text, self._text = self._text, b""
        return text.decode(errors="replace")

    def close(self) -> None:
        """End it, with whatever it still runs."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()


class Player:
    """Plays a page in a folder, block after block. Problems are kept, each with its place."""

    def __init__(self, page: Path, folder: Path) -> None:
        self.problems: list[str] = []
        self._name = page.name
        self._blocks = [block for block in blocks(page) if not block.reason or block.instead]
        self._folder = folder
        self._terminals: dict[str, Terminal] = {}
        self._printed = ""

    def play(self) -> list[str]:
        """Play the page to its end or first problem; the problems."""
        try:
            for number, block in enumerate(self._blocks):
                self._play(block, self._blocks[number + 1 :])
                if self.problems:
                    break
        finally:
            for terminal in self._terminals.values():
                terminal.close()
        return self.problems

    def _play(self, block: Block, rest: list[Block]) -> None:
        if block.instead:
            self._type(Typed(block.instead, "...", block.line), "", goes_on=False)
        elif block.kind == "console":
            later = next((other for other in rest if (other.kind, other.title) == ("console", block.title)), None)
            goes_on = later is not None and not typed(later)[0].command
            steps = typed(block)
            for step in steps:
                self._type(step, block.title, goes_on=goes_on and step is steps[-1])
        elif block.kind == "text" and block.title == "Output":
            self._compare(block.text, self._printed, block.line)
        elif block.title:
            (self._folder / block.title).write_text(block.text, "utf-8")
        elif block.kind == "python":
            prompt = self._terminal("python", _PROMPT)
            prompt.say(json.dumps([block.line, self._name, block.text]) + "\n")
            printed = prompt.until(lambda text: _DONE in text)
            self._printed = printed.replace(_DONE, "")
            if _DONE not in printed:
                self._problem(block.line, f"the block did not come to its end:\n{printed}")

    def _type(self, step: Typed, title: str, *, goes_on: bool) -> None:
        """Type a command and see what it shows until it ends or, if it `goes_on` or was sent to the background, until
        what must appear is there."""
        shell = self._terminal(f"$ {title}", _SHELL, errors=subprocess.DEVNULL)
        if step.command:
            again = "__status=$?; printf '\\0done\\0'; (exit $__status)"
            shell.say(f"{{ {step.command}\n}} 2>&1 </dev/null; {again}\n")
        if goes_on:
            shown = shell.until(lambda text: appears(step.output, text))
        else:
            shown = shell.until(lambda text: _DONE in text)
            if _DONE not in shown:
                self._problem(step.line, f"this did not end: {step.command}\n{shown}")
                return
            shown = _JOB_ENDED.sub("", shown.replace(_DONE, ""))
            if step.command.endswith("&"):
                before = shown
                shown += shell.until(lambda text: appears(step.output, before + text))
        self._compare(step.output, shown, step.line, f"$ {step.command}\n")

    def _terminal(self, name: str, arguments: list[str], errors: int = subprocess.STDOUT) -> Terminal:
        if name not in self._terminals:
            self._terminals[name] = Terminal(arguments, self._folder, errors=errors)
        return self._terminals[name]

    def _compare(self, expected: str, output: str, line: int, command: str = "") -> None:
        if not appears(expected, output):
            self._problem(line, f"{command}--- the page says\n{expected}--- what appeared\n{output}")

    def _problem(self, line: int, story: str) -> None:
        self.problems.append(f"{self._name}:{line}: {story}")
