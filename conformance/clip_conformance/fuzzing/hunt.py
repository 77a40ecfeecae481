"""One search: Hypothesis draws images until one fails, and shrinks it; both end by the clock."""

import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, Phase, Verbosity, find, settings
from hypothesis.configuration import set_hypothesis_home_dir
from hypothesis.errors import Flaky, NoSuchExample
from hypothesis.strategies import SearchStrategy

from clip_conformance.fuzzing.pictures import Recipe, render
from clip_conformance.fuzzing.reduce import complexity, reduce
from clip_conformance.fuzzing.verdict import Judge, Verdict
from clip_conformance.scoring.levels import LEVELS

# Within a round Hypothesis likes to draw again what it drew before; many short ones cover more.
_ROUND = 100
# Verdicts that are remembered at most.
_REMEMBERED = 20_000
# After an image that is off by little, so many more are judged in search of one that is divergent, which says more.
_PATIENCE = 60
# Hypothesis has this part of the time to shrink a finding; the rest goes to what it leaves.
_SHARE = 0.3


class _Over(BaseException):
    """The time, or the number of images, is used up; no exception, which Hypothesis would take for a finding."""


class _Enough(BaseException):
    """An image missed its level by little, and no worse one came soon after it; raised as `_Over` is."""


@dataclass
class Hunt:
    """What one search came to.

    `images` were judged before anything failed; `answered` of them had an output, by mode, `unanswered` had none, by
    mode and status, with a `message` of each; `lenient` passed because their mean, bias and share say nothing. It
    took `seconds` without shrinking. `first` is the image that failed, `found` the simplest to
    which it was shrunk; `shrunk` whether its shrinking came to
    an end.
    """

    images: int = 0
    answered: Counter[str] = field(default_factory=Counter)
    unanswered: Counter[tuple[str, str]] = field(default_factory=Counter)
    messages: dict[tuple[str, str], str] = field(default_factory=dict)
    lenient: int = 0
    seconds: float = 0.0
    first: tuple[Recipe, Verdict] | None = None
    found: tuple[Recipe, Verdict] | None = None
    shrunk: bool = False
    interrupted: bool = False


class Search:
    """Searches among the images of a strategy for one on which a judge fails.

    Args:
        strategy: draws images.
        judge: judges one.
        modes: the modes of the strategy, the simplest first.
        flat: whether its images have one colour.
        home: where Hypothesis may leave files.
        check: called before each image; may raise KeyboardInterrupt.
        step: called with the number of images.
    """

    def __init__(
        self,
        strategy: SearchStrategy[Recipe],
        judge: Judge,
        *,
        modes: Sequence[str],
        home: Path,
        flat: bool = False,
        check: Callable[[], None] = lambda: None,
        step: Callable[[int], None] = lambda images: None,
    ) -> None:
        self._strategy, self._judge, self._modes, self._flat = strategy, judge, modes, flat
        self._home, self._check, self._step = home, check, step
        self._known: dict[Recipe, Verdict] = {}
        self._mild: tuple[Recipe, Verdict, str] | None = None
        self._drawn_from = ""
        self._patience = _PATIENCE
        self._began = self._shrinking_began = self._end = 0.0
        self._most = self._allowance = 0.0
        self.hunt = Hunt()

    def run(self, seed: str, *, seconds: float, images: int | None, shrinking: float) -> Hunt:
        """Search, and return what it came to.

        Args:
            seed: the same seed draws the same images in the same order.
            seconds: for the search; at least one image is judged.
            images: how many at most, None for as many as the time allows.
            shrinking: seconds for shrinking what is found.
        """
        self._began = time.monotonic()
        self._end = self._began + seconds
        self._most, self._allowance = images if images is not None else float("inf"), shrinking
        set_hypothesis_home_dir(self._home)
        try:
            self._draw(seed)
            if self.hunt.found is not None:
                self._finish()
        except KeyboardInterrupt:
            self.hunt.interrupted = True
        finally:
            set_hypothesis_home_dir(None)
        return self.hunt

    def _draw(self, seed: str) -> None:
        """Let Hypothesis draw, round after round, and shrink."""
        number = 0
        try:
            while self.hunt.found is None:
                if len(self._known) > _REMEMBERED:
                    self._known.clear()
                self._drawn_from = f"{seed}/{number}"
                self._round(self._drawn_from)
                number += 1
        except _Enough:
            self._take_mild()
        except _Over:
            return

    def _take_mild(self) -> None:
        """Shrink the image that is off by little: its round, drawn once more, comes to it at once."""
        assert self._mild is not None
        recipe, verdict, seed = self._mild
        self._take(recipe, verdict)
        with suppress(_Over):
            self._round(seed)

    def _round(self, seed: str) -> None:
        quiet = settings(
            max_examples=_ROUND,
            database=None,
            deadline=None,
            phases=(Phase.generate, Phase.shrink),
            verbosity=Verbosity.quiet,
            suppress_health_check=list(HealthCheck),
        )
        try:
            find(self._strategy, self._fails, settings=quiet, random=random.Random(seed))
        except (NoSuchExample, Flaky):
            return

    def _finish(self) -> None:
        """Shrink what Hypothesis found further."""
        assert self.hunt.found is not None
        self._end = self._shrinking_began + self._allowance
        try:
            reduce(self.hunt.found[0], self._fails, self._modes, flat=self._flat)
            self.hunt.shrunk = True
        except _Over:
            return

    def _fails(self, recipe: Recipe) -> bool:
        """Return whether an image is a finding; judges it where it was not judged before, as long as there is time."""
        self._check()
        over = time.monotonic() >= self._end and self.hunt.images > 0
        if over or (self.hunt.found is None and self.hunt.images >= self._most):
            raise _Enough if self._mild is not None and self.hunt.found is None else _Over
        verdict = self._known.get(recipe)
        if verdict is None:
            verdict = self._known[recipe] = self._judge(render(recipe))
            if self.hunt.found is None:
                self.hunt.seconds = time.monotonic() - self._began
                self._count(recipe, verdict)
        return self._kept(recipe, verdict)

    def _kept(self, recipe: Recipe, verdict: Verdict) -> bool:
        """Return whether an image is one to shrink, or to go on with."""
        found = self.hunt.found
        if found is not None:
            bad = verdict.failed and verdict.status == found[1].status
            if bad and complexity(recipe, self._modes) < complexity(found[0], self._modes):
                self.hunt.found = (recipe, verdict)
            return bad
        if verdict.failed and verdict.level in (None, LEVELS[-1]):
            self._take(recipe, verdict)
            return True
        if verdict.failed and self._mild is None:
            self._mild = (recipe, verdict, self._drawn_from)
        if self._mild is not None:
            self._patience -= 1
            if self._patience < 0:
                raise _Enough
        return False

    def _take(self, recipe: Recipe, verdict: Verdict) -> None:
        self.hunt.first = self.hunt.found = (recipe, verdict)
        self._shrinking_began = time.monotonic()
        self._end = self._shrinking_began + self._allowance * _SHARE

    def _count(self, recipe: Recipe, verdict: Verdict) -> None:
        self.hunt.images += 1
        self.hunt.lenient += verdict.lenient
        if verdict.status == "ok":
            self.hunt.answered[recipe.mode] += 1
        else:
            key = (recipe.mode, verdict.status)
            self.hunt.unanswered[key] += 1
            self.hunt.messages.setdefault(key, verdict.text)
        self._step(self.hunt.images)
