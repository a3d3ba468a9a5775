"""`penstock demo`: the example that is delivered with Penstock."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.commands import penstock, penstock_json


def test_the_demo_leaves_its_report_and_says_how_to_go_on():
    said = penstock("demo").stdout
    report = Path("penstock-demo/flights.html").absolute()
    assert str(report) in said
    assert report.read_text("utf-8").lstrip().startswith("<!doctype html>")
    assert "penstock resume" in said
    run = penstock_json("show")
    assert (run["workflow"], run["state"], run["counts"]) == ("flights", "success", {"success": 30})
    assert run["params"]["database"] == str(Path("penstock-demo/flights.duckdb").absolute())


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_without_what_it_needs_the_demo_says_how_to_get_it(options: list[str]):
    code = "import sys; sys.modules['duckdb'] = None; from penstock.cli import main; main(sys.argv[1:])"
    done = subprocess.run([sys.executable, "-c", code, "demo", *options], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install 'penstock[demo]'" in done.stdout + done.stderr
    assert list(Path().iterdir()) == []
