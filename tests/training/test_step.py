import copy
import math

import pytest
import torch

from config.errors import InputError
from config.schema import Optimizer
from tests.training.stand_in import SIDE, TinyDetector, make_config, make_detector
from training.step import Stepper

CPU = torch.device("cpu")
SGD = Optimizer(type="sgd", sgd={"lr": 0.1})
SHARP = Optimizer(type="sam", sam={"lr": 0.1, "rho": 0.5})


def batch(size: int = 12) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {"image": torch.randn(size, 3, SIDE, SIDE, generator=generator), "label": torch.arange(size) % 2}


def parts(whole: dict[str, torch.Tensor], count: int) -> list[dict[str, torch.Tensor]]:
    return [dict(zip(whole, values, strict=True)) for values in zip(*(v.chunk(count) for v in whole.values()))]  # noqa: B905


def trained(
    batches: list[dict[str, torch.Tensor]], optimizer: Optimizer
) -> tuple[TinyDetector, dict[str, torch.Tensor]]:
    config = make_config(optimizer=optimizer)
    detector = make_detector(config, norm=False)
    stepper = Stepper(detector, config, CPU)
    for _ in range(3):
        losses, _ = stepper.step(batches)
    return detector, losses


@pytest.mark.parametrize("optimizer", [SGD, SHARP, Optimizer(adam={"lr": 0.01, "eps": 1e-3})])
def test_accumulation_equals_one_big_batch(optimizer):
    """For a network without batch statistics; with SAM both passes see the joint batch."""
    (whole, loss), (accumulated, mean_loss) = trained([batch()], optimizer), trained(parts(batch(), 3), optimizer)
    for a, b in zip(whole.parameters(), accumulated.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(loss, mean_loss)


@pytest.mark.parametrize(("optimizer", "passes"), [(SGD, [0]), (SHARP, [0, 1])])
def test_a_detector_is_told_of_each_pass_over_the_batches_of_a_step(optimizer, passes):
    config = make_config(optimizer=optimizer)
    detector = make_detector(config, norm=False)
    told = []
    detector.on_pass_start = told.append  # type: ignore[method-assign]
    detector.register_forward_hook(lambda *_: told.append("batch"))
    stepper = Stepper(detector, config, CPU)
    for _ in range(2):
        stepper.step(parts(batch(), 2))
    assert told == [entry for number in passes for entry in (number, "batch", "batch")] * 2


def test_sam_steps_with_the_gradient_at_the_climbed_point():
    config = make_config(optimizer=Optimizer(type="sam", sam={"lr": 0.1, "momentum": 0, "rho": 0.5}))
    detector = make_detector(config, norm=False)
    by_hand = copy.deepcopy(detector)
    Stepper(detector, config, CPU).step([batch()])

    def gradients():
        loss = by_hand.get_losses(batch(), by_hand(batch()))["overall"]
        return torch.autograd.grad(loss, list(by_hand.parameters()))

    first = gradients()
    norm = math.sqrt(sum(float((g.double() ** 2).sum()) for g in first))
    with torch.no_grad():
        for p, g in zip(by_hand.parameters(), first, strict=True):
            p += 0.5 * g / norm
    second = gradients()
    with torch.no_grad():
        for p, climb, descent in zip(by_hand.parameters(), first, second, strict=True):
            p -= 0.5 * climb / norm + 0.1 * descent
    for a, b in zip(detector.parameters(), by_hand.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_bf16_trains_in_reduced_precision_and_keeps_fp32_weights():
    config = make_config(precision="bf16", optimizer=SGD)
    detector = make_detector(config, norm=False)
    seen = []
    detector.backbone.layers[0].register_forward_hook(lambda module, args, out: seen.append(out.dtype))
    losses, metrics = Stepper(detector, config, CPU).step([batch()])
    assert seen == [torch.bfloat16]
    assert {p.dtype for p in detector.parameters()} == {torch.float32}
    assert torch.isfinite(losses["overall"])
    assert 0 <= metrics["acc"] <= 1


def test_fp16_without_cuda_is_refused():
    config = make_config(precision="fp16")
    with pytest.raises(InputError, match="precision fp16 needs a CUDA device, not 'cpu'"):
        Stepper(make_detector(config), config, CPU)


def test_images_are_channels_last():
    config = make_config()
    detector = make_detector(config)
    seen = []
    detector.backbone.layers[0].register_forward_pre_hook(
        lambda module, args: seen.append(args[0].is_contiguous(memory_format=torch.channels_last))
    )
    Stepper(detector, config, CPU).step([batch()])
    assert seen == [True]
