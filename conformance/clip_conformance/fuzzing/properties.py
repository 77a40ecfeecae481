"""What holds of any conforming preprocessor without a look at the canon; each property is a function of one image."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clip_conformance.candidates.trials import CHANGED, How
from clip_conformance.fuzzing.bench import Bench, Output
from clip_conformance.fuzzing.pictures import Content, Picture, Recipe, render
from clip_conformance.fuzzing.verdict import Verdict, in_lsb, unanswered

# Half an LSB still names the same 8-bit sample, in whatever arithmetic.
_SAME_SAMPLE = 0.5
# On samples that no pass clips, a pass rounds by half an LSB, and the second stretches the error of the first by the
# kernel's sum of absolute weights, which is below 1.27: 1.135 LSB for one order of the passes, 2.27 between the two.
# The canon itself reaches 2, for its samples are whole.
TRANSPOSED = 2.27
# The order of the channels in which an image is sent once more: not its own inverse.
_TURN = (2, 0, 1)
_OTHER = Recipe("RGB", 53, 37, Content("binary", (("seed", 5),)))


@dataclass(frozen=True)
class Property:
    """A property: what it says, on which images it is looked at, and what looks.

    `flat`, `mid` and `rgb` narrow the images (see `strategies.recipes`). `trial`, where given, is the way in which a
    Python candidate has to be callable. `tries` is how often one image is looked at before it counts as good, when a
    finding is repeated: chance may be at work.
    """

    id: str
    title: str
    look: Callable[[Bench, Picture], Verdict]
    flat: bool = False
    mid: bool = False
    rgb: bool = False
    trial: How | None = None
    tries: int = 1

    @property
    def about(self) -> str:
        """What its images are."""
        return " and ".join(["RGB images"] * self.rgb + ["images of one colour"] * self.flat) or "all images"

    def offered(self, bench: Bench) -> str:
        """Return why the property cannot be looked at, "" where it can."""
        if self.trial is None:
            return ""
        if not bench.python:
            return "not offered: only a Python candidate can be called that way"
        if self.trial == "batch" and bench.stage != "normalize":
            return "not offered: the candidate ends before normalize"
        answer = bench.ask(render(Recipe("RGB", 40, 30, Content("noise"))), how=self.trial)
        return f"not offered: {answer.message.partition(': ')[2]}" if answer.status == "rejected" else ""


def _outputs(bench: Bench, *pictures: Picture) -> list[Output] | Verdict:
    """Return the last stage's outputs for some images, or the verdict where one has none."""
    found = []
    for picture in pictures:
        answer = bench.ask(picture)
        if answer.status != "ok" or bench.stage not in answer.outputs:
            return unanswered(answer, taken=False)
        found.append(answer.outputs[bench.stage])
    return found


def _good(*, holds: bool, text: str) -> Verdict:
    return Verdict("ok", not holds, "" if holds else text)


def _constant(bench: Bench, picture: Picture) -> Verdict:
    outputs = _outputs(bench, picture)
    if isinstance(outputs, Verdict):
        return outputs
    planes = in_lsb(bench.stage, outputs[0].array)
    if planes is None:
        return Verdict("missing", False, "no planes")
    spread = float(np.ptp(planes.reshape(planes.shape[0], -1), axis=1).max(initial=0))
    return _good(holds=spread <= _SAME_SAMPLE, text=f"an image of one colour comes out {spread:.3g} LSB uneven")


def _transposed(bench: Bench, picture: Picture) -> Verdict:
    turned = Picture(picture.mode, np.ascontiguousarray(picture.samples.swapaxes(0, 1)))
    return _compared(bench, picture, turned, lambda planes: planes.swapaxes(1, 2), TRANSPOSED, "rows and columns")


def _permuted(bench: Bench, picture: Picture) -> Verdict:
    turned = Picture(picture.mode, np.ascontiguousarray(picture.samples[..., list(_TURN)]))
    return _compared(bench, picture, turned, lambda planes: planes[list(_TURN)], _SAME_SAMPLE, "channels")


def _compared(
    bench: Bench,
    picture: Picture,
    turned: Picture,
    turn: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    bound: float,
    what: str,
) -> Verdict:
    outputs = _outputs(bench, picture, turned)
    if isinstance(outputs, Verdict):
        return outputs
    plain, other = (in_lsb(bench.stage, output.array) for output in outputs)
    if plain is None or other is None:
        return Verdict("missing", False, "no planes")
    wanted = turn(plain)
    if wanted.shape != other.shape:
        return _good(holds=False, text=f"with {what} exchanged the output has another shape")
    gap = float(np.abs(wanted - other).max(initial=0))
    return _good(
        holds=gap <= bound,
        text=f"with {what} exchanged the output is {gap:.3g} LSB off, at most {bound:g} are rounding",
    )


def _twice(bench: Bench, picture: Picture) -> Verdict:
    return _first_and_last(bench, [picture] * 3, "the same image, sent again, has another output")


def _order(bench: Bench, picture: Picture) -> Verdict:
    backwards = np.ascontiguousarray(picture.samples[::-1, ::-1])
    same_size = Picture(picture.mode, backwards, picture.palette, picture.transparency)
    return _first_and_last(
        bench, [picture, render(_OTHER), same_size, picture], "after other images the output is another one"
    )


def _first_and_last(bench: Bench, pictures: list[Picture], text: str) -> Verdict:
    """Judge whether the images that are the first one itself have its output every time."""
    first: Output | None = None
    for picture in pictures:
        answer = bench.ask(picture)
        output = answer.outputs.get(bench.stage)
        if first is None:
            if output is None:
                return unanswered(answer, taken=False)
            first = output
        elif picture is pictures[0] and not (output is not None and output.same(first)):
            return _good(holds=False, text=text)
    return _good(holds=True, text=text)


def _untouched(bench: Bench, picture: Picture) -> Verdict:
    answer = bench.ask(picture, how="watched")
    if answer.message.startswith(CHANGED):
        return _good(holds=False, text=answer.message.removeprefix(CHANGED))
    return unanswered(answer, taken=False) if answer.status != "ok" else Verdict("ok", False)


def _same_another_way(how: How, text: str) -> Callable[[Bench, Picture], Verdict]:
    def look(bench: Bench, picture: Picture) -> Verdict:
        plain = _outputs(bench, picture)
        if isinstance(plain, Verdict):
            return plain
        answer = bench.ask(picture, how=how)
        if answer.status in ("crash", "timeout"):
            return unanswered(answer, taken=True)
        other = answer.outputs.get(bench.stage)
        if other is None:
            return _good(holds=False, text=f"{text}: {answer.message or 'no output'}")
        return _good(holds=other.same(plain[0]), text=text)

    return look


PROPERTIES = {
    known.id: known
    for known in (
        Property("constant", "one colour stays one colour", _constant, flat=True),
        Property("transpose", f"rows and columns alike, within {TRANSPOSED} LSB", _transposed, mid=True, rgb=True),
        Property("permute", "channels alike", _permuted, rgb=True),
        Property("twice", "same image, same bits", _twice, tries=10),
        Property("order", "other images before do not matter", _order, tries=10),
        Property("untouched", "the input is not changed", _untouched, trial="watched"),
        Property(
            "batch",
            "in a batch as alone",
            _same_another_way("batch", "in a batch of two it is another output"),
            trial="batch",
        ),
        Property(
            "strided",
            "strided memory as contiguous",
            _same_another_way("strided", "from strided memory it is another output"),
            rgb=True,
            trial="strided",
        ),
    )
}
