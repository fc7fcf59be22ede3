"""CORE (Ni et al., CVPR workshops 2022): the same feature of a face however it was augmented."""

import torch
from pydantic import Field
from torch import Tensor, nn

from config.base import Schema
from config.errors import InputError
from config.load import validate
from config.schema import DetectorConfig
from detectors import DETECTOR, LOSSFUNC
from detectors.base import AbstractDetector, DataDict, FitContext, PredDict

RECIPE = "two_views"


class CoreOptions(Schema):
    """`consistency_weight`: of the consistency loss beside the class's 1, the paper's balance weight."""

    consistency_weight: float = Field(1.0, ge=0)


class CoreLosses(Schema):
    """`loss_func`: names of the losses of the class and of a pair of features, under DeepfakeBench's keys."""

    cls_loss: str = "cross_entropy"
    con_loss: str = "consistency_loss"


@DETECTOR.register_module(module_name="core")
class Core(AbstractDetector):
    """CORE (Ni et al., CVPR workshops 2022): Xception on two augmented views of each face, whose features should agree.

    The feature is the one before the last layer, pooled over the map; its two views' squared distance of the cosine
    from 1 is added to the cross-entropy of both.

    DeepfakeBench makes no second view and trains without augmentation: it compares the first half of a batch with the
    second, which are other faces. Here the batch recipe `two_views` gives both views, with DeepfakeBench's augmentation
    of Xception; the paper's also erases parts of the face. The state dict has the names and shapes of the released
    `core_best.pth`, which are Xception's, so that a file that does not say of which it is, is taken for `xception`.
    Published figures: the paper's are within FaceForensics++ and from there to other sets, with its own augmentation;
    DeepfakeBench's are frame AUCs after training on FaceForensics++ c23, without a second view.

    Losses: `overall`, `cls` and `consistency`.
    """

    Options = CoreOptions
    options: CoreOptions
    loss_func: nn.ModuleDict

    def build_loss(self, config: DetectorConfig) -> nn.ModuleDict:
        """The losses `cls` and `consistency`; one name is the class's loss."""
        given = {"cls_loss": config.loss_func} if isinstance(config.loss_func, str) else config.loss_func
        names = validate(CoreLosses, given, f"loss_func of {config.model_name}")
        return nn.ModuleDict({"cls": LOSSFUNC[names.cls_loss](), "consistency": LOSSFUNC[names.con_loss]()})

    def on_fit_start(self, context: FitContext) -> None:
        """Hold the configuration to the batch recipe.

        Raises:
            InputError: it names another one, whose halves of a batch are other faces.
        """
        if self.config.dataset_type != RECIPE:
            raise InputError(
                f"dataset_type: {self.config.model_name} compares two views of each face, so expected '{RECIPE}', "
                f"not '{self.config.dataset_type}'"
            )

    def get_losses(self, data_dict: DataDict, pred_dict: PredDict) -> dict[str, Tensor]:
        """`overall` = `cls` + weight * `consistency`, of a batch of first and then second views."""
        cls_loss = self.loss_func["cls"](pred_dict["cls"], data_dict["label"])
        consistency = self.loss_func["consistency"](*self.backbone.pool(pred_dict["feat"]).chunk(2))
        overall = cls_loss + self.options.consistency_weight * consistency
        return {"overall": overall, "cls": cls_loss, "consistency": consistency}

    def example_batch(self, batch_size: int, generator: torch.Generator) -> dict[str, Tensor]:
        """As the base class's, of an even number of images; the halves have the same labels."""
        batch = super().example_batch(batch_size, generator)
        return batch | {"label": (torch.arange(batch_size // 2) % 2).repeat(2)}
