"""The Jinja2 templates of pages and Markdown, in which every text of a candidate is escaped."""

from functools import cache, partial
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from clip_conformance.plain import plain
from clip_conformance.reports.markup import prose

# Characters of a text.
_ROOM = 300


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("clip_conformance.reports", "pages"),
        autoescape=lambda name: bool(name) and str(name).endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"prose": partial(prose, room=_ROOM), "plain": lambda text: plain(str(text))}
    return environment


def rendered(name: str, **values: Any) -> str:
    """Return a template of the folder `pages` with its values."""
    return _environment().get_template(name).render(**values)
