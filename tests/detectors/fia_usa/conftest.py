from collections.abc import Callable

import pytest

from config.load import load_config
from config.schema import DetectorConfig
from detectors import BACKBONE, build_detector
from detectors.fia_usa.detector import FIAUSA
from tests.detectors.fia_usa.backbones import Plain, Planted, Staged

Build = Callable[..., FIAUSA]
SMALL = (
    "backbone_name=staged",
    "pretrained=null",
    "resolution=64",
    "options.channels=[6,8,10,12]",
    "options.width=8",
    "options.passes=1",
)


@pytest.fixture(autouse=True)
def backbones(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, backbone in (("staged", Staged), ("plain", Plain), ("planted", Planted)):
        monkeypatch.setitem(BACKBONE._entries, name, backbone)


@pytest.fixture
def build() -> Build:
    """FIA-USA on a small backbone of four stages, with a pyramid of 8 channels unless said otherwise."""

    def made(*overrides: str, name: str = "fia_usa") -> FIAUSA:
        detector = build_detector(load_config(DetectorConfig, name, [*SMALL, *overrides]))
        assert isinstance(detector, FIAUSA)
        return detector

    return made
