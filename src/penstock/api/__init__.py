"""The HTTP API: what the command line tells and asks, for browsers and programs. It needs the extra "web"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.errors import PenstockError

if TYPE_CHECKING:
    from penstock.api.server import Server

__all__ = ["serve"]


def serve(store: str | None = None, host: str = "127.0.0.1", port: int = 8080, **options: Any) -> Server:
    """Begin to serve the API in a thread of this process; see `penstock.api.server.serve`. PenstockError without the
    packages that it needs."""
    try:
        from penstock.api import server
    except ImportError as error:
        raise PenstockError(f"the web interface needs an extra ({error}): pip install 'penstock[web]'") from error
    return server.serve(store, host, port, **options)
