"""The spec's data files: the same numbers as the text, bounds that are ordered, types that hold."""

import ast
import hashlib
import itertools
import re
from typing import Any

import msgspec
import numpy as np
import pytest

import clip_spec
from clip_reference.tensor import table
from clip_spec import Bound
from clip_spec.types import Canon, Faults, Levels, Models

CANON = clip_spec.canon()
BOUNDS = clip_spec.levels().bounds


def table_of(clause: str) -> list[list[str]]:
    """Return the cells of the first table of a clause, without its head and without backquotes."""
    lines = [line for line in clip_spec.clauses()[clause].text.splitlines() if line.startswith("|")]
    return [[cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.mark.clause("NRM-2")
def test_constants_are_those_of_the_text_to_the_bit() -> None:
    for row, mean, std in zip(table_of("NRM-2"), CANON.mean, CANON.std, strict=True):
        assert row[1:] == [repr(mean), bits(mean), repr(std), bits(std)]


def bits(value: float) -> str:
    return f"{np.float32(value).view(np.uint32):08x}"


@pytest.mark.clause("NRM-2")
def test_constants_are_openais() -> None:
    assert CANON.mean == (0.48145466, 0.4578275, 0.40821073)
    assert CANON.std == (0.26862954, 0.26130258, 0.27577711)


@pytest.mark.clause("NRM-3")
def test_the_table_has_its_digest() -> None:
    assert table().shape == (3, 256)
    assert hashlib.sha256(table().astype("<f4").tobytes()).hexdigest() == CANON.table_sha256
    assert CANON.table_sha256 in clip_spec.clauses()["NRM-3"].text


@pytest.mark.clause("RSZ-3", "RSZ-4", "RSZ-7", "INP-6", "TEN-1")
def test_the_numbers_of_the_kernel_and_the_limits_are_those_of_the_text() -> None:
    text = {clause.id: clause.text for clause in clip_spec.clauses().values()}
    assert f"const double a = {CANON.cubic_a}\n" in text["RSZ-3"]
    assert f"support     = {CANON.cubic_radius} * filterscale" in text["RSZ-4"]
    assert f"k[j]*{float(2**CANON.coefficient_bits)}" in text["RSZ-7"]
    assert f"{CANON.max_pixels:_}".replace("_", " ") in text["INP-6"]
    assert f"/ {CANON.max_value}f" in text["TEN-1"]


def test_the_revision_is_the_documents() -> None:
    assert f"\n**Spec {CANON.spec}**\n" in clip_spec.document()


def test_stages_are_those_of_the_text_in_its_order() -> None:
    overview = clip_spec.document().split("## 2. Overview")[1].split("\n## ")[0]
    assert tuple(re.findall(r"^\| `(\w+)` \|", overview, re.M)) == clip_spec.stage_ids()
    floats = [stage.id for stage in CANON.stages if stage.samples == "float32"]
    assert floats == ["to_tensor", "normalize"]


@pytest.mark.clause("MOD-1")
def test_models_are_openais_nine_in_their_order() -> None:
    listed = {
        "RN50": 224, "RN101": 224, "RN50x4": 288, "RN50x16": 384, "RN50x64": 448,
        "ViT-B/32": 224, "ViT-B/16": 224, "ViT-L/14": 224, "ViT-L/14@336px": 336,
    }  # fmt: skip
    assert [(model.name, model.n_px) for model in clip_spec.models()] == list(listed.items())
    assert [[name, str(n_px)] for name, n_px in listed.items()] == table_of("MOD-1")
    assert clip_spec.sizes() == (224, 288, 336, 384, 448)


@pytest.mark.clause("MOD-1")
def test_models_name_different_checkpoints() -> None:
    for model in clip_spec.models():
        assert re.fullmatch(r"[0-9a-f]{8}", model.checkpoint)
        assert 2020 <= model.released.year <= 2022
    assert len({model.checkpoint for model in clip_spec.models()}) == 9
    assert len({model.open_clip for model in clip_spec.models()}) == 9


@pytest.mark.clause("INP-3")
def test_modes_are_those_of_the_text_with_their_bands_and_types() -> None:
    listed: dict[str, tuple[int, str]] = {}
    for names, bands, sample in table_of("INP-3"):
        dtype = {"uint8": "uint8", "0": "uint8", "int32": "int32", "float": "float32", "uint16": "uint16"}[
            re.split(r"[,; ]", sample)[0]
        ]
        count = 1 if bands == "index" else int(bands) if bands == "1" else bands.count(",") + 1
        listed |= dict.fromkeys(names.split(", "), (count, dtype))
    assert {mode.id: (mode.bands, mode.dtype) for mode in CANON.modes} == listed


@pytest.mark.clause("RSZ-2", "DEP-4")
def test_modes_are_resized_by_the_route_of_the_text() -> None:
    routes: dict[str, set[str]] = {}
    for mode in CANON.modes:
        routes.setdefault(mode.route.removesuffix("-swapped"), set()).add(mode.id)
    in_text = [set(names.split(", ")) for names, _ in table_of("RSZ-2")]
    assert in_text == [routes["nearest"], routes["premultiplied"], routes["bands"], routes["deep"]]
    assert {mode.id for mode in CANON.modes if mode.route == "deep-swapped"} == {"I;16B", "I;16N"}


@pytest.mark.clause("RSZ-9", "CRP-1")
def test_dialects() -> None:
    rules = {d.id: (d.stage, d.clause, d.pass_order, d.crop_rounding) for d in CANON.dialects}
    assert rules == {
        "pillow-12.2": ("resize", "RSZ-9", "height-over-100-widths", "half-even"),
        "pillow-13": ("resize", "RSZ-9", "shrink-over-2-widths", "half-even"),
        "torchvision-0.8": ("center_crop", "CRP-1", "horizontal-first", "half-up"),
    }


@pytest.mark.clause("CNF-3")
def test_levels_run_from_strict_to_loose_and_are_the_texts() -> None:
    assert clip_spec.level_ids() == ("exact", "equivalent", "close", "divergent")
    assert tuple(row[0] for row in table_of("CNF-3")) == clip_spec.level_ids()


@pytest.mark.clause("CNF-3")
def test_bounds_come_strictest_first() -> None:
    """A reader of the bounds may stop at the first that holds."""
    for stage, view, mode in every_target():
        ranks = [clip_spec.level_ids().index(bound.level) for bound in bounds_for(stage, view, mode)]
        assert ranks == sorted(ranks), (stage, view, mode)


@pytest.mark.clause("CNF-3", "CNF-4")
def test_every_stage_and_view_has_a_bound_for_each_level_between_exact_and_divergent() -> None:
    for stage, view, mode in every_target():
        found = {bound.level for bound in bounds_for(stage, view, mode)}
        assert found == {"equivalent", "close"}, (stage, view, mode)
    assert {bound.level for bound in BOUNDS} == {"equivalent", "close"}


@pytest.mark.clause("CNF-3")
@pytest.mark.parametrize("figure", ["peak", "mean", "bias", "share"])
def test_a_looser_level_is_looser_in_every_figure(figure: str) -> None:
    for stage, view, mode in every_target():
        bounds = bounds_for(stage, view, mode)
        strict = [getattr(bound, figure) for bound in bounds if bound.level == "equivalent"]
        loose = [getattr(bound, figure) for bound in bounds if bound.level == "close"]
        assert max(strict) <= min(loose), (stage, view, mode)


@pytest.mark.clause("CNF-2", "CNF-3")
@pytest.mark.parametrize("bound", BOUNDS, ids=lambda bound: f"{bound.level}-{bound.stages[0]}")
def test_a_bound_is_sane_and_derived(bound: Bound) -> None:
    assert 0 < bound.bias <= bound.mean <= bound.peak <= 255
    assert 0 < bound.share <= 1
    assert 0 <= bound.peak_share < bound.share
    assert 0 <= bound.floor <= 1e-6
    assert bound.peak_absolute is None or 0 < bound.peak_absolute <= 1e-6
    assert set(bound.modes) <= {mode.id for mode in CANON.modes}
    assert len(bound.derivation) > 20


@pytest.mark.clause("CNF-3")
def test_one_lsb_of_the_float_stages_is_never_within_equivalent_when_isolated() -> None:
    """On the canon's own input a float stage has no excuse for a whole LSB."""
    for bound in BOUNDS:
        if bound.views == ("isolated",):
            assert bound.peak <= 0.5


def every_target() -> list[tuple[str, str, str]]:
    modes = [mode.id for mode in CANON.modes]
    return list(itertools.product(clip_spec.stage_ids(), ("isolated", "cumulative"), modes))


def bounds_for(stage: str, view: str, mode: str) -> list[Bound]:
    return [
        bound
        for bound in BOUNDS
        if stage in bound.stages and view in bound.views and (not bound.modes or mode in bound.modes)
    ]


# The known mistakes.

FAULTS = clip_spec.faults()
PYTHON = {"pillow", "torchvision", "torch", "numpy", "opencv", "transformers", "onnx"}
PLATFORMS = (*PYTHON, "cpp", "rust", "go", "javascript", "java", "swift", "shell")
SNIPPETS = [pytest.param(name, code, id=f"{f.id}-{name}") for f in FAULTS for name, code in f.code.items()]


def test_faults_have_ids_of_their_own_and_stand_by_stage() -> None:
    assert len({fault.id for fault in FAULTS}) == len(FAULTS)
    stages = [clip_spec.stage_ids().index(fault.stage) for fault in FAULTS]
    assert stages == sorted(stages)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.id)
def test_a_fault_says_how_it_looks_and_what_to_change_by_clause(fault: clip_spec.Fault) -> None:
    assert re.fullmatch(r"[A-Z0-9].{30,}\.", fault.look)
    assert fault.fix.endswith(".")
    named = re.findall(r"\b[A-Z]{3}-\d+\b", fault.fix)
    assert named
    assert set(named) <= set(clip_spec.clauses())


def test_most_faults_have_their_fix_as_code() -> None:
    assert 3 * sum(bool(fault.code) for fault in FAULTS) >= 2 * len(FAULTS)
    assert sum(len(fault.code) >= 3 for fault in FAULTS) >= 30


def test_platforms_are_those_of_the_schema() -> None:
    schema: Any = clip_spec.schema("faults")
    assert sorted(schema["$defs"]["PlatformId"]["enum"]) == sorted(PLATFORMS)


@pytest.mark.parametrize(("platform", "code"), SNIPPETS)
def test_a_snippet_is_short_and_of_a_known_platform(platform: str, code: str) -> None:
    assert platform in PLATFORMS
    assert code == code.strip("\n")
    assert len(code.splitlines()) <= 6
    assert max(len(line) for line in code.splitlines()) <= 100


@pytest.mark.parametrize(("platform", "code"), [param for param in SNIPPETS if param.values[0] in PYTHON])
def test_a_snippet_in_python_parses(platform: str, code: str) -> None:
    assert ast.parse(code).body or code.startswith("#"), platform


# The loaders.

DATA: dict[str, tuple[type[msgspec.Struct], Any]] = {
    "canon": (Canon, CANON),
    "models": (Models, Models(clip_spec.models())),
    "levels": (Levels, clip_spec.levels()),
    "faults": (Faults, Faults(clip_spec.faults())),
}


@pytest.mark.parametrize("name", DATA)
def test_data_survive_a_round_trip(name: str) -> None:
    kind, value = DATA[name]
    assert msgspec.json.decode(msgspec.json.encode(value), type=kind) == value


@pytest.mark.parametrize("name", DATA)
def test_an_unknown_field_is_refused(name: str) -> None:
    kind, value = DATA[name]
    with pytest.raises(msgspec.ValidationError, match="unknown field `surprise`"):
        msgspec.convert(msgspec.to_builtins(value) | {"surprise": 1}, kind)


@pytest.mark.parametrize(
    ("name", "where", "wrong"),
    [
        ("canon", ("mean",), [0.5, 0.5]),
        ("canon", ("mean", 0), "0.48"),
        ("canon", ("max_pixels",), 1.5),
        ("canon", ("stages", 0, "id"), "Decode"),
        ("canon", ("modes", 0, "route"), "bilinear"),
        ("canon", ("dialects", 0, "pass_order"), "vertical-first"),
        ("models", ("models", 0, "n_px"), "224"),
        ("models", ("models", 0, "released"), "last year"),
        ("levels", ("bounds", 0, "level"), "good"),
        ("levels", ("bounds", 0, "views"), ["sideways"]),
        ("levels", ("bounds", 0, "peak"), None),
        ("faults", ("faults", 0, "stage"), "crop"),
    ],
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) else None,
)
def test_a_wrong_value_is_refused(name: str, where: tuple[str | int, ...], wrong: object) -> None:
    kind, value = DATA[name]
    data: Any = msgspec.json.decode(msgspec.json.encode(value))
    part = data
    for key in where[:-1]:
        part = part[key]
    part[where[-1]] = wrong
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(data, kind)


@pytest.mark.parametrize("name", DATA)
def test_a_missing_field_is_refused(name: str) -> None:
    kind, value = DATA[name]
    data = msgspec.to_builtins(value)
    del data[next(iter(data))]
    with pytest.raises(msgspec.ValidationError, match="missing required field"):
        msgspec.convert(data, kind)
