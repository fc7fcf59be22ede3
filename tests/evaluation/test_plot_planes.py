"""What the panels of features in a plane draw, in numbers."""

import numpy as np

from evaluation.plots.planes import Embedding, embedding_panels


def test_a_plane_has_a_marker_for_each_method_and_rings_for_reals():
    methods = np.array(["warp", "real", "swap", "real"], object)
    points = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [3.0, 3.0]])
    figure = embedding_panels([Embedding("one", points, methods), Embedding("two", points[:1], methods[:1])])
    first = figure.axes[0]
    drawn = {str(part.get_label()): part for part in first.collections}
    assert list(drawn) == ["real", "swap", "warp"]
    np.testing.assert_array_equal(drawn["real"].get_offsets(), points[[1, 3]])
    assert len(drawn["real"].get_facecolors()) == 0  # type: ignore[attr-defined]
    outlines = {part.get_paths()[0].vertices.tobytes() for part in drawn.values()}
    assert len(outlines) == 3
    assert (drawn["warp"].get_paths()[0].vertices == figure.axes[1].collections[0].get_paths()[0].vertices).all()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["real", "swap", "warp"]
