"""From collated samples to what a detector is given: images stay uint8 until they are where the network is."""

from collections.abc import Mapping

import torch
from torch import Tensor

from config.schema import DetectorConfig
from preprocessing.operators import normalisation, normalise

CPU = torch.device("cpu")


def to_network(batch: Mapping[str, Tensor], config: DetectorConfig, device: torch.device) -> dict[str, Tensor]:
    """A collated batch as the `data_dict` that a detector gets, on the device.

    Images that are still (B, R, R, 3) uint8 become (B, 3, R, R) float32 in channels_last, with the numbers of
    `preprocessing.operators.normalise`.

    Args:
        batch: entries of `data_dict`.
        config: mean and standard deviation of the channels.
        device: where the network is.
    """
    moved = {key: value.to(device, non_blocking=True) for key, value in batch.items()}
    return {key: _normalised(value, config) if _is_image(value) else value for key, value in moved.items()}


def _is_image(value: Tensor) -> bool:
    return value.dtype == torch.uint8 and value.ndim == 4


def _normalised(images: Tensor, config: DetectorConfig) -> Tensor:
    if images.device.type == "cpu":  # by numpy: torch's threads would get in the way of the loading processes
        ready = torch.from_numpy(normalise(images.numpy(), config.mean, config.std))
    else:
        constants = normalisation(config.mean, config.std)
        factor, offset = (torch.from_numpy(each).to(images.device) for each in constants)
        ready = images.float().mul_(factor).sub_(offset)
    return ready.permute(0, 3, 1, 2)
