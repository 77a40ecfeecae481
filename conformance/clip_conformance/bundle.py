"""The language-neutral bundle: inputs, cases, expected outputs and digests as plain files (spec/PROTOCOL.md)."""

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal, get_args

import msgspec

import clip_spec
from clip_conformance import arrays, protocol
from clip_conformance.cases import Target, case_id, expected_array, expected_digests, input_message, reference_stages
from clip_conformance.errors import UsageError
from clip_conformance.transports.transcript import file_digest
from clip_conformance.version import version
from clip_fixtures import Fixture, digest, fixtures, goldens
from clip_spec import ScopeId, StageId

BUNDLE_SCHEMA = "clip-conformance/bundle/1"
SUMS = "SHA256SUMS"
Wanted = Literal["all", "final", "none"]
_LINE = 1 << 20


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A model that a bundle is for."""

    name: str
    n_px: int


class Bundle(msgspec.Struct, frozen=True, kw_only=True):
    """bundle.json: what the bundle was made from."""

    schema: str
    spec: str
    suite: str
    models: list[Model]
    scopes: list[ScopeId]
    select: list[str]
    expected: Wanted
    cases: int


class Expected(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The canon's output of one stage: its digest (CNF-1), and where it lies in the bundle, if it does."""

    sha256: str
    dtype: str
    shape: list[int]
    path: str = ""


class BundleCase(msgspec.Struct, frozen=True, kw_only=True):
    """One line of cases.jsonl; paths are relative to the bundle."""

    case: str
    fixture: str
    scope: ScopeId
    model: str
    n_px: int
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
    """Return every file of a bundle but the sums, in the order of their names."""
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_symlink() or path.is_file())
    return sorted(name for name in found if name != SUMS)


def verify(folder: Path) -> list[str]:
    """Return what is wrong with a bundle, a line each; nothing where it is whole and this suite would make the same.

    Raises:
        UsageError: it is no bundle.
    """
    try:
        bundle = msgspec.json.decode(_content(folder, "bundle.json"), type=Bundle)
        sums = _content(folder, SUMS).decode("utf-8").splitlines()
    except (arrays.Unreadable, msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise UsageError(f"{folder} is no whole bundle: {problem}") from None
    problems = []
    if bundle.spec != clip_spec.canon().spec:
        problems.append(f"made for revision {bundle.spec} of the standard, this suite has {clip_spec.canon().spec}")
    listed = {name: wanted for wanted, _, name in (line.partition("  ") for line in sums)}
    problems += [f"{name} is not listed in {SUMS}" for name in _files(folder) if name not in listed]
    for name, wanted in listed.items():
        try:
            found = hashlib.sha256(_content(folder, name)).hexdigest()
        except arrays.Unreadable as problem:
            problems.append(str(problem))
            continue
        if found != wanted:
            problems.append(f"{name} was changed: it has the SHA-256 {found[:16]}..., {SUMS} says {wanted[:16]}...")
    if not problems:
        problems += _differences(folder, bundle)
    return problems


def _differences(folder: Path, bundle: Bundle) -> Iterator[str]:
    """Yield where the cases or inputs of a bundle are not those of this suite."""
    lines = _content(folder, "cases.jsonl").splitlines()
    if len(lines) != bundle.cases:
        yield f"cases.jsonl has {len(lines)} cases, bundle.json says {bundle.cases}"
    with tempfile.TemporaryDirectory() as fresh:
        for number, line in enumerate(lines, start=1):
            try:
                case = msgspec.json.decode(line, type=BundleCase)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                yield f"cases.jsonl, line {number}: {error}"
                continue
            fixture = fixtures().get(case.fixture)
            if fixture is None or case.n_px not in clip_spec.sizes():
                yield f"{case.case} is no case of this suite"
                continue
            made = input_message(fixture, case.n_px, Path(fresh), picture=fixture.scope == "modes")
            if file_digest(Path(made.path)) != hashlib.sha256(_content(folder, case.input.path)).hexdigest():
                yield f"{case.input.path} is not the input of {case.case} in this suite"
            if {stage: known.sha256 for stage, known in case.stages.items()} != goldens(case.n_px).get(
                case.fixture, {}
            ):
                yield f"the digests of {case.case} are not this suite's"
            Path(made.path).unlink()


def _content(folder: Path, name: str) -> bytes:
    """Return a file of a bundle.

    Raises:
        Unreadable: it is not there, or not inside.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise arrays.Unreadable(f"{name} leads out of the bundle")
    with arrays.opened(arrays.within(name, folder)) as (file, _):
        return file.read()


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
