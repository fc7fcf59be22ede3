"""FIA-USA as a whole: what it keeps, what it classifies by, its losses put together, and what it refuses."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from config.errors import InputError
from config.load import load_config, variant_names
from config.schema import DetectorConfig
from detectors import BACKBONE
from detectors.base import FitContext
from detectors.conformance import check_detector
from detectors.fia_usa.detector import FIAUSA
from detectors.fia_usa.pyramid import channels_kept, published
from detectors.fia_usa.regions import compare, contrast
from detectors.weights import load_weights, save_weights
from tests.detectors.fia_usa.backbones import PLANTED
from tests.detectors.fia_usa.conftest import Build

READINGS = (
    "options.head=all_levels",
    "options.head=backbone",
    "options.regularised=all_levels",
    "options.similarity=aligned",
    "options.similarity=sum",
    "options.difference=signed",
    "options.difference=each",
)


def batch(detector: FIAUSA, seed: int = 0, size: int = 8) -> dict[str, Tensor]:
    return detector.example_batch(size, torch.Generator().manual_seed(seed))


def fitted(detector: FIAUSA, batches, is_resumed: bool = False) -> FIAUSA:
    context = FitContext(torch.device("cpu"), 1, batches, torch.Generator(), is_resumed=is_resumed)
    detector.on_fit_start(context)
    return detector


@pytest.mark.parametrize("name", ["fia_usa", *variant_names(DetectorConfig, "fia_usa")])
def test_every_variant_keeps_the_contract(build: Build, name: str):
    check_detector(build(name=name).config)


@pytest.mark.parametrize("reading", READINGS)
def test_every_reading_keeps_the_contract(build: Build, reading: str):
    check_detector(build(reading).config)


def pairs_that_differ_in_red(count: int, seed: int) -> dict[str, Tensor]:
    """Fakes have more red where the mask is, and other green and blue everywhere."""
    generator = torch.Generator().manual_seed(seed)
    real = torch.rand(count, 3, 64, 64, generator=generator)
    fake = torch.rand(count, 3, 64, 64, generator=generator)
    mask = torch.zeros(count, 1, 64, 64)
    for number in range(count):
        mask[number, :, 32 * (number % 2) :, : 32 * (1 + number % 2)] = 1
    fake[:, :1] = real[:, :1] + (-1) ** seed * mask
    label = torch.arange(2).repeat_interleave(count)
    return {"image": torch.cat([real, fake]), "mask": torch.cat([torch.zeros_like(mask), mask]), "label": label}


def test_the_planted_channel_is_found_in_each_stage(build: Build):
    detector = build("backbone_name=planted", "options.channels=[1,1,1,1]")
    asked = []

    def batches(epoch: int = 0):
        asked.append(epoch)
        return [pairs_that_differ_in_red(4, 2 * epoch + number) for number in (0, 1)]

    before = {name: parameter.clone() for name, parameter in detector.named_parameters()}
    fitted(detector, batches)
    assert [kept.tolist() for kept in detector.pyramid.affs.kept] == [[place] for place in PLANTED]
    assert all(torch.equal(before[name], parameter) for name, parameter in detector.named_parameters())
    assert asked == [0]
    assert detector.training


def test_each_pass_shows_other_batches(build: Build):
    detector = build("options.passes=3")
    asked = []

    def batches(epoch: int = 0):
        asked.append(epoch)
        return [batch(detector, epoch)]

    fitted(detector, batches)
    assert asked == [0, 1, 2]


def test_batch_statistics_do_not_move_while_channels_are_chosen(build: Build):
    detector = build()
    state = {name: value.clone() for name, value in detector.state_dict().items() if ".affs." not in name}
    fitted(detector, lambda epoch=0: [batch(detector)])
    assert all(torch.equal(value, detector.state_dict()[name]) for name, value in state.items())


def test_a_resumed_run_chooses_nothing_anew(build: Build):
    detector = build()

    def batches(epoch: int = 0):
        raise AssertionError("no pass is wanted")

    fitted(detector, batches, is_resumed=True)


def test_weights_bring_the_channels_along(build: Build, tmp_path):
    detector = build("options.channels=[3,3,3,3]")
    for kept, channels in zip(detector.pyramid.affs.kept, ([1, 5, 7], [0, 2, 11], [3, 4, 9], [6, 12, 19]), strict=True):
        kept.copy_(torch.tensor(channels))
    save_weights(detector, tmp_path / "weights.safetensors", {})
    loaded = build("options.channels=[3,3,3,3]", "manualSeed=7")
    load_weights(loaded, tmp_path / "weights.safetensors")
    assert [kept.tolist() for kept in loaded.pyramid.affs.kept] == [[1, 5, 7], [0, 2, 11], [3, 4, 9], [6, 12, 19]]
    images = {"image": batch(detector)["image"]}
    with torch.no_grad():
        scores = [one.eval()(images, inference=True)["prob"] for one in (detector, loaded)]
    assert torch.equal(*scores)


@pytest.mark.parametrize(
    "listed", [[1, 5, 8], [-1, 5, 7], [1, 1, 7], [5, 1, 7]], ids=["beyond", "below", "twice", "order"]
)
def test_weights_with_lists_of_other_channels_are_refused(build: Build, tmp_path, listed: list[int]):
    detector = build("options.channels=[3,3,3,3]")
    detector.pyramid.affs.kept[0].copy_(torch.tensor(listed))
    path = tmp_path / "weights.safetensors"
    save_weights(detector, path, {})
    complaint = "AFFS's list map0 is damaged: expected 3 rising numbers from 0 to 7"
    with pytest.raises(InputError) as caught:
        load_weights(build("options.channels=[3,3,3,3]"), path)
    assert str(caught.value) == f"{path} does not fit the detector 'fia_usa': {complaint}"


def test_weights_without_lists_are_refused(build: Build, tmp_path):
    state = {name: value for name, value in build().state_dict().items() if ".affs." not in name}
    torch.save(state, tmp_path / "weights.pth")
    with pytest.raises(InputError, match=r"4 tensors missing \(such as pyramid\.affs\.map0\)"):
        load_weights(build(), tmp_path / "weights.pth")


def test_channels_that_are_not_kept_have_no_part_in_the_score(build: Build):
    detector = build("backbone_name=planted", "options.channels=[1,1,1,1]").eval()
    for kept, place in zip(detector.pyramid.affs.kept, PLANTED, strict=True):
        kept.fill_(place)
    image = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before = detector({"image": image}, inference=True)["cls"]
        image[:, 1:] = 0
        assert torch.equal(detector({"image": image}, inference=True)["cls"], before)
        image[:, :1] = 0
        assert not torch.allclose(detector({"image": image}, inference=True)["cls"], before)


def test_the_classifier_sees_the_mean_of_the_finest_map(build: Build):
    detector = build().eval()
    with torch.no_grad():
        found = detector({"image": batch(detector)["image"]}, inference=True)
        stages = detector.backbone.stages(batch(detector)["image"])
        finest = detector.pyramid(stages)[0]
        assert found["feat"].shape == (8, 8, *stages[0].shape[2:])
        assert torch.equal(found["feat"], finest)
        torch.testing.assert_close(found["cls"], detector.last_layer(finest.mean((2, 3))))


def test_other_heads_by_hand(build: Build):
    for head in ("all_levels", "backbone"):
        detector = build(f"options.head={head}").eval()
        with torch.no_grad():
            found = detector({"image": batch(detector)["image"]}, inference=True)["cls"]
            stages = detector.backbone.stages(batch(detector)["image"])
            if head == "all_levels":
                means = [one.mean((2, 3)) for one in detector.pyramid(stages)]
                expected = detector.last_layer(torch.cat(means, 1))
            else:
                expected = detector.backbone.classifier(detector.backbone.features_of_stage(stages[-1]))
        torch.testing.assert_close(found, expected)


def test_the_loss_by_hand(build: Build):
    detector = build("options.regularised=all_levels").train()
    data = batch(detector)
    predictions = detector(data)
    losses = detector.get_losses(data, predictions)
    compared = predictions["compared"]
    assert compared.shape == (4, 4, 5)
    parts = []
    for near, far in ((0, 1), (2, 3)):
        of_maps = []
        for level in range(4):
            rows = compared[compared[:, level, 4] == 1, level].detach().double()
            above, below = (float((rows[:, column] / 0.7).exp().sum()) for column in (near, far))
            of_maps.append(-math.log(above / (above + below)) if len(rows) else 0.0)
        assert 0 < of_maps.count(0.0) < 4, "the case must have a map without a pair"
        parts.append(np.mean(of_maps))
    logits, label = predictions["cls"].detach().double().numpy(), data["label"].numpy()
    classification = (np.log(np.exp(logits).sum(1)) - logits[np.arange(8), label]).mean()
    found = {name: float(loss.detach()) for name, loss in losses.items()}
    assert found == pytest.approx(
        {
            "classification": classification,
            "patch": parts[0],
            "image": parts[1],
            "overall": classification + 2.5 * parts[0] + 0.25 * parts[1],
        },
        abs=1e-5,
    )
    # One logit z1 - z0 and binary cross-entropy are the same.
    by_one = nn.functional.binary_cross_entropy_with_logits(
        predictions["cls"][:, 1] - predictions["cls"][:, 0], data["label"].float()
    )
    assert float(by_one.detach()) == pytest.approx(classification, abs=1e-6)


def test_pairs_are_compared_on_the_finest_map_with_the_fakes_masks(build: Build):
    detector = build().train()
    data = batch(detector)
    data["mask"][4:, :, :, :] = 0
    data["mask"][4:6, :, 20:50, 10:40] = 1
    predictions = detector(data)
    finest = predictions["feat"]
    expected = compare(finest[:4], finest[4:], data["mask"][4:], 0.05, "mean")
    torch.testing.assert_close(predictions["compared"][:, 0], expected)
    assert detector.get_train_metrics(data, predictions)["pairs"] == 0.5
    losses = detector.get_losses(data, predictions)
    whole = torch.tensor([True, True, False, False])
    torch.testing.assert_close(losses["patch"], contrast(expected[:, 0], expected[:, 1], whole, 0.7))
    torch.testing.assert_close(losses["image"], contrast(expected[:, 2], expected[:, 3], whole, 0.7))


@pytest.mark.parametrize(("left_out", "option"), [("patch", "patch_weight"), ("image", "image_weight")])
def test_a_loss_without_weight_is_left_out(build: Build, left_out: str, option: str):
    detector = build(f"options.{option}=0").train()
    data = batch(detector)
    losses = detector.get_losses(data, detector(data))
    assert losses.keys() == {"overall", "classification", "patch", "image"} - {left_out}


def test_without_rcr_no_mask_is_looked_at_while_training(build: Build):
    detector = build(name="fia_usa/wo_rcr").train()
    data = batch(detector)
    del data["mask"]
    assert detector.get_losses(data, detector(data)).keys() == {"overall", "classification"}


def test_rcr_brings_regions_apart_in_fakes_and_together_in_reals(build: Build):
    """A few steps on both losses alone, on the same pairs."""
    detector = build().train()
    optimizer = torch.optim.Adam(detector.pyramid.parameters(), lr=0.01)
    data = pairs_that_differ_in_red(6, 0)
    means = []
    for _ in range(30):
        predictions = detector(data)
        losses = detector.get_losses(data, predictions)
        means.append(predictions["compared"][:, 0].detach().mean(0))
        (losses["patch"] + losses["image"]).backward()
        optimizer.step()
        optimizer.zero_grad()
    first, last = means[0], means[-1]
    assert last[0] - last[1] > first[0] - first[1] + 0.1
    assert last[2] - last[3] > first[2] - first[3] + 0.1


def test_what_comes_after_the_stages_is_frozen_unless_it_classifies(build: Build):
    for head, frozen in (("finest", {"conv_head", "last_layer"}), ("backbone", set())):
        backbone = build(f"options.head={head}").backbone
        names = {name.partition(".")[0] for name, one in backbone.named_parameters() if not one.requires_grad}
        assert names == frozen


def test_what_the_paper_gives_for_its_backbones():
    assert channels_kept((32, 56, 160, 448), None) == (24, 32, 56, 160)
    assert channels_kept((24, 40, 112, 320), None) == (16, 24, 40, 112)
    assert channels_kept((256, 512, 1024, 2048), None) == (196, 384, 768, 1536)
    assert [published(one).width for one in ((24, 40, 112, 320), (256, 512, 1024, 2048), (8, 12, 16, 20))] == [
        128,
        196,
        128,
    ]


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("options.channels=null", "options.channels: expected 1 to .*Table 7 has no such backbone"),
        ("options.channels=[6,8,10]", r"options.channels: expected 1 to \[8, 12, 16, 20\].*not \[6, 8, 10\]"),
        ("options.channels=[6,8,10,21]", "options.channels"),
        ("options.channels=[0,8,10,12]", "options.channels"),
        ("with_mask=false", "with_mask: .*expected true"),
        ("dataset_type=aligned_triplet", "dataset_type: .*expected real_with_pseudofake"),
        ("options.temprature=1", "temperature"),
    ],
)
def test_a_mistake_is_one_sentence(build: Build, override: str, sentence: str):
    with pytest.raises(InputError, match=sentence):
        build(override)


def test_a_pyramid_without_a_part_is_refused(build: Build):
    with pytest.raises(InputError, match=r"options\.head: without RCR"):
        build("options.head=backbone", name="fia_usa/wo_rcr")


def test_an_odd_batch_is_refused(build: Build):
    with pytest.raises(InputError, match="a fake of each, not 5"):
        batch(build(), size=5)


def test_the_shipped_backbones_are_known():
    names = [load_config(DetectorConfig, name).backbone_name for name in ("fia_usa", "fia_usa/res50", "fia_usa/effb1")]
    assert all(BACKBONE[name] for name in names)
