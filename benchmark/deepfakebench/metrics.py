"""The training metrics that DeepfakeBench's detectors log."""

from torch import Tensor

from evaluation.metrics import binary_metrics


def calculate_metrics_for_train(
    label: Tensor, output: Tensor
) -> tuple[float | None, float | None, float | None, float | None]:
    """AUC, EER, accuracy and AP of a batch, as `assay evaluate` computes them, in DeepfakeBench's order.

    Args:
        label: (B,) 0 real; any other number is fake.
        output: logits (B, C), class 0 real, or with C = 1 P(fake).

    Returns:
        The four; AUC, EER and AP are None where the batch is all real or all fake.
    """
    fake = output[:, 0] if output.shape[1] == 1 else 1 - output.float().softmax(1)[:, 0]
    metrics = binary_metrics((label > 0).cpu().numpy(), fake.detach().float().cpu().numpy())
    return metrics.auc, metrics.eer, metrics.acc, metrics.ap
