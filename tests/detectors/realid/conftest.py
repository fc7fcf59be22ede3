from collections.abc import Callable

import pytest

from config.load import load_config
from config.schema import DetectorConfig
from detectors import BACKBONE, build_detector
from detectors.realid.detector import RealID
from tests.detectors.small import Small

Build = Callable[..., RealID]
SMALL = ("backbone_name=small", "pretrained=null", "resolution=16", "options.prototypes=4")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BACKBONE._entries, "small", Small)


@pytest.fixture
def build() -> Build:
    """RealID on a small backbone, with four prototypes unless said otherwise."""

    def made(*overrides: str, name: str = "realid") -> RealID:
        return build_detector(load_config(DetectorConfig, name, [*SMALL, *overrides]))

    return made
