"""An adapter for cmd: that answers rightly, and on one case in the way that its argument names.

Run as `python adapters.py BEHAVIOUR`; the behaviours are the functions below.
"""

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import clip_reference

AT = "crop-right-3@224"


def say(reply):
    sys.stdout.write(reply if isinstance(reply, str) else json.dumps(reply) + "\n")
    sys.stdout.flush()


class Bomb:
    """Leaves a mark where it is unpickled."""

    def __reduce__(self):
        return os.system, (f"touch {sys.argv[2]}",)


def saved(message, array, name="normalize.npy"):
    np.save(Path(message["out"], name), array)
    return answer(message, name)


def answer(message, output, **more):
    return {"seq": message["seq"], "status": "ok", "outputs": {"normalize": output}, **more}


def tensor(message):
    given = message["input"]
    samples = np.fromfile(given["path"], given["dtype"], offset=given["offset"]).reshape(given["shape"])
    return clip_reference.preprocess(samples)


def sound(message):
    return saved(message, tensor(message))


def bare(message):
    tensor(message).tofile(Path(message["out"], "normalize.raw"))
    return answer(message, "normalize.raw")


def absolute(message):
    sound(message)
    return answer(message, str(Path(message["out"], "normalize.npy")))


def fortran(message):
    return saved(message, np.asfortranarray(tensor(message)))


def big_endian(message):
    return saved(message, tensor(message).astype(">f4"))


def unknown_key(message):
    return sound(message) | {"took": 3}


def floods_stderr(message):
    sys.stderr.write("noise\n" * 2_000_000)
    return sound(message)


def child_keeps_stderr(message):
    subprocess.Popen(["sleep", "30"], stdout=subprocess.DEVNULL)
    return sound(message)


def junk(message):
    return "hello from a library\n"


def junk_before(message):
    say("hello from a library\n")
    return sound(message)


def unfinished(message):
    say('{"seq": 2, "sta')
    time.sleep(60)


def unfinished_end(message):
    say('{"seq": 2, "sta')
    os._exit(0)


def wrong_seq(message):
    return sound(message) | {"seq": message["seq"] + 1}


def text_seq(message):
    return sound(message) | {"seq": str(message["seq"])}


def no_status(message):
    reply = sound(message)
    del reply["status"]
    return reply


def unknown_status(message):
    return sound(message) | {"status": "fine"}


def unknown_stage(message):
    return {"seq": message["seq"], "status": "ok", "outputs": {"norm": "normalize.npy"}}


def a_list(message):
    return "[1, 2]\n"


def deep(message):
    return "[" * 100_000 + "]" * 100_000 + "\n"


def not_unicode(message):
    sys.stdout.buffer.write(b'{"seq": 2, "status": "\xff"}\n')
    sys.stdout.buffer.flush()
    return ""


def endless(message):
    for _ in range(70):
        say("x" * (1 << 20))
    time.sleep(60)


def nothing(message):
    return {"seq": message["seq"], "status": "ok"}


def outside(message):
    return answer(message, "/etc/passwd")


def upwards(message):
    return answer(message, "../../../etc/passwd")


def linked(message):
    os.symlink("/etc/passwd", Path(message["out"], "normalize.npy"))
    return answer(message, "normalize.npy")


def pipe(message):
    os.mkfifo(Path(message["out"], "normalize.npy"))
    return answer(message, "normalize.npy")


def folder(message):
    Path(message["out"], "normalize.npy").mkdir()
    return answer(message, "normalize.npy")


def no_file(message):
    return answer(message, "normalize.npy")


def nul(message):
    return answer(message, "a\0b")


def float64(message):
    return saved(message, tensor(message).astype(np.float64))


def batch(message):
    return saved(message, tensor(message)[None])


def rows_first(message):
    return saved(message, tensor(message).transpose(1, 2, 0))


def bare_uint8(message):
    Path(message["out"], "a").write_bytes(bytes(3 * 224 * 224))
    return answer(message, "a")


def bare_big_endian(message):
    tensor(message).astype(">f4").tofile(Path(message["out"], "a"))
    return answer(message, "a")


def empty(message):
    Path(message["out"], "a").touch()
    return answer(message, "a")


def objects(message):
    with Path(message["out"], "a").open("wb") as file:
        np.lib.format.write_array(file, np.array([Bomb()], dtype=object), allow_pickle=True)
    return answer(message, "a")


def pickled(message):
    Path(message["out"], "a").write_bytes(pickle.dumps(Bomb()))
    return answer(message, "a")


def text(message):
    return saved(message, np.array(["a", "b"]))


def truncated(message):
    sound(message)
    os.truncate(Path(message["out"], "normalize.npy"), 5000)
    return answer(message, "normalize.npy")


def boasting(message):
    with Path(message["out"], "a").open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (3, 1 << 20, 1 << 20)}
        np.lib.format.write_array_header_1_0(file, header)
    return answer(message, "a")


def two_gigabytes(message):
    with Path(message["out"], "a").open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (1 << 29,)}
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + (2 << 30))
    return answer(message, "a")


def not_a_number(message):
    found = tensor(message).copy()
    found[0, 0, 0] = np.nan
    return saved(message, found)


def no_base64(message):
    return answer(message, {"data": "###", "dtype": "float32", "shape": [3, 224, 224]})


def short_base64(message):
    return answer(message, {"data": "AAAA", "dtype": "float32", "shape": [3, 224, 224]})


def odd_dtype(message):
    return answer(message, {"data": "AAAA", "dtype": "object", "shape": [3]})


def rejects(message):
    return {"seq": message["seq"], "status": "rejected", "message": "no thanks"}


def skips(message):
    return {"seq": message["seq"], "status": "skipped", "message": "not built"}


def fails(message):
    return {"seq": message["seq"], "status": "error", "message": "first\nsecond"}


def exits(message):
    os._exit(3)


def aborts(message):
    os.abort()


def killed(message):
    os.kill(os.getpid(), signal.SIGKILL)


def closes_stdout(message):
    os.close(1)
    time.sleep(60)


def hangs(message):
    time.sleep(60)


def hangs_deaf(message):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(60)


def main():
    behaviour = globals()[sys.argv[1]]
    always = len(sys.argv) > 2 and sys.argv[2] == "always"
    for line in sys.stdin:
        message = json.loads(line)
        if message["cmd"] == "start":
            say({"status": "ok", "protocol": 1, "implementation": {"name": "bank", "version": "3"}})
        elif message["cmd"] == "profile":
            say({"status": "ok", "stages": ["normalize"]})
        elif message["cmd"] == "run":
            say((behaviour if always or message["case"] == AT else sound)(message))
        else:
            break


if __name__ == "__main__":
    main()
