"""DeepfakeBench's modules are there for a plugin file alone, and what is not offered is said in one sentence."""

import importlib.util
import subprocess
import sys

import pytest

import detectors
from benchmark.deepfakebench.detector import AbstractDetector
from benchmark.deepfakebench.modules import OFFERED
from benchmark.deepfakebench.registries import BACKBONE, AbstractLossClass
from config.errors import InputError

ALL = """
import metrics
import metrics.base_metrics_class as base
from metrics.registry import BACKBONE, DETECTOR, LOSSFUNC
from metrics import registry
from detectors.base_detector import AbstractDetector
from .abstract_loss_func import AbstractLossClass
from ..metrics.base_metrics_class import *
import sys, xml.dom
sys.path.append("/nowhere")

assert metrics.registry is registry and registry.DETECTOR is DETECTOR
assert base.calculate_metrics_for_train is calculate_metrics_for_train
assert xml.dom.__name__ == "xml.dom"

def later():
    from networks import BACKBONE
    return BACKBONE

try:
    from networks.clip import CLIP
except ImportError:
    CLIP = None
"""


def test_a_file_alone_sees_them_also_when_its_functions_run(load):
    modules, folders = set(sys.modules), list(sys.path)
    load(ALL)
    added = set(sys.modules) - modules
    assert not {name for name in added if name.partition(".")[0] in OFFERED}
    assert (sys.path, sys.modules["detectors"]) == (folders, detectors)
    mine = sys.modules["assay_plugin_mine"]
    assert mine.AbstractDetector is AbstractDetector
    assert mine.AbstractLossClass is AbstractLossClass
    assert mine.later() is BACKBONE
    assert mine.CLIP is None
    for name in ("networks", "loss", "metrics"):
        assert importlib.util.find_spec(name) is None


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("from networks.clip import CLIP", "imports 'networks.clip', which is not offered; of DeepfakeBench's modules"),
        ("import loss.vgg_loss", "imports 'loss.vgg_loss', which is not offered"),
        ("import loss\nfrom .utils.slow import Slow", "imports '.utils.slow', which is not offered"),
        (
            "from metrics.base_metrics_class import Recorder",
            "'Recorder' from 'metrics.base_metrics_class', which offers calculate_metrics_for_train",
        ),
        ("import loss\nfrom detectors import XceptionDetector", "'XceptionDetector' from 'detectors', .* DETECTOR"),
        ("from metrics import utils", "'utils' from 'metrics', which offers nothing by itself"),
        ("from networks import BACKBONE\nBACKBONE['xeption']", "unknown backbone 'xeption'; did you mean 'xception'"),
    ],
)
def test_what_is_not_offered_is_named_with_what_is(load, code: str, message: str):
    with pytest.raises(InputError, match=message) as error:
        load(code)
    assert "\n" not in str(error.value)


def test_a_file_that_only_imports_tensorboards_writer_needs_no_tensorboard(load, monkeypatch):
    code = "import loss\nfrom torch.utils.tensorboard import SummaryWriter\n"
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    load(code)
    with pytest.raises(InputError, match="pip install tensorboard"):
        load(code + "SummaryWriter('logs')")


def test_an_ordinary_plugin_is_loaded_without_torch(tmp_path):
    plugin = tmp_path / "plain.py"
    plugin.write_text("import json\nfrom detectors import DETECTOR\n")
    code = "import sys; from pathlib import Path; from benchmark.plugins import load_plugin\n"
    code += "load_plugin(Path(sys.argv[1])); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, str(plugin)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
