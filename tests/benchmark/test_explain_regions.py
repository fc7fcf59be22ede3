"""`assay explain regions`: cells by the mean of the mask over each, worked out apart."""

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmark.explain.material import Material, open_material
from benchmark.explain.regions import RegionSheet, mask_regions
from config.errors import InputError
from config.pseudofake import MTMS_KINDS
from detectors import BACKBONE
from evaluation.plots.sheets import region_overlay
from evaluation.plots.style import jpeg_bytes
from tests.detectors.fia_usa.backbones import Staged
from tests.detectors.fia_usa.conftest import SMALL
from tests.faces import still


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(2):
        cv2.imwrite(str(folder / f"person_{number}.png"), still(number))
    return folder


@pytest.fixture(autouse=True)
def staged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BACKBONE._entries, "staged", Staged)


def material(pictures: Path, profile: str = "dfb", rows: int = 1) -> Material:
    return open_material(
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


def sheet_of(pictures: Path, *overrides: str, profile: str = "dfb", rows: int = 1) -> RegionSheet:
    opened = material(pictures, profile, rows)
    return mask_regions("fia_usa", opened, rows=rows, seed=1, overrides=[*SMALL, *overrides])


@pytest.mark.parametrize(("profile", "edge"), [("dfb", 0.05), ("sbi", 0.25)])
def test_a_cell_is_in_the_region_that_has_nearly_all_of_it(pictures: Path, profile: str, edge: float):
    sheet = sheet_of(pictures, f"options.edge={edge}", profile=profile, rows=2)
    assert [(one.face, one.mask) for one in sheet.found] == [
        (f"person_{face}", kind) for face in (0, 1) for kind in MTMS_KINDS
    ]
    for one, row in zip(sheet.found, sheet.table().values, strict=True):
        (on,) = one.maps
        assert one.fake.shape == (64, 64, 3)
        assert 0 < one.soft.mean() < 0.9
        shares = one.soft.reshape(16, 4, 16, 4).mean((1, 3))  # stride 4
        np.testing.assert_allclose(on.share, shares, atol=1e-6)
        clear = np.abs(shares - edge) > 1e-5
        np.testing.assert_array_equal(on.outside[clear], (shares < edge)[clear])
        np.testing.assert_array_equal(on.inside, shares > 1 - edge)
        counts = on.inside.sum(), on.outside.sum(), 256 - on.inside.sum() - on.outside.sum()
        assert row == (*counts, pytest.approx(counts[2] / 256))
    hull, *_, mouth, _ = sheet.found[:5]
    assert hull.maps[0].inside.sum() > mouth.maps[0].inside.sum()


def test_all_maps_that_rcr_compares_are_shown(pictures: Path):
    sheet = sheet_of(pictures, "options.regularised=all_levels")
    (first, *_) = sheet.found
    assert [on.size for on in first.maps] == ["16 x 16", "8 x 8", "4 x 4", "2 x 2"]
    for on in first.maps:
        side = 64 // len(on.share)
        cells = first.soft.reshape(len(on.share), side, len(on.share), side).mean((1, 3))
        np.testing.assert_allclose(on.share, cells, atol=1e-6)
    axes = np.array(sheet.figure().axes, dtype=object).reshape(5, 11)
    titles = [cell.get_title() for cell in axes[0, 1:]]
    assert titles[:4] == ["fake", "mask", "mask, 16 x 16", "regions, 16 x 16"]
    assert titles[-1] == "regions, 2 x 2"
    for line, one in zip(axes, sheet.found, strict=True):
        said = [text.get_text() for cell in line[4::2] for text in cell.texts]
        assert said == [f"{on.inside.sum()} in, {on.discarded.sum()} discarded" for on in one.maps]
        np.testing.assert_array_equal(line[1].images[0].get_array(), one.fake)


def test_regions_lie_over_the_face_and_what_is_discarded_is_black():
    image = np.full((8, 8, 3), 200, np.uint8)
    inside, outside = np.zeros((2, 2, 2), bool)
    inside[0, 0] = outside[1, 0] = True
    picture = region_overlay(image, inside, outside)
    assert len(np.unique(picture[:4, :4].reshape(-1, 3), axis=0)) == 1
    red, _, blue = picture[0, 0].astype(int)
    assert red > blue  # orange
    red, _, blue = picture[7, 0].astype(int)
    assert blue > red
    assert not picture[:, 4:].any()


def test_the_command_writes_the_picture_and_the_numbers(assay, pictures: Path, tmp_path: Path):
    out, settings = tmp_path / "regions.jpg", [f"--set={one}" for one in SMALL]
    answer = assay("explain", "regions", *settings, "--faces", pictures, "--seed", 1, "--out", out)
    assert answer.code == 0, answer.err
    assert answer.out.endswith(f"{out}\n{out.with_suffix('.csv')}\n")
    sheet = sheet_of(pictures)
    assert jpeg_bytes(sheet.figure()) == out.read_bytes()
    with out.with_suffix(".csv").open(newline="") as file:
        _, *lines = csv.reader(file)
    assert [line[0] for line in lines] == [f"person_0: {kind}, 16 x 16" for kind in MTMS_KINDS]
    assert [tuple(map(float, line[1:])) for line in lines] == [tuple(row) for row in sheet.table().values]


@pytest.mark.parametrize(
    ("name", "overrides"), [("fia_usa/wo_rcr", SMALL), ("sbi", ("backbone_name=staged", "pretrained=null"))]
)
def test_a_detector_without_rcr_is_refused(pictures: Path, name: str, overrides: tuple[str, ...]):
    opened = material(pictures)
    with pytest.raises(InputError, match=f"{name}: expected a detector with RCR, such as fia_usa"):
        mask_regions(name, opened, overrides=overrides)
