"""The typed shape of the spec's data files."""

import datetime
from typing import Literal, TypeAlias

import msgspec

StageId: TypeAlias = Literal["decode", "resize", "center_crop", "convert_rgb", "to_tensor", "normalize"]
LevelId: TypeAlias = Literal["exact", "equivalent", "close", "divergent"]
ScopeId: TypeAlias = Literal["arrays", "modes", "files"]
View: TypeAlias = Literal["isolated", "cumulative"]
Route: TypeAlias = Literal["bands", "premultiplied", "nearest", "deep", "deep-swapped"]
PassOrder: TypeAlias = Literal["horizontal-first", "height-over-100-widths", "shrink-over-2-widths"]
CropRounding: TypeAlias = Literal["half-even", "half-up"]
FaultValue: TypeAlias = str | int | float | bool | list[str | int | float | bool]


class Stage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One stage of the pipeline; `samples` is the type its output is measured in."""

    id: StageId
    samples: Literal["uint8", "float32"]
    title: str
    output: str


class Mode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A Pillow mode that the canon accepts (INP-3) and the way it is resized (RSZ-2)."""

    id: str
    bands: int
    dtype: Literal["uint8", "int32", "float32", "uint16"]
    route: Route


class Dialect(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A named behaviour of released software that is not the canon."""

    id: str
    title: str
    stage: StageId
    clause: str
    pass_order: PassOrder
    crop_rounding: CropRounding
    fix: str


class Canon(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The constants of the canon (canon.toml)."""

    spec: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    table_sha256: str
    cubic_a: float
    cubic_radius: float
    coefficient_bits: int
    max_pixels: int
    max_value: float
    stages: tuple[Stage, ...]
    modes: tuple[Mode, ...]
    dialects: tuple[Dialect, ...]


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One OpenAI model (MOD-1); `n_px` is the side of its input in pixels."""

    name: str
    n_px: int
    released: datetime.date
    checkpoint: str
    open_clip: str


class Models(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The model table (models.toml)."""

    models: tuple[Model, ...]


class Separation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far a bound is from what it must let in, and from what it must keep out, measured on the fixtures.

    The numbers are in units of the bound: 1 is at it. `legitimate` is the farthest that a right implementation
    (`legitimate_by`, on the fixture `legitimate_on`) goes; `fault` is where the nearest known mistake lies on the one
    of all fixtures that shows it best (`fault_by`, `fault_on`). Left out of `legitimate` are the fixtures `beyond`, on
    which a right implementation breaks the bound; left out of `fault` the mistakes `let_in`, which keep it on every
    fixture.
    """

    legitimate: float
    legitimate_by: str
    legitimate_on: str
    fault: float
    fault_by: str
    fault_on: str
    beyond: tuple[str, ...] = ()
    let_in: tuple[str, ...] = ()


class Bound(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an output may deviate and still reach `level` (CNF-3).

    `peak`, `mean` and `bias` are in LSB (1/255 of full scale before normalisation); `peak_share` is the share of
    samples that may exceed `peak`; `share` is the share of samples that may differ by more than `floor` (absolute, in
    the stage's own units); `peak_absolute`, where given, bounds the peak in the stage's own units as well. `modes`
    limits the bound to images of these modes; empty is any.
    """

    level: LevelId
    stages: tuple[StageId, ...]
    views: tuple[View, ...]
    peak: float
    mean: float
    bias: float
    share: float
    derivation: str
    separation: Separation
    modes: tuple[str, ...] = ()
    peak_share: float = 0.0
    floor: float = 0.0
    peak_absolute: float | None = None


class Level(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A level of conformance and what it means."""

    id: LevelId
    meaning: str


class Levels(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The levels, strictest first, and their bounds (levels.toml)."""

    levels: tuple[Level, ...]
    bounds: tuple[Bound, ...]


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A known mistake: what it is, where it sits, what it looks like and what to change.

    `code` is the fix as code, by platform (pillow, numpy, cpp ...); `change` is the mistake itself, as settings of a
    pipeline that makes it.
    """

    id: str
    stage: StageId
    title: str
    fix: str
    look: str = ""
    evidence: str = ""
    code: dict[str, str] = {}
    change: dict[str, FaultValue] = {}


class Faults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The known mistakes (faults.toml)."""

    faults: tuple[Fault, ...]


class Clause(msgspec.Struct, frozen=True):
    """One numbered clause of the standard, as parsed from its text."""

    id: str
    title: str
    text: str
    rationale: str
    source: str
    no_fixture: str = ""
