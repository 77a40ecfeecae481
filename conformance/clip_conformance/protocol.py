"""The messages between the runner and a worker: one JSON object a line, arrays as .npy files.

The runner sends Start, Profile, Run, Stop and reads one Reply to each.
"""

from typing import Literal

import msgspec

from clip_spec import StageId

VERSION = 1

InputKind = Literal["pil", "array"]


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """An image or a tensor that a run starts from.

    `path` is a .npy file of samples (CNF-1) for "samples", an encoded file for "file"; `mode` is the Pillow mode of
    samples, empty for a float tensor [3, n_px, n_px]; `palette` holds the 256 colours of mode P in a row.
    """

    kind: Literal["samples", "file"]
    path: str
    mode: str = ""
    size: tuple[int, int] = (0, 0)
    palette: list[int] | None = None
    transparency: int | list[int] | None = None


class Start(msgspec.Struct, frozen=True, tag="start", tag_field="cmd"):
    """Load the candidate: `target` as the user wrote it, `pickled` a file with an object instead."""

    protocol: int
    target: str
    input: InputKind
    pickled: str = ""
    path: list[str] = []


class Profile(msgspec.Struct, frozen=True, tag="profile", tag_field="cmd"):
    """Prepare for one model."""

    model: str
    n_px: int


class Run(msgspec.Struct, frozen=True, kw_only=True, tag="run", tag_field="cmd"):
    """Run one image.

    Without `start` the input is the decoded image (or file) and the run goes through the whole pipeline. With it, the
    input is the canon's output of that stage, and the one stage asked for is run on it. The outputs of `stages` are
    written to `out`, as STAGE.npy.
    """

    seq: int
    case: str
    input: Image
    stages: list[StageId]
    out: str
    start: StageId | None = None


class Stop(msgspec.Struct, frozen=True, tag="stop", tag_field="cmd"):
    """End."""


Message = Start | Profile | Run | Stop


class Output(msgspec.Struct, frozen=True):
    """One stage's output: a .npy file, and the Pillow mode where the candidate gave a Pillow image."""

    path: str
    mode: str = ""


class Reply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer to any message.

    `status` is "ok"; "rejected" where the candidate refused the image; "skipped" where it declares that it cannot
    take part; "error" where it failed. `message` is one line, `traceback` the rest.
    """

    status: Literal["ok", "skipped", "rejected", "error"]
    seq: int = -1
    message: str = ""
    traceback: str = ""
    outputs: dict[StageId, Output] = {}
    # to Start
    implementation: dict[str, str] = {}
    environment: dict[str, str] = {}
    # to Profile
    stages: list[StageId] = []
    early_rgb: bool = False
