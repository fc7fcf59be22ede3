"""UCF by numbers worked out by hand: the contrastive loss, the decoder's condition, who is swapped with whom."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from config.errors import InputError
from config.load import load_config
from config.schema import DetectorConfig
from detectors import BACKBONE, build_detector
from detectors.base import FitContext
from detectors.conformance import check_detector
from detectors.losses import ContrastiveRegularisation
from detectors.ucf import UCF, adaptive_instance_norm
from tests.detectors.small import Small

SETTINGS = ("backbone_name=small", "pretrained=null", "resolution=32", "options.width=8")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(BACKBONE._entries, "small", Small)

    def build(*overrides: str) -> UCF:
        return build_detector(load_config(DetectorConfig, "ucf", [*SETTINGS, *overrides]))

    return build


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_it_keeps_the_contract_on_any_backbone(small):
    small()
    check_detector(load_config(DetectorConfig, "ucf", SETTINGS))


# Features 0, 1 and 3 on a line. Anchor 0: max(0, m + 1 - 3); anchor 1: max(0, m + 1 - 2); 3 is alone in its class.
@pytest.mark.parametrize(("margin", "loss"), [(3.0, (1 + 2) / 2), (1.5, (0 + 0.5) / 2), (0.0, 0.0)])
def test_the_contrastive_loss_of_three_features_on_a_line(margin, loss):
    features = torch.tensor([[0.0], [1.0], [3.0]], requires_grad=True)
    found = ContrastiveRegularisation(margin)(features, torch.tensor([0, 0, 1]))
    assert found.item() == pytest.approx(loss, abs=1e-6)
    found.backward()
    assert features.grad is not None
    assert features.grad.isfinite().all()


@given(st.lists(st.integers(0, 2), min_size=2, max_size=7), st.integers(0, 9))
def test_the_contrastive_loss_is_the_mean_over_triples_of_each_anchor(labels, seed):
    features = random(len(labels), 3, seed=seed)
    anchors = []
    for a, own in enumerate(labels):
        triples = [
            max(0.0, 2 + math.dist(features[a], features[p]) - math.dist(features[a], features[n]))
            for p, positive in enumerate(labels)
            for n, negative in enumerate(labels)
            if p != a and positive == own != negative
        ]
        if triples:
            anchors.append(sum(triples) / len(triples))
    expected = sum(anchors) / len(anchors) if anchors else 0.0
    found = ContrastiveRegularisation(2.0)(features, torch.tensor(labels))
    assert float(found) == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_content_takes_over_the_mean_and_deviation_of_the_fingerprint():
    content, style = random(2, 3, 8, 8) * 5 - 7, random(2, 3, 4, 4, seed=1) * 0.3 + 2
    made = adaptive_instance_norm(content, style)
    for statistic in (torch.mean, torch.std):
        kwargs = {} if statistic is torch.mean else {"correction": 0}
        torch.testing.assert_close(
            statistic(made, (2, 3), **kwargs), statistic(style, (2, 3), **kwargs), rtol=1e-3, atol=1e-4
        )
    for maps, same in zip(made.flatten(0, 1), content.flatten(0, 1), strict=True):
        assert torch.corrcoef(torch.stack([maps.flatten(), same.flatten()]))[0, 1] > 0.9999
    torch.testing.assert_close(adaptive_instance_norm(content, content), content)


class Told(nn.Module):
    """An encoder or decoder that says which image it is about."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def features(self, images):
        return self.factor * images[:, :1, :1, :1].expand(-1, 16, 2, 2)

    def forward(self, content, fingerprint, size):
        times = len(content) // len(fingerprint)
        return (content + fingerprint.repeat(times, 1, 1, 1))[:, :3, :1, :1].expand(-1, -1, *size)


def test_each_image_is_made_of_its_content_under_its_own_and_its_partners_fingerprint(small):
    detector = small()
    detector.encoder_f, detector.encoder_c, detector.con_gan = Told(1), Told(100), Told(0)
    images = torch.tensor([1.0, 2, 3, 4]).view(4, 1, 1, 1).expand(4, 3, 32, 32)
    made = detector({"image": images})["reconstructions"]
    assert made.shape == (8, 3, 32, 32)
    # Images 0 and 1 are reals, 2 and 3 the fakes that they are paired with.
    assert made[:, 0, 0, 0].tolist() == [101, 202, 303, 404, 103, 204, 301, 402]


def test_fingerprints_are_repeated_for_each_batch_of_contents(small):
    decoder = small().con_gan.eval()
    content, fingerprint = random(6, 16, 4, 4), random(3, 16, 4, 4, seed=1)
    together = decoder(content, fingerprint, torch.Size((32, 32)))
    for number in range(6):
        alone = decoder(content[[number]], fingerprint[[number % 3]], torch.Size((32, 32)))
        torch.testing.assert_close(together[[number]], alone, rtol=1e-4, atol=1e-5)


def test_losses_of_numbers_worked_out_by_hand(small):
    detector = small("options.reconstruction_weight=0.5", "options.specific_weight=2", "options.contrast_weight=10")
    image = torch.zeros(4, 3, 2, 2)
    logits = torch.tensor([[0.0, 0.0], [0.0, 0.0], [0.0, math.log(3)], [math.log(3), 0.0]])
    points = torch.tensor([0.0, 1.0, 3.0, 5.0]).view(4, 1, 1, 1).expand(4, 1, 2, 2)
    predictions = {
        "cls": logits,
        "cls_spe": torch.zeros(4, 5),
        "feat": points,
        "feat_spe": points,
        "reconstructions": torch.cat([image + 0.25, image - 0.5]),
    }
    batch = {"image": image, "label": torch.tensor([0, 0, 1, 1]), "label_spe": torch.tensor([0, 0, 1, 2])}
    losses = {key: float(value) for key, value in detector.get_losses(batch, predictions).items()}
    common = (2 * math.log(2) + math.log(4 / 3) + math.log(4)) / 4
    # Real 0 has fakes at 3 and 5, real 1 at 2 and 4; fake 3 reals at 3 and 2, fake 5 at 5 and 4. Margin 3.
    of_common = ((1 + 0) / 2 + (2 + 0) / 2 + (2 + 3) / 2 + (0 + 1) / 2) / 4
    of_specific = ((1 + 0) / 2 + (2 + 0) / 2) / 2  # a method with one fake has no positive
    expected = {
        "common": common,
        "specific": math.log(5),
        "reconstruction": 0.25 + 0.5,
        "contrast": of_common + of_specific,
    }
    expected["overall"] = common + 2 * math.log(5) + 0.5 * 0.75 + 10 * (of_common + of_specific)
    assert losses == pytest.approx(expected, rel=1e-5)


def test_inference_needs_the_common_part_alone(small):
    detector = small().eval()
    image = random(4, 3, 32, 32)
    with torch.no_grad():
        before = detector({"image": image}, inference=True)
        trained = detector({"image": image})
        for unused in (detector.encoder_c, detector.con_gan, detector.head_spe, detector.block_spe):
            for parameter in unused.parameters():
                parameter.fill_(torch.nan)
        after = detector({"image": image}, inference=True)
    assert set(before) == {"cls", "prob", "feat"}
    assert torch.equal(before["prob"], after["prob"])
    torch.testing.assert_close(trained["prob"], before["prob"])
    torch.testing.assert_close(detector.head_sha(before["feat"]), before["cls"])


def test_the_papers_weights_are_the_shipped_ones():
    options = load_config(DetectorConfig, "ucf").options
    assert (options["specific_weight"], options["reconstruction_weight"], options["contrast_weight"]) == (
        0.1,
        0.3,
        0.05,
    )
    assert (
        options["margin"]
        == build_detector(
            load_config(DetectorConfig, "ucf", ["backbone_name=efficientnet_lite0", "backbone_config.mode=original"]),
            pretrained=False,
        )
        .loss_func["contrast"]
        .margin
    )


def test_both_networks_start_from_imagenet():
    settings = ["backbone_name=efficientnet_lite0", "backbone_config.mode=original"]
    detector = build_detector(load_config(DetectorConfig, "ucf", settings))
    first, second = (each.state_dict() for each in (detector.encoder_f.network, detector.encoder_c.network))
    assert all(torch.equal(tensor, second[key]) for key, tensor in first.items())
    assert detector.backbone is detector.encoder_f
    assert not any(key.startswith("backbone.") for key in detector.state_dict())


def test_a_batch_that_cannot_be_paired_is_refused(small):
    with pytest.raises(InputError, match="reals and as many fakes, not 3 images"):
        small()({"image": random(3, 3, 32, 32)})


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("dataset_type=balanced", "dataset_type: ucf learns from 'pair', not from 'balanced'"),
        ("options.metods=3", "did you mean 'methods'"),
        ("loss_func.rec_los=l1loss", "did you mean 'rec_loss'"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(small, override, message):
    with pytest.raises(InputError, match=message):
        small(override)


@pytest.mark.parametrize(("methods", "refused"), [((), False), (("A", "B"), False), (("A", "B", "C"), True)])
def test_more_methods_than_classes_are_refused(small, methods, refused):
    context = FitContext(torch.device("cpu"), 1, list, torch.Generator(), methods=methods)
    detector = small("options.methods=2")
    if not refused:
        detector.on_fit_start(context)
        return
    with pytest.raises(InputError, match=r"options.methods: expected 3, as many as .* have \(A, B, C\), not 2"):
        detector.on_fit_start(context)
