"""Every registered detector in a configuration that is quickly built and run, for tests of what all of them must do."""

from config.load import load_config
from config.schema import DetectorConfig
from detectors import DETECTOR
from tests.detectors.plugin import plugin_config

RESOLUTION = 64
# Networks that are bound to one size.
FIXED_RESOLUTION = {"meso4": 256, "meso4Inception": 256}
REGISTERED = sorted({*DETECTOR.names(), "residual"})


def small_config(name: str) -> DetectorConfig:
    """The configuration of a registered detector, for small images where its network takes them."""
    config = plugin_config() if name == "residual" else load_config(DetectorConfig, name)
    return config.model_copy(update={"resolution": FIXED_RESOLUTION.get(name, RESOLUTION)})
