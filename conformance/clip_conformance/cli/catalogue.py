"""clip-conformance list and show."""

import click

_KINDS = ["models", "stages", "clauses", "fixtures", "faults"]


@click.command("list")
@click.argument("kind", type=click.Choice(_KINDS))
def list_(kind: str) -> None:
    """List models, stages, clauses, fixtures or faults."""
    from clip_conformance.listing import table
    from clip_conformance.terminal import output

    output().print(table(kind))


@click.command(short_help="Show a clause, a fixture, a fault, a model, a stage, or the protocol.")
@click.argument("id_", metavar="ID")
@click.option("--n-px", default=224, show_default=True, type=click.IntRange(1), help="For which a fixture is built.")
def show(id_: str, n_px: int) -> None:
    """Show a clause, a fixture (as a picture), a fault, a model or a stage; `show protocol` how to write an adapter."""
    from clip_conformance.listing import page
    from clip_conformance.terminal import output

    console = output()
    console.print(page(id_, n_px, pictures=console.is_terminal))
