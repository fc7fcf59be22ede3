from collections.abc import Callable

import pytest

from config.load import load_config
from config.schema import DetectorConfig
from detectors import BACKBONE, build_detector
from detectors.adfd.detector import ADFD
from tests.detectors.adfd.backbones import Linear, Plain
from tests.detectors.small import Small

Build = Callable[..., ADFD]
SMALL = ("backbone_name=small", "pretrained=null", "resolution=16", "options.memory=8", "options.centres=2")


@pytest.fixture(autouse=True)
def backbones(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, backbone in (("small", Small), ("plain", Plain), ("linear", Linear)):
        monkeypatch.setitem(BACKBONE._entries, name, backbone)


@pytest.fixture
def build() -> Build:
    """ADFD on a small backbone, with a memory of 8 and 2 centres unless said otherwise."""

    def made(*overrides: str, name: str = "adfd") -> ADFD:
        detector = build_detector(load_config(DetectorConfig, name, [*SMALL, *overrides]))
        assert isinstance(detector, ADFD)
        return detector

    return made
