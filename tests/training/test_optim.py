import math

import pytest
import torch
from torch import nn

from config import schema
from tests.training.stand_in import make_config
from training.optim import SAM, build_optimizer, build_scheduler


def rates(**keys) -> list[float]:
    """The learning rate of each epoch, from 1."""
    config = make_config(**keys)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = build_scheduler(optimizer, config)
    made = []
    for _ in range(config.nEpochs):
        made.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return made


def test_no_schedule_is_constant():
    assert rates(nEpochs=4) == [1.0] * 4


def test_step_schedule():
    expected = [1, 1, 0.4, 0.4, 0.16, 0.16]
    assert rates(nEpochs=6, lr_scheduler="step", lr_step=2, lr_gamma=0.4) == pytest.approx(expected)


@pytest.mark.parametrize("period", [None, 4])
def test_cosine_schedule(period):
    made = rates(nEpochs=4, lr_scheduler="cosine", lr_T_max=period, lr_eta_min=0.1)
    assert made == pytest.approx([0.1 + 0.9 * (1 + math.cos(math.pi * epoch / 4)) / 2 for epoch in range(4)])


def test_linear_schedule_decays_in_the_last_quarter():
    assert rates(nEpochs=8, lr_scheduler="linear") == pytest.approx([1] * 7 + [0.5])
    made = rates(nEpochs=100, lr_scheduler="linear")
    assert made[:76] == [1.0] * 76
    assert made[76:] == pytest.approx([1 - epoch / 25 for epoch in range(1, 25)])
    assert rates(nEpochs=1, lr_scheduler="linear") == [1.0]


def test_settings_reach_the_optimiser():
    adam = build_optimizer([nn.Parameter(torch.zeros(1))], schema.Optimizer(adam={"beta1": 0.8, "amsgrad": True}))
    assert isinstance(adam, torch.optim.Adam)
    assert adam.defaults | {"lr": 2e-4, "betas": (0.8, 0.999), "weight_decay": 5e-4, "amsgrad": True} == adam.defaults
    sgd = build_optimizer([nn.Parameter(torch.zeros(1))], schema.Optimizer(type="sgd", sgd={"momentum": 0.7}))
    assert isinstance(sgd, torch.optim.SGD)
    assert sgd.defaults | {"lr": 2e-4, "momentum": 0.7, "weight_decay": 5e-4} == sgd.defaults
    sam = build_optimizer([nn.Parameter(torch.zeros(1))], schema.Optimizer(type="sam"))
    assert sam.defaults | {"lr": 1e-3, "momentum": 0.9} == sam.defaults


def test_sam_against_a_hand_computed_case():
    """f = x^2 + 2 y^2 at (3, 1): g = (6, 4); rho = sqrt(52) / 10 climbs by g / 10 to (3.6, 1.4), where g = (7.2, 5.6).

    The step of 0.1 from (3, 1) leads to (2.28, 0.44).
    """
    x, y = nn.Parameter(torch.tensor(3.0)), nn.Parameter(torch.tensor([1.0]))
    optimizer = torch.optim.SGD([x, y], lr=0.1)
    sam = SAM(optimizer, rho=math.sqrt(52) / 10)
    (x**2 + 2 * y**2).backward()
    sam.climb()
    assert (x.item(), y.item()) == pytest.approx((3.6, 1.4))
    assert x.grad is None
    (x**2 + 2 * y**2).backward()
    sam.come_back()
    assert (x.item(), y.item()) == (3.0, 1.0)
    optimizer.step()
    assert (x.item(), y.item()) == pytest.approx((2.28, 0.44))


def test_sam_does_not_depend_on_the_loss_scale():
    weights = []
    for scale in (1.0, 1024.0):
        x = nn.Parameter(torch.tensor([3.0, -1.0]))
        sam = SAM(torch.optim.SGD([x], lr=0.1), rho=0.05)
        (scale * (x**4).sum()).backward()
        sam.climb()
        weights.append(x.detach().clone())
    torch.testing.assert_close(weights[0], weights[1])


def test_sam_stays_where_the_gradient_is_infinite_or_absent():
    x, unused = nn.Parameter(torch.tensor([1.0, 2.0])), nn.Parameter(torch.ones(2))
    sam = SAM(torch.optim.SGD([x, unused], lr=0.1), rho=0.05)
    x.grad = torch.tensor([math.inf, 1.0])
    sam.climb()
    assert x.tolist() == [1.0, 2.0]
    assert unused.tolist() == [1.0, 1.0]
