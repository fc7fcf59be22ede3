"""What evaluate says of weights that do not name their detector."""

from pathlib import Path

import pytest
import torch

from tests.detectors.test_signatures import listed


@pytest.mark.parametrize(
    ("detector", "options", "expected"),
    [
        ("xception", (), "is taken for 'xception'; files of core and fwa have the same tensors"),
        ("meso4", (), "fits no detector of this project; it looks like a file of 'meso4'"),
        ("meso4", ("--detector", "efficientnet_lite0"), "does not fit the detector 'efficientnet_lite0'"),
    ],
)
def test_evaluate_says_what_it_takes_a_file_for(assay, caplog, tmp_path: Path, detector, options, expected):
    state = {key: torch.zeros(tensor.shape) for key, tensor in listed(detector).items()}
    path = tmp_path / "some_best.pth"
    torch.save(state, path)
    answer = assay("evaluate", path, "--test", "custom", "--data", tmp_path, "--device", "cpu", *options)
    assert answer.code == 2
    assert expected in answer.err + caplog.text
