"""FFD by its formulas, on numbers worked out by hand, and by learning where fakes differ."""

import math

import pytest
import torch

from config.errors import InputError
from config.load import load_config
from config.schema import DetectorConfig
from detectors import BACKBONE, LOSSFUNC, build_detector
from detectors.ffd import FFD, weak_targets
from tests.detectors.small import SmallLayered


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(BACKBONE._entries, "small", SmallLayered)

    def build(*overrides: str, name: str = "ffd") -> FFD:
        settings = ["backbone_name=small", "pretrained=null", "resolution=32", "options.layer=second", *overrides]
        return build_detector(load_config(DetectorConfig, name, settings))

    return build


def test_losses_of_numbers_worked_out_by_hand(small):
    detector = small("options.map_weight=7")
    mask = torch.tensor([[[[0.0, 0.0], [0.0, 0.0]]], [[[1.0, 0.5], [0.0, 0.0]]]])
    batch = {"label": torch.tensor([0, 1]), "mask": mask}
    attention = torch.tensor([[[[0.5, 0.0], [0.0, 0.0]]], [[[0.75, 0.5], [0.0, 0.25]]]])
    predictions = {"cls": torch.tensor([[0.0, 0.0], [0.0, math.log(3)]]), "mask_pred": attention}
    losses = {key: float(value) for key, value in detector.get_losses(batch, predictions).items()}
    cls, mask = (math.log(2) + math.log(4 / 3)) / 2, (0.5 + 0.25 + 0.25) / 8
    assert losses == pytest.approx({"overall": cls + 7 * mask, "cls": cls, "mask": mask}, rel=1e-6)


@pytest.mark.parametrize(("share", "loss"), [(0.0, 0.25), (1.0, 0.75)])
def test_attention_of_a_quarter_to_faces_that_are_real_or_wholly_fake(small, share, loss):
    batch = {"label": torch.tensor([int(share)]), "mask": torch.full((1, 1, 32, 32), share)}
    predictions = {"cls": torch.zeros(1, 2), "mask_pred": torch.full((1, 1, 4, 4), 0.25)}
    assert float(small().get_losses(batch, predictions)["mask"]) == pytest.approx(loss)


def test_a_masks_edge_reaches_an_eighth_into_the_cells_beside_it(small):
    """A triangle as wide as two cells has an eighth of its area beyond either edge of the one that it stands on."""
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 32:] = 1
    predictions = {"cls": torch.zeros(1, 2), "mask_pred": torch.zeros(1, 1, 4, 4)}
    held_to = torch.tensor([0.0, 1 / 8, 7 / 8, 1.0]).expand(1, 1, 4, 4)
    losses = [
        float(
            small().get_losses({"label": torch.ones(1).long(), "mask": mask}, predictions | {"mask_pred": guess})[
                "mask"
            ]
        )
        for guess in (torch.zeros(1, 1, 4, 4), held_to)
    ]
    assert losses == pytest.approx([0.5, 0.0], abs=1e-6)


def test_without_masks_a_reals_mean_and_a_fakes_peak_count(small):
    attention = torch.tensor([[[[0.5, 0.1], [0.0, 0.2]]], [[[0.5, 0.1], [0.0, 0.2]]]])
    values, targets = weak_targets(attention, torch.tensor([0, 1]))
    assert torch.allclose(values, torch.tensor([0.2, 0.5]))
    assert torch.equal(targets, torch.tensor([0.0, 0.75]))
    batch = {"label": torch.tensor([0, 1])}
    loss = small(name="ffd/weak").get_losses(batch, {"cls": torch.zeros(2, 2), "mask_pred": attention})["mask"]
    assert float(loss) == pytest.approx((0.2 + 0.25) / 2)


def test_the_attention_map_weighs_what_the_next_layers_see(small):
    detector = small().eval()
    image = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    torch.nn.init.zeros_(detector.map.c.pointwise.weight)  # a logit of 0 everywhere: attention of a half
    with torch.no_grad():
        predictions = detector({"image": image}, inference=True)
        weighed = detector.backbone.second.register_forward_hook(lambda module, inputs, maps: maps / 2)
        expected = detector.backbone.features(image)
        weighed.remove()
    assert torch.equal(predictions["mask_pred"], torch.full((2, 1, 4, 4), 0.5))
    assert torch.equal(predictions["feat"], expected)
    assert not torch.equal(expected, detector.backbone.features(image))


def half_smoothed(count: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
    """Noise; of every second image one half, the left or the right, is weaker."""
    mask = torch.zeros(count, 1, 32, 32)
    for one, side in zip(mask[1::2], torch.randint(2, (count // 2,), generator=generator).tolist(), strict=True):
        one[..., 16 * side : 16 * side + 16] = 1
    image = torch.randn(count, 3, 32, 32, generator=generator) * (1 - 0.8 * mask)
    return {"image": image, "label": torch.arange(count) % 2, "mask": mask}


def test_it_learns_where_a_fake_is_manipulated(small):
    detector, generator = small(), torch.Generator().manual_seed(2)
    optimiser = torch.optim.Adam(detector.parameters(), lr=0.005)
    for _ in range(80):
        batch = half_smoothed(16, generator)
        optimiser.zero_grad()
        detector.get_losses(batch, detector(batch))["overall"].backward()
        optimiser.step()
    unseen = half_smoothed(32, generator)
    with torch.no_grad():
        predictions = detector.eval()(unseen, inference=True)
    cells = torch.nn.functional.avg_pool2d(unseen["mask"], 8)
    assert torch.corrcoef(torch.stack([predictions["mask_pred"].flatten(), cells.flatten()]))[0, 1] > 0.8
    assert predictions["prob"][1::2].min() > predictions["prob"][::2].max()


def test_the_mean_absolute_error_is_computed_in_float32():
    loss = LOSSFUNC["l1loss"]()(torch.tensor([0.5, 1.0], dtype=torch.bfloat16), torch.tensor([0.0, 0.25]))
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(0.625)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("with_mask=false", "with_mask: ffd learns from masks, so expected true, not false"),
        ("options.layer=secnd", "unknown layer of SmallLayered 'secnd'; did you mean 'second'"),
        ("loss_func.mask_loss=l1los", "unknown loss 'l1los'; did you mean 'l1loss'"),
        ("backbone_name=efficientnetb1", "backbone_name: expected a network that can be entered between its layers"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(small, override, message):
    with pytest.raises(InputError, match=message):
        small(override)
