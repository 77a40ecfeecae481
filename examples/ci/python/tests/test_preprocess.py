"""The port in a test of its own; `clip-conformance check` in tox.ini looks at everything."""

import pytest
from upright_clip import preprocess

from clip_conformance import check


@pytest.mark.parametrize("model", ["ViT-B/32", "ViT-L/14@336px"])
def test_photographs_are_preprocessed_as_clip_does(model):
    """A few photographs that lie as they were taken; bit for bit."""
    check(preprocess, model, select=["photo-coffee*"]).require("exact")
