"""Plugin files, written and loaded; what they register is forgotten afterwards."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import detectors
from benchmark.deepfakebench import registries
from benchmark.plugins import load_plugin
from config.registry import plugin_of

Load = Callable[[str], None]


@contextmanager
def forgetting() -> Iterator[None]:
    """What plugins register within is not registered after; the project's own, imported within, is."""
    kept = [detectors.DETECTOR, registries.BACKBONE._own, registries.LOSSFUNC._own]
    before = [set(registry._entries) for registry in kept]
    try:
        yield
    finally:
        for registry, names in zip(kept, before, strict=True):
            for name in registry._entries.keys() - names:
                if registry is not detectors.DETECTOR or plugin_of(registry[name]):
                    del registry._entries[name]


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Load]:
    """Load code as the plugin mine.py."""

    def write_and_load(code: str) -> None:
        path = tmp_path / "mine.py"
        path.write_text(code, encoding="utf-8")
        load_plugin(path)

    with forgetting():
        yield write_and_load
