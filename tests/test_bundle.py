"""The bundle: the same bytes each time, genuine, and scored as the live candidate is."""

import hashlib
import io
import json
import os
import shutil
import subprocess
from pathlib import Path

import msgspec
import numpy as np
import pytest
from jsonschema import Draft202012Validator
from PIL import Image

import clip_reference
import clip_spec
from clip_conformance import UsageError, check
from clip_conformance.bundle import export, verify
from clip_conformance.cases import choose, targets
from clip_fixtures import digest

SELECT = [
    *("pin-noise", "pin-values", "crop-right-3", "crop-down-5", "down-300-noise", "sides-640x480", "empty-width"),
    *("palette-64", "rgba-binary", "cmyk-values", "bilevel-pin", "jpeg-420", "png-p8*", "jpeg-trunc*"),
]
STAGES = ("resize", "center_crop", "convert_rgb", "to_tensor", "normalize")


def make(folder, model="ViT-B/32", select=SELECT, wanted="all"):
    return export(folder, targets(model), choose(["arrays", "modes", "files"], select), wanted)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "bundle"
    make(folder)
    return folder


@pytest.fixture
def copy(bundle, tmp_path):
    return Path(shutil.copytree(bundle, tmp_path / "copy"))


def content(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def lines(folder):
    return [json.loads(line) for line in (folder / "cases.jsonl").read_text().splitlines()]


def test_the_same_bytes_each_time(bundle, tmp_path):
    make(tmp_path / "again")
    assert content(tmp_path / "again") == content(bundle)


def test_a_bundle_is_verified_wherever_it_lies(copy):
    assert verify(copy) == []
    done = subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=copy, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_lines_and_header_keep_their_schema(bundle):
    schema = clip_spec.schema("bundle")
    for title, documents in (
        ("BundleCase", lines(bundle)),
        ("Bundle", [json.loads((bundle / "bundle.json").read_text())]),
    ):
        validator = Draft202012Validator({"$ref": f"#/$defs/{title}", "$defs": schema["$defs"]})
        for document in documents:
            validator.validate(document)


def test_expected_outputs_have_their_digests(bundle):
    for case in lines(bundle):
        for stage, expected in case["stages"].items():
            array = np.load(bundle / expected["path"])
            assert (list(array.shape), array.dtype.name) == (expected["shape"], expected["dtype"]), stage
            assert digest(array) == expected["sha256"]
            offset = os.path.getsize(bundle / expected["path"]) - array.nbytes
            raw = (bundle / expected["path"]).read_bytes()[offset:]
            assert hashlib.sha256(raw).hexdigest() == expected["sha256"]


def test_expected_outputs_can_be_left_out(tmp_path):
    make(tmp_path / "none", wanted="none")
    make(tmp_path / "final", wanted="final")
    assert not (tmp_path / "none" / "expected").exists()
    assert {path.name for path in (tmp_path / "final" / "expected").glob("*/*")} == {"normalize.npy"}
    assert verify(tmp_path / "none") == verify(tmp_path / "final") == []


def spoil(folder, what):
    if what == "changed":
        (folder / "inputs" / "pin-noise@224.npy").write_bytes(b"x")
    elif what == "missing":
        (folder / "inputs" / "pin-noise@224.npy").unlink()
    elif what == "added":
        (folder / "inputs" / "more.npy").write_bytes(b"x")
    elif what == "linked":
        path = folder / "inputs" / "pin-noise@224.npy"
        path.unlink()
        path.symlink_to("/etc/passwd")
    elif what == "escaping":
        sums = folder / "SHA256SUMS"
        sums.write_text(sums.read_text() + f"{'0' * 64}  ../../etc/passwd\n")
    elif what == "forged":
        # Everything agrees with itself and not with the suite.
        path = folder / "inputs" / "pin-noise@224.npy"
        path.write_bytes(path.read_bytes()[:-1] + b"x")
        sum_again(folder, "inputs/pin-noise@224.npy")
    else:
        path = folder / "cases.jsonl"
        golden = next(case for case in lines(folder) if case["fixture"] == "pin-noise")["stages"]["resize"]["sha256"]
        path.write_text(path.read_text().replace(golden, "0" * 64))
        sum_again(folder, "cases.jsonl")


def sum_again(folder, name):
    fresh = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    sums = (folder / "SHA256SUMS").read_text().splitlines()
    sums = [f"{fresh}  {name}" if line.endswith(f"  {name}") else line for line in sums]
    (folder / "SHA256SUMS").write_text("\n".join(sums) + "\n")


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("changed", "inputs/pin-noise@224.npy was changed"),
        ("missing", "pin-noise@224.npy cannot be read"),
        ("added", "inputs/more.npy is not listed in SHA256SUMS"),
        ("linked", "inputs/pin-noise@224.npy is outside of"),
        ("escaping", "../../etc/passwd leads out of the bundle"),
        ("forged", "inputs/pin-noise@224.npy is not the input of pin-noise@224 in this suite"),
        ("other digests", "the digests of pin-noise@224 are not this suite's"),
    ],
)
def test_a_spoilt_bundle_is_recognised(copy, what, words):
    spoil(copy, what)
    problems = verify(copy)
    assert len(problems) == 1
    assert words in problems[0]


def test_what_is_no_bundle_says_so(tmp_path, copy):
    (copy / "SHA256SUMS").unlink()
    for folder in (tmp_path, copy):
        with pytest.raises(UsageError, match="is no whole bundle"):
            verify(folder)


def test_a_folder_that_is_in_use_is_left_alone(tmp_path):
    (tmp_path / "mine").touch()
    with pytest.raises(UsageError, match="is not empty"):
        make(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def floor_crop(image, n_px=224):
    """The canon, but for a crop that rounds down."""
    traced = clip_reference.trace(image, n_px)
    height, width = traced.resize.shape[:2]
    left, top = (width - n_px) // 2, (height - n_px) // 2
    cropped = traced.resize[top : top + n_px, left : left + n_px]
    if traced.mode != "RGB":
        return {"normalize": traced.normalize}
    return {"center_crop": cropped, "normalize": clip_reference.preprocess(np.ascontiguousarray(cropped), n_px)}


def fill(bundle, outputs, candidate, *, bare=False):
    """Run a candidate over a bundle, as somebody without the suite would."""
    for case in lines(bundle):
        folder = outputs / case["case"]
        folder.mkdir(parents=True)
        given, path = case["input"], bundle / case["input"]["path"]
        try:
            if given["kind"] == "file":
                image = Image.open(io.BytesIO(path.read_bytes()))
            else:
                image = np.load(path)
                if given["mode"] != "RGB":
                    image = Image.frombytes(given["mode"], image.shape[1::-1], image.tobytes())
            results = candidate(image, case["n_px"])
        except Exception as error:
            (folder / "result.json").write_text(json.dumps({"status": "rejected", "message": str(error)[:99]}))
            continue
        for stage, array in results.items():
            if bare:
                array.tofile(folder / f"{stage}.raw")
            else:
                np.save(folder / f"{stage}.npy", array)


def verdict(report):
    return [(case.id, case.status == "ok", case.level) for case in report.cases], report.summary.blame, report.level


@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize("sound", [True, False])
def test_a_bundle_elsewhere_gives_the_verdict_of_the_live_run(copy, tmp_path, sound, bare):
    def final(image, n_px=224):
        return {"normalize": (clip_reference.preprocess if sound else floor_crop_final)(image, n_px)}

    outputs = tmp_path / "elsewhere" / "outputs"
    fill(copy, outputs, final, bare=bare)
    there = check(f"dir:{outputs}", select=SELECT)
    here = check(lambda image: final(image)["normalize"], select=SELECT)
    assert verdict(there) == verdict(here)
    assert there.level == ("exact" if sound else "divergent")
    assert there.summary.blame == ([] if sound else ["center_crop"])


def floor_crop_final(image, n_px):
    return floor_crop(image, n_px)["normalize"]


def test_stages_that_are_there_are_scored(copy, tmp_path):
    outputs = tmp_path / "outputs"

    def candidate(image, n_px):
        traced = clip_reference.trace(image, n_px)
        return {stage: getattr(traced, stage) for stage in STAGES}

    fill(copy, outputs, candidate)
    for case in lines(copy):
        if case["stages"]:
            (outputs / case["case"] / "from").mkdir()
            np.save(outputs / case["case"] / "from" / "resize.npy", np.load(copy / case["stages"]["resize"]["path"]))
    report = check(f"dir:{outputs}", select=SELECT)
    assert report.level == "exact"
    assert report.header.stages == list(STAGES)


def test_a_case_without_an_output_is_missing(copy, tmp_path):
    outputs = tmp_path / "outputs"
    fill(copy, outputs, lambda image, n_px: {"normalize": clip_reference.preprocess(image, n_px)})
    shutil.rmtree(outputs / "pin-noise@224")
    (outputs / "pin-values@224" / "normalize.npy").unlink()
    shutil.rmtree(outputs / "empty-width@224")
    report = check(f"dir:{outputs}", select=SELECT)
    missing = [case.fixture for case in report.cases if case.status == "missing"]
    assert missing == ["pin-values", "pin-noise", "empty-width"]
    assert report.summary.counts["missing"] == 3
    assert not report.passed


@pytest.mark.parametrize(
    ("name", "text", "status", "words"),
    [
        ("normalize.npy", None, "error", "is outside of"),
        ("result.json", "{", "error", "result.json: no JSON: Input data was truncated"),
        ("result.json", '{"status": "perfect"}', "error", "Invalid enum value 'perfect'"),
        ("result.json", " " * 100_000, "error", "has 97.7 KiB, more than the 64 KiB that are read"),
        ("result.json", '{"status": "error", "message": "gave\\nup"}', "error", "gave up"),
        ("result.json", '{"status": "skipped"}', "skipped", ""),
        ("result.json", '{"status": "ok"}', "missing", "no normalize.npy, .raw or result.json"),
    ],
)
def test_what_lies_in_a_folder_of_outputs_is_not_trusted(tmp_path, name, text, status, words):
    folder = tmp_path / "pin-noise@224"
    folder.mkdir()
    if text is None:
        (folder / name).symlink_to("/etc/passwd")
    else:
        (folder / name).write_text(text)
    case = check(f"dir:{tmp_path}", select=["pin-noise"]).cases[0]
    assert (case.status, case.level) == (status, "divergent")
    assert words in case.message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"spec": "0.9"}', "was made for revision 0.9 of the standard"),
        ("[]", "candidate.json: Expected `object`"),
        ('{"version": 3}', "Expected `str`, got `int`"),
    ],
)
def test_a_candidate_file_that_does_not_fit_is_refused(tmp_path, text, words):
    (tmp_path / "pin-noise@224").mkdir()
    (tmp_path / "candidate.json").write_text(text)
    with pytest.raises(UsageError, match=words):
        check(f"dir:{tmp_path}", select=["pin-noise"])


def test_a_candidate_file_says_who_it_was(tmp_path):
    (tmp_path / "pin-noise@224").mkdir()
    said = {"name": "phone", "version": "7", "language": "swift", "spec": clip_spec.canon().spec}
    (tmp_path / "candidate.json").write_bytes(msgspec.json.encode(said))
    candidate = check(f"dir:{tmp_path}", select=["pin-noise"]).header.candidate
    assert candidate == {"name": f"dir:{tmp_path}", "implementation": "phone", "version": "7", "language": "swift"}


@pytest.mark.parametrize("what", ["no folder", "holds no outputs"])
def test_a_folder_without_outputs_is_refused(tmp_path, what):
    folder = tmp_path / "nothing" if what == "no folder" else tmp_path
    with pytest.raises(UsageError, match=what):
        check(f"dir:{folder}", select=["pin-noise"])
