"""SPSL and F3-Net: what reaches their network, and what they refuse."""

import pytest
import torch

from config.errors import InputError
from config.load import load_config
from config.schema import DetectorConfig
from detectors import BACKBONE, build_detector
from detectors.base import AbstractDetector
from detectors.frequency import phase_image
from tests.detectors.small import Small

SIDE = 32


class Wide(Small):
    """The small backbone for any number of input channels, that keeps what it is shown."""

    def __init__(self, config):
        super().__init__(config)
        self.fine[0] = torch.nn.Conv2d(config.inc, 8, 5, stride=2, padding=2)

    def features(self, images):
        self.shown = images
        return super().features(images)


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(BACKBONE._entries, "wide", Wide)

    def of(name: str, *overrides: str) -> AbstractDetector:
        settings = ["backbone_name=wide", "pretrained=null", f"resolution={SIDE}", *overrides]
        return build_detector(load_config(DetectorConfig, name, settings)).eval()

    return of


@pytest.fixture
def image() -> torch.Tensor:
    return torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("standardise", "size"), [("false", 1 / SIDE), ("true", 1.0)])
def test_spsl_shows_colours_and_phase(build, image, standardise, size):
    detector = build("spsl", f"options.standardise={standardise}")
    detector({"image": image}, inference=True)
    shown = detector.backbone.shown
    assert torch.equal(shown[:, :3], image)
    assert shown[:, 3:].square().mean().sqrt().item() == pytest.approx(size, rel=1e-4)
    assert torch.allclose(shown[:, 3:], phase_image(image) * (size * SIDE), atol=1e-5)


def test_spsl_ships_the_phase_as_the_released_weights_expect_it():
    assert load_config(DetectorConfig, "spsl").options == {"standardise": False}


def test_f3net_shows_the_images_of_four_bands_and_learns_their_filters(build, image):
    detector = build("f3net")
    batch = {"image": image, "label": torch.tensor([0, 1])}
    predictions = detector(batch)
    shown = detector.backbone.shown
    assert torch.equal(shown, detector.FAD_head(image))
    detector.get_losses(batch, predictions)["overall"].backward()
    assert all(one.learnable.grad.abs().sum() > 0 for one in detector.FAD_head.filters)
    trained = {name for name, parameter in detector.named_parameters() if name.startswith("FAD_head")}
    assert trained == {f"FAD_head.filters.{number}.learnable" for number in range(4)}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("spsl", "backbone_config.inc: spsl puts the phase beside three colours, so expected 4, not 3"),
        ("f3net", "backbone_config.inc: f3net makes four images of three colours, so expected 12, not 3"),
    ],
)
def test_another_number_of_channels_is_refused(build, name, message):
    with pytest.raises(InputError, match=message):
        build(name, "backbone_config.inc=3")


def test_f3net_belongs_to_its_resolution(build):
    with pytest.raises(InputError, match="not 16 x 16"):
        build("f3net")({"image": torch.zeros(1, 3, 16, 16)}, inference=True)
