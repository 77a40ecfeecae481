"""CLIP preprocessing with Pillow, as a stand-alone adapter for clip-conformance (spec/PROTOCOL.md, section 2).

    clip-conformance check 'cmd:/path/to/other/venv/bin/python examples/python/adapter.py'

For a preprocessor that cannot live in the suite's environment: another Python, other versions, a container. It needs
NumPy and Pillow and nothing of the suite. With --inline, images and arrays travel inside the messages, and the adapter
reads and writes no file.
"""

import base64
import io
import json
import os
import platform
import sys
import traceback

import numpy as np
import PIL
from PIL import Image

# ------------------------------------------------- your preprocessor: put your own code into these functions

MEAN = np.array([0.48145466, 0.4578275, 0.40821073], dtype=np.float32).reshape(3, 1, 1)
STD = np.array([0.26862954, 0.26130258, 0.27577711], dtype=np.float32).reshape(3, 1, 1)


def resize(image, n_px):
    """Resize the shorter side to n_px."""
    width, height = image.size
    size = (n_px, n_px * height // width) if width <= height else (n_px * width // height, n_px)
    return image.resize(size, Image.BICUBIC)


def center_crop(image, n_px):
    """Cut out the centre."""
    left, top = (round((side - n_px) / 2) for side in image.size)
    return image.crop((left, top, left + n_px, top + n_px))


def convert_rgb(image, n_px):
    """Convert any mode to RGB."""
    return image.convert("RGB")


def to_tensor(image, n_px):
    """Divide by 255, channels first."""
    return (np.asarray(image, dtype=np.float32) / np.float32(255)).transpose(2, 0, 1)


def normalize(tensor, n_px):
    """Subtract the mean, divide by the std."""
    return (tensor - MEAN) / STD


# In the order in which they run. A function that does the work of several stages is the last of them, and the others
# are left out: {"normalize": preprocess} for a single function from an image to the tensor.
STAGES = {
    "resize": resize,
    "center_crop": center_crop,
    "convert_rgb": convert_rgb,
    "to_tensor": to_tensor,
    "normalize": normalize,
}
IMPLEMENTATION = {"name": "pillow-adapter", "version": PIL.__version__, "language": "python"}
ENVIRONMENT = {"python": platform.python_version(), "Pillow": PIL.__version__, "numpy": np.__version__}

# ------------------------------------------------- the protocol: needs no change

INLINE = "--inline" in sys.argv[1:]
BEFORE = {
    "resize": "decode",
    "center_crop": "resize",
    "convert_rgb": "center_crop",
    "to_tensor": "convert_rgb",
    "normalize": "to_tensor",
}


def read_input(given):
    """Return the Pillow image or the float tensor that a run message describes."""
    if "data" in given:
        raw = base64.b64decode(given["data"])
    else:
        with open(given["path"], "rb") as file:
            file.seek(given.get("offset", 0))
            raw = file.read()
    if given["kind"] == "file":
        image = Image.open(io.BytesIO(raw))
        image.load()
        return image
    shape, mode = given["shape"], given.get("mode")
    if not mode:
        return np.frombuffer(raw, dtype="<f4").reshape(shape)
    if 0 in shape:
        raise ValueError(f"an image of {shape[1]} x {shape[0]}")
    size = (shape[1], shape[0])
    if mode == "1":  # a byte a pixel, where Pillow's raw data has a bit
        return Image.frombytes("L", size, raw).point(lambda v: v, "1")
    if mode == "I;16B":  # little-endian, where Pillow's raw data is not
        raw = np.frombuffer(raw, dtype="<u2").astype(">u2").tobytes()
    image = Image.frombytes(mode, size, raw)
    if "palette" in given:
        image.putpalette(bytes(given["palette"]))
    if "transparency" in given:
        entry = given["transparency"]
        image.info["transparency"] = entry if isinstance(entry, int) else bytes(entry)
    return image


def write_output(stage, value, folder):
    """Return the entry of `outputs` for a stage."""
    array = np.asarray(value)
    if array.dtype == bool:  # mode 1
        array = array.astype(np.uint8) * 255
    array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    entry = {"mode": value.mode} if isinstance(value, Image.Image) else {}
    if INLINE:
        data = base64.b64encode(array.tobytes()).decode("ascii")
        return {**entry, "data": data, "dtype": array.dtype.name, "shape": list(array.shape)}
    np.save(os.path.join(folder, stage + ".npy"), array)
    return {**entry, "path": stage + ".npy"}


def failure(status, error):
    """Return the answer to a run that gives no image."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return {"status": status, "message": text, "traceback": traceback.format_exc()}


def run(message, n_px):
    """Run all stages, or with `from` the one stage that is asked for on the canon's output of the stage before it."""
    try:
        value = read_input(message["input"])
    except Exception as error:
        return failure("rejected", error)
    wanted, folder, outputs = message["stages"], message["out"], {}
    if "decode" in wanted:
        outputs["decode"] = write_output("decode", value, folder)
    for stage in wanted if "from" in message else STAGES:
        value = STAGES[stage](value, n_px)
        if stage in wanted:
            outputs[stage] = write_output(stage, value, folder)
    return {"status": "ok", "outputs": outputs}


def answer(message, profile):
    """Return the answer to a message; `profile` is the last message of that name."""
    if message["cmd"] == "start":
        arrays = "inline" if INLINE else "file"
        about = {"implementation": IMPLEMENTATION, "environment": ENVIRONMENT, "arrays": arrays}
        return {"status": "ok", "protocol": 1, **about}
    if message["cmd"] == "profile":
        profile.update(message)
        # A stage is run alone on the output of the one before it: where that is left out, it expects another input.
        alone = [stage for stage in STAGES if BEFORE[stage] in ("decode", *STAGES)]
        return {"status": "ok", "stages": ["decode", *STAGES], "from": alone}
    if message["cmd"] == "run":
        return run(message, profile["n_px"])
    if message["cmd"] == "stop":
        return {"status": "ok"}
    raise ValueError(f"no message {message['cmd']!r}")


def main():
    """Answer messages until stop or the end of stdin."""
    # The protocol has stdout to itself. What the preprocessor prints goes to stderr, which the suite keeps as a log.
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
    os.dup2(2, 1)
    profile = {}
    for line in sys.stdin:
        message = {}
        try:
            message = json.loads(line)
            reply = answer(message, profile)
        except Exception as error:
            reply = failure("error", error)
        if "seq" in message:
            reply["seq"] = message["seq"]
        replies.write(json.dumps(reply) + "\n")
        replies.flush()
        if message.get("cmd") == "stop":
            break


if __name__ == "__main__":
    main()
