import io
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import imread

from config.errors import InputError
from evaluation.averages import Reliability
from evaluation.plots.curves import Curve, det_figure, probit, roc_figure, score_histogram, timeline
from evaluation.plots.explanations import LevelCurve, level_panels
from evaluation.plots.measures import Bars, Calibration, bar_figure, reliability_figure
from evaluation.plots.sheets import StepRows, boxed_faces, crop_sheet, gain_and_loss, step_sheet
from evaluation.plots.style import add_to_caption, jpeg_bytes, png_bytes, save_figure, svg_bytes
from evaluation.roc import OperatingPoints
from evaluation.tables import Interval

LABELS = np.array([0, 0, 1, 0, 1, 1])
SCORES = np.array([0.1, 0.3, 0.3, 0.6, 0.7, 0.9])
POINTS = OperatingPoints.of(LABELS, SCORES)
CROPS = [np.full((64, 48, 3), value, np.uint8) for value in (0, 120, 255)]
LANDMARKS = [np.array([[10.0, 20.0], [30.0, 40.0]]), None, np.array([[1.0, 2.0]])]


def legend_of(axes: Axes) -> list[str]:
    legend = axes.get_legend() or axes.figure.legends[0]  # type: ignore[union-attr]
    return [text.get_text() for text in legend.get_texts()]


def is_svg(content: bytes) -> bool:
    return ElementTree.fromstring(content).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314, our own output


def test_the_roc_figure_draws_the_curve_and_its_auc() -> None:
    (axes,) = roc_figure([Curve("DemoFF", POINTS), Curve("chance", POINTS)]).axes
    fpr, tpr = POINTS.roc()
    for line in axes.lines[1:]:
        np.testing.assert_array_equal(line.get_xdata(), fpr)
        np.testing.assert_array_equal(line.get_ydata(), tpr)
    # Of nine (fake, real) pairs seven are in order and one is a tie.
    assert legend_of(axes) == [f"{7.5 / 9:.4f}   DemoFF", f"{7.5 / 9:.4f}   chance"]
    assert axes.lines[1].get_color() != axes.lines[2].get_color()
    assert axes.lines[1].get_linestyle() != axes.lines[2].get_linestyle()


def test_many_curves_are_all_told_apart() -> None:
    (axes,) = roc_figure([Curve(f"set {i}", POINTS) for i in range(20)]).axes
    looks = {(line.get_color(), str(line.get_linestyle()), str(line._dash_pattern)) for line in axes.lines[1:]}  # type: ignore[attr-defined]
    assert len(looks) == 20


@pytest.mark.parametrize(("count", "name"), [(7, "sbi"), (1, "a detector with a name of many words")])
def test_a_legend_that_would_hide_curves_stands_below(count: int, name: str) -> None:
    for draw in (roc_figure, det_figure):
        figure, small = draw([Curve(name, POINTS)] * count), draw([Curve("sbi", POINTS)])
        assert figure.axes[0].get_legend() is None
        assert len(figure.legends[0].get_texts()) == count
        assert figure.get_figheight() > small.get_figheight()
        assert small.legends == []


def test_a_roc_figure_without_curves_is_an_empty_one() -> None:
    (axes,) = roc_figure([]).axes
    assert len(axes.lines) == 1


def test_probit_undoes_the_normal_distribution() -> None:
    rates = np.array([0.0013498980316301035, 0.15865525393145707, 0.5, 0.9772498680518208])
    np.testing.assert_allclose(probit(rates), [-3, -1, 0, 2], atol=1e-12)
    assert np.isfinite(probit(np.array([0.0, 1.0]))).all()


def test_the_det_figure_draws_normal_deviates_and_the_point_of_equal_error() -> None:
    # Both classes normal, a standard deviation to either side of 0: FNR = Φ(t - 1), FPR = Φ(-t - 1), slope -1.
    quantiles = probit((np.arange(2000) + 0.5) / 2000)
    points = OperatingPoints.of(np.repeat([0, 1], 2000), np.concatenate([quantiles - 1, quantiles + 1]))
    (axes,) = det_figure([Curve("DemoFF", points)]).axes
    curve, equal = axes.lines[1:]
    x, y = (np.asarray(data, float) for data in curve.get_data())
    inner = (np.abs(x) < 2) & (np.abs(y) < 2)
    assert inner.sum() > 100
    np.testing.assert_allclose(x[inner] + y[inner], -2, atol=0.03)
    np.testing.assert_allclose(np.ravel(equal.get_data()), [-1, -1], atol=0.02)  # EER = Φ(-1)
    assert legend_of(axes) == [f"{points.eer():.4f}   DemoFF"]
    assert axes.get_xlim() == axes.get_ylim() == tuple(probit(np.array([0.001, 0.9])))
    assert [label.get_text() for label in axes.get_xticklabels()][:4] == ["0.1", "0.2", "0.5", "1"]


def test_a_det_curve_without_errors_lies_on_the_edge() -> None:
    (axes,) = det_figure([Curve("perfect", OperatingPoints.of([0, 1], [0.1, 0.9]))]).axes
    assert np.ravel(axes.lines[2].get_data()).tolist() == [axes.get_xlim()[0]] * 2
    assert axes.get_xlim()[0] == pytest.approx(probit(np.array([0.05]))[0])  # one real sample: nothing is finer


def test_the_reliability_figure_draws_each_bin() -> None:
    labels, scores = np.array([0, 1, 1, 0, 1]), np.array([0.02, 0.05, 0.5, 0.5, 0.97])
    curve = Calibration("DemoFF", Reliability.of(labels, scores))
    axes, below = reliability_figure([curve]).axes
    x, y = axes.lines[1].get_data()
    np.testing.assert_allclose(x, [0.035, 0.5, 0.97])
    np.testing.assert_allclose(y, [0.5, 0.5, 1.0])
    # (2 * 0.465 + 2 * 0 + 1 * 0.03) / 5
    assert legend_of(axes) == ["0.1920   DemoFF"]
    shares = below.patches[0].get_data().values  # type: ignore[attr-defined]
    np.testing.assert_allclose(shares[[0, 7, 14]], [0.4, 0.4, 0.2])
    assert shares.sum() == pytest.approx(1)


def test_bars_are_as_long_as_their_values_and_carry_their_intervals() -> None:
    series = [Bars("sbi", [0.9, None], [Interval(0.8, 0.95), None]), Bars("vht", [0.6, 0.7], [None, None])]
    (axes,) = bar_figure(["Deepfakes", "$x_1$"], series, "Frame AUC", chance=0.5).axes
    assert [patch.get_width() for patch in axes.patches] == [0.9, 0.0, 0.6, 0.7]  # type: ignore[attr-defined]
    interval, chance = axes.lines
    assert list(interval.get_xdata()) == [0.8, 0.95]
    assert list(chance.get_xdata()) == [0.5, 0.5]
    assert [text.get_text() for text in axes.texts] == ["0.900", "–", "0.600", "0.700"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["Deepfakes", "$x_1$"]
    assert legend_of(axes) == ["sbi", "vht"]
    assert is_svg(svg_bytes(axes.get_figure()))  # type: ignore[arg-type]


def test_bars_that_do_not_fit_their_categories_are_refused() -> None:
    with pytest.raises(ValueError, match="'sbi' needs a value and an interval, or None, for each of 2"):
        bar_figure(["a", "b"], [Bars("sbi", [0.5], [None])], "AUC")


def test_the_histogram_shows_shares_of_each_class() -> None:
    (axes,) = score_histogram(np.array([0.0, 0.1, 0.6, 1.0]), np.array([0.9]), bins=2).axes
    shares = [patch.get_data().values.tolist() for patch in axes.patches]  # type: ignore[attr-defined]
    real, fake = [0.5, 0.5], [0.0, 1.0]
    assert shares == [real, fake, fake, real, fake]  # filled, hatched if fake, and outlined
    assert [patch.get_alpha() for patch in axes.patches if patch.get_hatch()] == [None]
    assert legend_of(axes) == ["real (4)", "fake (1)"]


def test_a_histogram_of_one_class_is_drawn() -> None:
    assert png_bytes(score_histogram(np.array([]), np.array([0.5])))


def test_the_sheet_shows_each_crop_with_its_points_and_label() -> None:
    cells = crop_sheet(CROPS, LANDMARKS, ["a", "b", "c"], columns=2).axes
    assert [cell.get_title() for cell in cells] == ["a", "b", "c", ""]
    for cell, crop in zip(cells, CROPS, strict=False):
        np.testing.assert_array_equal(cell.images[0].get_array(), crop)
    assert [len(cell.collections) for cell in cells] == [1, 0, 1, 0]
    np.testing.assert_array_equal(cells[0].collections[0].get_offsets(), LANDMARKS[0])


def test_a_sheet_that_does_not_hold_together_is_refused() -> None:
    with pytest.raises(ValueError, match="3 crops"):
        crop_sheet(CROPS, LANDMARKS, ["a", "b"])


def test_an_empty_sheet_is_a_figure() -> None:
    assert png_bytes(crop_sheet([], [], []))


def test_a_sheet_of_steps_has_a_row_for_each_example_below_its_group() -> None:
    mask = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    groups = [
        StepRows("one", [(CROPS[0], mask)], ["a"]),
        StepRows("two", [(CROPS[1], mask), (CROPS[2], mask)], ["b", "c\nd"]),
    ]
    figure = step_sheet(groups, ["image", "mask"], "below")
    rows = np.array(figure.axes, dtype=object).reshape(3, 3)
    assert [[text.get_text() for text in row[0].texts] for row in rows] == [["a"], ["b"], ["c\nd"]]
    assert [[cell.get_title() for cell in row[1:]] for row in rows] == [["image", "mask"], ["image", "mask"], ["", ""]]
    for row, crop in zip(rows, CROPS, strict=True):
        np.testing.assert_array_equal(row[1].images[0].get_array(), crop)
        np.testing.assert_array_equal(row[2].images[0].get_array(), mask)
        assert row[2].images[0].get_clim() == (0, 1)
    with pytest.raises(ValueError, match="'two' needs a label for each row, and 3 images in it"):
        step_sheet([StepRows("two", [(mask, mask)], ["a"])], ["x", "y", "z"])


def test_a_timeline_shows_frames_faces_their_mean_and_gaps() -> None:
    times, scores = np.array([0.0, 0.5, 1.0]), np.array([0.2, np.nan, 0.8])
    (axes,) = timeline(times, scores, np.array([[0.0, 0.1], [0.0, 0.2], [1.0, 0.8]])).axes
    threshold, frames, mean = axes.lines
    assert list(threshold.get_ydata()) == [0.5, 0.5]
    np.testing.assert_array_equal(frames.get_ydata(), scores)
    assert list(mean.get_ydata()) == pytest.approx([0.5, 0.5])
    faces, gaps = axes.collections
    np.testing.assert_array_equal(faces.get_offsets(), [[0.0, 0.1], [0.0, 0.2], [1.0, 0.8]])
    np.testing.assert_array_equal(gaps.get_offsets(), [[0.5, 0.0]])
    assert legend_of(axes) == ["frame", "face", "mean 0.50", "no face (1)"]


def test_a_timeline_without_any_face_has_no_mean() -> None:
    figure = timeline(np.arange(3.0), np.full(3, np.nan), np.empty((0, 2)), "Frame")
    assert legend_of(figure.axes[0]) == ["frame", "face", "no face (3)"]
    assert figure.axes[0].get_xlabel() == "Frame"
    assert png_bytes(figure)


def test_boxes_lie_around_the_faces_with_their_scores() -> None:
    image = np.full((40, 60, 3), 120, np.uint8)
    (axes,) = boxed_faces(image, [(10, 5, 30, 25), (-4, 0, 8, 12)], [0.91, 0.2]).axes
    np.testing.assert_array_equal(axes.images[0].get_array(), image)
    assert [patch.get_bbox().extents.tolist() for patch in axes.patches] == [[10, 5, 30, 25], [-4, 0, 8, 12]]  # type: ignore[attr-defined]
    assert [text.get_text() for text in axes.texts] == ["0.91", "0.20"]
    solid, dashed = axes.patches
    assert solid.get_edgecolor() != dashed.get_edgecolor()
    assert solid.get_linestyle() != dashed.get_linestyle()


def test_names_are_words_and_not_formulas() -> None:
    name = r"_$\frac{1}$ $x^2$ <b>&--> ]]>"
    figure = roc_figure([Curve(name, POINTS)], title=name)
    assert legend_of(figure.axes[0]) == [f"{7.5 / 9:.4f}   {name}"]
    assert is_svg(svg_bytes(figure))
    assert png_bytes(crop_sheet(CROPS, LANDMARKS, [name, name, name], title=name))


def test_the_same_figure_gives_the_same_bytes_whatever_the_users_settings() -> None:
    def drawn() -> tuple[bytes, ...]:
        figure = roc_figure([Curve("DemoFF", POINTS)], title="ROC")
        return png_bytes(figure), jpeg_bytes(figure), svg_bytes(figure)

    first = drawn()
    with matplotlib.rc_context({"font.size": 20, "axes.facecolor": "pink", "savefig.dpi": 30, "svg.hashsalt": "other"}):
        assert drawn() == first
        assert matplotlib.rcParams["font.size"] == 20


def test_svg_does_not_tell_in_which_last_bits_two_layouts_differ() -> None:
    def drawn(left: float) -> bytes:
        figure = Figure((3, 2))
        figure.add_axes((left, 0.1, 0.8, 0.8)).plot([0, 1], [2, 3])
        return svg_bytes(figure)

    assert drawn(0.1 + 1e-13) == drawn(0.1) != drawn(0.11)
    assert is_svg(drawn(0.1))


def test_png_jpeg_and_svg_are_what_they_say(tmp_path: Path) -> None:
    figure = score_histogram(SCORES[LABELS == 0], SCORES[LABELS == 1])
    save_figure(figure, tmp_path / "new" / "scores.png")
    save_figure(figure, tmp_path / "scores.svg")
    save_figure(figure, tmp_path / "scores.jpg")
    image = imread(io.BytesIO((tmp_path / "new" / "scores.png").read_bytes()))
    assert image.shape[:2] == (480, 840)
    assert is_svg((tmp_path / "scores.svg").read_bytes())
    assert imread(tmp_path / "scores.jpg").shape == (480, 840, 3)
    assert (tmp_path / "scores.jpg").read_bytes().startswith(b"\xff\xd8\xff")
    with pytest.raises(InputError, match=r"scores\.gif: a figure cannot be written .* valid are: \.png, \.jpg, \.svg"):
        save_figure(figure, tmp_path / "scores.gif")


def test_drawing_needs_no_window_and_no_torch() -> None:
    modules = "sys, evaluation.plots.curves, evaluation.plots.sheets"
    script = f"import {modules}; sys.exit(bool({{'matplotlib.pyplot', 'torch'}} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).parents[2])


def test_a_long_name_is_broken_in_a_legend_and_the_figure_made_higher() -> None:
    points = OperatingPoints.of(np.array([0, 1]), np.array([0.1, 0.9]))
    short, long = (roc_figure([Curve(name, points)] * 7) for name in ("sbi", "sbi (" + "long " * 20 + ")"))
    (legend,) = long.legends
    texts = [text.get_text() for text in legend.get_texts()]
    assert all(text.startswith("1.0000   sbi (long") and max(map(len, text.split("\n"))) <= 50 for text in texts)
    lines = sum(text.count("\n") for text in texts)
    assert long.get_figheight() - short.get_figheight() == pytest.approx(0.19 * lines)


def test_notes_are_added_to_a_caption_once_and_have_room() -> None:
    figure = level_panels([LevelCurve("A", "jpeg", [0, 1], [0.9, 0.8], [None, None])], "frame AUC", "level 0: clean")
    height = figure.get_figheight()
    note = "words " * 40 + "end"
    add_to_caption(figure, ["level 0: clean", note, "x."])
    assert " ".join(figure.get_supxlabel().split()) == f"level 0: clean. {note}. x."
    assert figure.get_figheight() > height + 0.2
    assert figure.get_supxlabel().count("\n") >= 2


def test_a_mask_that_grows_turns_orange_and_one_that_shrinks_blue():
    picture = gain_and_loss(np.array([[0, 1, 1, 0]], np.uint8), np.array([[1, 0, 1, 0.5]], np.float32))
    orange, blue = ([int(colour[at : at + 2], 16) for at in (1, 3, 5)] for colour in ("#E69F00", "#56B4E9"))
    assert picture[0, :3].tolist() == [orange, blue, [0, 0, 0]]
    np.testing.assert_allclose(picture[0, 3], np.array(orange) / 2, atol=0.5)
