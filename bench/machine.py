"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

ROOT = Path(__file__).parents[1]


def describe(folder: Path) -> dict[str, Any]:
    """The machine, its Python, the disk that `folder` is on, and the commit of this working copy."""
    import apsw

    return {
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "memory": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "sqlite": apsw.sqlite_lib_version(),
        "file_system": _file_system(folder),
        "fdatasync_us": _syncs(folder),
        "load": os.getloadavg()[0],
        "commit": _git("rev-parse", "--short=12", "HEAD"),
        "changed": bool(_git("status", "--porcelain", "--", "src")),
    }


def available() -> int:
    """Bytes of memory that are free or can be freed."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return sys.maxsize


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _file_system(folder: Path) -> str:
    """The type of what is mounted nearest above a folder."""
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    above = [(point, kind) for point, kind in mounts if folder.resolve().is_relative_to(point)]
    return max(above, key=lambda mount: len(mount[0]))[1] if above else "unknown"


def _syncs(folder: Path) -> list[float]:
    """How many microseconds it takes to have 200 bytes more safe on the disk: the median, and the 99th percentile."""
    taken = []
    with open(folder / "synced", "wb", buffering=0) as file:
        for _ in range(200):
            file.write(b"x" * 200)
            began = perf_counter()
            os.fdatasync(file.fileno())
            taken.append((perf_counter() - began) * 1e6)
    taken.sort()
    return [round(taken[100], 1), round(taken[198], 1)]


def _git(*arguments: str) -> str:
    git = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return git.stdout.strip()
