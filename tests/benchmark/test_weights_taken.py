"""What evaluate says of weights that do not name their detector."""

from pathlib import Path

import pytest
import torch

from tests.detectors.test_signatures import listed

FILES = {"of five classes": "meso4"}


@pytest.mark.parametrize(
    ("detector", "options", "expected"),
    [
        ("xception", (), "is taken for 'xception'; files of core and fwa have the same tensors"),
        ("of five classes", (), "fits no detector of this project; it looks like a file of 'meso4'"),
        ("meso4", ("--detector", "efficientnet_lite0"), "does not fit the detector 'efficientnet_lite0'"),
    ],
)
def test_evaluate_says_what_it_takes_a_file_for(assay, caplog, tmp_path: Path, detector, options, expected):
    state = {key: torch.zeros(tensor.shape) for key, tensor in listed(FILES.get(detector, detector)).items()}
    if detector in FILES:
        state["backbone.fc2.weight"] = torch.zeros(5, 16)
    path = tmp_path / "some_best.pth"
    torch.save(state, path)
    answer = assay("evaluate", path, "--test", "custom", "--data", tmp_path, "--device", "cpu", *options)
    assert answer.code == 2
    assert expected in answer.err + caplog.text
