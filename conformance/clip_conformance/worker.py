"""The worker process: loads one Python candidate and answers messages, one JSON object a line.

Run as `python -m clip_conformance.worker SETUP.json LANE`; LANE is a folder of its own. The protocol has the process's
own stdin and stdout to itself: whatever the candidate prints goes to stderr, which the runner keeps as a log.
"""

import atexit
import contextlib
import gc
import io
import logging
import os
import pickle
import platform
import signal
import sys
import traceback
from importlib import metadata
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
from PIL import Image, features

from clip_conformance import arrays, protocol
from clip_conformance.candidates.adapters import Adapter, as_input
from clip_conformance.candidates.resolve import adapt, any_size, load
from clip_conformance.candidates.results import NotAnImage, to_array
from clip_conformance.candidates.trials import Trial, Trials
from clip_conformance.errors import UsageError, in_a_line
from clip_conformance.images import open_image, samples_of
from clip_conformance.plain import one_line
from clip_conformance.transports.setup import Setup
from clip_reference import Rejected

# Distributions whose version decides what a candidate's pixels are; reported where the candidate has loaded them.
_REPORTED = {
    "PIL": "Pillow",
    "numpy": "numpy",
    "torch": "torch",
    "torchvision": "torchvision",
    "transformers": "transformers",
    "open_clip": "open_clip_torch",
    "timm": "timm",
    "cv2": "opencv-python-headless",
    "skimage": "scikit-image",
    "onnx": "onnx",
    "onnxruntime": "onnxruntime",
}

_RETURN = "return a torch tensor, a NumPy array or a dict with pixel_values"
# Times the limit of a case: what the first image may take, as in transports.conversation.
_PATIENCE = 3.0
# Characters of a traceback.
_TRACE = 20_000

_CPU_NAMES = ("model name", "cpu model", "uarch", "cpu", "hardware")
_CPU_FLAGS = (
    "sse4_1",
    "avx",
    "avx2",
    "fma",
    "avx512f",
    "avx512_bf16",
    "amx_tile",
    "neon",
    "asimd",
    "sve",
    "rvv",
    "vsx",
)


class Worker:
    """The state of one worker: the loaded object, the adapter for the current model."""

    def __init__(self, setup: Setup, lane: Path) -> None:
        self._setup = setup
        self._process = os.getpid()
        # Is there while the candidate is tried; where it is left, the candidate ended the process by that.
        self._trying = lane / "trying"
        self._object: Any = None
        self._adapter: Adapter | None = None
        self._trials: Trials | None = None

    def answer(self, message: protocol.Message) -> protocol.Reply:
        """Return the reply to a message; an exception becomes one."""
        if isinstance(message, protocol.Run):
            return self._run(message)
        if isinstance(message, protocol.Stop):
            return protocol.Stopped()
        kind = protocol.Started if isinstance(message, protocol.Start) else protocol.Ready
        try:
            return self._start() if isinstance(message, protocol.Start) else self._profile(message)
        except UsageError as error:
            text = str(error)
        except BaseException as error:
            text = f"{self._setup.target} cannot be set up: {in_a_line(error)}"
        fields: Any = {"protocol": protocol.VERSION} if kind is protocol.Started else {}
        return kind(status="error", message=text, traceback=_trace(), **fields)

    def leave_to_parent(self) -> None:
        """End this process where the candidate forked, and both came back: one writes, and answers."""
        if os.getpid() != self._process:
            os._exit(0)

    def _start(self) -> protocol.Started:
        setup = self._setup
        sys.path[:0] = [entry for entry in setup.path if entry not in sys.path]
        self._object = _unpickled(Path(setup.pickled), setup.target) if setup.pickled else load(setup.target)
        return protocol.Started(
            status="ok",
            protocol=protocol.VERSION,
            implementation=self._implementation(),
            environment=environment(),
        )

    def _implementation(self) -> dict[str, str]:
        kind = self._object if isinstance(self._object, type) else type(self._object)
        name = getattr(self._object, "__name__", kind.__name__)
        module = getattr(self._object, "__module__", None) or kind.__module__
        return {"name": self._setup.target, "language": "python", "object": f"{module}.{name}"}

    def _profile(self, message: protocol.Profile) -> protocol.Ready:
        self._adapter = adapt(self._object, message.model, message.n_px)
        self._trials = Trials(self._adapter, self._setup.input)
        if not self._trying.exists():
            self._try(self._adapter, message.n_px)
        # Pillow decodes, whatever the candidate is.
        return protocol.Ready(
            status="ok",
            stages=["decode", *self._adapter.stages],
            alone=list(self._adapter.alone),
            any_size=any_size(self._object),
            environment=environment() | getattr(self._adapter, "environment", {}),
            notes=list(self._adapter.notes),
        )

    def _try(self, adapter: Adapter, n_px: int) -> None:
        """Run one image, so that what is loaded late is loaded; that it fails is a finding of the run.

        Where it ends this process, or takes too long, the next process does without it.
        """
        ground = Image.new("RGB", (n_px, n_px), (120, 110, 100))
        self._trying.touch()
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, _PATIENCE * self._setup.seconds)
        try:
            for stage, output in adapter.run(as_input(ground, self._setup.input)).items():
                to_array(output, stage)
        except SystemExit:
            raise
        except BaseException:
            traceback.print_exc()
        finally:
            if hasattr(signal, "setitimer"):
                signal.setitimer(signal.ITIMER_REAL, 0)
        self._trying.unlink(missing_ok=True)

    def _run(self, message: protocol.Run) -> protocol.Result:
        assert self._adapter is not None
        outputs: dict[Any, str | protocol.Output] = {}
        try:
            if message.start is None:
                image = open_image(message.input)
                results = {"decode": image, **self._outputs(message, image)}
            else:
                value = open_image(message.input) if message.input.mode else samples_of(message.input)
                stage = message.stages[0]
                results = {stage: self._adapter.run_stage(stage, value)}
            for stage in message.stages:
                if stage in results:
                    array, mode = to_array(results[stage], stage)
                    if array.nbytes > arrays.LARGEST:
                        raise NotAnImage(f"an array of the shape {list(array.shape)}, which is more than is read")
                    self.leave_to_parent()
                    path = Path(message.out) / f"{stage}.npy"
                    arrays.write(path, array)
                    outputs[stage] = protocol.Output(path=str(path), mode=mode)
        except SystemExit:
            raise
        except BaseException as error:
            status: Any = "rejected" if isinstance(error, (Rejected, NotImplementedError)) else "error"
            text = in_a_line(error)
            if isinstance(error, NotAnImage):
                text = f"it returned {one_line(str(error))}; {_RETURN}"
            return protocol.Result(status=status, seq=message.seq, message=text, traceback=_trace())
        return protocol.Result(status="ok", seq=message.seq, outputs=outputs)

    def _outputs(self, message: protocol.Run, image: Image.Image) -> dict[Any, Any]:
        assert self._adapter is not None
        assert self._trials is not None
        if isinstance(message, Trial):
            return self._trials.run(message.how, image)
        last = getattr(self._adapter, "run_last", None)
        run = last if last is not None and message.stages == ["normalize"] else self._adapter.run
        return dict(run(as_input(image, self._setup.input)))


def _trace() -> str:
    """Return the end of the traceback; what a candidate says in it may be no text of Unicode."""
    return traceback.format_exc()[-_TRACE:].encode("utf-8", "backslashreplace").decode("utf-8")


def _unpickled(path: Path, name: str) -> Any:
    try:
        return pickle.loads(path.read_bytes())
    except Exception as error:
        raise UsageError(
            f"{name} cannot be loaded in the worker process ({type(error).__name__}: {error}); "
            'name it as "pkg.mod:attr" or "path/file.py:attr" instead'
        ) from error


def environment() -> dict[str, str]:
    """Return what decides pixels in this process: Python, platform, and the loaded packages' versions."""
    found = {
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
        "machine": platform.machine(),
        "cpu": cpu(),
    }
    for module, distribution in _REPORTED.items():
        if module in sys.modules:
            try:
                found[distribution] = metadata.version(distribution)
            except metadata.PackageNotFoundError:
                found[distribution] = str(getattr(sys.modules[module], "__version__", "unknown"))
    for codec in ("jpg", "zlib"):
        found[f"Pillow:{codec}"] = str(features.version(codec))
    if features.check_feature("libjpeg_turbo"):
        found["Pillow:jpg"] = f"libjpeg-turbo {features.version_feature('libjpeg_turbo')}"
    return found


def cpu() -> str:
    """Return the processor: its name, and those of its features that decide how arrays are computed."""
    try:
        with open("/proc/cpuinfo", "rb") as file:
            text = file.read(1 << 16).decode("utf-8", "replace")
    except OSError:  # no Linux
        return platform.processor() or "unknown"
    said = {key.strip().lower(): value for key, _, value in (line.partition(":") for line in text.splitlines()[::-1])}
    name = next((" ".join(said[key].split()) for key in _CPU_NAMES if said.get(key, "").strip()), platform.machine())
    flags = set(f"{said.get('flags', '')} {said.get('features', '')}".split())
    return " ".join([name, *(flag for flag in _CPU_FLAGS if flag in flags)])


def serve(setup: Setup, lane: Path, requests: BinaryIO, replies: BinaryIO) -> None:
    """Answer messages until Stop or the end of input."""
    worker = Worker(setup, lane)
    decode = msgspec.json.Decoder(protocol.Message | Trial)
    for line in requests:
        message = decode.decode(line)
        reply = msgspec.json.encode(worker.answer(message)) + b"\n"
        worker.leave_to_parent()
        replies.write(reply)
        replies.flush()
        if isinstance(message, protocol.Stop):
            return


def main() -> None:
    """Keep stdin and stdout for the protocol, hand the candidate /dev/null and stderr instead, and serve."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    atexit.register(_leave)
    try:
        serve(msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Setup), Path(sys.argv[2]), requests, replies)
    except BaseException:
        atexit.unregister(_leave)  # the exit status tells of it
        raise


def _leave() -> None:
    """End when all that the candidate registered was called: to take torch apart would cost a second for nothing.

    What it wrote to files that it left open is in them afterwards, as it is when an interpreter is taken apart.
    """
    logging.shutdown()
    for found in gc.get_objects():
        if issubclass(type(found), (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)):
            with contextlib.suppress(Exception):
                found.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
