"""The lint of ONNX graphs: each rule fires on its mistake and on nothing else."""

import numpy as np
import pytest

import clip_spec

onnx = pytest.importorskip("onnx")

from onnx import parser  # noqa: E402

from clip_conformance.onnx.build import build  # noqa: E402
from clip_conformance.onnx.lint import lint  # noqa: E402

FAULTS = {fault.id for fault in clip_spec.faults()}
MEAN, STD = np.array(clip_spec.canon().mean), np.array(clip_spec.canon().std)


# A pipeline that conforms, line by line; each case replaces lines.

CUBIC = 'mode = "cubic", cubic_coeff_a = -0.5, antialias = 1, exclude_outside = 1'
PIPELINE = {
    "opset": "18",
    "input": "uint8[h,w,3] image",
    "output": "float[3,n,n] normalize",
    "mean": "float[3,1,1] mean = {0.48145466, 0.4578275, 0.40821073}",
    "std": "float[3,1,1] std = {0.26862954, 0.26130258, 0.27577711}",
    "shape": "shape = Shape(image) height = Gather<axis = 0>(shape, i0) width = Gather<axis = 0>(shape, i1)",
    "side": "short = Min(height, width) long = Max(height, width) scaled = Mul(n, long) side = Div(scaled, short)",
    "lengths": "new_width = Where(upright, n, side) new_height = Where(upright, side, n)",
    "wide_size": "wide_size = Concat<axis = 0>(i1, i3, height, new_width)",
    "size": "size = Concat<axis = 0>(i1, i3, new_height, new_width)",
    "planes": "planes = Transpose<perm = [2, 0, 1]>(image) batch = Unsqueeze(planes, i0) pixels = Cast<to = 1>(batch)",
    "wide": f"wide = Resize<{CUBIC}>(pixels, , , wide_size)",
    "round": "wide_half = Add(wide, half) wide_floor = Floor(wide_half) wide_clip = Clip(wide_floor, black, white)",
    "tall": f"tall = Resize<{CUBIC}>(wide_clip, , , size)",
    "again": "tall_half = Add(tall, half) tall_floor = Floor(tall_half) tall_clip = Clip(tall_floor, black, white)",
    "bytes": "bytes = Cast<to = 2>(tall_clip)",
    "margin": "ends = Concat<axis = 0>(new_height, new_width) margin = Sub(ends, n) halves = Div(margin, i2)",
    "offset": "odd = Mod(halves, i2) rest = Mod(margin, i2) up = Mul(odd, rest) corner = Add(halves, up)",
    "crop": "opposite = Add(corner, n) crop = Slice(bytes, corner, opposite, axes)",
    "divide": "image_chw = Squeeze(crop, i0) floats = Cast<to = 1>(image_chw) tensor = Div(floats, full)",
    "subtract": "centred = Sub(tensor, mean)",
    "scale": "normalize = Div(centred, std)",
}


def pipeline(**lines: str) -> object:
    parts = PIPELINE | lines
    head = {name: parts.pop(name) for name in ("opset", "input", "output", "mean", "std")}
    text = f"""<ir_version: 8, opset_import: ["" : {head["opset"]}]>
    g ({head["input"]}) => ({head["output"]}) <
        int64[1] i0 = {{0}}, int64[1] i1 = {{1}}, int64[1] i2 = {{2}}, int64[1] i3 = {{3}}, int64[1] n = {{224}},
        int64[2] axes = {{2, 3}}, int64[4] square = {{1, 3, 224, 224}}, int64[3] bgr = {{2, 1, 0}},
        int64[2] side_sizes = {{224, 224}}, float[4] scales = {{1.0, 1.0, 0.5, 0.5}},
        float half = {{0.5}}, float black = {{0.0}}, float white = {{255.0}}, float full = {{255.0}},
        float n32 = {{224.0}}, float inverse = {{0.00392156862745098}}, {head["mean"]}, {head["std"]}
    > {{ upright = LessOrEqual(width, height) {" ".join(parts.values())} }}"""
    # The comparison has to follow what it compares.
    first = "upright = LessOrEqual(width, height) "
    text = text.replace(first, "", 1).replace(PIPELINE["shape"], PIPELINE["shape"] + " " + first, 1)
    return parser.parse_model(text)


def listed(values: np.ndarray) -> str:
    return ", ".join(f"{value:.9g}" for value in values)


def constants(mean: np.ndarray, std: np.ndarray) -> dict[str, str]:
    return {
        "mean": f"float[3,1,1] mean = {{{listed(mean)}}}",
        "std": f"float[3,1,1] std = {{{listed(std)}}}",
    }


def wide(attributes: str) -> dict[str, str]:
    return {"wide": f"wide = Resize<{attributes}>(pixels, , , wide_size)"}


def without(name: str) -> dict[str, str]:
    return wide(", ".join(part for part in CUBIC.split(", ") if not part.startswith(name)))


ONE_STEP = {"wide": "", "round": "", "tall": f"tall = Resize<{CUBIC}>(pixels, , , size)"}
MIXED = np.array([0.48145466, 0.4578275, 0.40821])
FLAWS: list[tuple[str, dict[str, str], str, str, str]] = [
    # what, the lines, the known mistake, the clause, words of the finding
    ("opset", {"opset": "17", **without("antialias"), "tall": PIPELINE["tall"].replace("antialias = 1, ", "")},
     "no-antialias", "RSZ-4", "opset is 17"),
    ("float-input", {"input": "float[h,w,3] image"}, "", "INP-1", "it is float, the canon starts from uint8"),
    ("chw-input", {"input": "uint8[3,h,w] image"}, "", "INP-1", "begin the graph with a Transpose"),
    ("fixed-input", {"input": "uint8[480,640,3] image"}, "", "SIZ-1", "fixed to 480 x 640"),
    ("linear", wide('mode = "linear", antialias = 1'), "filter-bilinear", "RSZ-3", 'set mode="cubic"'),
    ("nearest", wide("antialias = 1"), "filter-nearest", "RSZ-3", "mode is nearest, where it is left out"),
    ("no-antialias", without("antialias"), "no-antialias", "RSZ-4",
     "antialias is 0, where it is left out, the canon needs 1 (RSZ-4); set antialias=1 (opset 18 or newer)"),
    ("a-default", without("cubic_coeff_a"), "cubic-a-0.75", "RSZ-3", "cubic_coeff_a is -0.75, where it is left out"),
    ("a-0.6", wide(CUBIC.replace("-0.5", "-0.6")), "cubic-a-0.6", "RSZ-3", "set cubic_coeff_a=-0.5"),
    ("outside", without("exclude_outside"), "edge-replicated", "RSZ-6", "set exclude_outside=1"),
    ("corners", wide(CUBIC + ', coordinate_transformation_mode = "align_corners"'), "align-corners", "RSZ-5", "half"),
    ("asymmetric", wide(CUBIC + ', coordinate_transformation_mode = "asymmetric"'), "half-pixel-missing", "RSZ-5", ""),
    ("letterbox", wide(CUBIC + ', keep_aspect_ratio_policy = "not_larger"'), "letterbox", "SIZ-1", "not_larger"),
    ("not-smaller", wide(CUBIC + ', keep_aspect_ratio_policy = "not_smaller"'), "size-rounded", "SIZ-1", "int64"),
    ("squash", {"wide": f"wide = Resize<{CUBIC}>(pixels, , , square)"}, "squash", "SIZ-1", "forced to 224 x 224"),
    ("squash-axes", {"wide": f"wide = Resize<{CUBIC}, axes = [2, 3]>(pixels, , , side_sizes)"}, "squash", "SIZ-1", ""),
    ("squash-exported", {"size": "kept = Slice(wide_size, i0, i2) size = Concat<axis = 0>(kept, side_sizes)"},
     "squash", "SIZ-1", "forced to 224 x 224"),
    ("scales", {"wide": f"wide = Resize<{CUBIC}>(pixels, , scales)"}, "size-scale-first", "SIZ-1", "input `scales`"),
    ("float-size",
     {"side": "fh = Cast<to = 1>(height) fw = Cast<to = 1>(width) a = Min(fh, fw) b = Max(fh, fw) c = Div(n32, a) "
              "d = Mul(b, c) side = Cast<to = 7>(d)"}, "size-scale-first", "SIZ-1", "in floating point"),
    ("rounded-size",
     {"side": "fh = Cast<to = 1>(height) fw = Cast<to = 1>(width) a = Min(fh, fw) b = Max(fh, fw) c = Div(n32, a) "
              "d = Mul(b, c) e = Round(d) side = Cast<to = 7>(e)"}, "size-rounded", "SIZ-1", "is rounded"),
    ("ceiled-size",
     {"side": "fh = Cast<to = 1>(height) fw = Cast<to = 1>(width) a = Min(fh, fw) b = Max(fh, fw) c = Div(n32, a) "
              "d = Mul(b, c) e = Ceil(d) side = Cast<to = 7>(e)"}, "size-ceiled", "SIZ-1", "rounded up"),
    ("one-resize", ONE_STEP, "float-between-passes", "RSZ-8", "both axes at once"),
    ("unrounded", {"again": "", "bytes": "bytes = Identity(tall)"}, "float-between-passes", "RSZ-8", "overshoot"),
    ("clipped-only", {"again": "", "bytes": "bytes = Clip(tall, black, white)"}, "float-between-passes", "RSZ-8",
     "is kept in floating point; the canon has 8 bits"),
    ("truncated", {"again": "tall_clip = Clip(tall, black, white)"}, "truncated-samples", "RSZ-8", "add 0.5"),
    ("wrapped", {"again": "tall_clip = Round(tall)"}, "wrapped-samples", "RSZ-8", "wraps around in the Cast"),
    ("overshoot", {"again": "tall_clip = Round(tall)", "bytes": "bytes = Identity(tall_clip)"}, "", "RSZ-8", "is kept"),
    ("crop-pad", {"crop": "crop = CenterCropPad<axes = [2, 3]>(bytes, side_sizes)"}, "crop-floor", "CRP-1", "half"),
    ("crop-floor", {"offset": "corner = Identity(halves)"}, "crop-floor", "CRP-1", "rounded down"),
    ("crop-half-up",
     {"margin": "ends = Concat<axis = 0>(new_height, new_width) margin = Sub(ends, n) more = Add(margin, i1) "
                "halves = Div(more, i2)", "offset": "corner = Identity(halves)"},
     "crop-half-up", "CRP-1", "rounded up"),
    ("bgr", {"crop": PIPELINE["crop"].replace("crop = ", "rgb = ") + " crop = Gather<axis = 1>(rgb, bgr)"},
     "channel-bgr", "RGB-1", "B, G, R"),
    ("imagenet", constants(np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])), "imagenet-constants",
     "NRM-2", "ImageNet's; the canon has mean (0.48145466, 0.4578275, 0.40821073)"),
    ("half", constants(np.full(3, 0.5), np.full(3, 0.5)), "half-constants", "NRM-2", "0.5 and 0.5"),
    ("reversed", constants(MEAN[::-1], STD[::-1]), "", "NRM-2", "in the order R, G, B"),
    ("channel-0", {"mean": "float mean = {0.48145466}", "std": "float std = {0.26862954}"}, "channel0-constants",
     "NRM-2", "channel 0's for all"),
    ("exchanged", constants(STD, MEAN), "mean-std-swapped", "NRM-1", "mean and std exchanged"),
    ("typo", constants(MIXED, STD), "", "NRM-2", "type all eight digits"),
    ("three-decimals", constants(MEAN.round(3), STD.round(3)), "", "NRM-2", "std is (0.269, 0.261, 0.276)"),
    ("others", constants(np.full(3, 0.3), STD), "", "NRM-2", "mean is (0.3, 0.3, 0.3)"),
    ("no-constants", {"subtract": "centred = Identity(tensor)", "scale": "normalize = Identity(centred)"},
     "normalize-missing", "NRM-1", "mean and std are missing"),
    ("std-first", {"subtract": "centred = Div(tensor, std)", "scale": "normalize = Sub(centred, mean)"},
     "std-before-mean", "NRM-1", "subtract the mean first"),
    ("twice", {"scale": "once = Div(centred, std) more = Sub(once, mean) normalize = Div(more, std)"},
     "normalize-twice", "NRM-1", "normalise once"),
    ("no-255", {"divide": "image_chw = Squeeze(crop, i0) tensor = Cast<to = 1>(image_chw)"}, "scale-missing", "TEN-1",
     "is not divided by 255"),
    ("255-twice", {"subtract": "small = Mul(tensor, inverse) centred = Sub(small, mean)"}, "scale-twice", "TEN-1",
     "is divided by 65025"),
    ("hwc-output", {"output": "float[n,n,3] y", "scale": "z = Div(centred, std) y = Transpose<perm = [1, 2, 0]>(z)"},
     "layout-hwc", "TEN-2", "channels first"),
    ("float16", {"output": "float16[3,n,n] y", "scale": "z = Div(centred, std) y = Cast<to = 10>(z)"},
     "", "CNF-1", "float16"),
    ("double", {"output": "double[3,n,n] y", "scale": "z = Div(centred, std) y = Cast<to = 11>(z)"},
     "", "CNF-1", "double"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "lines", "fault", "clause", "words"), FLAWS, ids=[flaw[0] for flaw in FLAWS])
def test_the_lint_names_each_mistake(name, lines, fault, clause, words):
    findings = lint(pipeline(**lines))
    matching = [found for found in findings if found.fault == fault and found.clause == clause and words in str(found)]
    assert matching, [str(found) for found in findings]
    for found in findings:
        assert found.fault in {*FAULTS, ""}
        assert found.clause in clip_spec.clauses()
        assert f"({found.clause}); " in str(found)
        assert "\n" not in str(found)


# A mistake says one thing, save for those that are two in one.
TWO = {"one-resize", "hwc-output", "chw-input", "linear", "nearest", "float-input"}


@pytest.mark.parametrize(("name", "lines"), [flaw[:2] for flaw in FLAWS if flaw[0] not in TWO])
def test_the_lint_says_nothing_else(name, lines):
    assert len({found.fault + found.clause for found in lint(pipeline(**lines))}) == 1


@pytest.mark.parametrize("resize_op", [False, True])
@pytest.mark.parametrize("n_px", clip_spec.sizes())
def test_a_conforming_graph_has_no_finding(n_px, resize_op):
    assert lint(build(n_px, resize_op=resize_op)) == ()


CLEAN: dict[str, dict[str, str]] = {
    "itself": {},
    "bytes-in-between": {
        "round": PIPELINE["round"] + " wide_u8 = Cast<to = 2>(wide_clip) wide_back = Cast<to = 1>(wide_u8)",
        "tall": f"tall = Resize<{CUBIC}>(wide_back, , , size)",
    },
    "on-uint8": {
        "planes": "planes = Transpose<perm = [2, 0, 1]>(image) pixels = Unsqueeze(planes, i0)",
        **ONE_STEP,
        "again": "",
        "bytes": "bytes = Identity(tall)",
    },
    "round-min-max": {"again": "a = Round(tall) b = Max(a, black) tall_clip = Min(b, white)"},
    "crop-by-round": {
        "offset": "fm = Cast<to = 1>(margin) fh = Mul(fm, half) fr = Round(fh) corner = Cast<to = 7>(fr)",
    },
    "reciprocal": {"divide": PIPELINE["divide"].replace("Div(floats, full)", "Mul(floats, inverse)")},
    "in-255": {
        **constants(MEAN * 255, STD * 255),
        "divide": "image_chw = Squeeze(crop, i0) tensor = Cast<to = 1>(image_chw)",
    },
    "multiplied": {
        "mean": f"float[3,1,1] mean = {{{listed(-MEAN)}}}",
        "std": f"float[3,1,1] std = {{{listed(1 / STD)}}}",
        "subtract": "centred = Add(mean, tensor)",
        "scale": "normalize = Mul(std, centred)",
    },
    "computed-constants": {
        "subtract": "two = Add(mean, mean) one = Sub(two, mean) centred = Sub(tensor, one)",
    },
    "table": {
        "divide": "image_chw = Squeeze(crop, i0) tensor = Cast<to = 7>(image_chw)",
        "subtract": "table = Squeeze(mean) centred = Gather<axis = 0>(table, tensor)",
        "scale": "normalize = Identity(centred)",
    },
}


@pytest.mark.parametrize("name", CLEAN)
def test_other_ways_to_write_it_raise_no_false_alarm(name):
    assert [str(found) for found in lint(pipeline(**CLEAN[name]))] == []


def test_an_old_upsample_is_seen():
    model = parser.parse_model(
        '<ir_version: 4, opset_import: ["" : 9]> g (uint8[h,w,3] image, float[4] scales) => (float[a,b,c,d] y)'
        '{ f = Cast<to = 1>(image) t = Unsqueeze<axes = [0]>(f) y = Upsample<mode = "linear">(t, scales) }'
    )
    found = {finding.fault for finding in lint(model)}
    assert {"no-antialias", "filter-bilinear", "size-scale-first"} <= found


def test_a_finding_names_the_node():
    model = pipeline(**without("antialias"))
    node = next(node for node in model.graph.node if node.op_type == "Resize")  # type: ignore[attr-defined]
    node.name = "resize_0"
    assert [str(found) for found in lint(model)] == [
        'Resize "resize_0": antialias is 0, where it is left out, the canon needs 1 (RSZ-4); '
        "set antialias=1 (opset 18 or newer)"
    ]


def test_the_lint_looks_into_functions():
    model = parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 18, "local" : 1]> g (uint8[h,w,3] image) => (float[h,w,3] y)'
        "{ f = Cast<to = 1>(image) y = local.prepare(f) }"
        '<domain: "local", opset_import: ["" : 18]> prepare (x) => (z)'
        "{ c = Constant<value = float {256.0}>() z = Div(x, c) }"
    )
    assert {finding.fault for finding in lint(model)} == {"scale-256", "normalize-missing", "layout-hwc"}


def test_an_operator_of_another_domain_is_not_judged():
    model = pipeline()
    for node in model.graph.node:  # type: ignore[attr-defined]
        if node.op_type in ("Resize", "Div", "Slice"):
            node.domain = "example"
    assert lint(model) == ()
    assert lint(onnx.ModelProto()) == ()
