"""A whole run of fuzz: the searches one after the other, what each found, and whether that stands on its own."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from clip_conformance import protocol
from clip_conformance.cases import Target
from clip_conformance.engine import workdir
from clip_conformance.errors import UsageError
from clip_conformance.fuzzing.bench import Bench, one_target
from clip_conformance.fuzzing.finding import Finding, Settings, save
from clip_conformance.fuzzing.hunt import Hunt, Search
from clip_conformance.fuzzing.pictures import MODES, Content, Recipe, render
from clip_conformance.fuzzing.properties import PROPERTIES, Property
from clip_conformance.fuzzing.strategies import recipes
from clip_conformance.fuzzing.verdict import Deviations, Judge, repeated
from clip_conformance.render import figure
from clip_conformance.transports.kept import DEFAULT_MEMORY
from clip_conformance.transports.setup import InputKind
from clip_spec import LevelId

# Shrinking a finding takes at most this part of the time of the search, and no longer than that many seconds.
SHRINKING, SHRINKING_MOST = 1 / 3, 15.0
# The shares of the time: the modes are many and slow to fail alike, a property has few images to be tried on.
_WEIGHTS = {"arrays": 4.0, "modes": 3.0}
_PROPERTY = 0.5
# The modes in which an image is the simpler the earlier it comes.
_SIMPLE = ("RGB", "L", "RGBA", "LA", "P", "1")


@dataclass(frozen=True)
class Searched:
    """One search: `name` is "arrays", "modes" or the id of a property; `offered` is empty where it was made."""

    name: str
    title: str
    offered: str = ""
    hunt: Hunt | None = None
    finding: Finding | None = None


@dataclass
class Session:
    """What a run came to."""

    seed: int
    target: Target
    required: LevelId
    ready: protocol.Ready
    started: protocol.Started
    stage: str
    searches: list[Searched] = field(default_factory=list)
    seconds: float = 0.0
    interrupted: bool = False
    log: str = ""

    @property
    def findings(self) -> list[Finding]:
        """What was found, the deviations first."""
        return [searched.finding for searched in self.searches if searched.finding is not None]

    @property
    def images(self) -> int:
        """How many images were judged by the canon."""
        return sum(hunt.images for hunt in self._by_canon())

    @property
    def answered(self) -> Counter[str]:
        """How many of them had an output, by mode."""
        return sum((hunt.answered for hunt in self._by_canon()), Counter[str]())

    @property
    def unanswered(self) -> Iterator[tuple[str, str, int, str]]:
        """Mode, status, number and a message of the images without an output."""
        for hunt in self._by_canon():
            for key, count in hunt.unanswered.items():
                yield *key, count, hunt.messages[key]

    @property
    def lenient(self) -> int:
        """How many passed by their peak alone."""
        return sum(hunt.lenient for hunt in self._by_canon())

    def keep(self, folder: Path, settings: Settings) -> None:
        """Save what was found, each with the command that repeats it.

        Raises:
            OSError: it cannot be written.
        """
        kept = []
        for searched in self.searches:
            finding = searched.finding
            if finding is not None:
                path = save(
                    finding.picture, folder, finding.property or finding.verdict.level or finding.verdict.status
                )
                command = settings.command(path, finding.property)
                searched = replace(searched, finding=replace(finding, path=path, command=command))
            kept.append(searched)
        self.searches = kept

    def _by_canon(self) -> list[Hunt]:
        return [found.hunt for found in self.searches if found.hunt is not None and found.name in _WEIGHTS]


@dataclass(frozen=True)
class _Goal:
    """A search to be made."""

    name: str
    title: str
    judge: Judge
    modes: Sequence[str]
    weight: float
    flat: bool = False
    mid: bool = False
    tries: int = 1


@dataclass(frozen=True)
class _Limits:
    """What bounds the searches."""

    seconds: float
    images: int | None
    shrinking: float | None

    @property
    def for_shrinking(self) -> float:
        """Seconds for shrinking one finding."""
        return min(self.seconds * SHRINKING, SHRINKING_MOST) if self.shrinking is None else self.shrinking


Progress = Callable[[str, int], None]


def fuzz(
    candidate: Any,
    model: str = "ViT-B/32",
    *,
    seconds: float = 30.0,
    seed: int | None = None,
    images: int | None = None,
    require: LevelId = "equivalent",
    timeout: float = 20.0,
    memory: float = DEFAULT_MEMORY,
    kind: InputKind = "pil",
    only: Sequence[str] = (),
    shrinking: float | None = None,
    progress: Progress = lambda title, count: None,
) -> Session:
    """Search for images on which a candidate leaves the canon, or breaks a property that needs no canon.

    Args:
        candidate: as for `clip_conformance.check`, but for dir:.
        model: a name of the table of models.
        seconds: for all searches together, from when the candidate is ready; shrinking comes on top.
        seed: decides which images are drawn and in which order; None for a new one.
        images: how many images a search judges at most, None for as many as the time allows.
        require: the level that counts as passed.
        timeout: seconds for one image.
        memory: GiB that the candidate may hold, 0 for any number (see `check`).
        kind: what a Python callable takes.
        only: "arrays", "modes" or ids of properties: these searches alone; all without.
        shrinking: seconds for shrinking a finding, None for a share of `seconds`.
        progress: called with what is searched and how many images were.

    Raises:
        UsageError: the run could not be made.
    """
    known = [*_WEIGHTS, *PROPERTIES]
    if unknown := set(only) - set(known):
        raise UsageError(f"{', '.join(map(repr, unknown))} is not one of {', '.join(known)}")
    seed = random.SystemRandom().randrange(1 << 32) if seed is None else seed
    with workdir() as name:
        folder = Path(name)
        (folder / "bench").mkdir()
        with Bench(candidate, one_target(model), folder / "bench", timeout=timeout, memory=memory, kind=kind) as bench:
            began = time.monotonic()
            judge = Deviations(bench, require)
            _first_image(judge)
            session = Session(seed, bench.target, require, bench.ready, bench.started, bench.stage)
            try:
                limits = _Limits(seconds, images, shrinking)
                with bench.interrupts:
                    _search(bench, judge, session, limits, folder / "hypothesis", progress, only)
            except KeyboardInterrupt:
                session.interrupted = True
            session.searches.sort(key=lambda searched: known.index(searched.name))
            session.seconds = time.monotonic() - began
            session.log = bench.log()
    return session


def _first_image(judge: Deviations) -> None:
    """Send a plain image, so that it is known whether anything can be compared at all.

    Raises:
        UsageError: it is refused.
    """
    n_px = judge.bench.target.n_px
    verdict = judge(render(Recipe("RGB", n_px, n_px, Content("noise", (("seed", 0),)))))
    if verdict.status not in ("ok", "crash", "timeout"):
        raise UsageError(
            f"nothing to compare: a plain RGB image of {n_px} x {n_px} has no output for {judge.bench.stage} "
            f"({verdict.status}: {verdict.text}); smoke says more"
        )


def _search(
    bench: Bench,
    judge: Deviations,
    session: Session,
    limits: _Limits,
    home: Path,
    progress: Progress,
    only: Sequence[str],
) -> None:
    goals = []
    for goal in _goals(bench, judge):
        if only and goal.name not in only:
            continue
        if isinstance(goal, Searched):
            session.searches.append(goal)
        else:
            goals.append(goal)
    left = limits.seconds
    for index, goal in enumerate(goals):
        share = left * goal.weight / sum(later.weight for later in goals[index:])
        strategy = recipes(bench.target.n_px, goal.modes, flat=goal.flat, mid=goal.mid)
        search = Search(
            strategy,
            goal.judge,
            modes=goal.modes,
            home=home,
            flat=goal.flat,
            check=bench.interrupts.check,
            step=lambda count, title=goal.title: progress(title, count),  # type: ignore[misc]
        )
        hunt = search.run(
            f"{session.seed}/{goal.name}", seconds=share, images=limits.images, shrinking=limits.for_shrinking
        )
        left -= min(hunt.seconds, share)
        session.searches.append(Searched(goal.name, goal.title, "", hunt, _finding(bench, judge, goal, hunt)))
        if hunt.interrupted:
            raise KeyboardInterrupt


def _goals(bench: Bench, judge: Deviations) -> Iterator[_Goal | Searched]:
    others = sorted(set(MODES) - {"RGB"}, key=lambda mode: (mode not in _SIMPLE, (*_SIMPLE, *MODES).index(mode)))
    modes = ["RGB"] if bench.takes_arrays else ["RGB", *others]
    yield _Goal("arrays", "RGB images", judge, ["RGB"], _WEIGHTS["arrays"])
    if bench.takes_arrays:
        yield Searched("modes", "other modes", "not searched: the candidate takes RGB arrays alone")
    else:
        yield _Goal("modes", "other modes", judge, others, _WEIGHTS["modes"])
    for known in PROPERTIES.values():
        if missing := known.offered(bench):
            yield Searched(known.id, known.title, missing)
        else:
            narrow = ["RGB"] if known.rgb else modes
            yield _Goal(
                known.id, known.title, _looked(known, bench), narrow, _PROPERTY, known.flat, known.mid, known.tries
            )


def _looked(known: Property, bench: Bench) -> Judge:
    return lambda picture: known.look(bench, picture)


def _finding(bench: Bench, judge: Deviations, goal: _Goal, hunt: Hunt) -> Finding | None:
    """Return what a search found, tried once more as the first image of a fresh process."""
    if hunt.found is None:
        return None
    recipe, verdict = hunt.found
    picture = render(recipe)
    origin, worst = _origin(hunt)
    is_property = goal.name in PROPERTIES
    found = Finding(
        picture,
        verdict,
        str(recipe),
        bench.stage,
        goal.name if is_property else "",
        shrunk=hunt.shrunk,
        origin=origin,
        worst=worst,
    )
    if hunt.interrupted:
        return found
    try:
        bench.restart()
        again = repeated(goal.judge, picture, goal.tries)
        stages = [] if is_property or again.status != "ok" else judge.levels(picture)
    except KeyboardInterrupt:
        hunt.interrupted = True
        return found
    return replace(found, verdict=again if again.failed else verdict, alone=again.failed, stages=tuple(stages))


def _origin(hunt: Hunt) -> tuple[str, LevelId | None]:
    """Return what a finding was shrunk from, "" where it is what was drawn, and the level there."""
    assert hunt.first is not None
    recipe, verdict = hunt.first
    if hunt.found is not None and hunt.found[0] == recipe:
        return "", verdict.level
    peak = verdict.deviation.peak if verdict.deviation is not None and not verdict.deviation.problem else None
    level = f": {verdict.level}" if verdict.level else ""
    off = f", peak {figure(peak)} LSB" if peak is not None else ""
    return f"{recipe.mode}, {recipe.width} x {recipe.height} px, {recipe}{level}{off}", verdict.level
