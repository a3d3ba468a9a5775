"""The command line."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run `penstock` with these arguments, by default the process's own, and exit with its code."""
    from penstock.cli.group import execute

    sys.exit(execute(sys.argv[1:] if arguments is None else arguments))
