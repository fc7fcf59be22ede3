"""What the panels of features in a plane draw, in numbers."""

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection

from evaluation.plots.planes import MARKED, Embedding, Moved, distance_panels, embedding_panels, organisation_panels
from evaluation.plots.style import png_bytes

POINTS = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [3.0, 3.0]])
KINDS = ("real", "SBI", "CBI", "deepfake")


def drawn(axes: Axes) -> dict[str, PathCollection]:
    return {str(part.get_label()): part for part in axes.collections}  # type: ignore[misc]


def outlines(axes: Axes) -> set[bytes]:
    return {part.get_paths()[0].vertices.tobytes() for part in axes.collections}  # type: ignore[union-attr]


def test_a_plane_has_a_marker_for_each_method_and_rings_for_reals():
    methods = np.array(["warp", "real", "swap", "real"], object)
    figure = embedding_panels([Embedding("one", POINTS, methods), Embedding("two", POINTS[:1], methods[:1])])
    first, second = figure.axes
    assert list(drawn(first)) == ["real", "swap", "warp"]
    np.testing.assert_array_equal(drawn(first)["real"].get_offsets(), POINTS[[1, 3]])
    assert len(drawn(first)["real"].get_facecolors()) == 0  # type: ignore[attr-defined]
    assert len(outlines(first)) == 3
    assert outlines(second) == {drawn(first)["warp"].get_paths()[0].vertices.tobytes()}
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["real", "swap", "warp"]


def test_marked_points_have_a_large_ring_in_the_colour_of_the_fakes():
    methods = np.array(["swap", "real", "real", "real"], object)
    figure = embedding_panels([Embedding("one", POINTS, methods, marked=[1, 3]), Embedding("two", POINTS, methods)])
    first, second = figure.axes
    ring = drawn(first)[MARKED]
    np.testing.assert_array_equal(ring.get_offsets(), POINTS[[1, 3]])
    assert ring.get_sizes()[0] > drawn(first)["real"].get_sizes()[0]
    np.testing.assert_allclose(ring.get_edgecolors()[0, :3], drawn(first)["swap"].get_facecolors()[0, :3])
    assert len(ring.get_facecolors()) == 0
    assert list(drawn(second)) == ["real", "swap"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["real", "swap", MARKED]


def test_four_kinds_differ_in_colour_and_marker_and_stand_in_their_order():
    kinds = np.array(KINDS[::-1], object)
    figure = organisation_panels([Embedding("one", POINTS, kinds), Embedding("two", POINTS, kinds)], KINDS, "below")
    first, second = figure.axes
    assert list(drawn(first)) == list(KINDS)
    for number, kind in enumerate(kinds):
        np.testing.assert_array_equal(drawn(first)[kind].get_offsets(), POINTS[[number]])
    assert len(outlines(first)) == 4
    colours = [
        part.get_edgecolors() if kind == "real" else part.get_facecolors() for kind, part in drawn(first).items()
    ]  # type: ignore[attr-defined]
    assert len({tuple(colour[0]) for colour in colours}) == 4
    assert outlines(first) == outlines(second)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(KINDS)
    assert figure.get_supxlabel() == "below"


def test_a_scale_stands_only_where_points_are_features():
    kinds = np.array(KINDS, object)
    figure = organisation_panels(
        [Embedding("as it is", POINTS, kinds, is_feature=True), Embedding("t-SNE", POINTS, kinds)], KINDS
    )
    figure.canvas.draw()
    as_it_is, by_tsne = figure.axes
    assert len(as_it_is.get_xticks()) > 0
    assert len(by_tsne.get_xticks()) == 0
    assert as_it_is.get_aspect() == by_tsne.get_aspect() == 1


def test_distances_share_one_scale_that_a_single_far_point_does_not_stretch():
    near, far = np.linspace(0.5, 1.0, 300), np.append(np.linspace(0.0, 2.0, 299), 500.0)
    plane = np.random.default_rng(0).normal(size=(300, 2))
    figure = distance_panels([Moved("one\nmPD 0.75", plane, near), Moved("two", plane, far)], "PD", "below")
    first, second, bar = figure.axes
    (points,), (others,) = first.collections, second.collections
    assert (points.norm.vmin, points.norm.vmax) == (others.norm.vmin, others.norm.vmax)  # type: ignore[attr-defined]
    assert points.norm.vmin == 0  # type: ignore[attr-defined]
    assert points.norm.vmax == pytest.approx(np.quantile(far, 0.99))  # type: ignore[attr-defined]
    order = np.argsort(far)
    np.testing.assert_array_equal(others.get_array(), far[order])
    np.testing.assert_array_equal(others.get_offsets(), plane[order])
    assert first.get_title(loc="left") == "one\nmPD 0.75"
    assert bar.get_ylabel() == "PD"
    assert png_bytes(figure)


def test_faces_that_nothing_moves_are_drawn():
    assert png_bytes(distance_panels([Moved("one", POINTS, np.zeros(4))], "PD"))


def test_a_long_name_beside_the_planes_leaves_them_their_place():
    name = "a_composition_of_somebody_with_a_long_name"
    figure = embedding_panels([Embedding("one", np.eye(2), np.array([name] * 2, object))])
    figure.draw_without_rendering()
    assert figure.axes[0].get_position().width > 0.6
