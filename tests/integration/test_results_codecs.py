"""Codecs that other packages bring, installed for real: a module and its entry point on the path."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

MODULE = """
from dataclasses import dataclass

from penstock.results.codecs import NotTaken

print("imported")

@dataclass
class Picture:
    pixels: bytes

class PictureCodec:
    name = "picture"
    runs_code = False

    def takes(self, value):
        return isinstance(value, Picture)

    def write(self, value, file):
        if value.pixels == b"black":
            raise NotTaken("too dark")
        if value.pixels == b"broken":
            raise ZeroDivisionError("a fault of the codec")
        file.write(b"PIC" + bytes(4))
        file.write(value.pixels)
        file.seek(3)
        file.write(len(value.pixels).to_bytes(4, "big"))
        file.seek(0, 2)

    def read(self, file, path):
        assert file.read(3) == b"PIC"
        return Picture(file.read(int.from_bytes(file.read(4), "big")))

picture_codec = PictureCodec()
misnamed = PictureCodec()
json_codec = PictureCodec()
json_codec.name = "json"
"""
ENTRY_POINTS = """
[penstock.codecs]
picture = pictures:picture_codec
json = pictures:json_codec
other = pictures:misnamed
missing = pictures:nothing
"""
HEAD = """
import sys, warnings
sys.path.insert(0, "site")
from pathlib import Path
from penstock.engine.events import ValueRef
from penstock.errors import ValueNotKept, ValueUnavailable
from penstock.results.files import FileResults
from penstock.results.values import load_value, store_value
results = FileResults(Path("results"))
"""


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    information = tmp_path / "site" / "pictures-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: pictures\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(ENTRY_POINTS)
    (tmp_path / "site" / "pictures.py").write_text(MODULE)
    return tmp_path


def run(program: str, folder: Path) -> tuple[list[str], str]:
    done = subprocess.run(
        [sys.executable, "-c", HEAD + program], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines(), done.stderr


def test_plain_values_load_no_codecs_of_others(installed):
    lines, _ = run("store_value([1], results), store_value('a' * 10_000, results)", installed)
    assert lines == []


STORE = """
from pictures import Picture
for size in (5, 1_000_000):
    ref = store_value(Picture(b"x" * size), results)
    assert ref.codec == "picture" and load_value(ref, results, unpickle=False) == Picture(b"x" * size)
Path("ref").write_text(repr(tuple(ref)))
print(store_value(Picture(b"black"), results).codec)
print(store_value({1: object}, results).codec)
try:
    store_value(Picture(b"broken"), results)
except ValueNotKept as error:
    print(error)
print(results.sweep(older_than=0))
"""
LOAD = """
try:
    print(len(load_value(ValueRef(*eval(Path("ref").read_text())), results).pixels))
except ValueUnavailable as error:
    print(error)
"""


def test_a_codec_takes_values_of_its_types(installed):
    lines, warnings = run(STORE, installed)
    assert lines == [
        "imported",
        "pickle",
        "pickle",
        "codec 'picture' failed on a value of type Picture (ZeroDivisionError: a fault of the codec)",
        "0",
    ]
    assert "codec 'json' of pictures:json_codec is ignored: the name is taken" in warnings
    assert "codec 'other' of pictures:misnamed is ignored: ValueError: it calls itself 'picture'" in warnings
    assert "codec 'missing' of pictures:nothing is ignored: AttributeError" in warnings
    assert run(LOAD, installed)[0] == ["imported", "1000000"]


def test_without_its_codec_a_value_is_unavailable(installed):
    run(STORE, installed)
    (installed / "site" / "pictures-1.0.dist-info" / "entry_points.txt").unlink()
    [line], _ = run(LOAD, installed)
    assert "codec 'picture', which is not installed here" in line
