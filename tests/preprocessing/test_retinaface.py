"""RetinaFace: anchors and decoding in closed form, what the network gives, and which weights are taken."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from config.errors import InputError
from preprocessing.retinaface import (
    MEAN,
    RETINAFACE,
    RetinaFaceDetector,
    Training,
    anchors,
    build_retinaface,
    decode,
    read_retinaface,
)
from preprocessing.search import Box

SIDE = st.floats(8, 200)


def test_anchors_lie_in_the_middle_of_the_cells_of_each_grid():
    at = anchors(40, 70, RETINAFACE.sides)
    cells = {8: 5 * 9, 16: 3 * 5, 32: 2 * 3}  # grids that cover 40 x 70 pixels
    assert len(at) == 2 * sum(cells.values())
    assert at[:4].tolist() == [[4, 4, 16, 16], [4, 4, 32, 32], [12, 4, 16, 16], [12, 4, 32, 32]]
    first = 2 * cells[8]
    assert at[first].tolist() == [8, 8, 64, 64]
    assert at[first + 2 * 5].tolist() == [8, 24, 64, 64]  # the next row
    assert at[-1].tolist() == [80, 48, 512, 512]


@given(anchor=st.tuples(SIDE, SIDE, SIDE, SIDE), face=st.tuples(SIDE, SIDE, SIDE, SIDE))
def test_decoding_turns_back_what_faces_are_encoded_as(anchor, face):
    (ax, ay, aw, ah), (x, y, w, h) = anchor, face
    encoded = [(x - ax) / aw / 0.1, (y - ay) / ah / 0.1, np.log(w / aw) / 0.2, np.log(h / ah) / 0.2]
    (box,) = decode(torch.tensor([encoded]), torch.tensor([anchor])).tolist()
    assert box == pytest.approx([x - w / 2, y - h / 2, x + w / 2, y + h / 2], abs=0.01)


@pytest.mark.parametrize("backbone", ["mobilenet0.25", "resnet50"])
def test_the_network_says_something_of_each_anchor(backbone: str):
    network = build_retinaface(backbone, 0.1).eval()
    with torch.inference_mode():
        scores, offsets = network(torch.zeros(2, 3, 50, 70))
    count = len(anchors(50, 70, RETINAFACE.sides))
    assert scores.shape == (2, count)
    assert offsets.shape == (2, count, 4)
    assert ((scores >= 0) & (scores <= 1)).all()


class Planted(nn.Module):
    """Says of every anchor near a planted face exactly where it is."""

    def __init__(self, face: tuple[float, float, float, float], sides: tuple[tuple[int, int], ...]) -> None:
        super().__init__()
        self.face, self.sides = torch.tensor(face), sides

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        self.seen = images
        at = anchors(images.shape[2], images.shape[3], self.sides)
        centre, size = (self.face[:2] + self.face[2:]) / 2, self.face[2:] - self.face[:2]
        offsets = torch.cat([(centre - at[:, :2]) / at[:, 2:] / 0.1, torch.log(size / at[:, 2:]) / 0.2], dim=1)
        distance = (at[:, :2] - centre).norm(dim=1)
        return (0.99 - distance / 100).clamp(min=0)[None], offsets[None]


def test_many_anchors_that_see_one_face_give_one_box_in_pixels_of_the_frame():
    training = Training(RETINAFACE.sides, 0.0, longest=128)
    network = Planted((30, 20, 60, 70), training.sides)
    frame = np.full((192, 256, 3), (10, 20, 30), np.uint8)  # twice as large as the network takes
    (box,) = RetinaFaceDetector(network, training)(frame)
    assert (box.left, box.top, box.right, box.bottom) == (60, 40, 119, 139)
    assert box.score > 0.9
    assert network.seen.shape == (1, 3, 96, 128)
    np.testing.assert_allclose(network.seen[0, :, 0, 0], np.subtract((10, 20, 30), MEAN))


def test_what_nothing_is_certain_of_is_no_face():
    class Doubtful(Planted):
        def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
            scores, offsets = super().forward(images)
            return scores * 0.7, offsets

    frame = np.zeros((96, 128, 3), np.uint8)
    assert RetinaFaceDetector(Doubtful((30, 20, 60, 70), RETINAFACE.sides), RETINAFACE)(frame) == []


def test_weights_are_read_with_and_without_the_prefix_of_several_gpus(tmp_path: Path):
    torch.manual_seed(0)
    network = build_retinaface("mobilenet0.25", RETINAFACE.leak).eval()
    network.ClassHead[2].conv1x1.bias.data[:] = torch.tensor([0.0, 3.0, 0.0, 3.0])  # certain of all coarse anchors
    frame = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    expected = RetinaFaceDetector(network, RETINAFACE)(frame)
    assert expected
    assert all(isinstance(box, Box) for box in expected)
    for prefix in ("", "module."):
        torch.save({prefix + key: value for key, value in network.state_dict().items()}, tmp_path / "r.pth")
        assert read_retinaface(tmp_path / "r.pth")(frame) == expected


@pytest.mark.parametrize("state", [{"weight": torch.zeros(2)}, [1, 2], {1: 2}])
def test_weights_of_something_else_are_refused(tmp_path: Path, state):
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"other\.pth.*RetinaFace"):
        read_retinaface(tmp_path / "other.pth")
