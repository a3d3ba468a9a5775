"""How large things are, and how that is said."""

from __future__ import annotations

from pathlib import Path

_UNITS = ("bytes", "KB", "MB", "GB", "TB")


def size_text(size: float) -> str:
    """Bytes for people, in powers of 1,000: "512 bytes", "3.2 MB"."""
    unit = 0
    while size >= 999.5 and unit < len(_UNITS) - 1:
        size /= 1_000
        unit += 1
    return f"{size:.0f} {_UNITS[unit]}" if unit == 0 or size >= 9.95 else f"{size:.1f} {_UNITS[unit]}"


def folder_size(folder: Path) -> int:
    """How many bytes the files in a folder have, at any depth."""
    return sum(map(_size, folder.rglob("*")))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except FileNotFoundError:  # it went meanwhile
        return 0
