"""The loader: DeepfakeBench's files unchanged, typed overrides, the way back to YAML, one sentence for a mistake."""

import logging
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import InputError
from config.load import config_names, load_config, parse_config, parse_yaml, read_yaml, to_yaml, validate, variant_names
from config.pseudofake import PseudoFakeConfig
from config.schema import DEAD_DETECTOR_KEYS, Adam, DatasetConfig, DetectorConfig, Profile

DFB = Path(__file__).resolve().parent.parent / "data" / "dfb_efficientnetb4.yaml"
SHIPPED = [(schema, name) for schema in (DetectorConfig, DatasetConfig, Profile) for name in config_names(schema)]
MINIMAL = "model_name: mine\nbackbone_name: xception\n"


def file(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(text: str, folder: Path, *overrides: str) -> str:
    with pytest.raises(InputError) as error:
        load_config(DetectorConfig, file(folder, text), overrides)
    message = str(error.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(("schema", "name"), SHIPPED, ids=lambda value: value if isinstance(value, str) else "")
def test_every_shipped_file_is_valid_and_comes_back_from_yaml(schema, name, caplog):
    config = load_config(schema, name)
    assert parse_config(schema, to_yaml(config)) == config
    assert not caplog.text


def test_deepfakebench_file_loads_unchanged(caplog):
    config = load_config(DetectorConfig, DFB)
    assert config.train_dataset == ["FF-NT"]
    assert config.frame_num.train == 32
    assert config.optimizer.adam == Adam(lr=0.0002, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0005)
    assert config.data_aug.rotate_limit == (-10, 10)
    assert config.lr_scheduler is None
    assert config.label_dict["FF-real"] == 0
    assert config.nEpochs == 10


def test_dead_keys_are_named_in_one_warning(caplog):
    with caplog.at_level(logging.WARNING):
        load_config(DetectorConfig, DFB)
    assert len(caplog.records) == 1
    message = caplog.records[0].getMessage()
    written = [*read_yaml(DFB), "backbone_config.pretrained", "data_aug.brightness_prob"]
    dead = [key for key in written if key in DEAD_DETECTOR_KEYS]
    assert len(dead) == 16
    assert all(f"{key} ({DEAD_DETECTOR_KEYS[key]})" in message for key in dead)


def test_no_dead_key_is_a_live_one():
    live = DetectorConfig.model_fields.keys()
    assert not live & DEAD_DETECTOR_KEYS.keys()


def test_overrides_are_typed_by_the_schema():
    config = load_config(
        DetectorConfig,
        "xception",
        [
            "optimizer.adam.lr=1e-3",
            "optimizer.type=sam",
            "nEpochs=3",
            "with_mask=true",
            "lr_scheduler=cosine",
            "mean=[0.1, 0.2, 0.3]",
            "train_dataset=[DemoFF, DemoX]",
            "options.radius=0.5",
            "pretrained=null",
        ],
    )
    assert config.optimizer.adam.lr == 0.001
    assert config.optimizer.type == "sam"
    assert config.optimizer.adam.beta1 == 0.9, "an override of one key leaves its neighbours"
    assert (config.nEpochs, config.with_mask, config.lr_scheduler) == (3, True, "cosine")
    assert config.mean == (0.1, 0.2, 0.3)
    assert config.train_dataset == ["DemoFF", "DemoX"]
    assert config.options == {"radius": 0.5}
    assert config.pretrained is None


def test_a_value_may_hold_an_equals_sign():
    assert load_config(DetectorConfig, "xception", ["pretrained=a=b.pth"]).pretrained == "a=b.pth"


@given(
    st.builds(
        Adam,
        lr=st.floats(1e-12, 1e3),
        eps=st.floats(1e-30, 1),
        beta1=st.floats(0, 1),
        weight_decay=st.floats(0, 1e6),
        amsgrad=st.booleans(),
    ),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1),
    st.dictionaries(
        st.sampled_from(["a", "on", "1", "é"]), st.none() | st.integers() | st.booleans() | st.text("a:-#")
    ),
)
def test_any_configuration_comes_back_from_yaml(adam, name, options):
    config = DetectorConfig(model_name=name, backbone_name="x", optimizer={"adam": adam}, options=options)
    assert parse_config(DetectorConfig, to_yaml(config)) == config


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("nEpoch: 3", "'nEpoch'; did you mean 'nEpochs'?"),
        ("optimizer: {adam: {rl: 1}}", "'optimizer.adam.rl'; did you mean 'optimizer.adam.lr'?"),
        ("backbone_config: {dropot: 0.5}", "'backbone_config.dropot'; did you mean 'backbone_config.dropout'?"),
        ("train_batchsize: 3", "'train_batchsize'; did you mean 'train_batchSize'?"),
    ],
)
def test_an_unknown_key_is_answered_with_the_nearest(tmp_path, lines, expected):
    message = refusal(MINIMAL + lines, tmp_path)
    assert expected in message
    assert "mine.yaml" in message


@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        ("nEpochs: many", "nEpochs", "'many'"),
        ("nEpochs: 0", "nEpochs", "0"),
        ("workers: 2.5", "workers", "2.5"),
        ("compression: c32", "compression", "'c32'"),
        ("frame_num: 3", "frame_num", "3"),
        ("train_dataset: FF-DF", "train_dataset", "'FF-DF'"),
        ("optimizer: {adam: {lr: -1}}", "optimizer.adam.lr", "-1"),
        ("data_aug: {flip_prob: 1.5}", "data_aug.flip_prob", "1.5"),
        ("data_aug: {blur_limit: [7, 3]}", "data_aug", "7"),
        ("resolution: null", "resolution", "None"),
    ],
)
def test_a_wrong_value_is_shown_with_its_key(tmp_path, line, key, value):
    message = refusal(MINIMAL + line, tmp_path)
    assert f"mine.yaml: {key}" in message
    assert value in message


def test_a_missing_key_is_named(tmp_path):
    assert "mine.yaml: backbone_name: field required" in refusal("model_name: mine", tmp_path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [1", "mine.yaml, line 1: not valid YAML"),
        ("a: 1\nb: 2: 3", "mine.yaml, line 2: not valid YAML"),
        ("- a\n- b", "expected keys with values, found list"),
        ("", "expected keys with values, found NoneType"),
        ("1: a", "expected keys with values"),
        ("a: !!python/object/apply:os.getcwd []", "not valid YAML"),
    ],
)
def test_what_is_no_yaml_mapping_is_refused(tmp_path, text, expected):
    assert expected in refusal(text, tmp_path)


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("nEpochs", "--set nEpochs: expected key=value"),
        ("=3", "--set =3: expected key=value"),
        ("nEpochs=[1", "--set nEpochs=[1: the value is not valid YAML"),
        ("model_name.x=3", "--set model_name.x=3: 'model_name' holds a value, not keys"),
        ("nEpoch=3", "'nEpoch'; did you mean 'nEpochs'?"),
    ],
)
def test_a_wrong_override_is_refused(tmp_path, assignment, expected):
    assert expected in refusal(MINIMAL, tmp_path, assignment)


def test_files_and_names_that_do_not_exist(tmp_path):
    with pytest.raises(InputError, match="unknown detector 'xceptoin'; did you mean 'xception'"):
        load_config(DetectorConfig, "xceptoin")
    with pytest.raises(InputError, match=r"no such detector file: .*none\.yaml"):
        load_config(DetectorConfig, tmp_path / "none.yaml")
    with pytest.raises(InputError, match="unknown preprocessing profile 'dbf'; did you mean 'dfb'"):
        load_config(Profile, "dbf")


@pytest.mark.parametrize("name", ["../schema", "detectors/xception", "xception.yml.txt"])
def test_a_name_is_no_way_to_another_folder(name):
    with pytest.raises(InputError, match="unknown detector"):
        load_config(DetectorConfig, name)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "mine.yaml").write_bytes(b"\xff\xfe\x00\x01model_name")
    with pytest.raises(InputError, match=r"cannot read .*mine\.yaml"):
        load_config(DetectorConfig, tmp_path / "mine.yaml")


def test_a_configuration_does_not_change_once_read():
    config = load_config(DetectorConfig, "xception")
    with pytest.raises(ValueError, match="frozen"):
        config.nEpochs = 3


@pytest.mark.parametrize(
    "options",
    [
        "  a0: &a0 [1, 1]\n" + "".join(f"  a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)),
        "  a: &a [*a]\n",
    ],
)
def test_aliases_that_stand_for_billions_of_values_are_refused(tmp_path: Path, options: str):
    assert "aliases" in refusal(f"{MINIMAL}options:\n{options}", tmp_path)


def test_new_keys_of_a_profile_leave_what_older_stores_say_as_it_is():
    assert load_config(Profile, "dfb", ["landmarks=mine.dat"]).stored == {
        "name": "dfb",
        "mode": "fast",
        "resolution": 256,
        "scale": 1.3,
        "num_frames": 32,
        "stride": None,
        "upsample": 1,
    }


def test_a_profile_of_loose_crops_says_what_decides_them_and_not_what_is_decided_later():
    stored = load_config(Profile, "sbi").stored
    assert (stored["crop"], stored["faces"]) == ("loose", "all")
    same = load_config(Profile, "sbi", ["detector_file=d.onnx", "faceless_score=null", "resolution=380"])
    assert same.stored == stored


def test_a_box_detector_is_for_loose_crops():
    with pytest.raises(InputError, match=r"detector_file.*loose"):
        load_config(Profile, "dfb", ["detector_file=yunet.onnx"])
    with pytest.raises(InputError, match="did you mean 'detector_file'"):
        load_config(Profile, "sbi", ["detecter_file=yunet.onnx"])


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"classes": [{"class_name": "a", "label": 0, "method": "real", "folder": "../b"}]}, "folder: '../b' leaves"),
        ({"classes": [{"class_name": "a", "label": 0, "method": "real", "folder": ["b", "/c"]}]}, "'/c' leaves"),
        ({"classes": [{"class_name": "a", "label": 0, "method": "real", "masks": "x/../../b"}]}, "masks: .* leaves"),
        ({"splits": {"test": ".."}}, "splits: '..' leaves"),
        ({"name": "../office"}, "name: expected one that a file can have, not '../office'"),
    ],
)
def test_a_data_set_stays_below_its_root(changes, complaint):
    plain = load_config(DatasetConfig, "custom").model_dump()
    with pytest.raises(InputError, match=complaint):
        validate(DatasetConfig, plain | changes, "mine.yaml")


def every_pseudo_fake() -> list[str]:
    names = config_names(PseudoFakeConfig)
    return names + [variant for name in names for variant in variant_names(PseudoFakeConfig, name)]


@pytest.mark.parametrize("name", every_pseudo_fake())
def test_every_pseudo_fake_is_valid_and_a_detector_carries_it_whole(name):
    settings = load_config(PseudoFakeConfig, name)
    detector = load_config(DetectorConfig, "xception", [f"pseudofake={name}"])
    assert detector.pseudofake == settings.model_copy(update={"title": ""})
    assert parse_config(DetectorConfig, to_yaml(detector)) == detector


@pytest.mark.parametrize("name", [name for name in every_pseudo_fake() if "/" in name])
def test_variants_of_a_table_differ(name):
    table = name.partition("/")[0]
    settings = [load_config(PseudoFakeConfig, variant) for variant in variant_names(PseudoFakeConfig, table)]
    alike = [other for other in settings if other == load_config(PseudoFakeConfig, name)]
    assert len(alike) == 1


def test_rows_that_are_the_same_in_several_tables_are_the_method_itself():
    same = ["adfd_table2/lal", "adfd_table5/all", "adfd_table6/either", "adfd_table7/dynamic"]
    sbi = load_config(DetectorConfig, "sbi")
    assert all(load_config(DetectorConfig, "sbi", [f"pseudofake={name}"]) == sbi for name in same)
    assert load_config(DetectorConfig, "adfd", ["pseudofake=adfd_table12/mask3"]) == load_config(DetectorConfig, "adfd")


def test_a_title_is_no_part_of_what_a_detector_trains_on():
    assert load_config(PseudoFakeConfig, "sbi").title
    named = [load_config(DetectorConfig, "sbi", ['pseudofake={base: sbi, title: "mine"}'])]
    named.append(parse_config(DetectorConfig, to_yaml(named[0]).replace("title: ''", "title: mine")))
    assert named == [load_config(DetectorConfig, "sbi")] * 2


def test_a_base_is_a_name_or_a_file_beside_and_keys_replace_each_other_at_every_depth(tmp_path):
    (tmp_path / "first.yaml").write_text("base: sbi\nmask: {kind: local}\nnearest: 7\n")
    (tmp_path / "second.yaml").write_text("base: first.yaml\nmask: {inner_prob: 1}\nratios: [1]\n")
    settings = load_config(PseudoFakeConfig, tmp_path / "second.yaml")
    assert (settings.mask.kind, settings.mask.inner_prob, settings.nearest) == ("local", 1.0, 7)
    assert settings.ratios == (1.0,)
    assert settings.changes == load_config(PseudoFakeConfig, "sbi").changes


def test_a_variant_may_be_named_by_a_number(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("base: sbi\nvariants:\n  3: {boundary: {kernel: 3}}\n")
    assert load_config(PseudoFakeConfig, f"{path}/3").boundary.kernel == 3
    with pytest.raises(InputError, match=r"unknown variant of .*mine\.yaml '5'; valid are: 3"):
        load_config(PseudoFakeConfig, f"{path}/5")


def test_variants_of_a_users_own_file_go_by_its_path(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "base: sbi\nratios: [1]\nvariants:\n  soft: {ratios: [0.5]}\n  eyes: {mask: {kind: mtms, mtms: [eyes]}}\n"
    )
    (tmp_path / "next.yaml").write_text("base: mine.yaml/soft\nnearest: 5\n")
    assert load_config(PseudoFakeConfig, path).ratios == (1.0,)
    assert load_config(PseudoFakeConfig, path / "soft").ratios == (0.5,)
    assert load_config(PseudoFakeConfig, f"{path}/eyes").mask.mtms == ("eyes",)
    following = load_config(PseudoFakeConfig, tmp_path / "next.yaml")
    assert (following.ratios, following.nearest) == ((0.5,), 5)
    assert load_config(DetectorConfig, "xception", [f"pseudofake={path}/soft"]).pseudofake.ratios == (0.5,)
    with pytest.raises(InputError, match=r"unknown variant of .*mine\.yaml 'sfot'; did you mean 'soft'"):
        load_config(PseudoFakeConfig, path / "sfot")
    with pytest.raises(InputError, match=r"no such pseudo-fake file: .*none\.yaml"):
        load_config(PseudoFakeConfig, tmp_path / "none.yaml" / "soft")


def test_a_pseudo_fake_in_a_detector_may_change_a_preset():
    config = load_config(
        DetectorConfig, "xception", ["pseudofake={base: adfd, ratios: [1]}", "pseudofake.changes.colour=false"]
    )
    expected = load_config(PseudoFakeConfig, "adfd", ["title=''", "ratios=[1]", "changes.colour=false"])
    assert config.pseudofake == expected
    assert load_config(DetectorConfig, "xception", ["pseudofake=sbi", "pseudofake=null"]).pseudofake is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("base: sbii", "unknown pseudo-fake 'sbii'; did you mean 'sbi'"),
        ("base: [sbi]", "base: expected a name or a YAML file, not ['sbi']"),
        ("base: self.yaml", "the file is built on itself"),
        ("base: other.yaml", "no such pseudo-fake file"),
        ("variants: [sbi]", "variants: expected names, and keys with values for each"),
        ("variants: {a: 3}", "variants: expected names, and keys with values for each"),
        ("boundary: {kernel: 4}", "kernel: expected an odd number of pixels, not 4"),
        ("mask: {lal: []}", "mask.lal: tuple should have at least 1 item"),
        ("mask: {lal: [facehul]}", "mask.lal.0: input should be 'dfl_full'"),
        ("reconstruction: {autoencoder: 0.7, super_resolution: 0.4}", "add up to more than 1"),
        ("{source: partner, reconstruction: {autoencoder: 0.1}}", "a partner's face is not reconstructed"),
        ("face_sizes: [9, 3]", "expected the smallest and the largest width, not [9, 3]"),
        ("ratios: [0]", "ratios.0: input should be greater than 0"),
    ],
)
def test_a_wrong_pseudo_fake_is_refused_in_a_sentence(tmp_path, text, expected):
    path = tmp_path / "self.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=re.escape(expected)):
        load_config(PseudoFakeConfig, path)


@pytest.mark.parametrize(
    ("name", "nearest"), [("adfd_table7/alfa", "adfd_table7/alpha"), ("sbi/x", "sbi"), ("adfd_tabel7", "adfd_table7")]
)
def test_an_unknown_variant_is_answered_with_the_nearest(name, nearest):
    with pytest.raises(InputError, match=f"did you mean '{nearest}'"):
        load_config(PseudoFakeConfig, name)


def test_on_and_off_are_words_and_still_truth_values_where_one_is_asked_for():
    assert parse_yaml("on: [off, yes, true]", "x") == {"on": ["off", True, True]}
    assert load_config(DetectorConfig, "xception", ["with_mask=on"]).with_mask
    raw = to_yaml(load_config(DetectorConfig, "xception")).replace("with_mask: false", "with_mask: on")
    assert parse_config(DetectorConfig, raw).with_mask
