"""python -m clip_conformance."""

from clip_conformance.cli import main

main()
