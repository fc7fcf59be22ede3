"""Weights files: what is written is read back, and what does not fit is refused in one sentence that says why."""

import hashlib
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save
from torch import nn

from config.errors import InputError
from config.load import load_config, to_yaml
from config.schema import DetectorConfig
from detectors import build_detector
from detectors.weights import load_weights, read_weights, recognise, save_weights, weights_sha256


def lite(**changes: object) -> nn.Module:
    return build_detector(
        DetectorConfig(model_name="efficientnet_lite0", backbone_name="efficientnet_lite0", **changes)
    )


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


class Code:
    def __reduce__(self):
        return (print, ("this file ran code",))


def test_round_trip_in_any_memory_format(tmp_path):
    path = tmp_path / "run" / "best.safetensors"
    detector = lite().to(memory_format=torch.channels_last)
    save_weights(detector, path, {"detector": "efficientnet_lite0", "epoch": "3"})
    state, metadata = read_weights(path)
    assert same(state, detector.state_dict())
    assert metadata == {"detector": "efficientnet_lite0", "epoch": "3"}
    other = lite(manualSeed=5)
    assert not same(other.state_dict(), detector.state_dict())
    assert load_weights(other, path) == metadata
    assert same(other.state_dict(), detector.state_dict())
    assert [file.name for file in path.parent.iterdir()] == ["best.safetensors"]


def test_equal_content_gives_equal_bytes(tmp_path):
    about = {f"key {number}": str(number) for number in range(8)}  # 8! orders: chance would show
    network = nn.Linear(2, 2)
    for number in range(6):
        save_weights(network, tmp_path / f"{number}.safetensors", dict(sorted(about.items(), reverse=number % 2 == 1)))
    assert len({(tmp_path / f"{number}.safetensors").read_bytes() for number in range(6)}) == 1


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "last.safetensors"
    save_weights(nn.Linear(2, 2), path, {})
    before = path.read_bytes()

    def breaks_half_way(file, content):
        file.touch()
        raise OSError("disk full")

    monkeypatch.setattr(Path, "write_bytes", breaks_half_way)
    with pytest.raises(InputError, match="disk full"):
        save_weights(nn.Linear(2, 2), path, {})
    assert path.read_bytes() == before


def test_state_that_is_no_tensor_is_refused_when_written(tmp_path):
    class Stateful(nn.Module):
        def get_extra_state(self):
            return {"count": 3}

    with pytest.raises(TypeError, match="_extra_state"):
        save_weights(Stateful(), tmp_path / "weights.safetensors", {})


@pytest.mark.parametrize("suffix", [".pth", ".pt"])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"model": state, "optimizer": {"state": {}}},
        lambda state: {"epoch": 3, "model_state_dict": state},
        lambda state: {f"module.{key}": tensor for key, tensor in state.items()},
        lambda state: {"state_dict": {f"module.{key}": tensor for key, tensor in state.items()}},
    ],
    ids=["plain", "state_dict", "model", "model_state_dict", "DDP", "both"],
)
def test_torch_files_of_all_habits_are_read(tmp_path, suffix, wrap):
    detector = lite()
    path = tmp_path / f"weights{suffix}"
    torch.save(wrap(detector.state_dict()), path)
    state, metadata = read_weights(path)
    assert same(state, detector.state_dict())
    assert metadata == {}


def test_a_released_file_loads_into_the_detector_it_was_made_for(tmp_path):
    config = DetectorConfig(model_name="xception", backbone_name="xception")
    released = build_detector(config.model_copy(update={"manualSeed": 1}))
    torch.save({f"module.{key}": tensor for key, tensor in released.state_dict().items()}, tmp_path / "released.pth")
    detector = build_detector(config)
    load_weights(detector, tmp_path / "released.pth")
    assert same(detector.state_dict(), released.state_dict())


def test_a_file_of_another_detector_is_named(tmp_path):
    path = tmp_path / "xception_best.pth"
    xception = build_detector(DetectorConfig(model_name="xception", backbone_name="xception"))
    torch.save(xception.state_dict(), path)
    with pytest.raises(InputError) as error:
        load_weights(lite(), path)
    message = str(error.value)
    assert message.startswith(f"{path} does not fit the detector 'efficientnet_lite0': ")
    assert "296 tensors missing" not in message, "BatchNorm's counters are no evidence"
    assert "247 tensors missing (such as backbone.network.conv_stem.weight)" in message
    assert "283 unexpected (such as backbone.conv1.weight)" in message
    assert message.endswith("; it is a file of 'xception'")
    assert "\n" not in message


def test_a_file_of_the_same_detector_says_how_it_was_set(tmp_path):
    """Shapes of ProDet's weights depend on the resolution and on options, which those of tensors do not tell."""
    small = ("backbone_name=efficientnet_lite0", "pretrained=null", "options.width=2", "options.hidden=4")
    written = load_config(DetectorConfig, "prodet", (*small, "resolution=32"))
    path = tmp_path / "prodet.safetensors"
    save_weights(build_detector(written), path, {"config": to_yaml(written)})
    for setting, end in (
        ("resolution=96", "its resolution is 32, not 96"),
        ("options.width=3", "its width is 2, not 3"),
    ):
        other = build_detector(load_config(DetectorConfig, "prodet", (*small, "resolution=32", setting)))
        with pytest.raises(InputError, match=f"; {end}$"):
            load_weights(other, path)
    with pytest.raises(InputError, match=r"it is a file of 'prodet'$"):
        load_weights(lite(), path)


def test_a_public_file_of_the_same_detector_says_what_is_set_otherwise(tmp_path):
    shipped = build_detector(load_config(DetectorConfig, "f3net", ["pretrained=null"]))
    torch.save(shipped.state_dict(), tmp_path / "f3net_best.pth")
    smaller = build_detector(load_config(DetectorConfig, "f3net", ["pretrained=null", "resolution=64"]))
    with pytest.raises(InputError, match=r"\); its resolution is 256, not 64$"):
        load_weights(smaller, tmp_path / "f3net_best.pth")


def test_a_file_of_another_network_with_the_same_tensors_is_refused(tmp_path):
    config = load_config(DetectorConfig, "sbi", ["backbone_name=efficientnetb4"])
    path = tmp_path / "weights.safetensors"
    save_weights(build_detector(config, pretrained=False), path, {"config": to_yaml(config)})
    load_weights(build_detector(config, pretrained=False), path)
    published = build_detector(load_config(DetectorConfig, "sbi"), pretrained=False)
    with pytest.raises(InputError, match="its backbone_name is efficientnetb4, not efficientnetb4_standard"):
        load_weights(published, path)


def test_another_number_of_classes_is_shown(tmp_path):
    save_weights(lite(backbone_config={"num_classes": 3}), tmp_path / "three.safetensors", {})
    with pytest.raises(InputError) as error:
        load_weights(lite(), tmp_path / "three.safetensors")
    shapes = "2 of another shape (backbone.last_layer.weight is (3, 1280), expected (2, 1280))"
    assert str(error.value).endswith(shapes)


def test_a_refused_file_leaves_the_detector_alone(tmp_path):
    detector = lite()
    before = {key: tensor.clone() for key, tensor in detector.state_dict().items()}
    partial = dict(list(lite(manualSeed=9).state_dict().items())[:-1])
    torch.save(partial, tmp_path / "partial.pth")
    with pytest.raises(InputError, match=r": 1 tensor missing \(such as backbone.last_layer.bias\)"):
        load_weights(detector, tmp_path / "partial.pth")
    assert same(detector.state_dict(), before)


def test_detectors_are_recognised_by_names_and_shapes():
    state = lite().state_dict()
    assert recognise(state) == "efficientnet_lite0"
    assert recognise({**state, "more": torch.zeros(1)}) is None


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.pth", None, "no such weights file"),
        ("weights.onnx", b"x", "expected a weights file that ends in .safetensors, .pth, .pt"),
        ("empty.pth", b"", "not a readable torch file"),
        ("noise.pth", b"hello, this is no checkpoint", "not a readable torch file"),
        ("page.pth", b"<html>Quota exceeded</html>", "not a readable torch file"),
        ("pointer.pth", b"version https://git-lfs.github.com/spec/v1", "not a readable torch file"),
        ("renamed.pth", save({"a": torch.zeros(1)}), "not a readable torch file"),
        ("pickle.pth", pickle.dumps({"a": Code()}, protocol=2), "holds pickled objects, which are never run"),
        ("pickle4.pth", pickle.dumps({"a": Code()}, protocol=4), "holds pickled objects, which are never run"),
        ("empty.safetensors", b"", "not a readable safetensors file"),
        ("noise.safetensors", b"hello, this is no checkpoint", "not a readable safetensors file"),
    ],
)
def test_what_is_no_weights_file_is_refused(tmp_path, capsys, recwarn, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        read_weights(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    assert not recwarn.list
    assert "ran code" not in capsys.readouterr().out


@pytest.mark.parametrize("content", [{"a": Code()}, nn.Linear(2, 2)], ids=["code", "whole module"])
def test_pickled_objects_are_never_run(tmp_path, capsys, content):
    path = tmp_path / "evil.pth"
    torch.save(content, path)
    with pytest.raises(InputError, match="holds pickled objects, which are never run"):
        read_weights(path)
    assert "ran code" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "content", [{}, [1, 2], {"epoch": 3}, {"state_dict": {"epoch": 3}}, {"a": torch.eye(2).to_sparse()}], ids=str
)
def test_a_torch_file_without_dense_tensors_alone_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(InputError, match="holds no state dict"):
        read_weights(tmp_path / "other.pth")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_truncated_file_is_refused(tmp_path, suffix):
    whole = tmp_path / f"whole{suffix}"
    if suffix == ".pth":
        torch.save({"a": torch.ones(1000)}, whole)
    else:
        save_weights(nn.Linear(50, 50), whole, {})
    cut = tmp_path / f"cut{suffix}"
    cut.write_bytes(whole.read_bytes()[:-200])
    with pytest.raises(InputError, match="not a readable"):
        read_weights(cut)


def test_sha256_is_of_the_bytes(tmp_path):
    path = tmp_path / "file.safetensors"
    save_weights(nn.Linear(2, 2), path, {})
    assert weights_sha256(path) == hashlib.sha256(path.read_bytes()).hexdigest()
    assert load_file(path).keys() == {"weight", "bias"}
