from __future__ import annotations

import hashlib
import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import audio_factory as factory
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.backends import archive
from pipeline.backends.archive import (
    FoundFile,
    Search,
    Unreadable,
    build_call,
    find_files,
    group_duplicates,
    load_or_create_key,
    printable,
    raw,
    read_sidecar,
    unreadable_call,
)
from pipeline.errors import ConfigError
from pipeline.ingest import IngestOptions, Metadata

KEY = bytes(range(32))


def search(root: Path | str, **options: bool | int) -> tuple[Search, list[FoundFile | Unreadable]]:
    found = find_files(root, IngestOptions(**options))  # type: ignore[arg-type]
    return found, list(found)


def paths(items: list[FoundFile | Unreadable]) -> list[str]:
    return [item.path for item in items]


@pytest.fixture
def wav(tmp_path: Path) -> bytes:
    return factory.write_alaw(tmp_path.parent / f"{tmp_path.name}.wav", 0.1).read_bytes()


@pytest.fixture
def folder(tmp_path: Path, wav: bytes) -> Path:
    root = tmp_path / "archive"
    for name in ("b/2.wav", "b/10.wav", "a.wav", "Жазба 3.wav"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(wav + name.encode())
    return root


def test_a_folder_is_walked_in_order_and_hashed(folder: Path) -> None:
    _, items = search(folder)
    assert paths(items) == ["a.wav", "b/10.wav", "b/2.wav", "Жазба 3.wav"]
    first = items[0]
    assert isinstance(first, FoundFile)
    content = (folder / "a.wav").read_bytes()
    assert first.sha256 == hashlib.sha256(content).hexdigest()
    assert (first.size, first.kind, first.location) == (len(content), "wav", folder / "a.wav")


def test_a_file_a_pattern_and_a_name_with_brackets(folder: Path, wav: bytes) -> None:
    assert paths(search(folder / "b/2.wav")[1]) == ["2.wav"]
    assert paths(search(f"{folder}/**/*.wav")[1]) == ["a.wav", "b/10.wav", "b/2.wav", "Жазба 3.wav"]
    assert paths(search(f"{folder}/b*")[1]) == ["b/10.wav", "b/2.wav"]
    (folder / "[1].wav").write_bytes(wav)
    assert paths(search(folder / "[1].wav")[1]) == ["[1].wav"]


def test_nothing_there_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        search(tmp_path / "missing")
    with pytest.raises(ConfigError, match="no file matches"):
        search(f"{tmp_path}/*.wav")


def test_an_empty_folder_is_an_empty_archive(tmp_path: Path) -> None:
    assert search(tmp_path)[1] == []


def test_content_decides_and_other_files_are_counted(folder: Path, wav: bytes) -> None:
    (folder / "call.bin").write_bytes(wav)
    (folder / "metadata.csv").write_text("file,queue\na.wav,710\n", encoding="utf-8")
    (folder / "a.rttm").write_text("SPEAKER a 1 0 1 <NA> <NA> x <NA> <NA>\n", encoding="utf-8")
    (folder / "empty.txt").touch()
    (folder / "._a.wav").write_bytes(b"\x00\x05\x16\x07" + bytes(100))
    (folder / ".hidden.wav").write_bytes(wav)
    found, items = search(folder)
    assert ".hidden.wav" in paths(items)
    assert "call.bin" in paths(items)
    assert found.ignored == 4
    assert all(isinstance(item, FoundFile) for item in items)


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("page.wav", b"<html>not found</html>", "not_audio"),
        ("page.MP3", b"<html>not found</html>", "not_audio"),
        ("random.mp3", bytes(range(256)) * 8, "not_audio"),
        ("text.ul", "Привет, мир".encode(), "not_audio"),
        ("x.gsm", bytes(330), "not_audio"),
        ("nothing.opus", b"", "empty_file"),
        ("nothing.al", b"", "empty_file"),
    ],
)
def test_named_like_audio_without_audio_is_reported(
    tmp_path: Path, name: str, content: bytes, code: str
) -> None:
    (tmp_path / name).write_bytes(content)
    (item,) = search(tmp_path)[1]
    assert isinstance(item, Unreadable)
    assert (item.path, item.code, item.size) == (name, code, len(content))


@pytest.mark.parametrize("name", sorted(factory.ENCODERS))
def test_every_format_is_recognised_without_its_name(tmp_path: Path, name: str) -> None:
    audio = factory.stack(factory.tone(440, 0.6))
    written = factory.encode(tmp_path / name, audio, name)
    written.rename(tmp_path / "noname")
    (item,) = search(tmp_path)[1]
    assert isinstance(item, FoundFile)


def test_headerless_formats_are_taken_at_their_names_word(tmp_path: Path) -> None:
    (tmp_path / "a.gsm").write_bytes(factory.GSM_SILENCE * 3)
    (tmp_path / "b.al").write_bytes(b"\xd5\x55\x80\xaa" * 200)
    (tmp_path / "c.ul").write_bytes(b"\xff\x7f\x80\xaa" * 200)
    kinds = [item.kind for item in search(tmp_path)[1] if isinstance(item, FoundFile)]
    assert kinds == ["gsm", "alaw", "mulaw"]


def test_names_that_are_not_utf8_survive_a_database(tmp_path: Path, wav: bytes) -> None:
    name = b"\xea\xe0\xeb\xeb \\ 1\n.wav"  # a code page, a backslash and a line break
    (tmp_path / os.fsdecode(name)).write_bytes(wav)
    (item,) = search(tmp_path)[1]
    assert isinstance(item, FoundFile)
    item.path.encode("utf-8")
    assert "\n" not in item.path
    assert raw(item.path) == name
    assert item.location.read_bytes() == wav


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_printable_names_are_reversible(name: bytes) -> None:
    text = printable(name)
    text.encode("utf-8")
    assert raw(text) == name


def test_very_long_names_are_found(tmp_path: Path, wav: bytes) -> None:
    name = "ж" * 120 + ".wav"
    (tmp_path / name).write_bytes(wav)
    assert paths(search(tmp_path)[1]) == [name]


def test_links_are_counted_or_followed_and_loops_end(folder: Path) -> None:
    (folder / "b/loop").symlink_to(folder)
    (folder / "z.wav").symlink_to(folder / "a.wav")
    (folder / "broken.wav").symlink_to(folder / "nowhere")
    found, items = search(folder)
    assert found.links == 3
    assert len(items) == 4
    _, items = search(folder, follow_symlinks=True)
    assert len([item for item in items if isinstance(item, FoundFile)]) == 5
    (broken,) = [item for item in items if isinstance(item, Unreadable)]
    assert (broken.path, broken.code) == ("broken.wav", "unreadable")


def test_a_link_given_as_the_archive_is_followed(folder: Path) -> None:
    link = folder.parent / "link"
    link.symlink_to(folder)
    assert len(search(link)[1]) == 4


def test_pipes_are_passed_over_without_blocking(folder: Path) -> None:
    os.mkfifo(folder / "pipe.wav")
    found, items = search(folder)
    assert (found.special, len(items)) == (1, 4)


def test_a_forbidden_file_is_reported_and_the_others_go_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = archive._open

    def refuse(path: Path) -> object:
        if path.name == "a.wav":
            raise PermissionError(13, "Permission denied", str(path))
        return plain(path)

    monkeypatch.setattr(archive, "_open", refuse)
    _, items = search(folder)
    assert items[0] == Unreadable("a.wav", "permission_denied", "Permission denied")
    assert len(items) == 4


def test_a_forbidden_folder_is_reported(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Path.iterdir

    def refuse(path: Path) -> Iterator[Path]:
        if path.name == "b":
            raise PermissionError(13, "Permission denied", str(path))
        return plain(path)

    monkeypatch.setattr(Path, "iterdir", refuse)
    assert paths(search(folder)[1]) == ["a.wav", "b", "Жазба 3.wav"]


def test_a_file_that_is_still_written_is_left_for_the_next_run(
    tmp_path: Path, wav: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav)
    plain = hashlib.file_digest

    def grow(file: object, name: str) -> object:
        with path.open("ab") as more:
            more.write(b"\xd5" * 10)
        return plain(file, name)  # type: ignore[arg-type]

    monkeypatch.setattr(hashlib, "file_digest", grow)
    (item,) = search(tmp_path)[1]
    assert isinstance(item, Unreadable)
    assert item.code == "changing"


def test_a_file_beyond_the_size_limit_is_not_read(folder: Path) -> None:
    _, items = search(folder, max_bytes=100)
    assert {item.code for item in items if isinstance(item, Unreadable)} == {"too_large"}


def test_copies_become_one_file_with_all_paths(folder: Path) -> None:
    (folder / "b/copy.wav").write_bytes((folder / "a.wav").read_bytes())
    items = [item for item in search(folder)[1] if isinstance(item, FoundFile)]
    grouped = group_duplicates(items)
    assert len(grouped) == 4
    assert grouped[0].paths == ("a.wav", "b/copy.wav")
    call = build_call(grouped[0], Metadata(caller="+77021234567", queue="710"), KEY)
    assert (call.paths, call.queue) == (("a.wav", "b/copy.wav"), "710")
    assert call.sha256.startswith(call.call_id)
    assert call.caller_key is not None
    assert "7021234567" not in repr(call)


def test_empty_files_stay_apart_since_they_have_no_content(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    (tmp_path / "b.wav").touch()
    items = [item for item in search(tmp_path)[1] if isinstance(item, Unreadable)]
    calls = [unreadable_call(item, Metadata(), KEY) for item in items]
    assert calls[0].call_id != calls[1].call_id
    assert [call.path for call in calls] == ["a.wav", "b.wav"]
    assert calls[0].sha256 == ""
    assert calls[0].caller_key is None


def test_the_key_is_created_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "caller.key"
    key = load_or_create_key(path)
    assert len(key) == 32
    assert load_or_create_key(path) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["caller.key"]
    assert load_or_create_key(tmp_path / "other.key") != key


def test_a_damaged_or_unwritable_key_is_a_configuration_error(tmp_path: Path) -> None:
    path = tmp_path / "caller.key"
    path.write_bytes(b"short")
    with pytest.raises(ConfigError, match="5 bytes instead of 32"):
        load_or_create_key(path)
    with pytest.raises(ConfigError, match="cannot be"):
        load_or_create_key(path / "below-a-file.key")


def test_a_key_that_others_can_read_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "caller.key"
    load_or_create_key(path)
    path.chmod(0o644)
    with caplog.at_level(logging.WARNING):
        load_or_create_key(path)
    assert "chmod 600" in caplog.text


def test_a_side_table_is_read_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "calls.csv"
    path.write_text("\ufefffile,queue\na.wav,710\n", encoding="utf-8")
    assert read_sidecar(path, ZoneInfo("UTC"))["a.wav"].queue == "710"
    path.write_bytes(b"file,agent_name\na.wav,\xc8\xe2\xe0\xed\n")
    with pytest.raises(ConfigError, match="UTF-8"):
        read_sidecar(path, ZoneInfo("UTC"))
