"""The user's plugin files: this project's kind, and detector files of DeepfakeBench as they are."""

import ast
import hashlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from config import registry

ROOMS_OF_DEEPFAKEBENCH = {"loss", "metrics", "networks"}
MODULES_OF_DEEPFAKEBENCH = {"base_detector", "detectors.base_detector", "abstract_loss_func"}


def load_plugin(path: Path) -> None:
    """Import a user's Python file, whose decorators then register what it brings.

    A file that imports DeepfakeBench's modules finds what `benchmark.deepfakebench` offers in their place.

    Raises:
        InputError: there is no such file, or it does not import.
    """
    if not is_of_deepfakebench(path):
        registry.load_plugin(path)
        return
    from benchmark.deepfakebench.modules import Importer

    folders = list(sys.path)  # such files add to it
    try:
        registry.load_plugin(path, Importer(path))
    finally:
        sys.path[:] = folders


def is_of_deepfakebench(path: Path) -> bool:
    """Whether a Python file imports from modules that DeepfakeBench has and this project has not."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return False  # importing it says what is wrong
    return any(
        name in MODULES_OF_DEEPFAKEBENCH or name.partition(".")[0] in ROOMS_OF_DEEPFAKEBENCH for name in _imported(tree)
    )


@dataclass(frozen=True, slots=True)
class PluginFile:
    """A plugin file as records name it: its name, and the hash of what is in it."""

    name: str
    sha256: str

    @classmethod
    def of(cls, entry: type) -> Self | None:
        """The file that defines a class; None if no plugin does."""
        path = registry.plugin_of(entry)
        return cls(path.name, hashlib.sha256(path.read_bytes()).hexdigest()) if path else None


def _imported(tree: ast.AST) -> Iterator[str]:
    """The names of all modules that a file imports from; of relative ones without the dots."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
