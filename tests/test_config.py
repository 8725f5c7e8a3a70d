"""Configuration is strict, and `configs/default.toml` lists all there is.

After an option was added, removed or described anew: python -m tests.test_config
"""

from __future__ import annotations

import inspect
import tomllib
from dataclasses import fields, is_dataclass, make_dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import Config, load_config, resources, to_toml
from pipeline.errors import ConfigError
from pipeline.registry import load_manifest

CONFIGS = Path(__file__).parent.parent / "configs"
PROFILES = ("cpu", "gpu")

HEAD = """\
# Every option with its default. A profile (cpu.toml, gpu.toml, or a file of your own) names only
# what it changes: sapa run ARCHIVE --profile FILE. "none" stands for no value.
"""


def default_toml() -> str:
    """The whole of default.toml: every option under its comment of the source."""
    return HEAD + "".join(
        _table(item.name, getattr(Config(), item.name)) for item in fields(Config)
    )


def _table(name: str, options: Any) -> str:
    comments, own = _comments(type(options)), to_toml(options).splitlines()
    lines = [f"\n[{name}]"]
    for item, line in zip(fields(options), own, strict=True):
        lines += [*comments.get(item.name, []), line]
    return "\n".join(lines) + "\n"


def _comments(kind: type) -> dict[str, list[str]]:
    """The `#:` lines above each field."""
    found: dict[str, list[str]] = {}
    waiting: list[str] = []
    for line in map(str.strip, inspect.getsource(kind).splitlines()):
        if line.startswith("#:"):
            waiting.append("#" + line.removeprefix("#:"))
        elif waiting:
            found[line.split(":")[0]] = waiting
            waiting = []
    return found


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


# ---------------------------------------------------------------- the files


def test_default_toml_is_the_defaults() -> None:
    assert load_config() == Config()
    assert load_config("default") == Config()


def test_default_toml_names_every_key_under_its_comment() -> None:
    assert (CONFIGS / "default.toml").read_text(encoding="utf-8") == default_toml(), (
        "run: python -m tests.test_config"
    )


@pytest.mark.parametrize("table", [item.name for item in fields(Config)])
def test_every_option_is_described(table: str) -> None:
    options = getattr(Config(), table)
    comments, described = _comments(type(options)), False
    for item in fields(options):
        described = described or item.name in comments
        assert described, f"{table}.{item.name} has no #: comment"
        assert not is_dataclass(getattr(options, item.name))


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_loads_and_its_models_are_in_the_manifest(profile: str) -> None:
    config = load_config(profile)
    known = load_manifest(resources() / "models" / "manifest.toml").models
    tasks = {model.id: model.task for model in known}
    assert tasks[config.transcribe.faster_whisper_model] == "asr"
    assert tasks[config.transcribe.openai_whisper_model] == "asr"
    assert tasks[config.models.segmentation] == "segmentation"
    assert tasks[config.models.speaker] == "speaker"
    assert tasks[config.models.encoder] == "encoder"


def test_the_cpu_profile_is_the_default_and_says_so() -> None:
    assert load_config("cpu") == Config()
    written = tomllib.loads((CONFIGS / "cpu.toml").read_text(encoding="utf-8"))
    assert written["models"]["device"] == "cpu"


def test_the_gpu_profile_uses_the_gpu() -> None:
    config = load_config("gpu")
    assert config.models.device == "cuda"
    assert config.models.compute_type == "float16"
    assert config.transcribe.batch_size > Config().transcribe.batch_size
    assert config.transcribe.faster_whisper_model != Config().transcribe.faster_whisper_model


# ---------------------------------------------------------------- strictness


def test_a_file_changes_what_it_names_alone(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, "[speech]\nthreshold = 0.6\n"))
    assert config.speech.threshold == 0.6
    assert replace(config, speech=Config().speech) == Config()


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[speach]\n", ["mine.toml", "'speach'", "speech", "transcribe"]),
        ("[speech]\ntreshold = 0.5\n", ["[speech]", "'treshold'", "threshold", "turn_pause"]),
        ("speech = 1\n", ["speech", "table [speech]", "got 1"]),
        ("[speech]\nthreshold = '0.5'\n", ["threshold", "float expected", "'0.5'"]),
        ("[speech]\nthreshold = true\n", ["threshold", "float expected", "True"]),
        ("[run]\njobs = 1.5\n", ["jobs", "int expected", "1.5"]),
        ("[run]\njobs = true\n", ["jobs", "int expected", "True"]),
        ("[models]\ndevice = 1\n", ["device", "str expected", "got 1"]),
        ("[transcribe]\nlanguages = 'ru'\n", ["languages", "list is expected", "'ru'"]),
        ("[transcribe]\nlanguages = ['de']\n", ["languages", "'de'", "'ru', 'kk', 'en'"]),
        ("[transcribe]\nlanguages = []\n", ["[transcribe]", "languages", "at least one"]),
        ("[transcribe]\nresidual_language = 'de'\n", ["residual_language", "'de'"]),
        ("[transcribe]\nwindow = 31\n", ["[transcribe]", "window 31.0", "30 s"]),
        ("[ingest]\noperator_channel = 'left'\n", ["operator_channel", "'left'"]),
        ("[speech\n", ["mine.toml", "not valid TOML"]),
    ],
)
def test_what_cannot_be_meant_is_an_error_that_says_what_can(
    tmp_path: Path, text: str, parts: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path, text))
    assert [part for part in parts if part not in str(caught.value)] == []


def test_an_unknown_profile_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"profile tpu: .*cpu, gpu"):
        load_config("tpu")


def test_a_file_that_is_no_text_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"mine\.toml"):
        load_config(path)


def test_whole_numbers_serve_as_seconds_and_none_as_no_value(tmp_path: Path) -> None:
    text = "[speech]\nturn_pause = 2\n[decode]\nstop_at = 30\n[ingest]\noperator_channel = 1\n"
    config = load_config(write(tmp_path, text))
    assert config.speech.turn_pause == 2.0
    assert isinstance(config.speech.turn_pause, float)
    assert config.decode.stop_at == 30.0
    assert config.ingest.operator_channel == 1
    cleared = load_config(write(tmp_path, "[decode]\nstop_at = 'none'\n"))
    assert cleared.decode.stop_at is None


def test_lists_and_literals_arrive_as_they_are_meant(tmp_path: Path) -> None:
    text = "[transcribe]\nlanguages = ['kk', 'ru']\ntemperatures = [0, 1]\nresidual_language = ''\n"
    options = load_config(write(tmp_path, text)).transcribe
    assert options.languages == ("kk", "ru")
    assert options.temperatures == (0.0, 1.0)
    assert options.residual_language == ""


# ---------------------------------------------------------------- to TOML and back


@pytest.mark.parametrize("profile", [None, *PROFILES])
def test_the_stored_text_gives_the_same_configuration(tmp_path: Path, profile: str | None) -> None:
    config = load_config(profile)
    assert load_config(write(tmp_path, to_toml(config))) == config


configs = st.builds(
    lambda jobs, store, stop_at, threshold, languages: replace(
        Config(),
        run=replace(Config().run, jobs=jobs),
        models=replace(Config().models, store=store),
        decode=replace(Config().decode, stop_at=stop_at),
        speech=replace(Config().speech, threshold=threshold),
        transcribe=replace(Config().transcribe, languages=tuple(languages)),
    ),
    st.integers(-(2**62), 2**62),
    st.text(),
    st.none() | st.floats(0, 1e9),
    st.floats(allow_nan=False),
    st.lists(st.sampled_from(["ru", "kk", "en"]), min_size=1),
)


@given(configs)
@settings(deadline=None)
def test_any_value_survives(tmp_path_factory: pytest.TempPathFactory, config: Config) -> None:
    assert load_config(write(tmp_path_factory.mktemp("config"), to_toml(config))) == config


def test_tables_within_tables_are_written_with_their_path() -> None:
    inner = make_dataclass("Inner", [("size", int)])
    outer = make_dataclass("Outer", [("inner", inner), ("name", str)])
    whole = make_dataclass("Whole", [("outer", outer)])
    text = to_toml(whole(outer(inner(3), "a")))
    assert tomllib.loads(text) == {"outer": {"name": "a", "inner": {"size": 3}}}


if __name__ == "__main__":
    (CONFIGS / "default.toml").write_text(default_toml(), encoding="utf-8")


def test_the_defaults_draw_nothing_at_random() -> None:
    """A score must be reproducible: no word of the default configuration is sampled."""
    assert Config().transcribe.temperatures == (0.0,)
