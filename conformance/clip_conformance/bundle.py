"""The language-neutral bundle: inputs, cases, expected outputs and digests as plain files (spec/PROTOCOL.md)."""

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal, get_args

import msgspec

import clip_spec
from clip_conformance import arrays, protocol, untrusted
from clip_conformance.cases import Target, case_id, expected_array, expected_digests, input_message, reference_stages
from clip_conformance.errors import UsageError
from clip_conformance.plain import one_line
from clip_conformance.records import Count
from clip_conformance.transports.transcript import file_digest
from clip_conformance.version import version
from clip_fixtures import Fixture, digest, fixtures, goldens
from clip_spec import ScopeId, StageId

BUNDLE_SCHEMA = "clip-conformance/bundle/1"
SUMS = "SHA256SUMS"
Wanted = Literal["all", "final", "none"]
# A bundle of everything has 2,400 cases in 6 MiB, 16,000 files, and inputs of at most 16 MiB.
_TEXT, _FILES, _FILE = 64 << 20, 100_000, 512 << 20


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A model that a bundle is for."""

    name: str
    n_px: Count


class Bundle(msgspec.Struct, frozen=True, kw_only=True):
    """bundle.json: what the bundle was made from."""

    schema: str
    spec: str
    suite: str
    models: list[Model]
    scopes: list[ScopeId]
    select: list[str]
    expected: Wanted
    cases: Count


class Expected(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The canon's output of one stage: its digest (CNF-1), and where it lies in the bundle, if it does."""

    sha256: str
    dtype: str
    shape: list[Count]
    path: str = ""


class BundleCase(msgspec.Struct, frozen=True, kw_only=True):
    """One line of cases.jsonl; paths are relative to the bundle."""

    case: str
    fixture: str
    scope: ScopeId
    model: str
    n_px: Count
    expect: Literal["image", "reject"]
    input: protocol.Input
    stages: dict[StageId, Expected]
    clauses: list[str]
    why: str


def export(
    folder: Path,
    targets: Sequence[Target],
    chosen: Sequence[Fixture],
    wanted: Wanted = "all",
    select: Sequence[str] = (),
    done: Callable[[str], None] = lambda case: None,
) -> Bundle:
    """Write a bundle; the same arguments give the same bytes.

    Args:
        folder: is made; where it exists it must be empty.
        targets: the models.
        chosen: the fixtures.
        wanted: whose expected outputs are written: of all stages, of normalize alone ("final"), or none.
        select: the globs that the fixtures were chosen by, for the record.
        done: called with the id of every case that is written.

    Raises:
        UsageError: the folder is not empty, or the installed Pillow decodes a file to something else than the canon.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is {'not empty' if folder.is_dir() else 'a file'}; name a new folder")
    (folder / "inputs").mkdir(parents=True, exist_ok=True)
    cases = []
    for target in targets:
        for fixture in chosen:
            cases.append(_case(folder, fixture, target, wanted))
            done(cases[-1].case)
    bundle = Bundle(
        schema=BUNDLE_SCHEMA,
        spec=clip_spec.canon().spec,
        suite=version(),
        models=[Model(name=target.name, n_px=target.n_px) for target in targets],
        scopes=[scope for scope in get_args(ScopeId) if any(fixture.scope == scope for fixture in chosen)],
        select=list(select),
        expected=wanted,
        cases=len(cases),
    )
    (folder / "cases.jsonl").write_bytes(b"".join(msgspec.json.encode(case) + b"\n" for case in cases))
    (folder / "bundle.json").write_bytes(msgspec.json.format(msgspec.json.encode(bundle), indent=2) + b"\n")
    (folder / "README.md").write_text(_readme(bundle), encoding="utf-8")
    sums = [f"{file_digest(folder / name)}  {name}\n" for name in _files(folder)]
    # The last file: a bundle without it is not whole.
    (folder / SUMS).write_text("".join(sums), encoding="utf-8")
    return bundle


def _case(folder: Path, fixture: Fixture, target: Target, wanted: Wanted) -> BundleCase:
    n_px, case = target.n_px, case_id(fixture, target.n_px)
    given = input_message(fixture, n_px, folder / "inputs", picture=fixture.scope == "modes")
    return BundleCase(
        case=case,
        fixture=fixture.slug,
        scope=fixture.scope,
        model=target.name,
        n_px=n_px,
        expect=fixture.expect,
        input=msgspec.structs.replace(given, path=f"inputs/{Path(given.path).name}"),
        stages={} if fixture.expect == "reject" else _stages(folder, fixture, n_px, wanted),
        clauses=list(fixture.clauses),
        why=fixture.why,
    )


def _stages(folder: Path, fixture: Fixture, n_px: int, wanted: Wanted) -> dict[StageId, Expected]:
    digests = expected_digests(fixture, n_px)
    written = [stage for stage in digests if wanted == "all" or (wanted, stage) == ("final", "normalize")]
    traced = reference_stages(fixture, n_px) if written else None
    found: dict[StageId, Expected] = {}
    for stage in digests:
        shape, dtype = expected_array(fixture, n_px, stage)
        path = ""
        if stage in written:
            samples = getattr(traced, stage)
            if digest(samples) != digests[stage]:
                raise UsageError(
                    f"the installed Pillow decodes {fixture.file or fixture.slug} to something else than the canon; "
                    "export with another Pillow, or with --expected none"
                )
            path = f"expected/{case_id(fixture, n_px)}/{stage}.npy"
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            arrays.write(folder / path, samples)
        found[stage] = Expected(sha256=digests[stage], dtype=dtype, shape=list(shape), path=path)
    return found


def _files(folder: Path) -> list[str]:
    """Return everything in a bundle but its folders and the sums, in the order of the names; links are not followed.

    Raises:
        UsageError: it is more than any bundle has.
    """
    found: list[str] = []
    waiting = [""]
    while waiting:
        with os.scandir(folder / waiting[-1]) as entries:
            inside = f"{waiting.pop()}/".removeprefix("/")
            for entry in entries:
                (waiting if entry.is_dir(follow_symlinks=False) else found).append(f"{inside}{entry.name}")
        if len(found) + len(waiting) > _FILES:
            raise UsageError(f"{folder} holds more than {_FILES} files, which no bundle does")
    return sorted(name for name in found if name != SUMS)


def verify(folder: Path) -> list[str]:
    """Return what is wrong with a bundle, a line each; nothing where it is whole and this suite would make the same.

    Raises:
        UsageError: it is no bundle.
    """
    try:
        bundle: Bundle = untrusted.decode(_content(folder, "bundle.json"), Bundle)
        sums = _content(folder, SUMS).decode("utf-8").splitlines()
    except (arrays.Unreadable, UnicodeDecodeError) as problem:
        raise UsageError(f"{folder} is no whole bundle: {problem}") from None
    problems = []
    if bundle.spec != clip_spec.canon().spec:
        spec = one_line(bundle.spec, 40)
        problems.append(f"made for revision {spec} of the standard, this suite has {clip_spec.canon().spec}")
    listed = {name: wanted for wanted, _, name in (line.partition("  ") for line in sums)}
    problems += [f"{one_line(name)} is not listed in {SUMS}" for name in _files(folder) if name not in listed]
    for name, wanted in listed.items():
        try:
            found = _digest(folder, name)
        except arrays.Unreadable as problem:
            problems.append(str(problem))
            continue
        if found != wanted:
            was = f"{SUMS} says {one_line(wanted, 16)}..."
            problems.append(f"{one_line(name)} was changed: it has the SHA-256 {found[:16]}..., {was}")
    if not problems:
        problems += _differences(folder, bundle)
    return problems


def _differences(folder: Path, bundle: Bundle) -> Iterator[str]:
    """Yield where the cases or inputs of a bundle are not those of this suite."""
    try:
        lines = _content(folder, "cases.jsonl").splitlines()
    except arrays.Unreadable as problem:
        yield str(problem)
        return
    if len(lines) != bundle.cases:
        yield f"cases.jsonl has {len(lines)} cases, bundle.json says {bundle.cases}"
        return
    known = set()
    with tempfile.TemporaryDirectory() as fresh:
        for number, line in enumerate(lines, start=1):
            try:
                case: BundleCase = untrusted.decode(line, BundleCase)
                fixture = fixtures().get(case.fixture)
                if fixture is None or case.n_px not in clip_spec.sizes() or case.case != case_id(fixture, case.n_px):
                    yield f"{one_line(case.case)} is no case of this suite"
                elif case.case in known:
                    yield f"{case.case} is there a second time"
                else:
                    known.add(case.case)
                    yield from _difference(folder, case, fixture, Path(fresh))
            except arrays.Unreadable as problem:
                yield f"cases.jsonl, line {number}: {problem}"


def _difference(folder: Path, case: BundleCase, fixture: Fixture, fresh: Path) -> Iterator[str]:
    """Yield where a case is not what this suite makes of its fixture.

    Raises:
        Unreadable: its input cannot be read.
    """
    made = input_message(fixture, case.n_px, fresh, picture=fixture.scope == "modes")
    digest_of_input = file_digest(Path(made.path))
    Path(made.path).unlink()
    if msgspec.structs.replace(made, path=case.input.path) != case.input or case.expect != fixture.expect:
        yield f"{case.case} is described otherwise than in this suite"
    if _digest(folder, case.input.path) != digest_of_input:
        yield f"{one_line(case.input.path)} is not the input of {case.case} in this suite"
    if {stage: known.sha256 for stage, known in case.stages.items()} != goldens(case.n_px).get(case.fixture, {}):
        yield f"the digests of {case.case} are not this suite's"


def _inside(folder: Path, name: str) -> Path:
    """Return the path of a file of a bundle.

    Raises:
        Unreadable: it is not inside.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise arrays.Unreadable(f"{one_line(name)} leads out of the bundle")
    return arrays.within(name, folder)


def _content(folder: Path, name: str) -> bytes:
    return untrusted.content(_inside(folder, name), _TEXT)


def _digest(folder: Path, name: str) -> str:
    """Return the SHA-256 of a file of a bundle.

    Raises:
        Unreadable: it is not there, not inside, or larger than any.
    """
    with arrays.opened(_inside(folder, name)) as (file, size):
        if size > _FILE:
            raise arrays.Unreadable(f"{one_line(name)} is larger than any file of a bundle")
        return hashlib.file_digest(file, "sha256").hexdigest()


def _readme(bundle: Bundle) -> str:
    models = ", ".join(f"{model.name} ({model.n_px} px)" for model in bundle.models)
    words = [f"--scope {scope}" for scope in bundle.scopes] + [f"--select '{glob}'" for glob in bundle.select]
    model = bundle.models[0].name if len(bundle.models) == 1 else "all"
    return _README.format(bundle=bundle, models=models, options=" ".join(words), model=model)


_README = """\
# CLIP preprocessing, {bundle.cases} cases

Made by `clip-conformance export` {bundle.suite} for revision {bundle.spec} of the standard and {models}.
The same command makes the same bytes.

- `cases.jsonl`: one case a line: its id, where its input is, the canon's digest of every stage, why it is there.
- `inputs/`: `.npy` files (the samples begin at the byte `offset`), PNG files, and encoded files as they are.
- `expected/CASE/STAGE.npy`: the canon's outputs, little-endian, in C order ({bundle.expected}).
- `SHA256SUMS`: `sha256sum -c SHA256SUMS` checks that everything arrived; `clip-conformance verify` that it is genuine.

Run your preprocessor on every input and write, into a folder of its own,

    OUTPUTS/CASE/normalize.npy        or normalize.raw: bare float32, little-endian, 3 x n_px x n_px
    OUTPUTS/CASE/STAGE.npy            as many of resize, center_crop, convert_rgb, to_tensor as you have
    OUTPUTS/CASE/from/STAGE.npy       that stage on the canon's input, which is expected/CASE/ of the stage before
    OUTPUTS/CASE/result.json          {{"status": "rejected", "message": "..."}} where the image was refused
    OUTPUTS/candidate.json            optional: {{"name": "...", "version": "...", "spec": "{bundle.spec}"}}

and score it:

    clip-conformance check dir:OUTPUTS --model {model} {options}

A case without an output is missing, and a missing case fails. An image whose `expect` is `reject` must be refused.
"""
