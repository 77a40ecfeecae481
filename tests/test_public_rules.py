"""What public rules let through: the document says what is found, and each rule is the rule."""

import numpy as np
import pytest

from clip_conformance import public_rules, subjects
from clip_conformance.kill_matrix import folder
from clip_conformance.public_rules import RULES, cosine, of_this_suite, page, passing

RULE = {rule.id: rule for rule in RULES}
WANT = np.linspace(-1.5, 2.0, 3 * 16 * 16).reshape(3, 16, 16).astype(np.float32)


@pytest.fixture(scope="module")
def through():
    return passing(subjects.simulated())


def test_the_document_is_what_is_found(through):
    committed = (folder() / "public-rules.md").read_text(encoding="utf-8")
    assert committed == page(through, subjects.simulated())


def test_every_rule_lets_mistakes_through_and_this_suite_none(through):
    assert of_this_suite()[0] == []
    for rule in RULES:
        assert 0 < len(through[rule.id]) <= len(subjects.simulated()), rule.id
    # A mirrored image has the same mean, in any order of the sum but for its last bits.
    assert "mirrored" in through["transformers-js"]
    assert "mirrored" not in through["transformers"]
    assert {"crop-missing", "layout-hwc"}.isdisjoint(through["shape"])


def test_what_is_not_on_the_image_passes_every_rule(through):
    blind = public_rules.unseen(subjects.simulated())
    assert all(0 < count <= len(through[rule]) for rule, count in blind.items())


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_passes_what_is_equal(rule):
    assert rule.passes(WANT, WANT)
    assert rule.passes(WANT[:, :, :8], WANT) == (rule.id == "ort-dims")
    assert not rule.passes(WANT[0], WANT)


@pytest.mark.parametrize(
    ("name", "within", "beyond"),
    [
        ("transformers", peak, worse)
        for peak, worse in (((5, 0.099), (5, 0.104)), ((500, 0.0049), (768, 0.0051)))
    ]
    + [
        ("torchvision", (1, 15.0), (1, 15.01)),
        ("torchvision", (768, 0.49), (768, 0.51)),
        ("transformers-js", (768, 4e-7), (768, 6e-7)),
        ("djl-first", (1, 1e-3), (1, 1.1e-3)),
    ],
)  # fmt: skip
def test_both_sides_of_a_rule(name, within, beyond):
    want = np.zeros((3, 16, 16))
    for (count, by), kept in ((within, True), (beyond, False)):
        got = want.copy()
        got.flat[:count] = by
        assert RULE[name].passes(got, want) == kept


def test_cosine_is_of_the_whole_tensor():
    assert cosine(WANT, 3 * WANT) == pytest.approx(1)
    assert cosine(WANT, -WANT) == pytest.approx(-1)
    for name, limit in (("cosine-0.99", 0.99), ("cosine-0.9985", 0.9985)):
        want = np.array([1.0, 0.0])
        for angle, kept in ((0.99, True), (1.01, False)):
            turned = np.arccos(limit) * angle
            assert RULE[name].passes(np.array([np.cos(turned), np.sin(turned)]), want) == kept


def test_the_document_names_its_images():
    text = (folder() / "public-rules.md").read_text(encoding="utf-8")
    assert public_rules.PHOTO in text
    assert {name: given.size for name, given in public_rules.pictures().items()} == {
        "photo": (600, 400),
        "noise": public_rules.NOISE[:2],
    }
