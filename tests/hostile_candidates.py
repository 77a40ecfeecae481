"""Candidates that do harm, at one fixture (crop-right-3) where nothing else is said, and else give the canon's tensor.

Each is a function of a Pillow image, named as in hostile.py; hostile_adapter.py speaks the protocol around them.
"""

import atexit
import locale
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
from PIL import Image

import clip_reference

_SLEEP = [sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)"]
_SEEN = []
_KEPT = []


def canon(image):
    return clip_reference.preprocess(image)


def at(image):
    return image.size == (227, 224)


def instead(make):
    """A candidate that gives something else at the one fixture: what `make` makes of the canon's tensor."""

    def candidate(image):
        return make(canon(image)) if at(image) else canon(image)

    return candidate


def first(act):
    """A candidate that acts at the one fixture, and then answers rightly."""

    def candidate(image):
        if at(image):
            act()
        return canon(image)

    return candidate


def raising(error):
    def act():
        raise error

    return first(act)


class OwnError(BaseException):
    pass


class Unspeakable(Exception):  # noqa: N818
    def __str__(self):
        raise RuntimeError("no text")


# What it returns.
returns_none = instead(lambda tensor: None)
returns_text = instead(lambda tensor: "a cat")
returns_an_empty_dict = instead(lambda tensor: {})
returns_two_images = instead(lambda tensor: [tensor, tensor])
returns_nan = instead(lambda tensor: np.where(tensor == tensor.max(), np.float32(np.nan), tensor))
returns_infinity = instead(lambda tensor: np.where(tensor == tensor.max(), np.float32(np.inf), tensor))
wrong_shape = instead(lambda tensor: tensor[:, :-1])
empty_array = instead(lambda tensor: tensor[:, :0])
channels_last = instead(lambda tensor: tensor.transpose(1, 2, 0))
wrong_type = instead(lambda tensor: (tensor * 50).astype(np.int32))
double_precision = instead(lambda tensor: tensor.astype(np.float64))
big_endian = instead(lambda tensor: tensor.astype(">f4"))
not_contiguous = instead(lambda tensor: np.repeat(tensor, 2, axis=2)[:, :, ::2])
negative_strides = instead(lambda tensor: np.ascontiguousarray(tensor[::-1, ::-1])[::-1, ::-1])
object_array = instead(lambda tensor: tensor.astype(object))
text_array = instead(lambda tensor: tensor[:, :2, :2].astype(str))
complex_array = instead(lambda tensor: tensor.astype(np.complex64))
long_double = instead(lambda tensor: tensor.astype(np.longdouble))
huge_array = instead(lambda tensor: np.zeros((3, 6000, 6000), np.float32))


@instead
def read_only(tensor):
    tensor = tensor.copy()
    tensor.flags.writeable = False
    return tensor


@instead
def lazy_array(tensor):
    class Lazy:
        def __array__(self, dtype=None, copy=None):
            return tensor

    return Lazy()


@instead
def lazy_array_that_raises(tensor):
    class Lazy:
        def __array__(self, dtype=None, copy=None):
            raise ValueError("not now")

    return Lazy()


@instead
def array_subclass(tensor):
    class Odd(np.ndarray):
        def __eq__(self, other):
            raise RuntimeError("not comparable")

        __hash__ = None

    return tensor.view(Odd)


@instead
def meta_tensor(tensor):
    import torch

    return torch.empty(3, 224, 224, device="meta")


@instead
def tensor_with_grad(tensor):
    import torch

    return torch.from_numpy(tensor.copy()).requires_grad_()


@instead
def tensor_subclass(tensor):
    import torch

    class Odd(torch.Tensor):
        pass

    return torch.from_numpy(tensor.copy()).as_subclass(Odd)


# What it raises.
raises = raising(RuntimeError("first line\nsecond line"))
raises_without_text = raising(Unspeakable())
raises_a_flood_of_text = raising(ValueError("x" * 10_000_000))
raises_keyboard_interrupt = raising(KeyboardInterrupt())
raises_a_lone_surrogate = raising(ValueError("\ud800"))
raises_control_characters = raising(ValueError("\x1b[2J\x1b]0;title\x07 \u202e <b>"))
raises_memory_error = raising(MemoryError())
raises_own_base_exception = raising(OwnError("not an Exception"))
raises_generator_exit = raising(GeneratorExit())


@first
def recurses():
    def deeper():
        return deeper()

    deeper()


# How it ends.
exits = first(lambda: sys.exit(3))
exits_at_once = first(lambda: os._exit(5))
aborts = first(os.abort)
segfaults = first(lambda: os.kill(os.getpid(), signal.SIGSEGV))
kills_itself = first(lambda: os.kill(os.getpid(), signal.SIGKILL))
stops_itself = first(lambda: os.kill(os.getpid(), signal.SIGSTOP))
kills_its_parent = first(lambda: (os.kill(os.getppid(), signal.SIGKILL), time.sleep(600)))
sleeps = first(lambda: time.sleep(600))
spins = first(lambda: [None for _ in iter(int, 1)])


@first
def sleeps_deaf():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    time.sleep(600)


@first
def grows():
    while True:
        _KEPT.append(np.ones(4 << 20))
        time.sleep(0.01)


@first
def child_grows():
    code = "import time\nkept = []\nwhile True: kept.append(bytearray(b'x' * (32 << 20))); time.sleep(0.01)"
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=False)


# What it leaves behind.
leaves_a_child = first(lambda: _KEPT.append(subprocess.Popen(_SLEEP)))
leaves_a_child_in_a_session = first(lambda: _KEPT.append(subprocess.Popen(_SLEEP, start_new_session=True)))
leaves_a_pool = first(lambda: _KEPT.append(multiprocessing.get_context("fork").Pool(2)))
leaves_an_exit_that_sleeps = first(lambda: atexit.register(time.sleep, 600))
leaves_a_thread = first(lambda: threading.Thread(target=time.sleep, args=(600,)).start())


@first
def leaves_a_daemon():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execv(_SLEEP[0], _SLEEP)
        os._exit(0)


@first
def leaves_a_daemon_and_dies():
    leaves_a_daemon.__wrapped__()
    os._exit(1)


def forks_and_both_answer(image):
    if at(image):
        os.fork()
    return canon(image)


leaves_a_daemon.__wrapped__ = leaves_a_daemon.__closure__[0].cell_contents


# What it changes.
prints = first(lambda: print("a line of a library", flush=True))
prints_from_c = first(lambda: os.write(1, b"a line of a C library\n"))
floods_stderr = first(lambda: [os.write(2, b"x" * (1 << 16)) for _ in range(400)])
closes_stdin = first(lambda: os.close(0))
closes_stderr = first(lambda: os.close(2))
changes_the_folder = first(lambda: os.chdir("/"))
changes_the_locale = first(lambda: locale.setlocale(locale.LC_ALL, "C"))
changes_float_errors = first(lambda: np.seterr(all="raise"))
changes_warnings = first(lambda: warnings.simplefilter("error"))
empties_the_environment = first(os.environ.clear)
changes_the_umask = first(lambda: os.umask(0o777))
changes_the_recursion_limit = first(lambda: sys.setrecursionlimit(120))
ignores_the_end = first(lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN))
closes_all_files = first(lambda: os.closerange(3, 256))
limits_its_files = first(lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (4, 4)))
empties_the_path = first(sys.path.clear)


@first
def changes_the_default_type():
    import torch

    torch.set_default_dtype(torch.float64)


@first
def changes_the_threads():
    import torch

    torch.set_num_threads(3)


@first
def patches_pillow():
    def never(*given, **named):
        raise RuntimeError("patched")

    Image.open = Image.Image.resize = Image.Image.crop = Image.Image.convert = never


@first
def patches_json_and_files():
    import json
    import pathlib

    def never(*given, **named):
        raise RuntimeError("patched")

    json.dumps = pathlib.Path.mkdir = never


def changes_its_input(image):
    tensor = canon(image)
    image.paste((1, 2, 3), (0, 0, *image.size))
    image.close()
    return tensor


def differs_each_time(image):
    _SEEN.append(0)
    return canon(image) + np.float32(0.1 * len(_SEEN))


def depends_on_the_order(image):
    """The first images are right; all that come after the one fixture are not."""
    if at(image) or _SEEN:
        _SEEN.append(0)
    return canon(image) + np.float32(len(_SEEN) > 1)


def always_exits(image):
    os._exit(5)


def __getattr__(name):
    if name != "imports_slowly":
        raise AttributeError(name)
    time.sleep(2)
    return canon


# What it does to the files; for adapters, which have the message.
def act_on_files(name, out):
    """Do harm to the folder of outputs; returns the path to answer with, or None for the sound one."""
    path = os.path.join(out, "normalize.npy")
    if name == "deletes_its_output":
        os.unlink(path)
    if name == "deletes_its_folder":
        os.unlink(path)
        os.rmdir(out)
    if name == "writes_a_pipe":
        os.unlink(path)
        os.mkfifo(path)
    if name == "writes_a_link_outside":
        os.replace(path, outside := os.path.join(out, "..", "..", "elsewhere.npy"))
        os.symlink(os.path.realpath(outside), path)
    if name == "writes_a_folder":
        os.unlink(path)
        os.mkdir(path)
    if name == "writes_half":
        os.truncate(path, 1000)
    if name == "names_a_device":
        return "/dev/zero"
    return None


FILES = (
    "deletes_its_output",
    "deletes_its_folder",
    "writes_a_pipe",
    "writes_a_link_outside",
    "writes_a_folder",
    "writes_half",
    "names_a_device",
)
