"""What the rules that projects test by today let through: python -m clip_conformance.public_rules [--write].

Each rule judges every simulated mistake on the kind of image that its project uses. Without --write the committed
document is compared with what is found; with it it is made anew.
"""

import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import click
import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clip_conformance.diagnosis.picture import Picture, picture
from clip_conformance.diagnosis.variant import Variant
from clip_conformance.errors import UsageError
from clip_conformance.kill_matrix import ACCEPTING, folder, settle
from clip_conformance.subjects import Subject, not_simulated, simulated
from clip_fixtures import pixels
from clip_fixtures.catalogue import fixtures

Array = NDArray[Any]
PHOTO = "photo-coffee"
# Sides and seed of the noise.
NOISE = (320, 290, 12345)


@dataclass(frozen=True)
class Rule:
    """A rule of a project: `passes(got, want)` on the tensors, or where `resized` on the 8-bit images."""

    id: str
    project: str
    source: str
    judges: str
    image: str
    passes: Callable[[Array, Array], bool]
    resized: bool = False


def _values(check: Callable[[Array, Array], bool]) -> Callable[[Array, Array], bool]:
    """Return a rule on values, which an output of another shape fails."""

    def passes(got: Array, want: Array) -> bool:
        return got.shape == want.shape and check(got.astype(np.float64), want.astype(np.float64))

    return passes


def _allclose(got: Array, want: Array) -> bool:
    error = np.abs(got - want)
    return bool((error <= 0.1 + 1e-3 * np.abs(want)).all() and error.mean() <= 5e-3)


def _within_15(got: Array, want: Array) -> bool:
    error = np.abs(got - want)
    return bool(error.max() <= 15.0 and error.mean() < 0.5)


def _first(got: Array, want: Array) -> bool:
    return bool(abs(got.flat[0] - want.flat[0]) <= 1e-3 + 1e-5 * abs(want.flat[0]))


def cosine(got: Array, want: Array) -> float:
    """Return the cosine of the angle between two tensors, flattened."""
    return float((got * want).sum() / np.sqrt((got * got).sum() * (want * want).sum()))


_GITHUB = "https://github.com"
RULES = (
    Rule(
        "ort-dims", "onnxruntime-extensions",
        f"{_GITHUB}/microsoft/onnxruntime-extensions/blob/main/test/pp_api_test/test_processor.cc",
        "the number of dimensions", "photo", lambda got, want: got.ndim == want.ndim,
    ),
    Rule("shape", "any test of the shape alone", "", "the shape", "photo", lambda got, want: got.shape == want.shape),
    Rule(
        "djl-first", "DJL",
        f"{_GITHUB}/deepjavalibrary/djl (ClipModelTest.java)",
        "element 0, to 1e-3 + 1e-5 of it", "photo", _values(_first),
    ),
    Rule(
        "cosine-0.99", "Roboflow inference, end to end",
        f"{_GITHUB}/roboflow/inference (inference_models)",
        "cosine >= 0.99", "photo", _values(lambda got, want: cosine(got, want) >= 0.99),
    ),
    Rule(
        "cosine-0.9985", "Roboflow inference, one picture",
        f"{_GITHUB}/roboflow/inference (inference_models)",
        "cosine >= 0.9985", "photo", _values(lambda got, want: cosine(got, want) >= 0.9985),
    ),
    Rule(
        "torchvision", "torchvision, antialias test",
        f"{_GITHUB}/pytorch/vision/blob/main/test/test_functional_tensor.py",
        "8-bit image: peak <= 15 LSB, mean < 0.5 LSB", "noise", _values(_within_15), resized=True,
    ),
    Rule(
        "transformers", "transformers, backends against each other",
        f"{_GITHUB}/huggingface/transformers/blob/main/tests/test_image_processing_common.py",
        "differences <= 0.1 + 1e-3 of the value, mean <= 5e-3", "photo", _values(_allclose),
    ),
    Rule(
        "transformers-js", "transformers.js, CLIP",
        f"{_GITHUB}/huggingface/transformers.js/blob/main/packages/transformers/tests/models/clip/"
        "test_image_processing_clip.js",
        "the mean of all values, to 5e-7", "photo",
        _values(lambda got, want: abs(got.mean() - want.mean()) < 5e-7),
    ),
)  # fmt: skip


def pictures() -> dict[str, Picture]:
    """Return the images of the rules: "photo", of the suite, and "noise", uint8 RGB."""
    width, height, seed = NOISE
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return {name: picture(Image.fromarray(samples)) for name, samples in
            (("photo", pixels(fixtures()[PHOTO], 224)), ("noise", noise))}  # fmt: skip


def passing(variants: dict[str, Variant]) -> dict[str, list[str]]:
    """Return the mistakes that each rule lets through, by the rule's id."""
    through: dict[str, list[str]] = {rule.id: [] for rule in RULES}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, given in pictures().items():
            subject = Subject(given)
            for fault, variant in variants.items():
                image, tensor = subject.image_of(variant), subject.tensor_of(variant)
                assert image is not None
                assert tensor is not None
                for rule in RULES:
                    pair = (image, subject.image) if rule.resized else (tensor, subject.tensor)
                    if rule.image == name and rule.passes(*pair):
                        through[rule.id].append(fault)
    return through


def of_this_suite() -> tuple[list[str], list[str]]:
    """Return the mistakes that the kill matrix lets reach `equivalent` everywhere, and those that reach `close`.

    Raises:
        UsageError: there is no kill matrix.
    """
    path = folder() / "kill-matrix.json"
    if not path.is_file():
        raise UsageError(f"{path} is missing; run python -m clip_conformance.kill_matrix --write")
    matrix = msgspec.json.decode(path.read_bytes())
    rows = {fault: set(row) for fault, row in matrix["faults"].items() if not (fault == ACCEPTING and matrix["opened"])}
    through = [fault for fault, letters in rows.items() if letters <= {"x", "e"}]
    close = [fault for fault, letters in rows.items() if letters <= {"x", "e", "c"} and "c" in letters]
    return through, close


def unseen(variants: dict[str, Variant]) -> dict[str, int]:
    """Return how many mistakes leave what a rule compares bit for bit the canon's, by the rule's id."""
    blind = dict.fromkeys((rule.id for rule in RULES), 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, given in pictures().items():
            subject = Subject(given)
            for rule in RULES:
                if rule.image == name:
                    deviation_of = subject.image_deviation if rule.resized else subject.tensor_deviation
                    blind[rule.id] = sum(deviation_of(variant).identical for variant in variants.values())
    return blind


def page(through: dict[str, list[str]], variants: dict[str, Variant]) -> str:
    """Return the document: the rules, loosest first."""
    return "\n".join(_page(through, unseen(variants), len(variants))) + "\n"


def _page(through: dict[str, list[str]], blind: dict[str, int], total: int) -> Iterator[str]:
    suite, close = of_this_suite()
    width, height, seed = NOISE
    yield "# What today's rules let through"
    yield ""
    yield "Made by `python -m clip_conformance.public_rules --write`; do not edit."
    yield ""
    yield (
        f"Each of the {total} known mistakes that can be simulated, in the first of its ways, judged by the rules of "
        "public projects: by each on one image of the kind that the project uses, against the canon's output."
    )
    yield ""
    yield f"- photo: the fixture `{PHOTO}`, 600 x 400, where the projects take a photograph of their own."
    yield f"- noise: {width} x {height}, RGB, `numpy.random.default_rng({seed})`; torchvision's test has these sides."
    yield (
        "- Cosine and element 0 are rules for embeddings; here they are applied to the tensor that enters the model, "
        "which needs no weights. What a model makes of the difference is not measured."
    )
    yield (
        "- The images are samples, not files, in mode RGB: a mistake of decoding, or of another mode, cannot show on "
        "them. That is part of what one photograph does not test."
    )
    yield "- An output of another shape fails every rule that compares values."
    yield "- torchvision's rule looks at the resized image alone and cannot see a mistake of the float end."
    yield (f"- Not simulated, and so in no count: {', '.join(f'`{fault}`' for fault in not_simulated())}.")
    yield ""
    yield "Not on it: how many mistakes change nothing of what the rule looks at on its image; no tolerance finds them."
    yield ""
    yield "| Rule of | It compares | Image | Lets through | Not on it | of |"
    yield "|---|---|---|--:|--:|--:|"
    ordered = sorted(RULES, key=lambda rule: -len(through[rule.id]))
    for rule in ordered:
        name = rule.project if not rule.source else f"{rule.project} ([source]({rule.source.split(' ')[0]}))"
        yield f"| {name} | {rule.judges} | {rule.image} | {len(through[rule.id])} | {blind[rule.id]} | {total} |"
    yield f"| this suite, `equivalent` | CNF-3 | every fixture | {len(suite)} | 0 | {total} |"
    yield ""
    yield (
        f"With `--require close` this suite also lets through {', '.join(f'`{fault}`' for fault in close) or 'nothing'}"
        f" ({len(close)} of {total}): on every fixture they reach `close`."
    )
    yield ""
    yield "## Which"
    for rule in ordered:
        where = f" ({rule.source.split(' ', 1)[1].strip('()')})" if " " in rule.source else ""
        yield ""
        yield f"### {rule.project}: {rule.judges}{where}"
        yield ""
        yield ", ".join(through[rule.id]) or "none"


@click.command()
@click.option("--write", is_flag=True, help="Write the document.")
def main(write: bool) -> None:
    """Check what public rules let through against the simulated mistakes, or write it down."""
    variants = simulated()
    through = passing(variants)
    for rule in RULES:
        click.echo(f"{rule.id}: {len(through[rule.id])} of {len(variants)}")
    sys.exit(settle("public_rules", {"public-rules.md": page(through, variants)}, write=write))


if __name__ == "__main__":
    try:
        main()
    except UsageError as error:
        sys.exit(f"public_rules: {error}")
