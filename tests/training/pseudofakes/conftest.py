import cv2
import pytest

from config.load import load_config
from config.schema import Profile
from preprocessing.faces import Face, FaceCropper
from preprocessing.landmarks import find_predictor
from tests.faces import still
from tests.training.pseudofakes.material import Material


@pytest.fixture(scope="module")
def faces() -> list[Material]:
    """Three pictures' faces in crops of 256 pixels, each with the next one as its partner."""
    profile = load_config(Profile, "dfb").model_copy(update={"mode": "fast"})
    cropper = FaceCropper(profile, find_predictor(environ={}))
    found = [face for face in (cropper.crop(still(number)) for number in range(3)) if isinstance(face, Face)]
    crops = [cv2.cvtColor(face.crop, cv2.COLOR_BGR2RGB) for face in found]
    return [
        Material(crop, face.landmarks, crops[number - 1])
        for number, (crop, face) in enumerate(zip(crops, found, strict=True))
    ]


@pytest.fixture
def face(faces) -> Material:
    return faces[0]
