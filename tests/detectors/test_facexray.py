"""Face X-ray by its formulas, on numbers worked out by hand, and by learning a boundary."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from config.errors import InputError
from config.load import load_config
from config.schema import DetectorConfig
from detectors import BACKBONE, build_detector
from detectors.conformance import Case, prediction, training_step
from detectors.facexray import FaceXray, face_xray
from tests.detectors.registered import FIXED_RESOLUTION
from tests.detectors.small import Small


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(BACKBONE._entries, "small", Small)

    def build(*overrides: str) -> FaceXray:
        settings = ["backbone_name=small", "pretrained=null", "resolution=32", *overrides]
        return build_detector(load_config(DetectorConfig, "facexray", settings))

    return build


def test_the_boundary_is_highest_where_both_images_have_the_same_share():
    assert face_xray(torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0])).tolist() == [0.0, 0.75, 1.0, 0.75, 0.0]


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=9))
def test_the_boundary_does_not_say_which_side_is_foreign(shares):
    mask = torch.tensor(shares)
    boundary = face_xray(mask)
    assert ((boundary >= 0) & (boundary <= 1)).all()
    assert torch.allclose(boundary, face_xray(1 - mask), atol=1e-6)


def test_losses_of_numbers_worked_out_by_hand(small):
    detector = small("options.map_weight=7")
    batch = {
        "label": torch.tensor([0, 1]),
        "mask": torch.tensor([[[[0.0, 0.0]]], [[[0.5, 0.25]]]]),  # boundaries 0, 0 and 1, 3/4
    }
    predictions = {
        "cls": torch.tensor([[0.0, 0.0], [0.0, math.log(3)]]),
        "mask_logits": torch.tensor([[[[0.0, -math.log(3)]]], [[[math.log(3), 0.0]]]]),  # 1/2, 1/4 and 3/4, 1/2
    }
    losses = {key: float(value) for key, value in detector.get_losses(batch, predictions).items()}
    mask = (math.log(2) + math.log(4 / 3) + math.log(4 / 3) + math.log(2)) / 4
    cls = (math.log(2) + math.log(4 / 3)) / 2
    assert losses == pytest.approx({"overall": cls + 7 * mask, "cls": cls, "mask": mask}, rel=1e-6)


def test_the_papers_weight_is_the_shipped_one():
    assert load_config(DetectorConfig, "facexray").options["map_weight"] == 100


def test_the_papers_backbone_is_a_variant():
    config = load_config(DetectorConfig, "facexray/hrnet")
    assert (config.backbone_name, config.pseudofake.source) == ("hrnet", "partner")


@pytest.mark.parametrize("side", [64, 16, 48])
def test_a_mask_of_another_size_counts_by_its_boundary_not_by_a_resized_masks(small, side):
    detector = small()
    hard = torch.zeros(1, 1, side, side)
    hard[..., 3:-4, 5:-2] = 1
    soft = torch.full((1, 1, side, side), 0.25)
    for mask, boundary in ((hard, 0.0), (soft, 0.75)):
        predictions = {"cls": torch.zeros(1, 2), "mask_logits": torch.full((1, 1, 32, 32), math.log(3))}
        loss = detector.get_losses({"label": torch.tensor([1]), "mask": mask}, predictions)["mask"]
        assert float(loss) == pytest.approx(boundary * math.log(4 / 3) + (1 - boundary) * math.log(4), rel=1e-5)


def test_more_boundary_is_more_fake(small):
    detector = small().eval()
    maps = torch.linspace(0, 1, 5).view(-1, 1, 1, 1) * torch.rand(
        1, 1, 8, 8, generator=torch.Generator().manual_seed(1)
    )
    margin = detector.classifier(maps).diff(dim=1).squeeze(1)
    assert (margin.diff() > 0).all()


def test_the_map_has_the_images_size_and_the_score_needs_no_mask(small):
    detector = small().eval()
    image = torch.randn(3, 3, 32, 48, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        predictions = detector({"image": image}, inference=True)
        assert predictions["mask_pred"].shape == (3, 1, 32, 48)
        assert predictions["feat"].shape == (3, 128, 16, 24)
        assert torch.equal(predictions["mask_pred"], predictions["mask_logits"].sigmoid())
        assert torch.equal(predictions["cls"], detector.classifier(predictions["mask_pred"]))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rough = detector({"image": image}, inference=True)
    assert rough["mask_pred"].dtype == torch.float32
    assert torch.allclose(rough["mask_pred"], predictions["mask_pred"], atol=0.05)


def blended(count: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
    """Noise; every second image has weaker noise in a rectangle with soft edges."""
    mask = torch.zeros(count, 1, 32, 32)
    for one in mask[1::2]:
        top, left, height, width = torch.randint(6, 13, (4,), generator=generator).tolist()
        one[0, top : top + height, left : left + width] = 1
    mask = F.avg_pool2d(mask, 7, 1, 3)
    target, source = torch.randn(2, count, 3, 32, 32, generator=generator)
    image = target * (1 - mask) + 0.3 * source * mask
    return {"image": image, "label": torch.arange(count) % 2, "mask": mask}


@pytest.mark.parametrize("standardise", ["true", "false"])
def test_a_boundary_can_be_learnt(small, standardise):
    detector = small(f"options.standardise={standardise}", "options.width=32")
    generator = torch.Generator().manual_seed(2)
    optimiser = torch.optim.Adam(detector.parameters(), lr=0.01)
    for _ in range(80):
        batch = blended(16, generator)
        optimiser.zero_grad()
        detector.get_losses(batch, detector(batch))["overall"].backward()
        optimiser.step()
    unseen = blended(32, generator)
    with torch.no_grad():
        predictions = detector.eval()(unseen, inference=True)
    maps = torch.stack([predictions["mask_pred"].flatten(), face_xray(unseen["mask"]).flatten()])
    assert torch.corrcoef(maps)[0, 1] > 0.6
    assert predictions["prob"][1::2].min() > predictions["prob"][::2].max()


@pytest.mark.parametrize("name", sorted({*BACKBONE.names()} - {"vit_l_32"}))  # which is vit_b_16, larger
def test_any_backbone_will_do(name):
    settings = [f"backbone_name={name}", "pretrained=null", f"resolution={FIXED_RESOLUTION.get(name, 64)}"]
    case = Case.of(load_config(DetectorConfig, "facexray", settings))
    prediction(case)
    training_step(case)


def test_reals_of_an_example_batch_have_empty_masks(small):
    batch = small().example_batch(4, torch.Generator().manual_seed(1))
    assert (batch["mask"].amax((1, 2, 3)) > 0).tolist() == [bool(label) for label in batch["label"]]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("with_mask=false", "with_mask: facexray learns from masks"),
        ("options.map_wieght=1", "did you mean 'map_weight'"),
        ("loss_func.mask_loss=bcee", "unknown loss 'bcee'; did you mean 'bce'?"),
        ("loss_func.mask_los=bce", "did you mean 'mask_loss'"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(small, override, message):
    with pytest.raises(InputError, match=message.replace("?", r"\?")):
        small(override)


def test_one_loss_is_the_classs(small):
    assert isinstance(small("loss_func=cross_entropy").loss_func["cls"], type(small().loss_func["cls"]))


def test_the_public_layers_judge_a_map_by_where_it_is_lit(monkeypatch):
    monkeypatch.setitem(BACKBONE._entries, "small", Small)
    settings = ["backbone_name=small", "pretrained=null", "resolution=32", "options.width=8"]
    detector = build_detector(load_config(DetectorConfig, "facexray_dfb", settings)).eval()
    maps = torch.zeros(2, 1, 128, 128)
    maps[0, 0, :64], maps[1, 0, 64:] = 1, 1
    with torch.no_grad():
        for layer in detector.fc:
            if hasattr(layer, "weight"):
                layer.weight.fill_(0)
                layer.bias.fill_(0)
        # One unit that counts the lit cells of the upper half, and says fake; the norms' statistics are 0 and 1.
        detector.fc[0].weight[0, : 64 * 128] = 1
        for norm in (detector.fc[1], detector.fc[4]):
            norm.weight.fill_(1)
        detector.fc[3].weight[0, 0] = detector.fc[6].weight[1, 0] = 1
        logits = detector.classifier(maps)
    torch.testing.assert_close(logits, torch.tensor([[0.0, 64 * 128], [0.0, 0.0]]), rtol=1e-4, atol=0)
    with torch.no_grad():
        # A map of the image's size is brought to 128 x 128 cells.
        smaller = detector.classifier(maps[..., ::4, ::4])
    torch.testing.assert_close(smaller, logits, rtol=0.02, atol=65)  # half of a row beyond


def test_the_public_layers_see_the_maps_of_all_strides(monkeypatch):
    monkeypatch.setitem(BACKBONE._entries, "small", Small)
    settings = ["backbone_name=small", "pretrained=null", "resolution=32", "options.width=8"]
    detector = build_detector(load_config(DetectorConfig, "facexray_dfb", settings)).eval()
    image = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        fine, coarse = detector.backbone.pyramid(image)
        features = detector({"image": image}, inference=True)["feat"]
    assert features.shape == (1, 24, 16, 16)
    assert torch.equal(features[:, :8], fine)
    torch.testing.assert_close(
        features[:, 8:, 4, 4],
        0.25
        * (
            0.5625 / 0.25 * coarse[:, :, 2, 2]
            + 0.1875 / 0.25 * (coarse[:, :, 1, 2] + coarse[:, :, 2, 1])
            + 0.0625 / 0.25 * coarse[:, :, 1, 1]
        ),
    )
