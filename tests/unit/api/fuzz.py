"""Schemathesis over the whole specification of a server with runs of all kinds: `python -m tests.unit.api.fuzz [N]`
makes N examples of each request, and all phases.

Two things it may not ask for: that whatever fits the schema is accepted (a task may have any name, and need not be
there), and that a path has exactly the methods of its own template (a workflow may be called "a/runs"). What never
ends, the events, is left out; tests of its own read it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.unit.api.served import BASE, Api, etl, hello, idle, paper, served

EXCLUDED_CHECKS = "positive_data_acceptance,unsupported_method"
CONFIG = """\
[parameters]
"path.run" = "{run}"
"path.task" = "{task}"
"path.workflow" = "etl"
"""


def fuzz(folder: Path, options: list[str], *, known: bool) -> subprocess.CompletedProcess[str]:
    """What Schemathesis finds; with ids that are `known`, it comes to what is behind them."""
    with served(f"sqlite:///{folder / 'store'}") as api:
        run = _fill(api)
        config = folder / "schemathesis.toml"
        config.write_text(CONFIG.format(run=run, task="square[1]") if known else "")
        command: list[str | Path] = [Path(sys.executable).with_name("schemathesis"), "--config-file", config, "run"]
        endless = "/events$" if known else "/(events|follow)$"  # the logs of a run that has ended have an end
        command += [f"{api.server.url}{BASE}/openapi.json", "--exclude-path-regex", endless, "--no-color"]
        command += ["--exclude-operation-id", "delete_run"] if known else []  # what is behind that run would be gone
        command += ["--exclude-checks", EXCLUDED_CHECKS, *options]
        found = subprocess.run(command, cwd=folder, text=True, capture_output=True, check=False)
        for one in api.manager.runs():
            if one.state not in ("success", "failed", "cancelled"):
                one.cancel()
        return found


def _fill(api: Api) -> str:
    failed = api.manager.run(etl, raise_on_failure=False)
    for flow in (hello, idle):
        api.manager.run(flow)
    api.manager.set_pool("warehouse", 2)
    api.manager.start(paper)
    return failed.id


def main(examples: str = "200") -> None:
    """Both passes, at full length."""
    codes = []
    for known in (True, False):
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            found = fuzz(Path(folder), ["--max-examples", examples], known=known)
            print(found.stdout, found.stderr)
            codes.append(found.returncode)
            os.chdir("/")
    sys.exit(max(codes))


if __name__ == "__main__":
    main(*sys.argv[1:])
