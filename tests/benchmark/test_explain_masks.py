"""`assay explain masks`: the numbers of a mask, and that columns differ by their composition alone."""

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.explain.masks import WHOLE, MaskSheet, make_masks, measure_mask
from benchmark.explain.material import Material, open_material
from tests.faces import still
from tests.training.pseudofakes.material import ALL_POINTS, COMPOSITIONS, UNMOVED
from training.pseudofakes.blur import BoundaryBlur

PEOPLE = 4
TABLE3 = ("adfd_table3/line_8_uint8_1", "adfd_table3/line_8_float32_1")
FIGURE5 = tuple(f"adfd_figure5/kernel_{kernel}" for kernel in (3, 15, 27))
TABLE12 = tuple(f"adfd_table12/mask{number}" for number in (1, 2, 3))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(PEOPLE):
        cv2.imwrite(str(folder / f"person_{number}.png"), still(number))
    return folder


def material(pictures: Path, *compositions: str, overrides: tuple[str, ...] = (), rows: int = 1) -> Material:
    return open_material(
        compositions,
        faces=pictures,
        data=pictures,
        train=None,
        profile="dfb",
        landmarks=None,
        rows=rows,
        overrides=overrides,
        device="cpu",
    )


def sheet_of(pictures: Path, *compositions: str, seed: int = 0, overrides: tuple[str, ...] = ()) -> MaskSheet:
    return make_masks(material(pictures, *compositions, overrides=overrides), 1, seed)


@given(width=st.integers(1, 40), start=st.integers(2, 30), added=st.integers(0, 20))
def test_a_straight_ramp_is_as_wide_as_it_has_pixels(width: int, start: int, added: int):
    """Ends of 1 and 0 with `width` pixels between; before, `added` pixels of the ramp and all that is 1."""
    line = np.concatenate([np.ones(start), np.linspace(1, 0, width + 2)[1:-1], np.zeros(10)])
    mask = np.tile(line, (7, 1)).astype(np.float32)
    hard = (np.arange(len(line)) < start + min(added, width)) * np.ones((7, 1), np.uint8)
    found = measure_mask(hard, mask)
    assert found.area == 7 * (start + min(added, width))
    assert found.whole == pytest.approx(start / (start + min(added, width)))
    assert found.half == pytest.approx((line > 0.5).sum() / (start + min(added, width)))
    assert found.width == pytest.approx(width)


def test_the_width_is_the_same_all_around_a_disc():
    """A cone's boundary between two radii, in all directions."""
    y, x = np.mgrid[:200, :200] - 99.5
    mask = np.clip((80 - np.hypot(x, y)) / 30, 0, 1).astype(np.float32)
    assert measure_mask((mask > 0).astype(np.uint8), mask).width == pytest.approx(30, rel=0.01)


def test_a_hard_mask_has_no_boundary_and_an_empty_one_no_shares():
    hard = np.zeros((20, 20), np.float32)
    empty = measure_mask(hard, hard)
    assert (empty.area, empty.whole, empty.half, empty.width) == (0, None, None, None)
    hard[5:15, 5:15] = 1
    whole = measure_mask(hard, hard)
    assert (whole.area, whole.whole, whole.half, whole.width) == (100, 1, 1, 0)


def test_a_bytes_mask_is_not_eroded_and_a_float_mask_is(pictures: Path, monkeypatch: pytest.MonkeyPatch):
    """ADFD's Figure 4, made again with OpenCV: the hull of all landmarks, blurred in its own type, then as floats."""
    blur = BoundaryBlur(256, 256, 15, 9, 9.0)
    monkeypatch.setattr("training.pseudofakes.compose.draw_blur", lambda rng, kind: blur)
    opened = material(pictures, *TABLE3, overrides=(*UNMOVED, ALL_POINTS))
    sheet = make_masks(opened, 1, 0)
    hull = cv2.convexHull(np.rint(opened.faces.landmarks(0)).astype(np.int32))
    drawn = cv2.fillConvexPoly(np.zeros((256, 256), np.uint8), hull, 1)
    left = []
    for made, row, dtype in zip(sheet.made[0], sheet.table().values, (np.uint8, np.float32), strict=True):
        first = (cv2.GaussianBlur(drawn.astype(dtype), (15, 15), 0) > 1 - 1e-6).astype(np.float32)
        soft = cv2.GaussianBlur(first, (9, 9), 9)
        np.testing.assert_array_equal(made.hard, drawn)
        np.testing.assert_allclose(made.mask, soft / soft.max(), atol=1e-5)
        shares = drawn.sum(), (soft[drawn == 1] > 0.99901).sum() / drawn.sum(), (soft > 0.5).sum() / drawn.sum()
        assert row[:3] == pytest.approx(shares, abs=0.002)
        left.append(first.sum() / drawn.sum())
        assert row[2] == pytest.approx(left[-1], abs=0.01)  # the second blur leaves the middle of the boundary there
    assert left[0] > 0.99
    assert 1 - left[1] > 0.9 * 7 * cv2.arcLength(hull, True) / drawn.sum()  # half a kernel, all around


def test_the_boundary_is_that_of_the_kernel(pictures: Path):
    """ADFD's Figure 5, made again with OpenCV: Gaussian outside, 1 inside."""
    sheet = sheet_of(pictures, *FIGURE5)
    (fakes,), values = sheet.made, sheet.table().values
    for kernel, made, row in zip((3, 15, 27), fakes, values, strict=True):
        hard = fakes[0].hard.astype(np.float32)
        expected = np.where(hard == 1, 1, cv2.GaussianBlur(hard, (kernel, kernel), 0))
        np.testing.assert_allclose(made.mask, expected, atol=1e-6)
        area, whole, _, width = row
        assert area == hard.sum()
        assert whole == 1
        (outline, *_), _ = cv2.findContours(hard.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        soft = ((expected > 1 - WHOLE) & (expected < WHOLE)).sum()
        assert width == pytest.approx(soft / cv2.arcLength(outline, True), rel=0.15)
        assert kernel / 2 - 1 < width < kernel / 2 + 1


def test_columns_have_the_same_draws(pictures: Path):
    """Also where a composition draws more than another: features and a second blur, or no blur at all."""
    (fakes,) = sheet_of(pictures, *TABLE12, "sbi", *FIGURE5, seed=3).made
    assert len({made.real.tobytes() for made in fakes}) == 1
    assert len({made.ratio for made in fakes}) == 1
    glo, narrowed, full, sbi, *kernels = fakes
    for made in (full, *kernels):
        np.testing.assert_array_equal(made.hard, sbi.hard)
    features = full.hard - glo.hard
    assert features.any()
    assert ((narrowed.hard >= glo.hard) & (narrowed.hard <= full.hard)).all()
    outside = cv2.dilate(features, np.ones((61, 61))) == 0
    assert (glo.mask <= full.mask).all()
    np.testing.assert_array_equal(glo.mask[outside], full.mask[outside])
    (others,) = sheet_of(pictures, *TABLE12, "sbi", seed=4).made
    assert not np.array_equal(others[3].hard, sbi.hard)


def test_every_composition_that_ships_has_a_column(pictures: Path):
    sheet = make_masks(material(pictures, *COMPOSITIONS, rows=2), 2, 0)
    table = sheet.table()
    assert table.rows == tuple(f"person_{face}: {name}" for face in (0, 1) for name in COMPOSITIONS)
    assert all(row[0] > 0 for row in table.values)
    assert "Faces: " in sheet.caption()


def test_the_sheet_has_a_row_for_each_stage_and_the_numbers_below(assay, pictures: Path, tmp_path: Path):
    out = tmp_path / "masks.png"
    answer = assay("explain", "masks", *TABLE3, "--faces", pictures, "--rows", 2, "--seed", 1, "--out", out)
    assert answer.code == 0, answer.err
    assert answer.out.endswith(f"{out}\n{tmp_path / 'masks.csv'}\n")
    assert out.read_bytes().startswith(b"\x89PNG")
    sheet = make_masks(material(pictures, *TABLE3, rows=2), 2, 1)
    with (tmp_path / "masks.csv").open() as file:
        header, *lines = csv.reader(file)
    assert header[1:] == ["area, px", "share after the blur still 1", "share after the blur above 1/2", "boundary, px"]
    assert [line[0] for line in lines] == [f"person_{face}: {name}" for face in (0, 1) for name in TABLE3]
    assert [[float(value) for value in line[1:]] for line in lines] == [list(row) for row in sheet.table().values]
    cells = np.array(sheet.figure().axes, object).reshape(2, 4, 3)
    assert [cell.get_title() for cell in cells[0, 0, 1:]] == [name.replace("/", "/\n") for name in TABLE3]
    for face, fakes in zip(cells, sheet.made, strict=True):
        for column, made in zip(face.T[1:], fakes, strict=True):
            hard, mask, change, fake = (cell.images[0].get_array() for cell in column)
            np.testing.assert_array_equal(hard, made.hard)
            np.testing.assert_array_equal(mask, made.mask)
            np.testing.assert_array_equal(fake, made.fake)
            gained, lost = made.mask > made.hard + 0.01, made.mask < made.hard - 0.01
            assert (change[gained][:, 0] > change[gained][:, 2]).all()
            assert (change[lost][:, 2] > change[lost][:, 0]).all()
            assert column[0].texts[0].get_text() == f"{int(made.hard.sum()):,} px"
            assert column[3].texts[0].get_text() == f"ratio {made.ratio:g}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["adfd_tables/line_8_uint8_1"], "unknown pseudo-fake 'adfd_tables/line_8_uint8_1'; did you mean 'adfd_table"),
        (["adfd_table12/mask4"], "mask3"),
        (["sbi", "--out", "masks.gif"], "a figure cannot be written as '.gif'"),
        (["sbi", "--train", "DFDC"], "--faces and --train both say whose faces are shown"),
        (["cbi", "--set", "nearest=5"], "of 4 faces there are 3 of others"),
    ],
)
def test_a_mistake_is_one_sentence(assay, pictures: Path, arguments: list[str], message: str):
    answer = assay("explain", "masks", *arguments, "--faces", pictures)
    assert answer.code == 2
    assert message in answer.err
    assert answer.err.count("\n") == 1
