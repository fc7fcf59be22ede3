"""`assay explain perturbations`: what a sheet shows of which suite."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest

import benchmark.explain.perturbations as command
from config.load import config_names
from config.perturbation import PerturbationSuite
from evaluation.plots.sheets import StepRows
from preprocessing.perturbations import PERTURBATION
from preprocessing.recompression import recompress
from preprocessing.views import load_suite
from tests.faces import still

PAGE = Path(__file__).resolve().parents[2] / "docs" / "perturbations.md"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(2):
        cv2.imwrite(str(folder / f"person_{number}.png"), still(number))
    return folder


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[tuple[StepRows, list[str]]]:
    """What the command has drawn, and the names of the columns."""
    sheets = []
    sheet = command.step_sheet

    def remember(groups, steps, caption):
        sheets.extend((group, list(steps)) for group in groups)
        return sheet(groups, steps, caption)

    monkeypatch.setattr(command, "step_sheet", remember)
    return sheets


def test_a_sheet_has_a_row_for_each_perturbation_and_a_column_for_each_level(assay, pictures, tmp_path, drawn):
    suite = tmp_path / "mine.yaml"
    suite.write_text(
        "title: Mine\nperturbations:\n  contrast: [{factor: 1.0}, {factor: 0.5}, {factor: 0.0}]\n"
        "  gaussian_noise: [{variance: [10, 50]}]\n"
    )
    out = tmp_path / "new" / "sheet.png"
    answer = assay("explain", "perturbations", suite, "--faces", pictures, "--rows", 2, "--out", out)
    assert answer.code == 0, answer.err
    assert answer.out == f"{out}: mine\nFaces: pictures; crops are perturbed\n"
    assert out.read_bytes().startswith(b"\x89PNG")
    ((group, steps),) = drawn
    assert group.title == "mine   Mine"
    assert steps == ["clean", "level 1", "level 2", "level 3"]
    assert list(group.labels) == ["contrast\nfactor 1, 0.5, 0", "", "gaussian_noise\nvariance 10 to 50", ""]
    clean, same, half, none = group.images[0]
    np.testing.assert_array_equal(same, clean)
    assert clean.std() > half.std() > none.std() == 0
    assert (group.images[2][1] != clean).any()
    assert all(blank is None for blank in group.images[2][2:])  # it has no such level
    assert (group.images[1][0] != clean).any()  # the other face


def test_what_has_one_level_is_shown_draw_by_draw(assay, pictures, tmp_path, drawn):
    out = tmp_path / "sheet.jpg"
    answer = assay("explain", "perturbations", "prodet_table4", "--faces", pictures, "--profile", "sbi", "--out", out)
    assert answer.code == 0, answer.err
    ((group, steps),) = drawn
    assert steps[1:] == [f"draw {number}" for number in range(1, 6)]
    for row in group.images:
        assert len({image.tobytes() for image in row}) > 3
        assert len({image.shape for image in row}) == 1


def test_frames_are_perturbed_before_the_face_is_cut_out(assay, pictures, tmp_path, drawn):
    answer = assay("explain", "perturbations", "h264", "--faces", pictures, "--out", tmp_path / "sheet.png")
    assert answer.code == 0, answer.err
    assert "each picture is a clip of one frame" in answer.out
    ((group, _),) = drawn
    clean, *levels = group.images[0]
    errors = [np.abs(level.astype(int) - clean).mean() for level in levels]
    assert errors == sorted(errors)
    (of_crop,) = recompress([clean], 43)
    assert (of_crop != levels[-1]).any()


def test_the_page_names_every_suite_and_perturbation():
    page = PAGE.read_text(encoding="utf-8")
    rows = [line.split("|")[1:-1] for line in page.splitlines() if line.startswith("| `")]
    suites = {
        re.findall("`(.+?)`", row[0])[0]: (re.findall("`(.+?)`", row[1]), int(row[2]), int(row[3]))
        for row in rows
        if len(row) == 5
    }
    assert suites == {
        name: (list(suite.levels), max(map(len, suite.levels.values())), suite.config.draws)
        for name in config_names(PerturbationSuite)
        for suite in [load_suite(name)]
    }
    assert {re.findall("`(.+?)`", row[0])[0] for row in rows if len(row) == 4} == set(PERTURBATION.names())


@pytest.mark.usefixtures("own_registry")
def test_the_examples_of_the_page_work(assay, pictures: Path, tmp_path: Path):
    page = PAGE.read_text(encoding="utf-8")
    mine, plugin, moved = tmp_path / "mine.yaml", tmp_path / "motion.py", tmp_path / "moved.yaml"
    mine.write_text(page.split("```yaml\n")[1].split("```")[0])
    assert len(load_suite(str(mine)).variants) == 1 + 2 + 2 + 2 * 3
    plugin.write_text(page.split("```python\n")[1].split("```")[0])
    moved.write_text("draws: 2\nperturbations: {motion_blur: [{length: 9}]}")
    options = ("--plugin", plugin, "--faces", pictures, "--out", tmp_path / "sheet.png")
    answer = assay("explain", "perturbations", moved, *options)
    assert answer.code == 0, answer.err


def test_the_page_shows_pictures_with_the_commands_that_made_them():
    text = PAGE.read_text(encoding="utf-8")
    for name in ("prodet_table4", "h264"):
        assert f"`assay explain perturbations {name} --out docs/images/perturbations_{name}.jpg`" in text
        assert (PAGE.parent / "images" / f"perturbations_{name}.jpg").stat().st_size < 200_000
