"""The reference and the literal torchvision pipeline as pytest-benchmark groups: pytest benchmarks.

One group a size; its table puts the ratio to the fastest in brackets. `reference_speed.py` measures the same with the
contestants in turn, which is fairer on a machine that is not idle.
"""

import numpy as np
import pytest
from PIL import Image
from pytest_benchmark.fixture import BenchmarkFixture

import clip_reference
from clip_fixtures.patterns import weave

torch = pytest.importorskip("torch")
openai = pytest.importorskip("clip_conformance.witnesses.openai")
torch.set_num_threads(1)

PIPELINES = {"reference": clip_reference.preprocess, "torchvision": openai.make(224)}


@pytest.mark.parametrize("name", PIPELINES)
@pytest.mark.parametrize(
    "size", [(640, 480), (1024, 768), (4000, 3000), (8000, 400)], ids=lambda size: f"{size[0]}x{size[1]}"
)
def test_preprocess(benchmark: BenchmarkFixture, size: tuple[int, int], name: str) -> None:
    image = Image.fromarray(weave(*size, 3))
    benchmark.group = f"{size[0]}x{size[1]}"
    result = benchmark(PIPELINES[name], image)
    assert np.asarray(result).shape == (3, 224, 224)
