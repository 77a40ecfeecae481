"""The command `clip-conformance`."""

import sys
import traceback
from io import TextIOWrapper
from typing import Any

import click

from clip_conformance.cli.adapter import replay, smoke
from clip_conformance.cli.bundle import export, verify
from clip_conformance.cli.catalogue import list_, show
from clip_conformance.cli.check import check
from clip_conformance.cli.diff import diff
from clip_conformance.cli.fuzz import fuzz
from clip_conformance.cli.matrix import matrix
from clip_conformance.cli.onnx import build_onnx
from clip_conformance.cli.report import report
from clip_conformance.errors import UsageError

DEBUG = "--debug"


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="clip-conformance")
@click.option(DEBUG, is_flag=True, expose_value=False, help="Show tracebacks.")
def cli() -> None:
    """Score a CLIP image preprocessor against the canon, stage by stage.

    Exit status: 0 the required level is reached, 1 it is not, 2 the run could not be made.
    """


for command in (check, report, diff, matrix, smoke, fuzz, list_, show, export, verify, replay, build_onnx):
    cli.add_command(command)


def main(arguments: list[str] | None = None) -> None:
    """Run the command; an error is one line on stderr and exit status 2."""
    words = sys.argv[1:] if arguments is None else arguments
    for stream in (sys.stdout, sys.stderr):
        # What the locale's encoding lacks is shown as a question mark; a verdict is not lost for a dot.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    debug = DEBUG in words
    try:
        status: Any = cli.main(args=[word for word in words if word != DEBUG], standalone_mode=False)
    except click.ClickException as error:
        error.show()
        status = 2
    except click.Abort:
        status = 130
    except (UsageError, OSError) as error:
        if debug:
            traceback.print_exc()
            print(getattr(error, "detail", ""), file=sys.stderr)
        print(f"clip-conformance: {' '.join(str(error).split())}", file=sys.stderr)
        status = 2
    except KeyboardInterrupt as error:
        print("clip-conformance: ended before there was anything to report", file=sys.stderr)
        status = getattr(error, "status", 130)
    except Exception as error:
        if debug:
            traceback.print_exc()
        where = f"{type(error).__name__}: {error}"
        print(
            f"clip-conformance: a defect of the suite itself, please report it: {where} (--debug)",
            file=sys.stderr,
        )
        status = 2
    sys.exit(status if isinstance(status, int) else 0)
