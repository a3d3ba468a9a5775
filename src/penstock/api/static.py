"""The files of the web interface, as they were built: nothing else of the file system is ever given out."""

from __future__ import annotations

from hashlib import blake2b
from mimetypes import guess_type
from pathlib import Path
from typing import NamedTuple

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from penstock.api.problems import problem

FOLDER = Path(__file__).parents[1] / "ui"
_FOR_EVER = "public, max-age=31536000, immutable"
"""What is under /assets/ has a digest of its content in its name."""
_COMPRESSED = (("br", ".br"), ("gzip", ".gz"))


class _File(NamedTuple):
    path: Path
    kind: str
    tag: str
    forms: dict[str, Path]
    """The same, compressed: by the name of the encoding."""


class Files:
    """What was found in a folder when the server began, by the paths under which it is asked for. Whatever else is
    asked for by a browser that wants a page is the first page, which then shows what its address says."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._files: dict[str, _File] = {}
        if folder.is_dir():
            for path in sorted(folder.rglob("*")):
                name = path.relative_to(folder).as_posix()
                if path.is_file() and not path.is_symlink() and not name.endswith((".br", ".gz", ".py", ".map")):
                    self._files[f"/{name}"] = _found(path)
        self._page = self._files.get("/index.html")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._answer(scope)(scope, receive, send)

    def _answer(self, scope: Scope) -> Response:
        path, headers = scope["path"], Headers(scope=scope)
        if path.startswith("/api/"):
            return problem(404, "not-found", "there is nothing of that name: /api/v1/openapi.json tells what there is")
        if scope["method"] not in ("GET", "HEAD"):
            return problem(405, "method-not-allowed", "files are only read", headers={"Allow": "GET, HEAD"})
        found = self._files.get(path)
        if found is None and self._page is not None and _wants_page(path, headers):
            found = self._page
        if found is None:
            what = "there is no such file" if self._page is not None else "the web interface is not built in here"
            return problem(404, "not-found", what)
        return _sent(found, headers, for_ever=path.startswith("/assets/"))


def _found(path: Path) -> _File:
    kind = guess_type(path.name)[0] or "application/octet-stream"
    kind = f"{kind}; charset=utf-8" if kind.startswith("text/") else kind
    forms = {name: form for name, ending in _COMPRESSED if (form := path.with_name(path.name + ending)).is_file()}
    return _File(path, kind, blake2b(path.read_bytes(), digest_size=12).hexdigest(), forms)


def _wants_page(path: str, headers: Headers) -> bool:
    """Whether this is the address of a view: nothing with an ending, asked for by who shows pages."""
    return "text/html" in headers.get("accept", "") and not path.startswith("/assets/")


def _sent(found: _File, headers: Headers, *, for_ever: bool) -> Response:
    accepted = [one.partition(";")[0].strip() for one in headers.get("accept-encoding", "").split(",")]
    form = next((name for name in found.forms if name in accepted), None)
    extra = {
        "ETag": f'"{found.tag}{f"-{form}" if form else ""}"',
        "Cache-Control": _FOR_EVER if for_ever else "no-cache",
        "Vary": "Accept-Encoding",
    }
    if extra["ETag"] in headers.get("if-none-match", ""):
        return Response(status_code=304, headers=extra)
    if form is not None:
        extra["Content-Encoding"] = form
    content = (found.forms[form] if form is not None else found.path).read_bytes()
    return Response(content, media_type=found.kind, headers=extra)
