"""What the released names stand for, layer by layer: activations, and the order of what is joined, no shape tells."""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from detectors.prodet.transition import Transition
from tests.detectors.prodet.conftest import Build

State = dict[str, Tensor]
HEADS = ("blend_classifier", "ID_inconsistency_classifier", "deepfake_classifier")


def linear(state: State, name: str, values: Tensor) -> Tensor:
    return values @ state[f"{name}.weight"].T + state[f"{name}.bias"]


def conv(state: State, name: str, values: Tensor, padding: int = 0) -> Tensor:
    return F.conv2d(values, state[f"{name}.weight"], state[f"{name}.bias"], padding=padding)


def norm(state: State, name: str, values: Tensor) -> Tensor:
    mean, variance, weight, bias = (
        state[f"{name}.{key}"].view(1, -1, 1, 1) for key in ("running_mean", "running_var", "weight", "bias")
    )
    return (values - mean) / (variance + 1e-5).sqrt() * weight + bias


def leaky(values: Tensor) -> Tensor:
    return torch.where(values > 0, values, 0.01 * values)


def head(state: State, name: str, features: Tensor) -> Tensor:
    return linear(state, f"{name}.4", leaky(linear(state, f"{name}.2", features.mean((2, 3)))))


def spread(state: State, name: str, logits: Tensor) -> Tensor:
    point = linear(state, f"{name}.2", leaky(linear(state, f"{name}.0", logits)))
    return torch.einsum("bi,ioxy->boxy", point, state[f"{name}.4.weight"]) + state[f"{name}.4.bias"].view(1, -1, 1, 1)


def test_a_score_is_that_of_equations_1_to_3_written_out(build: Build):
    detector = build()
    batch = detector.example_batch(8, torch.Generator().manual_seed(0))
    with torch.no_grad():
        for _ in range(3):
            detector(batch)  # so that the norms have statistics of their own
        scored = detector.eval()(batch, inference=True)
    state = detector.state_dict()
    features = scored["feat"]
    maps = [spread(state, f"fea_att.inverse_conv{k}", head(state, name, features)) for k, name in enumerate(HEADS, 1)]
    attention = torch.cat([*maps, features], 1)
    for layer in (0, 3):
        name = "fea_att.attention"
        attention = norm(state, f"{name}.{layer + 1}", conv(state, f"{name}.{layer}", attention)).relu()
    attention = conv(state, "fea_att.attention.6", attention, padding=1).sigmoid()
    logits = head(state, "final_classifier", features * attention)
    torch.testing.assert_close(scored["cls"], logits, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(scored["prob"], (logits[:, 1] - logits[:, 0]).sigmoid(), rtol=1e-4, atol=1e-5)


def test_a_transition_is_noise_twice_convolved_and_joined_to_the_features():
    block = Transition(4, 6)
    layer = partial(conv, block.state_dict())
    noise, features = torch.randn(2, 3, 4, 5, 5, generator=torch.Generator().manual_seed(0))
    processed = leaky(layer("noise_process.2", leaky(layer("noise_process.0", noise, padding=1)), padding=1))
    joined = leaky(layer("concat_process.0", torch.cat([processed, features], 1)))
    expected = leaky(layer("concat_process.2", joined, padding=1))
    torch.testing.assert_close(block(noise, features), expected)
