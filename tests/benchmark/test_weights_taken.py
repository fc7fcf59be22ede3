"""What evaluate says of weights that do not name their detector."""

from pathlib import Path

import pytest
import torch

from tests.detectors.test_signatures import listed

CHANGED = {
    "of five classes": {"backbone.fc2.weight": (5, 16), "backbone.fc2.bias": (5,)},
    "one tensor short": {"backbone.fc1.weight": None},
    "one tensor long": {"backbone.fc3.weight": (2, 2)},
    "with a wider layer": {"backbone.conv1.weight": (9, 3, 3, 3)},
    "without counters, one tensor short": {
        "backbone.bn1.num_batches_tracked": None,
        "backbone.bn2.num_batches_tracked": None,
        "backbone.fc1.weight": None,
    },
}


@pytest.mark.parametrize(
    ("detector", "options", "expected"),
    [
        ("xception", (), "is taken for 'xception'; files of core and fwa have the same tensors"),
        (
            "of five classes",
            (),
            "fits no detector of this project; it looks like a file of 'meso4', but for 2 of another shape "
            "(backbone.fc2.weight is (5, 16), expected (2, 16))",
        ),
        ("one tensor short", (), "of 'meso4', but for 1 tensor missing (such as backbone.fc1.weight)\n"),
        ("one tensor long", (), "of 'meso4', but for 1 unexpected (such as backbone.fc3.weight)\n"),
        ("with a wider layer", (), "1 of another shape (backbone.conv1.weight is (9, 3, 3, 3), expected (8, 3, 3, 3))"),
        ("without counters, one tensor short", (), "but for 1 tensor missing (such as backbone.fc1.weight)\n"),
        ("meso4", ("--detector", "efficientnet_lite0"), "does not fit the detector 'efficientnet_lite0'"),
    ],
)
def test_evaluate_says_what_it_takes_a_file_for(assay, caplog, tmp_path: Path, detector, options, expected):
    changes = CHANGED.get(detector, {})
    shapes = {key: tensor.shape for key, tensor in listed("meso4" if changes else detector).items()} | changes
    state = {key: torch.zeros(shape) for key, shape in shapes.items() if shape is not None}
    path = tmp_path / "some_best.pth"
    torch.save(state, path)
    answer = assay("evaluate", path, "--test", "custom", "--data", tmp_path, "--device", "cpu", *options)
    assert answer.code == 2
    assert expected in answer.err + caplog.text
