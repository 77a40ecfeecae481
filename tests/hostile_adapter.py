"""A cmd: adapter around one hostile candidate: `python hostile_adapter.py NAME`. It protects nobody from anything."""

import json
import os
import sys

import numpy as np
from PIL import Image

import hostile_candidates as hostile


def say(reply):
    sys.stdout.write(json.dumps(reply) + "\n")
    sys.stdout.flush()


def run(name, message):
    given = message["input"]
    with open(given["path"], "rb") as file:
        file.seek(given["offset"])
        height, width, _ = given["shape"]
        image = Image.frombytes("RGB", (width, height), file.read())
    there = hostile.at(image)
    tensor = getattr(hostile, name, hostile.canon)(image)
    path = os.path.join(message["out"], "normalize.npy")
    np.save(path, tensor)
    if there:
        path = hostile.act_on_files(name, message["out"]) or path
    reply = {"status": "ok", "seq": message["seq"], "outputs": {"normalize": path}}
    if there and name == "answers_twice":
        say(reply)
    if there and name == "answers_with_a_flood":
        reply["message"] = "x" * (80 << 20)
    if there and name == "answers_deeply":
        sys.stdout.write("[" * 100_000 + "\n")
    say(reply)
    if there and name == "closes_stdout":
        os.close(1)


def main(name):
    for line in sys.stdin:
        message = json.loads(line)
        if message["cmd"] == "start":
            say({"status": "ok", "protocol": 1, "implementation": {"name": name}})
        elif message["cmd"] == "profile":
            say({"status": "ok", "stages": ["normalize"]})
        elif message["cmd"] == "run":
            try:
                run(name, message)
            except Exception as error:
                say({"status": "error", "seq": message["seq"], "message": f"{type(error).__name__}"})
        else:
            say({"status": "ok"})
            return


main(sys.argv[1])
