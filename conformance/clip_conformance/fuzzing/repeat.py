"""One saved image, judged once more; Hypothesis is not needed for it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from clip_conformance.engine import workdir
from clip_conformance.errors import UsageError
from clip_conformance.fuzzing.bench import Bench, one_target
from clip_conformance.fuzzing.finding import Finding, load
from clip_conformance.fuzzing.properties import PROPERTIES
from clip_conformance.fuzzing.verdict import Deviations, repeated
from clip_conformance.transports.kept import DEFAULT_MEMORY
from clip_conformance.transports.setup import InputKind
from clip_spec import LevelId


def repeat(
    candidate: Any,
    path: Path,
    property_id: str = "",
    model: str = "ViT-B/32",
    *,
    require: LevelId = "equivalent",
    timeout: float = 20.0,
    memory: float = DEFAULT_MEMORY,
    kind: InputKind = "pil",
) -> Finding:
    """Judge a saved image; an image that has no output any more fails as well.

    Args:
        candidate: as for `fuzz`.
        path: what `save` returned, or any image file.
        property_id: the property to look at; the canon decides without.
        model: a name of the table of models.
        require: the level that counts as passed.
        timeout: seconds for one image.
        memory: GiB that the candidate may hold, 0 for any number (see `check`).
        kind: what a Python callable takes.

    Raises:
        UsageError: the file is no image, there is no such property, or the candidate cannot start.
    """
    picture = load(path)
    known = PROPERTIES[property_id] if property_id else None
    if known is not None and ((known.rgb and picture.mode != "RGB") or (known.flat and not picture.flat)):
        raise UsageError(f"{path}: the property {known.id} is about {known.about} alone")
    with (
        workdir() as name,
        Bench(candidate, one_target(model), Path(name), timeout=timeout, memory=memory, kind=kind) as bench,
    ):
        judge = Deviations(bench, require)
        if known is None:
            verdict = judge(picture)
        elif missing := known.offered(bench):
            raise UsageError(f"the property {known.id} is {missing}")
        else:
            verdict = repeated(lambda image: known.look(bench, image), picture, known.tries)
        stages = judge.levels(picture) if known is None and verdict.status == "ok" else []
    verdict = replace(verdict, failed=verdict.failed or verdict.status != "ok")
    return Finding(picture, verdict, path.name, bench.stage, property_id, stages=tuple(stages), path=path)
