"""Anchors, their labels and their edges, as the paper has them and as its Table 5's alternatives are read."""

import pytest
import torch

from config.errors import InputError
from detectors.prodet.organisation import ANCHORS, CHAINS, anchors_of, organise
from training import RECIPE

QUADRUPLET = ANCHORS["aligned_quadruplet"]


def test_the_papers_attributes_add_up_from_real_to_deepfake():
    organisation = organise("r2b2d", QUADRUPLET)
    assert dict(zip(organisation.anchors, organisation.attributes, strict=True)) == {
        "real": (0, 0, 0),
        "sbi": (1, 0, 0),
        "cbi": (1, 1, 0),
        "deepfake": (1, 1, 1),
    }
    assert organisation.names() == [("real", "sbi"), ("sbi", "cbi"), ("cbi", "deepfake")]


def test_r2d2b_reassigns_the_labels_along_its_own_chain():
    organisation = organise("r2d2b", QUADRUPLET)
    assert organisation.attributes == ((0, 0, 0), (1, 1, 0), (1, 1, 1), (1, 0, 0))
    assert organisation.names() == [("real", "deepfake"), ("deepfake", "sbi"), ("sbi", "cbi")]


def test_around_real_each_fake_has_an_attribute_and_an_edge_of_its_own():
    organisation = organise("surround", QUADRUPLET)
    assert organisation.attributes == ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1))
    assert organisation.names() == [("real", "sbi"), ("real", "cbi"), ("real", "deepfake")]


@pytest.mark.parametrize("name", [*CHAINS, "surround"])
@pytest.mark.parametrize("recipe", ANCHORS)
def test_fewer_anchors_are_joined_as_well_from_real_to_fake(name, recipe):
    anchors = anchors_of(recipe)
    organisation = organise(name, anchors)
    assert len(organisation.edges) == len(anchors) - 1
    assert {end for _, end in organisation.names()} == set(anchors) - {"real"}
    assert len(set(organisation.attributes)) == len(anchors), "no two anchors are labelled alike"
    assert organisation.fake_labels().tolist() == [float(any(row)) for row in organisation.attributes]


def test_two_and_three_anchors_are_labelled_as_among_four():
    whole = organise("r2b2d", QUADRUPLET).attributes
    for recipe in ANCHORS:
        assert organise("r2b2d", anchors_of(recipe)).attributes == whole[: RECIPE[recipe].members]


def test_kinds_are_told_apart_by_their_place_among_four():
    assert torch.equal(organise("r2d2b", QUADRUPLET).kind_labels(), torch.eye(4))
    assert organise("r2b2d", anchors_of("aligned_triplet")).kind_labels().argmax(1).tolist() == [0, 1, 2]


def test_edges_can_be_left_out_by_what_they_end_in():
    organisation = organise("r2b2d", QUADRUPLET)
    assert organisation.ending_in(("sbi", "deepfake")).names() == [("real", "sbi"), ("cbi", "deepfake")]
    assert organisation.ending_in(()).edges == ()
    with pytest.raises(InputError, match=r"batches of real, sbi, cbi have no deepfake; leave it out: \[sbi\]"):
        organise("r2b2d", anchors_of("aligned_triplet")).ending_in(("sbi", "deepfake"))


def test_a_recipe_whose_batches_are_not_ordered_is_refused():
    with pytest.raises(InputError, match=r"ProDet learns from .*aligned_quadruplet, not from 'frames'"):
        anchors_of("frames")
