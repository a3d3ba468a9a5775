"""`penstock serve`: the service for the workflows of a folder."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from penstock.cli.options import Choices, driving_options
from penstock.cli.output import Output
from penstock.errors import PenstockError
from penstock.runtime.signals import StopSignals

if TYPE_CHECKING:
    from penstock.api.server import Server
    from penstock.service.service import Service


@click.command("serve")
@click.argument("folder", metavar="[FOLDER]", default=".", type=click.Path(exists=True, file_okay=False))
@click.option("--host", default="127.0.0.1", show_default=True, help="Where the web interface listens")
@click.option("--port", type=click.IntRange(0, 65_535), default=8080, show_default=True, help="Its port; 0 for any")
@click.option("--no-web", is_flag=True, help="Without a web interface")
@click.option(
    "--drain-timeout",
    metavar="SECONDS",
    type=click.FloatRange(0, 1e9),
    default=0.0,
    help="When it is stopped, start no more tasks, and let those that run end for so long before they are asked to",
)
@click.option(
    "--import-timeout",
    metavar="SECONDS",
    type=click.FloatRange(0, 1e9, min_open=True),
    default=60.0,
    show_default=True,
    help="How long importing a file may take",
)
@driving_options
@click.pass_obj
def command(
    output: Output,
    /,
    folder: str,
    host: str,
    port: int,
    no_web: bool,
    drain_timeout: float,
    import_timeout: float,
    **options: Any,
) -> int:
    """Run the workflows in the files of FOLDER when they are due, and go on with what nobody drives.

    A file that changes is used by the next run. Ctrl-C and SIGTERM have the runs that go on put down: tasks that run
    are asked to end, and the next service goes on with them. With --drain-timeout they may first end by themselves. A
    second Ctrl-C is less patient.
    """
    from penstock.service.service import Service

    choices = Choices(**options)
    service = Service(
        folder,
        store=choices.store,
        executor=choices.executor,
        workers=choices.workers,
        durability=choices.durability,
        drain_timeout=drain_timeout,
        import_timeout=import_timeout,
        say=lambda line: output.tell(output.clean(line)),
    )
    if not service.store.durable:
        raise PenstockError("a service hands runs to other processes: give it a store that these share, not 'memory'")
    signals = StopSignals(service.stop)
    signals.catch()
    web = None
    try:
        web = None if no_web else _begin_web(output, service, choices.store, host, port)
        service.run()
    finally:
        if web is not None:
            web.stop()
        signals.give_back()
    return 0


def _begin_web(output: Output, service: Service, store: str | None, host: str, port: int) -> Server | None:
    """The web interface, where its packages are there; beyond this machine only with a token."""
    from importlib.util import find_spec

    if find_spec("fastapi") is None or find_spec("uvicorn") is None:
        output.tell("Without a web interface, which needs an extra: pip install 'penstock[web]'")
        return None
    from penstock.api import serve
    from penstock.service.asking import Asking

    web = serve(store, host, port, token=os.environ.get("PENSTOCK_TOKEN"), service=Asking(service))
    output.tell(f"Listening on {web.url}")
    return web
