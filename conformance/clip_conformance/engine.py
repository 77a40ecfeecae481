"""The one engine behind the command, the pytest plugin and `clip_conformance.check`."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import cloudpickle

import clip_spec
from clip_conformance import protocol
from clip_conformance.cases import Target, case_id, choose, targets
from clip_conformance.errors import UsageError
from clip_conformance.process import workdir
from clip_conformance.records import REPORT_SCHEMA, Case, Finding, Footer, Header
from clip_conformance.report import Report
from clip_conformance.runner import Runner
from clip_conformance.scoring.blame import blame_black_box, blame_staged, in_order
from clip_conformance.scoring.dialects import find_dialects
from clip_conformance.version import version
from clip_fixtures import Fixture
from clip_spec import LevelId, ScopeId, StageId

SCOPES: tuple[ScopeId, ...] = get_args(ScopeId)


class Listener:
    """Told how a run goes; the command shows it as a progress bar."""

    def begin(self, header: Header) -> None:
        """The candidate is ready."""

    def done(self, case: Case) -> None:
        """A case is scored."""


def check(
    candidate: str | Callable[..., Any] | object,
    model: str = "ViT-B/32",
    *,
    scopes: Sequence[ScopeId] = SCOPES,
    require: LevelId = "equivalent",
    select: Sequence[str] = (),
    stages: Sequence[StageId] = (),
    jobs: int = 0,
    timeout: float = 20.0,
    input: protocol.InputKind = "pil",  # noqa: A002 - named as on the command line
    listener: Listener | None = None,
) -> Report:
    """Score a candidate and return the report.

    Args:
        candidate: what to score: text as on the command line (a built-in name, "pkg.mod:attr", "path/file.py:attr"), or
            an object: a callable on a PIL image, a torchvision Compose, a Hugging Face image processor, an object with
            stage methods. An object is sent to the worker process with cloudpickle.
        model: a name of the table of models, or "all" for one model of every n_px.
        scopes: "arrays", "modes", "files".
        require: the level that counts as passed.
        select: slugs to run, with wildcards; all without.
        stages: score these stages alone; all without.
        jobs: worker processes; 0 for one a core, at most two.
        timeout: seconds for one case, counted from when the worker is ready.
        input: "pil", or "array" for a callable on uint8 [H, W, 3].
        listener: told how the run goes.

    Raises:
        UsageError: the run could not be made; one line says why and what to do.
    """
    for given, known in ((scopes, SCOPES), (stages, clip_spec.stage_ids()), ([require], clip_spec.level_ids())):
        if unknown := set(given) - set(known):
            raise UsageError(f"{', '.join(map(repr, unknown))} is not one of {', '.join(known)}")
    chosen = choose(tuple(scope for scope in SCOPES if scope in scopes), select)
    models = targets(model)
    jobs = jobs or min(os.cpu_count() or 1, 2)
    with open_runner(
        candidate, jobs=min(jobs, len(chosen)), timeout=timeout, stages=tuple(stages), input=input
    ) as runner:
        return _run(runner, models, chosen, _Settings(model, require, select, stages), listener or Listener())


@contextmanager
def open_runner(
    candidate: Any,
    *,
    jobs: int,
    timeout: float,
    stages: tuple[StageId, ...] = (),
    input: protocol.InputKind = "pil",  # noqa: A002
) -> Iterator[Runner]:
    """Open a runner with a folder of its own for a candidate; its workers end with the context.

    Raises:
        UsageError: the candidate is an object that cannot be sent to a worker.
    """
    with workdir() as folder:
        runner = Runner(_start(candidate, Path(folder), input), Path(folder), jobs=jobs, seconds=timeout, stages=stages)
        try:
            yield runner
        finally:
            runner.close()


class _Settings:
    def __init__(self, model: str, require: LevelId, globs: Sequence[str], stages: Sequence[StageId]) -> None:
        self.model, self.require, self.globs, self.stages = model, require, list(globs), list(stages)


def _start(candidate: Any, folder: Path, kind: protocol.InputKind) -> protocol.Start:
    path = [entry for entry in sys.path if entry]
    if isinstance(candidate, str):
        return protocol.Start(protocol.VERSION, candidate, kind, path=path)
    name = getattr(candidate, "__qualname__", type(candidate).__qualname__)
    try:
        pickled = cloudpickle.dumps(candidate)
    except Exception as error:
        raise UsageError(
            f"{name} cannot be sent to the worker process ({type(error).__name__}: {error}); "
            'name it as "pkg.mod:attr" instead'
        ) from error
    file = folder / "candidate.pickle"
    file.write_bytes(pickled)
    return protocol.Start(protocol.VERSION, name, kind, pickled=str(file), path=path)


def _run(
    runner: Runner, models: list[Target], chosen: list[Fixture], settings: _Settings, listener: Listener
) -> Report:
    header: Header | None = None
    cases: list[Case] = []
    blame: set[StageId] = set()
    findings: dict[str, Finding] = {}
    unexplained = False
    for target in models:
        with runner.prepared(target) as ready:
            if len(models) > 1 and ready.environment.get("any_size") != "True":
                raise UsageError(
                    f"{runner.started.implementation['name']} is made for one n_px; "
                    "name its --model, or let it take a parameter n_px"
                )
            if header is None:
                header = _header(runner, ready, models, chosen, settings)
                listener.begin(header)
            found = runner.run(chosen, target.n_px, listener.done)
            if ready.stages == ["normalize"]:
                blame |= set(blame_black_box(found, runner.finals, settings.require))
            else:
                blame |= set(blame_staged(found, settings.require, early_rgb=ready.early_rgb))
            explained = find_dialects(found, runner.finals)
            findings |= {finding.fault: finding for finding in explained}
            unexplained |= not explained and any(case.level != "exact" for case in found)
            runner.forget_finals()
            cases += found
    assert header is not None
    diagnosis = [] if unexplained or len(findings) > 1 else list(findings.values())
    footer = Footer(cases=len(cases), expected=header.expected, blame=in_order(blame), diagnosis=diagnosis)
    return Report(header, cases, footer, worker_log=runner.log())


def _header(
    runner: Runner, ready: protocol.Reply, models: list[Target], chosen: list[Fixture], settings: _Settings
) -> Header:
    return Header(
        schema=REPORT_SCHEMA,
        suite=version(),
        spec=clip_spec.canon().spec,
        candidate=runner.started.implementation,
        environment={key: value for key, value in ready.environment.items() if key != "any_size"},
        model=settings.model,
        n_px=[target.n_px for target in models],
        scopes=[scope for scope in SCOPES if any(fixture.scope == scope for fixture in chosen)],
        stages=settings.stages or list(ready.stages),
        required=settings.require,
        select=settings.globs,
        expected=len({case_id(fixture, target.n_px) for target in models for fixture in chosen}),
    )
