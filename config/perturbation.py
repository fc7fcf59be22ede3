"""Schema of perturbation suites: which changes, how strong, how often drawn; config/perturbations/*.yaml."""

from typing import Annotated, Any, Literal

from pydantic import Field

from config.base import Schema

CLEAN = "none"
"""The `perturbation` of an image that was left as it is (level 0, draw 0)."""

MOST_LEVELS = 5
Levels = Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MOST_LEVELS)]


class PerturbationSuite(Schema):
    """A suite: config/perturbations/NAME.yaml.

    Attributes:
        title: what it is, in a line.
        source: the paper whose parameters these are, and which of them the paper does not give.
        on: what is perturbed: the stored `crop`, cut to the face where it is a loose one, before it is resized for the
            network; or the whole video `frame`, before the crop is cut out of it (`assay perturb`).
        draws: how often a perturbation that draws at random is drawn for each face and level.
        seed: of all draws; every detector gets the same pixels.
        perturbations: by name the parameters of its levels from 1 on, weakest first.
    """

    title: str = ""
    source: str = ""
    on: Literal["crop", "frame"] = "crop"
    draws: Annotated[int, Field(ge=1)] = 1
    seed: Annotated[int, Field(ge=0)] = 0
    perturbations: Annotated[dict[str, Levels], Field(min_length=1)]
