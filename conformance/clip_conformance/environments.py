"""Throw-away virtual environments, made with uv, that hold the running suite beside what is asked for."""

import base64
import hashlib
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import clip_spec
from clip_conformance.errors import UsageError

_NAME = "clip-conformance"
_PACKAGES = ("clip_spec", "clip_reference", "clip_fixtures", "clip_conformance")
_DOCUMENTS = ("CLIP-PREPROCESSING.md", "PROTOCOL.md")
# What would lead a Python of the environment to packages of another.
_FOREIGN = ("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONHOME", "__PYVENV_LAUNCHER__")
# How uv begins what is behind an error, in its styles of the years.
_CAUSE = re.compile(r"(?:cause|Caused by):|[╰├]─▶")
_LONGEST = 400


def surroundings() -> dict[str, str]:
    """Return the environment variables for a Python of another environment."""
    return {name: value for name, value in os.environ.items() if name not in _FOREIGN}


def find_uv() -> list[str]:
    """Return uv as the first words of a command.

    Raises:
        UsageError: it is not there.
    """
    found = shutil.which("uv")
    for words in ([found] if found else [], [sys.executable, "-m", "uv"]):
        # A shim on PATH may have nothing behind it.
        if words and subprocess.run([*words, "--version"], capture_output=True, check=False).returncode == 0:
            return words
    raise UsageError("environments are made with uv, which is not here: pip install uv")


class Maker:
    """Makes environments.

    Args:
        folder: for the wheels and the environments; the caller removes it.
        python: a version or a path of a Python that is installed; the running one without.
        requirements: a requirements file of the candidate.
        project: a folder that pip can install, built once.

    Raises:
        UsageError: uv is missing, or the project cannot be built.
    """

    def __init__(self, folder: Path, *, python: str = "", requirements: Path | None, project: Path | None) -> None:
        self._uv, self._folder, self._python = find_uv(), folder, python or sys.executable
        wheels = [wheel(folder / "suite")]
        if project is not None:
            # Built anew and for all environments: uv would take a wheel of the same project from its cache.
            self._run("build", "--wheel", "--out-dir", str(folder / "project"), str(project.resolve()))
            wheels += (folder / "project").glob("*.whl")
        self._given = [str(path) for path in wheels]
        if requirements is not None:
            self._given += ["--requirements", str(requirements.resolve())]

    def make(self, name: str, requirements: Sequence[str]) -> tuple[Path, str]:
        """Return the Python of a new environment, and a note on how it came about, "" for nothing to tell.

        Where the candidate's requirements do not allow what is asked for, that wins: this is what an upgrade would do.

        Raises:
            UsageError: it cannot be made; says why in uv's words.
        """
        home = self._folder / "environments" / name
        self._run("venv", "--quiet", "--no-project", "--python", self._python, str(home))
        python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        install = ("pip", "install", "--quiet", "--python", str(python), *self._given, *requirements)
        try:
            self._run(*install)
        except UsageError as error:
            wanted = home / "override.txt"
            wanted.write_text("\n".join(requirements) + "\n", encoding="utf-8")
            self._run(*install, "--override", str(wanted))
            return python, f"installed against other requirements: {error}"
        return python, ""

    def _run(self, *words: str) -> None:
        # A Python that is not here would be fetched from elsewhere than the package index.
        variables = {"UV_PYTHON_DOWNLOADS": "never"} | surroundings()
        done = subprocess.run(
            [*self._uv, *words], capture_output=True, text=True, encoding="utf-8", errors="replace", env=variables
        )
        if done.returncode:
            raise UsageError(reason(done.stderr) or f"uv ended with {done.returncode}", done.stderr)


def reason(said: str) -> str:
    """Return why uv failed, in one line: the innermost cause, else the last line."""
    lines = [line.strip(" │") for line in said.splitlines() if line.strip(" │")]
    causes = [number for number, line in enumerate(lines) if _CAUSE.match(line)]
    text = " ".join(lines[causes[-1] :] if causes else lines[-1:])
    text = _CAUSE.sub("", text, count=1).removeprefix("error:").strip()
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def wheel(folder: Path) -> Path:
    """Write the running suite as a wheel into a folder.

    Made from the packages that run, it is the same suite wherever they come from, a wheel, a checkout or a folder on
    the path, and whether or not an index has that version; no build backend is needed. As a wheel, and not as a path,
    it is resolved together with everything else, and satisfies a candidate that requires clip-conformance itself.
    """
    version, requires = _about()
    stem = f"clip_conformance-{version}"
    info = f"{stem}.dist-info"
    told = ["Metadata-Version: 2.1", f"Name: {_NAME}", f"Version: {version}", "Requires-Python: >=3.11"]
    files = dict(_sources())
    files[f"{info}/METADATA"] = "\n".join([*told, *(f"Requires-Dist: {one}" for one in requires), ""]).encode()
    files[f"{info}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: clip-conformance\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    record = "".join(f"{name},sha256={_digest(body)},{len(body)}\n" for name, body in files.items())
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in files.items():
            archive.writestr(zipfile.ZipInfo(name), body, zipfile.ZIP_DEFLATED)
    return path


def _about() -> tuple[str, list[str]]:
    """Return the version and the requirements of the running suite."""
    distribution = metadata.distribution(_NAME)
    origin = json.loads(distribution.read_text("direct_url.json") or "{}")
    if origin.get("dir_info", {}).get("editable"):
        # What an editable install recorded is as old as the install.
        checkout = Path(url2pathname(urlsplit(origin["url"]).path))
        project = tomllib.loads((checkout / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        return distribution.version, project["dependencies"]
    return distribution.version, [one for one in distribution.requires or [] if "extra ==" not in one]


def _sources() -> Iterator[tuple[str, bytes]]:
    for name in _PACKAGES:
        (home,) = importlib.import_module(name).__path__
        for path in sorted(Path(home).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield f"{name}/{path.relative_to(home).as_posix()}", path.read_bytes()
    for name in _DOCUMENTS:
        # In a checkout they lie outside of the package.
        yield f"clip_spec/{name}", clip_spec.document(name).encode()


def _digest(body: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(body).digest()).rstrip(b"=").decode()
