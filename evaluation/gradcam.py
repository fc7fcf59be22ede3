"""Grad-CAM (Selvaraju et al., ICCV 2017): in which parts of an image a detector sees what speaks for "fake"."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from config.errors import InputError
from detectors.base import AbstractDetector, PredDict


def grad_cam(
    detector: AbstractDetector, images: Tensor, landmarks: Tensor | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Grad-CAM of the logit of "fake" on the map that a detector gives as `feat`, and its scores.

    A channel's weight is the mean over the map of the logit's derivative by the channel. The map is the weighted sum of
    the channels where that is positive, else 0, divided by its maximum: maps of different images or detectors say
    where, not how much. One without a positive value, where nothing speaks for "fake", stays 0.

    The images pass one by one, and derivatives go back no farther than to `feat`, so that no more is kept than the
    intermediate maps of one image. Mode, parameters and their gradients stay as they were.

    Args:
        detector: any whose `cls` is computed from a feature map.
        images: (B, 3, H, W), normalised, on the detector's device.
        landmarks: (B, 81, 2) in pixels of the images, for a detector that is given them.

    Returns:
        The maps (B, h, w) in [0, 1], as fine as `feat`, and P(fake) (B,).

    Raises:
        InputError: `feat` is not a map or has one cell alone, or no derivative leads from `cls` to it.
    """
    was_training = detector.training
    detector.eval()
    try:
        with torch.inference_mode(False), torch.enable_grad():
            made = [
                _of_one(detector, images[i : i + 1], None if landmarks is None else landmarks[i : i + 1])
                for i in range(len(images))
            ]
    finally:
        detector.train(was_training)
    return np.concatenate([heat for heat, _ in made]), np.concatenate([prob for _, prob in made])


def _of_one(
    detector: AbstractDetector, image: Tensor, landmark: Tensor | None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    # The image asks for derivatives, so that `feat` has some where all parameters are frozen; the copy, because a
    # tensor that was made in inference mode cannot.
    data = {"image": image.detach().clone(memory_format=torch.preserve_format).requires_grad_()}
    if landmark is not None:
        data["landmark"] = landmark
    predictions = detector(data, inference=True)
    feature = predictions["feat"]
    weights = _derivative(detector, predictions).mean((2, 3), keepdim=True)
    heat = (weights * feature).sum(1).relu().detach().float()
    highest = heat.amax((1, 2), keepdim=True)
    heat = torch.where(highest > 0, heat / highest, heat)
    return heat.cpu().numpy(), predictions["prob"].detach().float().cpu().numpy()


def _derivative(detector: AbstractDetector, predictions: PredDict) -> Tensor:
    """The derivative of the logit of "fake" by each value of `feat`."""
    name, feature, logits = detector.config.model_name, predictions["feat"], predictions["cls"]
    if feature.ndim != 4:
        raise InputError(
            f"{name}: Grad-CAM needs a map (B, C, h, w) as 'feat', not one of shape {tuple(feature.shape)}"
        )
    if feature.shape[2:] == (1, 1):
        raise InputError(
            f"{name}: Grad-CAM needs a map of several cells as 'feat', not of one; a Vision Transformer has such a map "
            f"if it was trained with backbone_config.mode=mean"
        )
    if feature.requires_grad and logits.requires_grad:
        (derivative,) = torch.autograd.grad(logits[:, 1].sum(), feature, allow_unused=True)
        if derivative is not None:
            return derivative
    raise InputError(f"{name}: Grad-CAM needs logits 'cls' that are computed from 'feat', and these are not")
