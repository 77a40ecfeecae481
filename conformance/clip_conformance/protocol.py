"""The messages between the runner and an adapter, one JSON object a line; spec/PROTOCOL.md is their text.

The runner sends Start, Profile, Run and Stop, and reads Started, Ready, Result and Stopped in answer.
"""

from typing import Literal, get_args

import msgspec

import clip_spec
from clip_spec import StageId

VERSION = 1

Answer = Literal["ok", "skipped", "rejected", "error"]
STAGES: tuple[StageId, ...] = get_args(StageId)


class Input(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a run starts from: an image, an encoded file, or a tensor.

    Of an "array" (CNF-1), `path` is a .npy file whose samples begin at byte `offset`, or `data` holds the samples in
    base64; `mode` is the Pillow mode, empty for a float tensor. Of a "file", `path` is the encoded file, or `data`
    its bytes. `palette` holds the colours of mode P in a row, `transparency` what its tRNS chunk holds.
    """

    kind: Literal["array", "file"]
    path: str = ""
    data: str = ""
    offset: int = 0
    dtype: str = ""
    shape: list[int] = []
    mode: str = ""
    palette: list[int] | None = None
    transparency: int | list[int] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of an array."""
        return self.shape[1], self.shape[0]


class Start(msgspec.Struct, frozen=True, kw_only=True, tag="start", tag_field="cmd"):
    """Say hello."""

    protocol: int
    spec: str
    suite: str
    workdir: str


class Profile(msgspec.Struct, frozen=True, kw_only=True, tag="profile", tag_field="cmd"):
    """Prepare for one model."""

    model: str
    n_px: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


class Run(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="run", tag_field="cmd"):
    """Run one image.

    Without `start` (on the wire: "from") the input is the image itself and goes through the whole pipeline. With it,
    the input is the canon's output of that stage, and the one stage asked for is run on it.
    """

    seq: int
    case: str
    input: Input
    stages: list[StageId]
    out: str
    start: StageId | None = msgspec.field(default=None, name="from")


class Stop(msgspec.Struct, frozen=True, tag="stop", tag_field="cmd"):
    """End."""


Message = Start | Profile | Run | Stop


class Output(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One stage's output: a file (.npy, or the bare samples), or `data` in base64 with its `dtype` and `shape`.

    `mode` is the Pillow mode where the adapter knows one.
    """

    path: str = ""
    data: str = ""
    dtype: str = ""
    shape: list[int] = []
    mode: str = ""


class Started(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer to Start. `arrays` is "inline" where the adapter has no file system; `notes` are shown as they are."""

    status: Answer
    protocol: int
    implementation: dict[str, str] = {}
    environment: dict[str, str] = {}
    arrays: Literal["file", "inline"] = "file"
    message: str = ""
    traceback: str = ""


class Ready(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer to Profile.

    `stages` are those whose outputs the adapter gives, in the order in which it runs them; `alone` (on the wire:
    "from") those that it can run on an injected input. `any_size` is false where it is made for one n_px.
    """

    status: Answer
    stages: list[StageId] = []
    alone: list[StageId] = msgspec.field(default_factory=list, name="from")
    any_size: bool = True
    environment: dict[str, str] = {}
    notes: list[str] = []
    message: str = ""
    traceback: str = ""

    @property
    def scored(self) -> list[StageId]:
        """The stages after decode that the adapter gives, in pipeline order."""
        return [stage for stage in STAGES if stage in self.stages and stage != "decode"]

    @property
    def hides(self) -> bool:
        """Whether the image between resize and crop is not seen: the fault is found from the final tensor then."""
        return "normalize" in self.stages and not {"resize", "center_crop"} <= set(self.stages)

    @property
    def early_rgb(self) -> bool:
        """Whether it converts to RGB before it resizes: its resize and crop then never see another mode."""
        order = [stage for stage in self.stages if stage in ("resize", "center_crop", "convert_rgb")]
        return len(order) > 1 and order[0] == "convert_rgb"


class Result(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer to Run.

    `status` is "ok"; "rejected" where the image was refused; "skipped" where the adapter declares that it cannot take
    part; "error" where it failed. `message` is one line, `traceback` the rest.
    """

    seq: int
    status: Answer
    outputs: dict[StageId, str | Output] = {}
    message: str = ""
    traceback: str = ""


class Stopped(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer to Stop; it may be left out."""

    status: Answer = "ok"


Reply = Started | Ready | Result | Stopped

REPLIES: dict[type, type] = {Start: Started, Profile: Ready, Run: Result, Stop: Stopped}


def hello(suite: str, workdir: str) -> Start:
    """Return the first message of a conversation."""
    return Start(protocol=VERSION, spec=clip_spec.canon().spec, suite=suite, workdir=workdir)


def profile(model: str, n_px: int) -> Profile:
    """Return the message that prepares for a model."""
    canon = clip_spec.canon()
    return Profile(model=model, n_px=n_px, mean=canon.mean, std=canon.std)


def called(message: Message) -> str:
    """Return how an error names a message: "run 7 (pin-values@224)"."""
    name = type(message).__name__.lower()
    return f"{name} {message.seq} ({message.case})" if isinstance(message, Run) else name
