"""Finding out how many instances a map has, which takes the values that it is over."""

from __future__ import annotations

from penstock.definition.options import options_of
from penstock.engine.events import ExpansionFailed, MapExpanded
from penstock.errors import StoreError
from penstock.executor.context import RunContext
from penstock.executor.invoke import error_text


def expand(context: RunContext, row: int) -> MapExpanded | ExpansionFailed:
    """Expand a map by the values that are there now. StoreError if they cannot be read at this moment."""
    try:
        expanded = context.filling.expand(row)
        name = options_of(context.tasks[row], context.defaults).get("map_name")
        names = context.filling.names(row, name) if name is not None else ()
    except StoreError:
        raise
    except Exception as error:  # what is mapped over may be of the user's own making
        return ExpansionFailed(row, context.clock.time(), error_text(error))
    return MapExpanded(row, context.clock.time(), expanded.width, names)
