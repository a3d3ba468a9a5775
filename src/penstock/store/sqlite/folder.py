"""The folder of a store: made for its owner alone, and refused where files are not local."""

from __future__ import annotations

import os
import re
from pathlib import Path

from penstock.errors import StoreError

_NETWORK = frozenset(
    (
        *(
            "nfs",
            "nfs4",
            "cifs",
            "smb3",
            "smbfs",
            "afs",
            "ncpfs",
            "coda",
            "ceph",
            "glusterfs",
            "lustre",
            "beegfs",
            "gpfs",
        ),
        *("gfs2", "ocfs2", "davfs", "drvfs", "fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.rclone", "fuse.s3fs"),
        *("fuse.gcsfuse", "fuse.davfs2", "fuse.juicefs", "fuse.mount-s3", "fuse.blobfuse2", "fuse.smbnetfs"),
    )
)
_OCTAL = re.compile(r"\\([0-7]{3})")


def prepare_folder(folder: Path) -> None:
    """Make the folder, with what it is in, if it is not there. StoreError where no store can be."""
    kind = network_file_system(folder, mounts())
    if kind is not None:
        raise StoreError(
            f"{folder} is on a network file system ({kind}), where SQLite's locks cannot be relied on: choose a folder "
            "on a local disk, with store='sqlite:///PATH' or the environment's PENSTOCK_HOME"
        )
    try:
        if _make(folder, 0o700):
            (folder / ".gitignore").write_text("*\n", "utf-8")
    except OSError as error:
        raise StoreError(f"the store's folder {folder} cannot be made: {error.strerror}") from error


def mounts() -> str:
    """What is mounted here, as /proc/mounts has it; nothing where there is no such file."""
    try:
        return Path("/proc/mounts").read_text("utf-8", "surrogateescape")
    except OSError:
        return ""


def network_file_system(folder: Path, mounts: str) -> str | None:
    """The name of the network file system that a folder is on, or will be; None for a local one."""
    place = Path(os.path.realpath(folder))
    found, depth = "", -1
    for line in mounts.splitlines():
        _, mounted, kind, *_ = line.split(" ")
        point = Path(_OCTAL.sub(lambda match: chr(int(match[1], 8)), mounted))
        if len(point.parts) >= depth and place.is_relative_to(point):  # the last one mounted on a place hides others
            found, depth = kind, len(point.parts)
    return found if found in _NETWORK else None


def _make(folder: Path, mode: int) -> bool:
    if folder.is_dir():
        return False
    _make(folder.parent, 0o777)
    try:
        folder.mkdir(mode)
    except FileExistsError:
        if folder.is_dir():
            return False
        raise
    parent = os.open(folder.parent, os.O_RDONLY)
    try:
        os.fsync(parent)  # or the folder, with all that is safe in it, may be gone after a power loss
    finally:
        os.close(parent)
    return True
