"""The one engine behind the command, the pytest plugin and `clip_conformance.check`."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import msgspec

import clip_spec
from clip_conformance import protocol
from clip_conformance.cases import Target, case_id, choose, targets
from clip_conformance.errors import UsageError
from clip_conformance.known import KnownFile, judge
from clip_conformance.known import read as read_known
from clip_conformance.records import REPORT_SCHEMA, Case, Footer, Header, Known
from clip_conformance.repeats import AGAIN, repeated
from clip_conformance.report import Report
from clip_conformance.reports.pictures import Album
from clip_conformance.runner import ACCEPTED, Runner
from clip_conformance.scoring.blame import PROBES, blame_black_box, blame_staged, in_order
from clip_conformance.scoring.levels import reaches
from clip_conformance.transports.kept import DEFAULT_MEMORY, GIB, Bounds
from clip_conformance.transports.resolve import resolve
from clip_conformance.transports.setup import InputKind
from clip_conformance.transports.transcript import Recorder
from clip_conformance.version import version
from clip_fixtures import Fixture, digest_of_goldens, fixtures
from clip_spec import LevelId, ScopeId, StageId

if TYPE_CHECKING:
    from clip_conformance.diagnosis.diagnose import Diagnosis

SCOPES: tuple[ScopeId, ...] = get_args(ScopeId)
_SHARED = 1 << 30


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, or another KeyboardInterrupt, during the cases; `report` holds those that had run, and is partial."""

    def __init__(self, report: Report) -> None:
        super().__init__()
        self.report = report


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
    memory: float = DEFAULT_MEMORY,
    input: InputKind = "pil",  # noqa: A002 - named as on the command line
    strict: bool = False,
    transcript: Path | None = None,
    diagnose: bool = True,
    pictures: bool = True,
    known: Path | None = None,
    listener: Listener | None = None,
) -> Report:
    """Score a candidate and return the report.

    Args:
        candidate: what to score: text as on the command line (a built-in name, "pkg.mod:attr", "path/file.py:attr",
            "cmd:...", "exec:...", "dir:...", "onnx:..."), or an object: a callable on a PIL image, a torchvision
            Compose, a Hugging Face image processor, an object with stage methods. An object is sent to the worker
            process with cloudpickle.
        model: a name of the table of models, or "all" for one model of every n_px.
        scopes: "arrays", "modes", "files".
        require: the level that counts as passed.
        select: slugs to run, with wildcards; all without.
        stages: score these stages alone; all without.
        jobs: processes at a time; 0 for as many as suit: two at most, for exec: one a core.
        timeout: seconds for one case, counted from when the candidate is ready.
        memory: GiB that a process of the candidate and its children may hold, 0 for any number; held on Linux alone.
        input: "pil", or "array" for a callable on uint8 [H, W, 3].
        strict: hold every message of the protocol against its schema.
        transcript: a folder to keep the conversation in, every case once: none is run again to see that it is the same.
        diagnose: name the mistakes of a candidate that fails; takes a few seconds.
        pictures: keep pictures of some of the cases that fail in the report.
        known: a file of known divergences, against which the failures are held.
        listener: told how the run goes.

    Raises:
        UsageError: the run could not be made; one line says why and what to do.
        Interrupted: a KeyboardInterrupt came during the cases; holds the report so far.
    """
    for given, allowed in ((scopes, SCOPES), (stages, clip_spec.stage_ids()), ([require], clip_spec.level_ids())):
        if unknown := set(given) - set(allowed):
            raise UsageError(f"{', '.join(map(repr, unknown))} is not one of {', '.join(allowed)}")
    chosen = choose(tuple(scope for scope in SCOPES if scope in scopes), select)
    models = targets(model)
    divergences = None if known is None else (known.name, read_known(known))
    with open_runner(
        candidate,
        cases=len(chosen),
        jobs=jobs,
        timeout=timeout,
        memory=memory,
        stages=tuple(stages),
        input=input,
        strict=strict,
        transcript=transcript,
    ) as runner:
        settings = _Settings(candidate, model, require, select, stages, diagnose, pictures, divergences)
        settings.repeats = transcript is None
        return _run(runner, models, chosen, settings, listener or Listener())


@contextmanager
def open_runner(
    candidate: Any,
    *,
    cases: int,
    jobs: int,
    timeout: float,
    memory: float = DEFAULT_MEMORY,
    stages: tuple[StageId, ...] = (),
    input: InputKind = "pil",  # noqa: A002
    strict: bool = False,
    transcript: Path | None = None,
) -> Iterator[Runner]:
    """Open a runner with a folder of its own for a candidate, for so many cases; what it started ends with the context.

    Raises:
        UsageError: it is no candidate, or an object that cannot be sent to a worker.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(workdir()))
        recorder = None
        if transcript is not None:
            recorder = stack.enter_context(closing(Recorder(transcript, str(candidate))))
        bounds = Bounds(memory=int(memory * GIB), scratch=folder)
        found = resolve(
            candidate,
            folder,
            jobs=jobs,
            kind=input,
            seconds=timeout,
            bounds=bounds,
            strict=strict,
            recorder=recorder,
        )
        runner = Runner(found, folder, jobs=min(found.jobs, cases), seconds=timeout, stages=stages)
        stack.callback(runner.close)
        yield runner


def workdir() -> "tempfile.TemporaryDirectory[str]":
    """Return a directory for arrays on their way, in memory where the system offers enough of it."""
    shared = "/dev/shm"
    # Containers often have 64 MiB of it; the tensors of a model that fails everywhere take 250.
    fits = os.path.isdir(shared) and os.access(shared, os.W_OK) and shutil.disk_usage(shared).free >= _SHARED
    home = shared if fits else None
    return tempfile.TemporaryDirectory(prefix="clip-conformance-", dir=home, ignore_cleanup_errors=True)


class _Kept(Listener):
    """Keeps the cases that are scored, for a run that is cut off, and tells another listener."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._cases: dict[str, Case] = {}
        self.header: Header | None = None

    def begin(self, header: Header) -> None:
        """The candidate is ready."""
        self.header = header
        self._listener.begin(header)

    def done(self, case: Case) -> None:
        """A case is scored."""
        self._cases[case.id] = case
        self._listener.done(case)

    def report(self, header: Header, models: Sequence[Target], chosen: Sequence[Fixture], log: str) -> Report:
        """Return the report of a run that was cut off, its cases in the order of the catalogue, without a diagnosis."""
        order = [case_id(fixture, target.n_px) for target in models for fixture in chosen]
        cases = [self._cases[case] for case in order if case in self._cases]
        footer = Footer(cases=len(cases), expected=header.expected, blame=[])
        return Report(header, cases, footer, worker_log=log)


class _Settings:
    def __init__(
        self,
        candidate: Any,
        model: str,
        require: LevelId,
        globs: Sequence[str],
        stages: Sequence[StageId],
        diagnose: bool,
        pictures: bool,
        known: tuple[str, KnownFile] | None,
    ) -> None:
        self.candidate = candidate if isinstance(candidate, str) else ""
        self.model, self.require, self.globs, self.stages = model, require, list(globs), list(stages)
        self.diagnose, self.pictures, self.known = diagnose, pictures, known
        self.repeats = True


def _run(
    runner: Runner, models: list[Target], chosen: list[Fixture], settings: _Settings, listener: Listener
) -> Report:
    kept = _Kept(listener)
    try:
        return _scored(runner, models, chosen, settings, kept)
    except KeyboardInterrupt as interrupt:
        if kept.header is None:
            raise
        runner.abort()
        raise Interrupted(kept.report(kept.header, models, chosen, runner.log())) from interrupt


def _scored(
    runner: Runner, models: list[Target], chosen: list[Fixture], settings: _Settings, listener: Listener
) -> Report:
    header: Header | None = None
    cases: list[Case] = []
    blame: set[StageId] = set()
    mixed = False
    # Loaded where something fails: most runs of a project find nothing.
    diagnosis: Diagnosis | None = None
    album = Album()
    for place, target in enumerate(models):
        with runner.prepared(target) as ready:
            if len(models) > 1 and not ready.any_size:
                raise UsageError(
                    f"{_about(runner, settings)['name']} is made for one n_px; name its --model, or let it take n_px"
                )
            if header is None:
                header = _header(runner, ready, models, chosen, settings)
                listener.begin(header)
            found = runner.run(chosen, target.n_px, listener.done)
            if settings.repeats:
                found = repeated(runner, chosen, found, target.n_px)
                header = _noted(header, found)
            probes = _probes(runner, found, target.n_px, settings.require)
            settled = _settled(found, settings.require)
            if ready.hides:
                shown = found if settled else [*found, *probes]
                blame |= set(blame_black_box(shown, runner.finals, settings.require))
            else:
                blame |= set(blame_staged(found, settings.require, early_rgb=ready.early_rgb))
            if settings.diagnose:
                diagnosis = _diagnosed(diagnosis, found, probes, runner, target.n_px, settings.require)
            if settings.pictures:
                album.add(found, runner.finals, target.n_px, settings.require, share=1 / (len(models) - place))
            runner.forget_finals()
            cases += found
            mixed |= ready.hides and not settled
    assert header is not None
    findings, recovered = diagnosis.result() if diagnosis else ([], None)
    named = {finding.stage for finding in findings}
    if mixed and recovered is not None and recovered.verdict != "unknown":
        # What was simulated and found right says more than a black box's symptoms.
        blame = named
    elif not blame:
        blame = named
    footer = Footer(
        cases=len(cases),
        expected=header.expected,
        blame=in_order(blame),
        diagnosis=findings,
        recovered=recovered,
        known=_known(settings, cases),
    )
    return Report(header, cases, footer, pictures=album.pictures, worker_log=runner.log())


def _noted(header: Header, found: list[Case]) -> Header:
    """Add what was found out by running cases again."""
    notes = [f"{case.id}: {case.message}" for case in found if case.status == "ok" and AGAIN in case.message]
    return msgspec.structs.replace(header, notes=[*header.notes, *notes])


def _known(settings: _Settings, cases: list[Case]) -> Known | None:
    if settings.known is None:
        return None
    name, file = settings.known
    return judge(file, name, cases, settings.require, datetime.now(UTC).date())


def _settled(found: list[Case], required: LevelId) -> bool:
    """Return whether the float end was seen and every failing case exercises one stage alone: nothing to tell apart."""
    failing = [case for case in found if case.status == "ok" and not reaches(case.level, required)]
    return any(case.fixture == PROBES[0] for case in found) and all(case.pins for case in failing)


def _diagnosed(
    diagnosis: "Diagnosis | None", found: list[Case], probes: list[Case], runner: Runner, n_px: int, required: LevelId
) -> "Diagnosis | None":
    """Give the diagnosis the cases of one n_px, where the candidate fails."""
    cases = [*found, *probes]
    if all(case.status == "ok" and reaches(case.level, required) for case in cases):
        return diagnosis
    from clip_conformance.diagnosis.diagnose import Diagnosis
    from clip_conformance.diagnosis.evidence import Evidence

    diagnosis = diagnosis or Diagnosis()
    images = {case.fixture: case for case in cases if case.id in runner.ended}
    accepted = [case.fixture for case in cases if case.message == ACCEPTED]
    extra = sum(case.fixture in images for case in probes)
    diagnosis.add(Evidence(images, dict(runner.finals), n_px), accepted, extra)
    return diagnosis


def _probes(runner: Runner, found: list[Case], n_px: int, required: LevelId) -> list[Case]:
    """Run the fixtures that tell stages and mistakes apart, where a candidate fails and they were not selected.

    They are not part of the report.
    """
    failing = [case for case in found if case.status == "ok" and not reaches(case.level, required)]
    ran = {case.fixture for case in found}
    if not failing:
        return []
    return runner.run([fixtures()[slug] for slug in PROBES if slug not in ran], n_px, lambda case: None)


def _about(runner: Runner, settings: _Settings) -> dict[str, str]:
    """Return what a candidate says of itself, under the name by which the user called it."""
    said = runner.started.implementation
    name = settings.candidate or said.get("name", "")
    itself = {"implementation": said["name"]} if said.get("name", name) != name else {}
    return said | itself | {"name": name}


def _header(
    runner: Runner, ready: protocol.Ready, models: list[Target], chosen: list[Fixture], settings: _Settings
) -> Header:
    return Header(
        schema=REPORT_SCHEMA,
        suite=version(),
        spec=clip_spec.canon().spec,
        candidate=_about(runner, settings),
        environment=runner.started.environment | ready.environment,
        notes=ready.notes,
        model=settings.model,
        n_px=[target.n_px for target in models],
        fixtures=digest_of_goldens(target.n_px for target in models),
        scopes=[scope for scope in SCOPES if any(fixture.scope == scope for fixture in chosen)],
        stages=settings.stages or ready.scored,
        required=settings.require,
        select=settings.globs,
        expected=len({case_id(fixture, target.n_px) for target in models for fixture in chosen}),
    )
