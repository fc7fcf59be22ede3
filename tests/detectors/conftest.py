"""What these tests register is forgotten behind them, so that it does not matter what runs before what."""

from collections.abc import Iterator

import pytest

from config.registry import plugin_of
from detectors import DETECTOR
from tests.detectors.plugin import plugin_config


@pytest.fixture(autouse=True, scope="package")
def plugins_forgotten() -> Iterator[None]:
    """The example plugin is registered once for all of them, and not for others."""
    yield
    for name in [name for name, entry in DETECTOR._entries.items() if plugin_of(entry)]:
        del DETECTOR._entries[name]
    plugin_config.cache_clear()
