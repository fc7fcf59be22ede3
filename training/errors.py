"""Why a training run stops."""

from config.errors import InputError


class TrainingError(InputError):
    """Training cannot go on: a loss is not finite, or a face cannot be read.

    One sentence for the user, as with any `InputError`; what was saved before stays and can be resumed from.
    """


class PseudoFakeError(InputError):
    """No pseudo-fake can be made of a face: its landmarks do not outline one, or not inside the image."""
