"""Options that several commands share."""

import click

SCOPES = ["arrays", "modes", "files"]

model = click.option("--model", default="ViT-B/32", show_default=True, help="A model of `list models`, or all.")
scopes = click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(SCOPES),
    help="This scope alone; repeatable. [default: all]",
)
select = click.option(
    "--select", "globs", multiple=True, metavar="GLOB", help="The fixtures whose slug matches; repeatable."
)
timeout = click.option(
    "--timeout",
    default=20.0,
    show_default=True,
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="For one case, from when the candidate is ready.",
)
memory = click.option(
    "--memory",
    default=8.0,
    show_default=True,
    type=click.FloatRange(min=0),
    metavar="GIB",
    help="That a process of the candidate and its children may hold, on Linux; 0 for any number.",
)
strict = click.option("--strict-protocol", "strict", is_flag=True, help="Hold every message against its JSON Schema.")
