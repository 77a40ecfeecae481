"""Every example and every golden number in the text of the standard, executed against the reference."""

import hashlib
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import clip_spec
from clip_fixtures import digest
from clip_reference import Rejected, Trace, preprocess, trace
from clip_reference.alpha import premultiply, unpremultiply
from clip_reference.color import convert_rgb
from clip_reference.geometry import crop_offset, resized_size
from clip_reference.kernel import cubic, nearest_indices, taps
from clip_reference.resample import resample_bands, resample_deep
from clip_reference.tensor import table

DOCUMENT = clip_spec.document()
MODES = {mode.id: mode for mode in clip_spec.canon().modes}

# How many examples each kind has at least, so that none is lost by a change of format.
AT_LEAST = {
    "size": 17, "crop": 11, "kernel": 18, "window": 13, "coefficients": 13, "resample": 15, "nearest": 13,
    "premultiply": 12, "unpremultiply": 13, "convert": 59, "deep": 18, "normalize": 20, "reject": 11,
}  # fmt: skip


def examples() -> list[Any]:
    """Return (kind, line) of every line of every example block, named by its clause."""
    found: list[Any] = []
    clause, kind = "", None
    for line in DOCUMENT.splitlines():
        if heading := re.match(r"### ([A-Z]{3}-\d+) ", line):
            clause = heading[1]
        if line.startswith("```"):
            kind = line.removeprefix("```example ") if line.startswith("```example ") else None
        elif kind is not None and line and not line.startswith("#"):
            found.append(pytest.param(kind, line, id=f"{clause} {kind}: {line}".replace("/", "|")))
    return found


def ints(values: str) -> list[int]:
    return [int(value) for value in values.split(",")]


def size(n: str, width: str, height: str) -> str:
    return "{} {}".format(*resized_size(int(width), int(height), int(n)))


def crop(n: str, width: str, height: str) -> str:
    return f"{crop_offset(int(width), int(n))} {crop_offset(int(height), int(n))}"


def kernel(t: str) -> str:
    return repr(float(cubic(np.array(float(t)))))


def window(length: str, out: str, x: str) -> str:
    axis = taps(int(length), int(out), int(x), int(x) + 1)
    return f"{axis.start[0]} {axis.start[0] + axis.count[0]}"


def coefficients(length: str, out: str, x: str) -> str:
    axis = taps(int(length), int(out), int(x), int(x) + 1)
    return " ".join(map(str, axis.coefficients[0, : axis.count[0]]))


def resample(samples: str, out: str) -> str:
    row = np.array([ints(samples)], dtype=np.uint8)
    across = resample_8(row, (int(out), 1))
    down = resample_8(row.T, (1, int(out)))
    assert np.array_equal(across, down.T), "the two passes differ"
    return ",".join(map(str, across[0]))


def resample_8(plane: NDArray[np.uint8], out_size: tuple[int, int]) -> NDArray[np.uint8]:
    height, width = plane.shape
    window = (0, 0, *out_size)
    return resample_bands(lambda x, y, x2, y2: plane[y:y2, x:x2], (width, height), out_size, window, 1)


def nearest(length: str, out: str, x: str) -> str:
    return str(nearest_indices(int(length), int(out))[int(x)])


def premultiplied(colour: str, alpha: str) -> str:
    return str(premultiply(np.array([int(colour), int(alpha)], dtype=np.uint8))[0])


def unpremultiplied(colour: str, alpha: str) -> str:
    return str(unpremultiply(np.array([int(colour), int(alpha)], dtype=np.uint8))[0])


def convert(mode: str, bands: str) -> str:
    pixel = np.array(bands.split(","), dtype=np.float64).astype(MODES[mode].dtype)
    return ",".join(map(str, convert_rgb(mode, pixel.reshape((1, 1, -1)[: 2 + (pixel.size > 1)]))[0, 0]))


def deep(mode: str, samples: str, out: str) -> str:
    row = np.array([samples.split(",")]).astype(MODES[mode].dtype)
    across = resample_deep(row, (int(out), 1), (0, 0, int(out), 1))
    assert np.array_equal(across, resample_deep(np.ascontiguousarray(row.T), (1, int(out)), (0, 0, 1, int(out))).T)
    # A float is written as Python writes the double: 12630902.0 and 1.2630902e+07 are one number.
    return ",".join(np.format_float_scientific(v) if mode == "F" else str(v) for v in across[0])


def normalize(channel: str, u: str) -> str:
    value = table()[int(channel), int(u)]
    return f"{value!s} {value.view(np.uint32):08x}"


def reject(mode: str, width: str, height: str) -> str:
    """A Pillow image without samples: modes that Pillow cannot make, sizes that fit no memory."""
    image = Image.Image()
    image._mode, image._size = mode, (int(width), int(height))
    with pytest.raises(Rejected) as caught:
        preprocess(image)
    return caught.value.clause


RUN: dict[str, Callable[..., str]] = {
    "size": size, "crop": crop, "kernel": kernel, "window": window, "coefficients": coefficients,
    "resample": resample, "nearest": nearest, "premultiply": premultiplied, "unpremultiply": unpremultiplied,
    "convert": convert, "deep": deep, "normalize": normalize, "reject": reject,
}  # fmt: skip


@pytest.mark.clause(
    "SIZ-1", "SIZ-2", "SIZ-3", "CRP-1", "RSZ-3", "RSZ-4", "RSZ-5", "RSZ-6", "RSZ-7", "RSZ-8", "RSZ-10",
    "NEA-1", "ALP-1", "ALP-2", "DEP-1", "DEP-2", "DEP-3", "RGB-2", "RGB-3", "RGB-5", "RGB-6", "RGB-7",
    "RGB-8", "RGB-9", "RGB-10", "RGB-11", "NRM-3", "INP-2", "INP-3", "INP-4", "INP-6",
)  # fmt: skip
@pytest.mark.parametrize(("kind", "line"), examples())
def test_example(kind: str, line: str) -> None:
    given, arrow, want = line.partition(" -> ")
    assert arrow, "an example is: inputs -> output"
    if line.startswith("F ") and kind == "deep":
        want = ",".join(np.format_float_scientific(np.float32(value)) for value in want.split(","))
    assert RUN[kind](*given.split(" ")) == want


def test_every_kind_of_example_is_documented_and_has_its_examples() -> None:
    section = DOCUMENT.split("### Example blocks")[1].split("\n## ")[0]
    first_cells = " ".join(re.findall(r"^\| (`.*?) \|", section, re.M))
    documented = set(re.findall(r"`(\w+)`", first_cells))
    counts = Counter(str(example.values[0]) for example in examples())
    assert documented == set(RUN) == set(counts) == set(AT_LEAST)
    assert {kind: count for kind, count in counts.items() if count < AT_LEAST[kind]} == {}


# Appendix A.


def quadratic(width: int, height: int, bands: int) -> NDArray[np.uint8]:
    """The pattern of A.1, from its formula as the text has it."""
    y, x, c = np.indices((height, width, bands))
    formula = re.search(r"a\[y\]\[x\]\[c\] = (.+)", DOCUMENT.split("### A.1")[1])
    assert formula
    return np.asarray(eval(formula[1], {"x": x, "y": y, "c": c})).astype(np.uint8)


def golden_image(mode: str, width: int, height: int) -> Image.Image:
    image = Image.frombytes(mode, (width, height), quadratic(width, height, MODES[mode].bands).tobytes())
    if mode == "P":
        image.putpalette(bytes((7 * i + 85 * j) % 256 for i in range(256) for j in range(3)))
    return image


def rows(section: str) -> list[list[str]]:
    """Return the cells of the first table after a heading or text, without backquotes, without its head."""
    found: list[list[str]] = []
    for line in DOCUMENT.split(section, 1)[1].splitlines():
        if line.startswith("|"):
            found.append([cell.strip().strip("`") for cell in line.strip("|").split("|")])
        elif found:
            break
    return found[2:]


VECTORS = {row[0]: row[1:] for row in rows("### A.2 Final tensors")}
DIALECT_VECTORS = rows("The dialects\ngive these instead:")
# CLIP.png of the openai/CLIP repository, which is not in this one; its geometry is checked like the others'.
NOT_IN_THE_TREE = "16"


def golden_trace(number: str, dialect: str | None = None) -> Trace:
    mode, lengths, n, *_ = VECTORS[number]
    width, height = (int(side) for side in lengths.split(" x "))
    return trace(golden_image(mode, width, height), int(n), dialect=dialect)


def test_all_golden_vectors_are_there() -> None:
    assert list(VECTORS) == [str(number) for number in range(1, 17)]
    assert len(DIALECT_VECTORS) == 6
    assert {row[1] for row in DIALECT_VECTORS} == {"pillow-13", "torchvision-0.8"}


@pytest.mark.clause("SIZ-1", "CRP-1")
@pytest.mark.parametrize("number", VECTORS)
def test_golden_geometry(number: str) -> None:
    _, lengths, n, resized, offset, _ = VECTORS[number]
    width, height = (int(side) for side in lengths.split(" x "))
    got = resized_size(width, height, int(n))
    assert "{} x {}".format(*got) == resized
    assert ", ".join(str(crop_offset(side, int(n))) for side in got) == offset


@pytest.mark.clause("CNF-1", "NRM-1")
@pytest.mark.parametrize("number", sorted(set(VECTORS) - {NOT_IN_THE_TREE}, key=int))
def test_golden_vector(number: str) -> None:
    assert digest(golden_trace(number).normalize) == VECTORS[number][-1]


@pytest.mark.clause("RSZ-9", "CRP-1")
@pytest.mark.parametrize(("number", "dialect", "want"), DIALECT_VECTORS)
def test_golden_vector_of_a_dialect(number: str, dialect: str, want: str) -> None:
    assert digest(golden_trace(number, dialect).normalize) == want != VECTORS[number][-1]


@pytest.mark.parametrize("number", sorted(set(VECTORS) - {NOT_IN_THE_TREE}, key=int))
def test_a_dialect_that_the_appendix_does_not_list_gives_the_canon(number: str) -> None:
    listed = {row[1] for row in DIALECT_VECTORS if row[0] == number}
    for dialect in clip_spec.canon().dialects:
        unchanged = digest(golden_trace(number, dialect.id).normalize) == VECTORS[number][-1]
        assert unchanged == (dialect.id not in listed), dialect.id


@pytest.mark.clause("CNF-1")
@pytest.mark.parametrize("number", ["1", "7", "10", "11"])
def test_golden_stages(number: str) -> None:
    traced = golden_trace(number)
    want = rows(f"\nNumber {number}, ")
    assert [row[0] for row in want] == list(clip_spec.stage_ids())
    assert {row[0]: digest(getattr(traced, row[0])) for row in want} == {row[0]: row[1] for row in want}


@pytest.mark.clause("TEN-1", "NRM-1", "NRM-2", "NRM-3")
def test_golden_table_from_the_numbers_in_the_text() -> None:
    """Neither the reference nor the spec's data files take part: only the text's constants and binary32."""
    constants = rows("The decimal constants are rounded to binary32 before use.")
    mean, std = (np.array([row[i] for row in constants], dtype=np.float32)[:, None] for i in (1, 3))
    ramp = np.arange(256, dtype=np.float32) / np.float32(255)
    for array, row in zip((ramp, (ramp - mean) / std), rows("### A.4"), strict=True):
        assert [str(array.nbytes), hashlib.sha256(array.astype("<f4").tobytes()).hexdigest()] == row[1:]
    for array, clause in ((ramp, "TEN-1"), ((ramp - mean) / std, "NRM-3")):
        assert re.findall(r"[0-9a-f]{64}", clip_spec.clauses()[clause].text) == [digest(array)]


@pytest.mark.clause("NRM-3")
def test_golden_extremes_of_the_table() -> None:
    for channel, row in enumerate(DOCUMENT.split("| channel | smallest |")[1].splitlines()[2:5]):
        _, low, low_bits, high, high_bits = (cell.strip() for cell in row.strip("|").split("|"))
        assert (f"{low} {low_bits}", f"{high} {high_bits}") == (
            normalize(str(channel), "0"),
            normalize(str(channel), "255"),
        )


@pytest.mark.clause("TEN-1")
def test_table_of_to_tensor() -> None:
    head, *lines = DOCUMENT.split("| u | 1 | 3 ")[1].split("\n\n")[0].splitlines()
    values = np.array(["1", "3", *head.strip("| ").split(" | ")], dtype=np.float32)
    right, wrong = values / np.float32(255), values * (np.float32(1) / np.float32(255))
    for array, line in zip((right, wrong), lines[1:], strict=True):
        bits = [cell.strip() for cell in line.strip("|").split("|")[1:]]
        assert [f"{value:08x}" for value in array.view(np.uint32)] == bits


# Figures in the clauses that are not in example blocks.


@pytest.mark.clause("RSZ-6")
def test_weights_of_rsz_6() -> None:
    listed = re.findall(r"^k\[\d\] = (\S+)$", clip_spec.clauses()["RSZ-6"].text, re.M)
    assert [repr(float(weight)) for weight in taps(5, 7, 1, 2).weights[0]] == listed


@pytest.mark.clause("RSZ-9")
def test_the_figure_of_rsz_9() -> None:
    lines = clip_spec.clauses()["RSZ-9"].text.split("(wrong)\n")[1].split("\n```")[0].splitlines()
    cells = [[int(value) for value in line.split()] for line in lines]
    plane = np.array([row[:4] for row in cells], dtype=np.uint8)
    assert resample_8(plane, (2, 4)).tolist() == [row[4:6] for row in cells]
    assert resample_8(plane, (2, 2)).tolist() == [row[6:8] for row in cells[:2]]
    assert resample_8(plane.T, (2, 2)).T.tolist() == [row[8:] for row in cells[:2]]


@pytest.mark.clause("DEP-4")
def test_the_swapped_bytes_of_dep_4() -> None:
    """Two equal rows, so that only the horizontal pass shows."""
    text = clip_spec.clauses()["DEP-4"].text.replace("\n", " ")
    row, swapped, plain = re.findall(r"(\d+(?:, \d+)+)", text)
    for mode, want in (("I;16B", swapped), ("I;16", plain)):
        stored = np.array([ints(row)] * 4, dtype=">u2" if mode == "I;16B" else "<u2")
        image = Image.frombytes(mode, (4, 4), stored.tobytes())
        assert trace(image, 3).resize.tolist() == [ints(want)] * 3


@pytest.mark.clause("CRP-1")
def test_the_offsets_of_crp_1() -> None:
    lines = [line for line in clip_spec.clauses()["CRP-1"].text.splitlines() if line.startswith("| ")]
    margins, offsets = ([int(cell) for cell in line.strip("| ").split("|")[1:]] for line in lines)
    assert [crop_offset(224 + margin, 224) for margin in margins] == offsets
    assert [round(margin / 2) for margin in margins] == offsets


@pytest.mark.clause("RGB-7")
def test_the_tables_of_rgb_7() -> None:
    """The formulas of the text give its check values, and the reference what the tables give."""

    def tdiv(a: int, b: int) -> int:
        return a // b if a >= 0 else -(-a // b)

    formulas = re.findall(r"^(T\w+)\[i\] = (tdiv\(.+?, \d+\))", clip_spec.clauses()["RGB-7"].text, re.M)
    tables = {name: np.array([eval(f, {"tdiv": tdiv, "i": i}) for i in range(256)]) for name, f in formulas}
    checks = [[name, *(str(table[i]) for i in (0, 1, 2, 128, 255))] for name, table in tables.items()]
    assert checks == rows("Check values:")
    cb, cr = np.indices((256, 256))
    red, green, blue = tables["TRr"][cr], tables["TGb"][cb] + tables["TGr"][cr], tables["TBb"][cb]
    want = np.clip(128 + (np.stack([red, green, blue], axis=-1) >> 6), 0, 255)
    pixels = np.stack([np.full_like(cb, 128), cb, cr], axis=-1).astype(np.uint8)
    assert np.array_equal(convert_rgb("YCbCr", pixels), want)


@pytest.mark.clause("RSZ-8", "CRP-2", "NRM-3")
def test_the_small_image_of_a_5() -> None:
    section = DOCUMENT.split("### A.5")[1]
    figure = section.split("```")[1]
    blocks = [block.strip().splitlines()[1:] for block in re.split(r"\n(?=[a-z])", figure.strip())]
    given, across, down, cut, bits = ([line.split() for line in block] for block in blocks)
    image = quadratic(9, 5, 3)
    traced = trace(image, 4)
    assert image[..., 0].astype(str).tolist() == given
    assert resample_8(image[..., 0], (7, 5)).astype(str).tolist() == across
    assert traced.resize[..., 0].astype(str).tolist() == down
    assert traced.center_crop[..., 0].astype(str).tolist() == cut
    assert [[f"{value:08x}" for value in row] for row in traced.normalize[0].view(np.uint32)] == bits
    for stage, want in rows("SHA-256 with all three bands:"):
        assert digest(image if stage == "input" else getattr(traced, stage)) == want, stage
