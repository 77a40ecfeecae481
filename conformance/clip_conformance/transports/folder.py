"""`dir:`: outputs that were made elsewhere from an exported bundle (spec/PROTOCOL.md section 3)."""

import os
from pathlib import Path
from typing import Any, Literal

import msgspec

import clip_spec
from clip_conformance import arrays, protocol, untrusted
from clip_conformance.errors import UsageError
from clip_conformance.plain import one_line
from clip_conformance.transports.base import Broken
from clip_spec import StageId

_SUFFIXES = (".npy", ".raw")
_JSON_LIMIT = 64 << 10


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """result.json: why a case has no output."""

    status: Literal["ok", "skipped", "rejected", "error"]
    message: str = ""


class Folder:
    """A folder of outputs.

    Raises:
        UsageError: there is none, or it holds nothing of this standard.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self.elapsed = 0.0
        if not root.is_dir():
            raise UsageError(f"dir:{root} is no folder; clip-conformance export makes the inputs for one")
        with os.scandir(root) as entries:
            self._cases = sorted(entry.name for entry in entries if "@" in entry.name and entry.is_dir())
        if not self._cases:
            raise UsageError(f"dir:{root} holds no outputs; {root}/pin-values@224/normalize.npy would be one")
        about = self._about()
        spec = about.pop("spec", clip_spec.canon().spec)
        if spec != clip_spec.canon().spec:
            raise UsageError(
                f"dir:{root} was made for revision {one_line(spec, 40)} of the standard, this suite has "
                f"{clip_spec.canon().spec}; export a new bundle"
            )
        self.started = protocol.Started(status="ok", protocol=protocol.VERSION, implementation=about)

    def profile(self, message: protocol.Profile) -> protocol.Ready:
        """Look which stages there are for this n_px."""
        cases = [self._root / name for name in self._cases if name.endswith(f"@{message.n_px}")]
        stages = [stage for stage in protocol.STAGES if any(_file(case, stage) for case in cases)]
        alone = [stage for stage in protocol.STAGES if any(_file(case / "from", stage) for case in cases)]
        return protocol.Ready(status="ok", stages=stages or ["normalize"], alone=alone)

    def run(self, message: protocol.Run, seconds: float) -> protocol.Result:
        """Return what lies there for a case.

        Raises:
            Broken: nothing does, or it lies outside of the folder.
        """
        case = self._root / message.case
        folder = case if message.start is None else case / "from"
        try:
            outcome = self._json(f"{message.case}/result.json", Outcome)
            if outcome is not None and outcome.status != "ok":
                return protocol.Result(seq=message.seq, status=outcome.status, message=outcome.message)
            outputs: dict[StageId, str | protocol.Output] = {}
            for stage in message.stages:
                if (path := _file(folder, stage)) is not None:
                    outputs[stage] = protocol.Output(path=str(arrays.within(str(path.absolute()), self._root)))
        except arrays.Unreadable as problem:
            raise Broken("error", str(problem)) from None
        if not outputs:
            raise Broken("missing", f"no {message.stages[-1]}.npy, .raw or result.json in {case}")
        return protocol.Result(seq=message.seq, status="ok", outputs=outputs)

    def _about(self) -> dict[str, str]:
        try:
            found = self._json("candidate.json", dict[str, str])
        except arrays.Unreadable as problem:
            raise UsageError(str(problem)) from None
        return {"name": f"dir:{self._root}"} | (found or {})

    def _json(self, name: str, kind: Any) -> Any:
        """Return what a JSON file holds, None where there is none.

        Raises:
            Unreadable: it lies elsewhere, is too large, not JSON, or holds something else.
        """
        path = self._root / name
        if not os.path.exists(path):
            return None
        content = untrusted.content(arrays.within(str(path.absolute()), self._root), _JSON_LIMIT)
        try:
            return untrusted.decode(content, kind)
        except arrays.Unreadable as problem:
            raise arrays.Unreadable(f"{path}: {problem}") from None

    def log(self) -> str:
        """Nothing was run here."""
        return ""

    def close(self) -> None:
        """Nothing is open."""

    def abort(self) -> None:
        """Nothing is open."""


def _file(folder: Path, stage: StageId) -> Path | None:
    return next((path for suffix in _SUFFIXES if os.path.exists(path := folder / f"{stage}{suffix}")), None)
