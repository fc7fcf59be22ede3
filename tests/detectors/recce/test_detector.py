"""RECCE by its losses, worked out by hand, and by what noise, labels and public weights do to it."""

import math

import pytest
import torch

from config.errors import InputError
from config.load import load_config
from config.schema import DetectorConfig
from detectors import BACKBONE, build_detector
from detectors.base import FitContext
from detectors.recce.detector import RecceDetector, metric_loss, reconstruction_loss
from tests.detectors.small import SmallLayered

LAYERS = "options.layers={decode: second, reason: second, attend: second}"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(BACKBONE._entries, "small", SmallLayered)

    def build(*overrides: str) -> RecceDetector:
        settings = ["backbone_name=small", "pretrained=null", "resolution=32", LAYERS, *overrides]
        return build_detector(load_config(DetectorConfig, "recce", settings))

    return build


def example(detector: RecceDetector, size: int = 4) -> dict[str, torch.Tensor]:
    return detector.example_batch(size, torch.Generator().manual_seed(1))


def started(detector: RecceDetector, seed: int) -> torch.Generator:
    generator = torch.Generator().manual_seed(seed)
    detector.on_fit_start(FitContext(torch.device("cpu"), 1, lambda epoch=0: [], generator))
    return generator


def test_metric_loss_of_directions_at_known_angles():
    # Reals along x and y, similarity 1/2; a fake along x and one against it, with both reals 1, 1/2, 0 and 1/2.
    features = torch.tensor([[2.0, 0.0], [0.0, 3.0], [0.5, 0.0], [-1.0, 0.0]])
    label = torch.tensor([0, 0, 1, 1])
    assert float(metric_loss(features, label)) == pytest.approx(1 - 0.5 + 0.5)
    # The fakes' similarity to each other does not count, nor a label above 1.
    assert float(metric_loss(features, torch.tensor([0, 0, 1, 2]))) == pytest.approx(1.0)
    # Reals alike and fakes against them: nothing is left to lose.
    assert float(metric_loss(features[[0, 2, 3]], torch.tensor([0, 0, 1]))) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("labels", "expected"), [([1, 1], 1.0), ([0, 0], 0.5), ([0, 1], 1 + 0.5)], ids=["fakes", "reals", "one of each"]
)
def test_metric_loss_of_batches_without_some_pairs(labels: list[int], expected: float):
    """Two directions at a right angle, of similarity 1/2; a mean over no pairs is 0."""
    assert float(metric_loss(torch.eye(2), torch.tensor(labels))) == pytest.approx(expected)


def test_reals_alone_are_to_be_reconstructed():
    image = torch.zeros(3, 3, 2, 2)
    made = torch.stack([torch.full((3, 2, 2), value) for value in (0.5, 8.0, -0.25)]).requires_grad_()
    loss = reconstruction_loss(made, image, torch.tensor([0, 1, 0]))
    assert loss.item() == pytest.approx((0.5 + 0.25) / 2)
    loss.backward()
    assert not made.grad[1].any()
    assert made.grad[0].all()
    assert reconstruction_loss(made, image, torch.ones(3)).item() == 0


def test_losses_add_up_by_their_weights(small):
    detector = small("options.reconstruction_weight=3", "options.metric_weight=5")
    features = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    predictions = {
        "cls": torch.tensor([[0.0, 0.0], [0.0, math.log(3)]]),
        "reconstruction": torch.full((2, 3, 2, 2), 0.25),
        **dict.fromkeys(("encoded", "coarse", "fine"), features),
    }
    batch = {"label": torch.tensor([0, 1]), "image": torch.zeros(2, 3, 2, 2)}
    losses = {key: float(value) for key, value in detector.get_losses(batch, predictions).items()}
    cls = (math.log(2) + math.log(4 / 3)) / 2
    overall = cls + 3 * 0.25 + 5 * (3 * 1.5)
    expected = {"overall": overall, "cls": cls, "reconstruction": 0.25, "metric": 3 * 1.5}
    assert losses == pytest.approx(expected, rel=1e-6)


@torch.no_grad()
def test_noise_is_added_while_training_from_the_runs_generator(small):
    detector = small("options.noise=0.5", "options.dropout=0").train()
    batch = example(detector)
    started(detector, 7)
    first, second = (detector(batch)["reconstruction"] for _ in range(2))
    started(detector, 7)
    state = torch.get_rng_state()
    assert torch.equal(detector(batch)["reconstruction"], first)
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(first, second)


@torch.no_grad()
def test_noise_has_its_strength_and_stays_out_of_inference(small):
    detector = small("options.noise=0.5")
    seen = []
    detector.model.encoder.first.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    batch = example(detector)
    generator = started(detector, 7)
    detector.train()(batch)
    noise = seen.pop() - batch["image"]
    assert float(noise.mean()) == pytest.approx(0, abs=0.02)
    assert float(noise.std()) == pytest.approx(0.5, rel=0.03)
    state = generator.get_state()
    detector.eval()({"image": batch["image"]}, inference=True)
    assert torch.equal(seen.pop(), batch["image"])
    assert torch.equal(generator.get_state(), state)


def test_it_learns_to_reconstruct_reals_and_not_fakes(small):
    """Reals are dark, fakes bright: a decoder that never saw a bright face makes dark ones."""
    detector, generator = small("options.noise=0", "resolution=16"), torch.Generator().manual_seed(2)
    optimiser = torch.optim.Adam(detector.parameters(), lr=0.005)
    for _ in range(25):
        label = torch.arange(4) % 2
        level = (label - 0.5).view(-1, 1, 1, 1) + 0.1 * torch.randn(4, 1, 1, 1, generator=generator)
        batch = {"image": level.expand(4, 3, 16, 16).contiguous(), "label": label}
        optimiser.zero_grad()
        detector.get_losses(batch, detector(batch))["overall"].backward()
        optimiser.step()
    with torch.no_grad():
        made = detector.train()(batch)["reconstruction"]
    errors = (made - batch["image"]).abs().mean((1, 2, 3))
    assert errors[::2].max() < 0.3
    assert errors[1::2].min() > 2 * errors[::2].max()


def test_what_is_never_called_is_not_trained():
    with torch.device("meta"):
        detector = build_detector(load_config(DetectorConfig, "recce"), pretrained=False)
    frozen = {name for name, parameter in detector.named_parameters() if not parameter.requires_grad}
    assert {name.split(".")[0] for name in frozen} == {"backbone", "model"}
    assert {name for name in frozen if name.startswith("model.")} == {
        "model.encoder.fc.weight",
        "model.encoder.fc.bias",
    }


def test_the_encoder_starts_from_the_public_file(tmp_path):
    public = BACKBONE["xception"](load_config(DetectorConfig, "xception").backbone_config).state_dict()
    file = {key: tensor for key, tensor in public.items() if not key.startswith(("adjust_channel", "last_linear"))}
    torch.save({**file, "fc.weight": torch.zeros(1000, 2048), "fc.bias": torch.zeros(1000)}, tmp_path / "xception.pth")
    settings = [f"pretrained={tmp_path / 'xception.pth'}", "resolution=64"]
    detector = build_detector(load_config(DetectorConfig, "recce", settings))
    for network in (detector.backbone, detector.model.encoder):
        assert torch.equal(network.conv4.pointwise.weight, public["conv4.pointwise.weight"])
    assert detector.initialisation.startswith("ImageNet, xception.pth")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("options.layers.decode=third", "layers: expected in the order of first, second, third, not third, second"),
        ("options.nois=1", "did you mean 'noise'"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(small, override, message):
    with pytest.raises(InputError, match=message):
        small(override)
