"""The example plugin, loaded once in a test process, because a name may be registered only once."""

from functools import cache
from pathlib import Path

from config.load import load_config
from config.registry import load_plugin
from config.schema import DetectorConfig

DATA = Path(__file__).resolve().parent.parent / "data"


@cache
def plugin_config() -> DetectorConfig:
    """The configuration of the detector that tests/data/plugin_detector.py registers."""
    load_plugin(DATA / "plugin_detector.py")
    return load_config(DetectorConfig, DATA / "plugin_detector.yaml")
