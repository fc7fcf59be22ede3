"""The graph and the guided attention of RECCE, against loops over cells and closed forms."""

import torch
import torch.nn.functional as F

from detectors.recce.reasoning import WIDTH, GuidedAttention, MultiScaleReasoning, parts_of_cells


def random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def test_parts_of_a_cell_are_the_vectors_that_lie_in_it():
    maps = random(2, 3, 6, 4)
    parts = parts_of_cells(maps, 2)
    assert parts.shape == (2, 6, 4, 3)
    cell = 2 * 1 + 1  # the second row's second of two columns
    expected = [maps[:, :, 2 + row, 2 + column] for row in range(2) for column in range(2)]
    assert torch.equal(parts[:, cell], torch.stack(expected, 1))


@torch.no_grad()
def test_a_cell_gathers_what_goes_with_it_of_its_parts():
    torch.manual_seed(0)
    layer = MultiScaleReasoning(5, (4, 3), (2, 4), dropout=0.5).eval()
    encoded, coarse, fine = random(1, 5, 3, 2), random(1, 4, 6, 4), random(1, 3, 12, 8)
    found = layer(encoded, coarse, fine)
    for row in range(3):
        for column in range(2):
            vector = encoded[0, :, row, column]
            embedded = layer.va_embedding(vector.view(1, 5, 1, 1)).flatten()
            gathered = []
            for name, ratio, maps in (("b", 2, coarse), ("c", 4, fine)):
                window = maps[0, :, ratio * row : ratio * (row + 1), ratio * column : ratio * (column + 1)]
                parts = getattr(layer, f"v{name}_embedding")(window.flatten(1).T)
                pairs = torch.cat([embedded.expand(ratio**2, WIDTH), parts], 1)
                shares = getattr(layer, f"reweight_a{name}")(pairs).relu().softmax(0)
                gate = getattr(layer, f"va_gated_{name}")(vector.view(1, 5, 1, 1)).flatten()
                gathered.append((1 - gate) * (shares * parts).sum(0))
            joined = torch.cat([*gathered, embedded]).sigmoid().view(1, -1, 1, 1)
            assert torch.allclose(found[0, :, row, column], layer.reproject(joined).flatten(), atol=1e-5)


@torch.no_grad()
def test_where_the_reconstruction_is_perfect_attention_is_a_half():
    torch.manual_seed(0)
    layer = GuidedAttention(6, 3, dropout=0.5).eval()
    image, maps = random(2, 3, 16, 16), random(2, 6, 4, 4)
    assert torch.allclose(layer(image, image, maps), 0.5 * layer.h(maps) + maps, atol=1e-6)
    wrong = image.clone()
    wrong[0, :, :4] += 1  # the upper row of cells of the first image
    moved = (layer(image, wrong, maps) - layer(image, image, maps)).abs().amax(1)
    assert (moved[0, 0] > 0).any()
    assert not moved[0, 3].any()
    assert not moved[1].any()


@torch.no_grad()
def test_attention_sees_the_size_of_an_error_and_not_its_sign():
    torch.manual_seed(0)
    layer = GuidedAttention(6, 3, dropout=0.5).eval()
    image, error, maps = random(1, 3, 8, 8), F.relu(random(1, 3, 8, 8)), random(1, 6, 4, 4)
    assert torch.allclose(layer(image, image + error, maps), layer(image, image - error, maps), atol=1e-5)
