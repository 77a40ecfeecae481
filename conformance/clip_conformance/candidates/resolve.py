"""From what the user wrote to a loaded object: a built-in name, pkg.mod:attr, path/file.py:attr, onnx:model.onnx."""

import importlib
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from clip_conformance.candidates.adapters import (
    Adapter,
    BlackBox,
    callable_for,
    is_factory,
    staged,
    takes_n_px,
)
from clip_conformance.candidates.compose import is_compose, open_compose
from clip_conformance.candidates.huggingface import Processor, is_processor
from clip_conformance.errors import UsageError, in_a_line
from clip_conformance.onnx import candidate as onnx
from clip_conformance.witnesses import WITNESSES


def load(target: str) -> Any:
    """Return the object that `target` names.

    Raises:
        UsageError: it cannot be found or imported; one line that says what to do.
    """
    if target in WITNESSES:
        return WITNESSES[target].load()
    if target.startswith(onnx.PREFIX):
        return onnx.load(target.removeprefix(onnx.PREFIX))
    module_name, colon, attribute = target.rpartition(":")
    if not colon or not module_name or not attribute:
        raise UsageError(
            f"{target!r} is no candidate; write pkg.mod:attr, path/file.py:attr or one of {', '.join(WITNESSES)}"
        )
    module = _module(module_name)
    found: Any = module
    for part in attribute.split("."):
        if not hasattr(found, part):
            public = [name for name in dir(module) if not name.startswith("_")]
            raise UsageError(f"{module_name} has no {attribute!r}; it has {', '.join(public[:12]) or 'nothing'}")
        found = getattr(found, part)
    return found


def _module(name: str) -> ModuleType:
    try:
        if name.endswith(".py"):
            return _from_file(Path(name))
        if (here := os.getcwd()) not in sys.path:
            sys.path.insert(0, here)
        return importlib.import_module(name)
    except UsageError:
        raise
    except ModuleNotFoundError as error:
        if error.name and name.split(".")[0] == error.name.split(".")[0]:
            hint = f"; for a file write {name.replace('.', '/')}.py:attr" if Path(name + ".py").exists() else ""
            raise UsageError(f"no module {name!r}; install it or run from its folder{hint}") from error
        raise UsageError(f"{name} does not import: it needs {error.name}; install that") from error
    except BaseException as error:  # a module may call sys.exit
        raise UsageError(f"{name} does not import: {in_a_line(error)}") from error


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise UsageError(f"no file {path}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    sys.path.insert(0, str(path.resolve().parent))
    spec.loader.exec_module(module)
    return module


def adapt(target: Any, model: str, n_px: int) -> Adapter:
    """Return a loaded object as an adapter for one model.

    Raises:
        UsageError: it is nothing that can preprocess an image.
    """
    if isinstance(target, onnx.OnnxModel):
        return onnx.GraphAdapter(target, n_px)
    if isinstance(target, type) or is_factory(target):
        target = target(n_px) if is_factory(target) else target()
    if is_compose(target):
        return open_compose(target)
    if is_processor(target):
        return Processor(target)
    chain = staged(target, n_px)
    if chain is not None:
        return chain
    if not callable(target):
        raise UsageError(
            f"a {type(target).__name__} is no preprocessor; give a callable on a PIL image, a Compose, a Hugging Face "
            "image processor or an object with methods such as resize and normalize"
        )
    return BlackBox(callable_for(target, n_px))


def any_size(target: Any) -> bool:
    """Return whether an object can serve every n_px, as --model all needs."""
    return takes_n_px(target) or any(takes_n_px(getattr(target, name, None)) for name in ("resize", "__call__"))
