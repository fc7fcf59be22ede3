"""`assay explain affs`: errors as equation 3 has them on the faces shown, and which channels a run has kept."""

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from benchmark.explain.affs import ChannelSheet, rank_channels
from benchmark.explain.material import open_material
from benchmark.loading import load_detector
from config.errors import InputError
from config.load import load_config, to_yaml
from config.schema import DetectorConfig
from detectors import BACKBONE, build_detector
from detectors.fia_usa.detector import FIAUSA
from detectors.weights import save_weights
from tests.detectors.fia_usa.backbones import Staged
from tests.detectors.fia_usa.conftest import SMALL
from tests.faces import still
from tests.inputs import network_input

KEPT = [[7, 1, 2, 3, 4, 0], [*range(8)], [*range(10)], [*range(8, 20)]]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(2):
        cv2.imwrite(str(folder / f"person_{number}.png"), still(number))
    return folder


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An untrained detector that has kept `KEPT`."""
    monkeypatch.setitem(BACKBONE._entries, "staged", Staged)
    return write_weights(tmp_path / "kept.safetensors", "fia_usa", *SMALL)


def write_weights(path: Path, name: str, *overrides: str) -> Path:
    config = load_config(DetectorConfig, name, overrides)
    torch.manual_seed(0)
    detector = build_detector(config, pretrained=False)
    if isinstance(detector, FIAUSA) and detector.pyramid.affs is not None:
        for buffer, channels in zip(detector.pyramid.affs.kept, KEPT, strict=True):
            buffer.copy_(torch.tensor(sorted(channels)))
    save_weights(detector, path, {"config": to_yaml(config)})
    return path


def sheet_of(weights: Path, pictures: Path, profile: str = "dfb", rows: int = 2, **options) -> ChannelSheet:
    material = open_material(
        ["fia_usa"],
        faces=pictures,
        data=pictures,
        train=None,
        profile=profile,
        landmarks=None,
        rows=rows,
        overrides=(),
        device="cpu",
    )
    return rank_channels([weights], material, rows=rows, **{"best": 5, "worst": 2, **options})


@pytest.mark.parametrize(("profile", "stage"), [("dfb", 2), ("sbi", 5)])
def test_channels_are_ranked_by_equation_3_on_the_faces_shown(weights: Path, pictures: Path, profile: str, stage: int):
    (one,) = sheet_of(weights, pictures, profile, stage=stage).ranked
    trained, expected = load_detector(weights, None, (), "cpu"), []
    config, backbone = trained.config, trained.detector.eval().backbone
    assert one.pairs == ("person_0", "person_1")
    for (*faces, mask), shown in zip(one.faces, one.maps, strict=True):
        assert 0 < mask.mean() < 0.9
        inputs = np.stack([network_input(face, 64, config.mean, config.std) for face in faces])
        with torch.no_grad():
            real, fake = backbone.stages(torch.from_numpy(inputs))[stage - 2]
        for channel, (mine, its) in enumerate(zip(real, fake, strict=True)):
            change = (mine - its).abs()
            change = (change - change.min()) / (change.max() - change.min()).clamp(min=1e-30)
            np.testing.assert_allclose(shown[2, channel], change, atol=1e-4)
            low, high = min(mine.min(), its.min()), max(mine.max(), its.max())
            if high > low:
                np.testing.assert_allclose(shown[0, channel], (mine - low) / (high - low), atol=1e-4)
                np.testing.assert_allclose(shown[1, channel], (its - low) / (high - low), atol=1e-4)
            fine = F.interpolate(change[None, None], mask.shape, mode="bilinear")[0, 0]
            expected.append(float((fine - torch.from_numpy(mask)).square().mean()))
    errors = np.array(expected).reshape(2, -1).mean(0)
    np.testing.assert_allclose(one.errors, errors, atol=1e-5)
    assert np.all(np.diff(one.errors[one.order]) >= 0)
    assert np.flatnonzero(one.kept).tolist() == sorted(KEPT[stage - 2])


def test_as_many_agree_as_would_be_kept_again(weights: Path, pictures: Path):
    (one,) = sheet_of(weights, pictures).ranked
    count = len(KEPT[0])
    assert one.agreeing == len(set(one.order[:count].tolist()) & set(KEPT[0]))


def test_the_sheet_shows_the_best_and_the_worst_and_frames_what_is_kept(weights: Path, pictures: Path):
    sheet = sheet_of(weights, pictures)
    (one,) = sheet.ranked
    shown = [*one.order[:5].tolist(), *one.order[-2:].tolist()]
    cells = np.array(sheet.figure().axes, dtype=object).reshape(2 * 3, 2 + len(shown))[:, 1:]
    titles = [cell.get_title() for cell in cells[0]]
    assert titles == ["face", "1", "2", "3", "4", "5", "last - 1", "last"]
    for row, line in enumerate(cells):
        pair, kind = divmod(row, 3)
        np.testing.assert_array_equal(line[0].images[0].get_array(), one.faces[pair][kind])
        for cell, channel in zip(line[1:], shown, strict=True):
            np.testing.assert_array_equal(cell.images[0].get_array(), one.maps[pair, kind, channel])
            below = (f"channel {channel}", "", f"{one.errors[channel]:.4f}")[kind]
            assert [text.get_text() for text in cell.texts] == [below]
            (frame,) = cell.patches
            assert (frame.get_edgecolor()[3] > 0) == bool(one.kept[channel])


def test_the_command_writes_the_picture_and_the_numbers(assay, weights: Path, pictures: Path, tmp_path: Path):
    options = ("--faces", pictures, "--device", "cpu", "--best", 2, "--worst", 1)
    outs = [tmp_path / name for name in ("first.jpg", "again.jpg")]
    for out in outs:
        answer = assay("explain", "affs", weights, *options, "--seed", 1, "--out", out)
        assert answer.code == 0, answer.err
    assert outs[0].read_bytes() == outs[1].read_bytes()
    (one,) = sheet_of(weights, pictures, rows=1, seed=1).ranked
    assert not np.array_equal(one.maps, sheet_of(weights, pictures, rows=1, seed=2).ranked[0].maps)
    with (tmp_path / "first.csv").open(newline="") as file:
        rows = list(csv.reader(line for line in file if not line.startswith("#")))
    found = [(row[0], float(row[1]), float(row[3])) for row in rows if row[0].startswith("fia_usa")]
    order = one.order.tolist()
    ranks = [0, 1, len(order) - 1]
    assert found == [(f"{one.name}: {order[rank]}", rank + 1, float(one.kept[order[rank]])) for rank in ranks]


@pytest.mark.parametrize(
    ("name", "overrides", "what"),
    [
        ("fia_usa/wo_affs", SMALL, "fia_usa without options.affs"),
        ("sbi", ("backbone_name=staged", "pretrained=null"), "sbi"),
    ],
)
def test_weights_that_chose_no_channels_are_refused(
    weights: Path, pictures: Path, tmp_path: Path, name: str, overrides: tuple[str, ...], what: str
):
    path = write_weights(tmp_path / "other.safetensors", name, *overrides)
    sentence = f": {what} has no channels that AFFS has kept; expected fia_usa with options.affs"
    with pytest.raises(InputError, match=sentence):
        sheet_of(path, pictures, rows=1)


def test_more_channels_than_there_are_cannot_be_shown(weights: Path, pictures: Path):
    with pytest.raises(InputError, match=r"--best 7 and --worst 2: stage 2 of .* has 8 channels"):
        sheet_of(weights, pictures, rows=1, best=7)
