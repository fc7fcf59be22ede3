from collections.abc import Callable

import pytest

from config.load import load_config
from config.schema import DetectorConfig
from detectors import BACKBONE, build_detector
from detectors.prodet.detector import ProDet
from tests.detectors.small import Small

Build = Callable[..., ProDet]
SMALL = ("backbone_name=small", "pretrained=null", "resolution=16", "options.hidden=8")


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch) -> Build:
    """ProDet on a small backbone: maps of 4 x 4, 6 channels unless said otherwise."""
    monkeypatch.setitem(BACKBONE._entries, "small", Small)

    def made(*overrides: str, name: str = "prodet") -> ProDet:
        narrow = [] if name == "prodet/toy" else ["options.width=6"]
        return build_detector(load_config(DetectorConfig, name, [*SMALL, *narrow, *overrides]))

    return made
