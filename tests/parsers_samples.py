"""What the parsers of tests/parsers.py are given: small and valid, by the project's own writers; and made right again.

Digests are made anew after a change, so that the change is what is seen; paths are put where documents have one.
"""

import contextlib
import functools
import hashlib
import re
from datetime import date

import msgspec
import numpy as np

import candidates
import clip_spec
from clip_conformance import arrays, bundle, check, known, protocol
from clip_conformance.cases import choose, targets
from clip_conformance.fuzzing import finding
from clip_conformance.fuzzing.pictures import Picture
from clip_conformance.reports import lines, statement
from clip_conformance.transports.transcript import Recorder

SMALL = (3, 4, 4)
RUN = protocol.Run(
    seq=1, case="pin-values@224", input=protocol.Input(kind="array"), stages=["normalize"], out="", start=None
)
PROFILE = protocol.profile("ViT-B/32", 224)


# The samples, by the project's own writers.


@functools.cache
def report():
    made = check(candidates.FloorCrop(), select=["pin-values", "crop-right-3"], jobs=1)
    small = "iVBORw0KGgo="
    made.pictures = [msgspec.structs.replace(p, given=small, expected=small, error=small) for p in made.pictures]
    return made


def write_known(folder):
    missed = known.propose(report().cases, report().footer, "equivalent", date(2030, 1, 1))
    said = msgspec.structs.replace(missed.defaults, owner="me", url="https://example.org/1")
    file = msgspec.structs.replace(missed, defaults=said, wildcards=True)
    (folder / "known.toml").write_bytes(known.encode(file))


def write_statement(folder):
    (folder / "statement.json").write_bytes(statement.encode(statement.statement(report())))


def write_report(folder):
    told = [report().header, *report().cases, *report().pictures, report().footer]
    (folder / "report.jsonl").write_bytes(lines.encode(told))


def write_bundle(folder):
    bundle.export(folder, targets("ViT-B/32"), choose(["arrays", "modes", "files"], ["empty-*", "jpeg-420"]), "none")


def write_outputs(folder):
    case = folder / RUN.case
    (case / "from").mkdir(parents=True)
    for name in ("normalize.npy", "from/resize.npy"):
        arrays.write(case / name, np.zeros(SMALL, np.float32))
    (case / "center_crop.raw").write_bytes(bytes(4 * np.prod(SMALL)))
    (case / "result.json").write_bytes(b'{"status": "ok", "message": ""}')
    (folder / "candidate.json").write_bytes(msgspec.json.encode({"name": "n", "spec": clip_spec.canon().spec}))


def write_transcript(folder):
    lane = folder.parent / "scratch"
    arrays.write(lane / "given.npy", np.zeros(SMALL, np.uint8))
    run = msgspec.structs.replace(
        RUN,
        input=protocol.Input(kind="array", path=str(lane / "given.npy"), shape=[3, 4, 4], dtype="uint8", mode="RGB"),
    )
    recorder = Recorder(folder, "cmd:adapter")
    for message in (protocol.hello("0", "w"), PROFILE, run):
        recorder.sent(lane, message)
        recorder.received(lane, b'{"seq":1,"status":"ok"}')
    arrays.write(lane / "out.npy", np.zeros(SMALL, np.float32))
    recorder.outputs(lane, run, {"normalize": protocol.Output(path=str(lane / "out.npy"))})
    recorder.close()
    next((folder / "arrays").iterdir()).rename(folder / "arrays" / "given.npy")
    name_message(folder, "arrays/given.npy")


def write_answers(folder):
    arrays.write(folder / "normalize.npy", np.zeros(SMALL, np.float32))
    told = (
        protocol.Started(status="ok", protocol=1, implementation={"name": "n"}, environment={"e": "1"}),
        protocol.Ready(status="ok", stages=["resize", "normalize"], alone=["resize"], notes=["a note"]),
        protocol.Result(seq=1, status="ok", outputs={"normalize": protocol.Output(path="normalize.npy", mode="RGB")}),
        protocol.Result(
            seq=1,
            status="ok",
            outputs={"normalize": protocol.Output(data="AAAAAAAAAAA=", dtype="float32", shape=[1, 2])},
        ),
        protocol.Result(seq=1, status="rejected", message="no", traceback="t"),
    )
    (folder / "answers.jsonl").write_bytes(b"\n".join(map(msgspec.json.encode, told)))


def write_array(folder):
    arrays.write(folder / "array.npy", np.arange(6, dtype=np.float32).reshape(2, 3))


def write_image(folder):
    arrays.write(folder / "samples.npy", np.zeros((2, 3), np.uint8))
    colours = [(0, 1, 2), (3, 4, 5)]
    said = finding.Sidecar(schema=finding.SCHEMA, mode="P", samples="samples.npy", palette=colours, transparency=[0, 9])
    (folder / "image.json").write_bytes(msgspec.json.encode(said))


def write_picture(folder):
    made = finding.save(Picture("RGB", np.zeros((2, 3, 3), np.uint8)), folder, "x")
    made.rename(folder / "image.png")


# Digests, made right again.


def chain(folder):
    """Give every line of a report its digest, whatever the line is."""
    file = folder / "report.jsonl"
    if not file.is_file():  # a pipe has no end
        return
    bodies = [
        re.sub(rb',"digest":"[^"]*"}\s*$', b"}", line.rstrip(b"\n")) for line in file.read_bytes().splitlines(True)
    ]
    file.write_bytes(lines.encode(map(msgspec.Raw, bodies)))


def sum_again(folder):
    """Give every file of a bundle that is in the list its digest."""
    told = []
    if not (folder / "SHA256SUMS").is_file():
        return
    for line in (folder / "SHA256SUMS").read_bytes().splitlines():
        name = line[66:].decode("utf-8", "surrogateescape")
        with contextlib.suppress(OSError, ValueError):
            if (folder / name).is_file() and ".." not in name and not name.startswith("/"):
                line = hashlib.sha256((folder / name).read_bytes()).hexdigest().encode() + line[64:]
        told.append(line)
    (folder / "SHA256SUMS").write_bytes(b"\n".join(told) + b"\n")


# Paths, put where documents have one.


def edited(folder, name, change):
    (folder / name).write_bytes(msgspec.json.encode(change(msgspec.json.decode((folder / name).read_bytes()))))


def name_samples(folder, path):
    edited(folder, "image.json", lambda found: found | {"samples": path})


def name_sum(folder, path):
    with (folder / "SHA256SUMS").open("ab") as file:
        file.write(hashlib.sha256(b"").hexdigest().encode() + b"  " + path.encode() + b"\n")


def name_input(folder, path):
    cases = [msgspec.json.decode(line) for line in (folder / "cases.jsonl").read_bytes().splitlines()]
    for case in cases:
        case["input"]["path"] = path if case["fixture"] == "jpeg-420" else case["input"]["path"]
    (folder / "cases.jsonl").write_bytes(b"".join(msgspec.json.encode(case) + b"\n" for case in cases))
    sum_again(folder)


def name_message(folder, path):
    entries = [msgspec.json.decode(line) for line in (folder / "transcript.jsonl").read_bytes().splitlines()]
    for entry in entries:
        if entry.get("message", {}).get("cmd") == "run":
            entry["message"]["input"]["path"] = path
    (folder / "transcript.jsonl").write_bytes(b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries))


def name_output(folder, path):
    answers = [msgspec.json.decode(line) for line in (folder / "answers.jsonl").read_bytes().split(b"\n")]
    answers[2]["outputs"]["normalize"]["path"] = path
    (folder / "answers.jsonl").write_bytes(b"\n".join(msgspec.json.encode(answer) for answer in answers))
