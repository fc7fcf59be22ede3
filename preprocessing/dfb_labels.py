"""Class names as labels: DeepfakeBench's dictionary, DF40's rule, the sets that ship here, and the user's own."""

from collections.abc import Iterable, Mapping

from config.errors import InputError, unknown
from config.load import config_names, load_config
from config.schema import DatasetConfig

REAL = "FF-real DFD_real CelebDFv1_real CelebDFv2_real DFDCP_Real DFDC_Real DF_real UADFV_Real roop_Real"
FAKE = (
    "FF-DF FF-F2F FF-FS FF-NT FF-FH FF-SH DFD_fake CelebDFv1_fake CelebDFv2_fake DFDCP_FakeA DFDCP_FakeB DFDC_Fake "
    "DF_fake UADFV_Fake roop_Fake"
)
# DeepfakeBench's label_dict.
LABELS: Mapping[str, int] = dict.fromkeys(REAL.split(), 0) | dict.fromkeys(FAKE.split(), 1)
# How DF40 names the classes of its methods: simswap_Real, simswap_Fake.
ENDINGS = {"_Real": 0, "_Fake": 1}


def parse_labels(assignments: Iterable[str]) -> dict[str, int]:
    """Labels from "NAME=NUMBER"; as in a dictionary of several classes, 0 is real and every other number fake.

    Raises:
        InputError: not of that form.
    """
    labels = {}
    for assignment in assignments:
        name, equals, number = assignment.rpartition("=")
        if not equals or not name or not (number.isascii() and number.isdecimal()):
            raise InputError(f"--label {assignment}: expected NAME=0 for a real class or NAME=1 for a fake one")
        labels[name] = min(int(number), 1)
    return labels


class Labels:
    """What class names mean, by their label (0 real, 1 fake) and their method.

    Args:
        given: the user's labels, which come before all others.
    """

    def __init__(self, given: Mapping[str, int] | None = None) -> None:
        configs = [load_config(DatasetConfig, name) for name in config_names(DatasetConfig)]
        self._shipped = {entry.class_name: entry for config in configs for entry in config.classes}
        shipped = {name: int(entry.label) for name, entry in self._shipped.items()}
        self._known: dict[str, int] = {**shipped, **LABELS, **(given or {})}

    def find(self, name: str) -> int | None:
        """The label of a class, None if no dictionary has that name."""
        endings = (label for ending, label in ENDINGS.items() if name.removesuffix(ending) not in (name, ""))
        return self._known[name] if name in self._known else next(endings, None)

    def label(self, name: str) -> int:
        """The label of a class.

        Raises:
            InputError: no dictionary has that name.
        """
        label = self.find(name)
        if label is None:
            error = unknown("class", name, self._known)
            raise InputError(f"{error} (to say what it is: --label '{name}=0' for real, '{name}=1' for fake)")
        return label

    def method(self, name: str, label: int) -> str:
        """The manipulation that a class name stands for, "real" for a real class."""
        shipped = self._shipped.get(name)
        if shipped and shipped.label == label:
            return shipped.method
        return name.removesuffix("_Fake") if label else "real"
