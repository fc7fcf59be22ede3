"""What all schemas share: their base class, and the types of numbers in them."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Probability = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Triple = tuple[float, float, float]


class Schema(BaseModel):
    """Base of all schemas: unknown keys are refused, values are immutable once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())
