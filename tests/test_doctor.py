"""The examination of the installation, with invented installations."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline import doctor
from pipeline.backends.torchaudio_repair import Repair, TorchProbe, repair

CPU_BROKEN = TorchProbe("2.13.0+cpu", error_type="OSError", error="libcudart.so.13: not found")
CPU_FINE = TorchProbe("2.13.0+cpu")


@pytest.fixture
def lib(tmp_path: Path) -> Path:
    folder = tmp_path / "torchaudio" / "lib"
    folder.mkdir(parents=True)
    for name in ("_torchaudio.so", "libtorchaudio.so", "__init__.py"):
        (folder / name).write_bytes(b"")
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def look_at(lib: Path) -> TorchProbe:
    """torchaudio imports exactly when no extension is left."""
    return CPU_BROKEN if list(lib.glob("*.so")) else CPU_FINE


# ------------------------------------------------------------------ torchaudio


def test_repair_disables_the_extensions_once(lib: Path) -> None:
    first = repair(lib, lambda: look_at(lib))
    assert first.action == "repaired"
    assert first.names == ("_torchaudio.so", "libtorchaudio.so")
    assert "CPU build" in first.detail
    assert names(lib) == ["__init__.py", "_torchaudio.so.disabled", "libtorchaudio.so.disabled"]
    assert repair(lib, lambda: look_at(lib)) == Repair("not needed", "torchaudio imports")
    assert len(names(lib)) == 3


@pytest.mark.parametrize(
    "probe",
    [
        TorchProbe("2.13.0+cu130", "13.0", "", "OSError", "libcudart.so.13: not found"),
        TorchProbe("2.13.0+cpu", error_type="ModuleNotFoundError", error="no torchaudio"),
        TorchProbe("", error_type="ImportError", error="no torch"),
    ],
)
def test_repair_touches_nothing_in_other_cases(lib: Path, probe: TorchProbe) -> None:
    before = names(lib)
    assert repair(lib, lambda: probe).action == "not possible"
    assert names(lib) == before


def test_repair_that_does_not_help_is_undone(lib: Path) -> None:
    before = names(lib)
    done = repair(lib, lambda: CPU_BROKEN)
    assert done.action == "not possible"
    assert "nothing changed" in done.detail
    assert names(lib) == before


# ------------------------------------------------------------------ findings


def statuses(findings: tuple[doctor.Finding, ...]) -> dict[str, str]:
    return {finding.name: finding.status for finding in findings}


def test_broken_torchaudio_names_the_repair() -> None:
    _, finding = doctor.torch_findings(CPU_BROKEN)
    assert (finding.status, finding.remedy) == ("fail", "sapa doctor --repair")
    _, finding = doctor.torch_findings(TorchProbe("2.13.0", "13.0", "GPU", "OSError", "gone"))
    assert (finding.status, finding.remedy) == ("fail", "reinstall torch and torchaudio")


def test_a_gpu_build_without_a_gpu_is_a_warning() -> None:
    assert statuses(doctor.torch_findings(TorchProbe("2.13.0", "13.0", "")))["torch"] == "warn"
    assert statuses(doctor.torch_findings(TorchProbe("2.13.0", "13.0", "GPU")))["torch"] == "ok"
    assert statuses(doctor.torch_findings(CPU_FINE))["torch"] == "ok"


@pytest.mark.parametrize(
    ("version", "status"),
    [((3, 10, 9), "fail"), ((3, 11, 0), "ok"), ((3, 13, 2), "ok"), ((3, 14, 0), "fail")],
)
def test_python_versions(version: tuple[int, ...], status: str) -> None:
    assert doctor.python_version(version).status == status


def test_packages_absent_or_of_another_version() -> None:
    found = doctor.packages(
        ["numpy>=1", "numpy>=99", "no-such-package", "absent; python_version < '3'"]
    )
    assert [finding.status for finding in found] == ["ok", "warn", "fail"]
    assert found[1].detail.endswith("tested with >=99")
    assert found[2].remedy == "pip install 'no-such-package'"


def test_missing_codecs_are_named() -> None:
    assert doctor.codecs("18", doctor.CODECS).status == "ok"
    finding = doctor.codecs("18", [name for name in doctor.CODECS if name != "gsm_ms"])
    assert (finding.status, finding.detail) == ("warn", "PyAV 18 lacks gsm_ms")


def test_an_empty_store_names_the_command(tmp_path: Path) -> None:
    from pipeline import registry

    found = doctor.models(tmp_path, registry.default_manifest())
    by_name = {finding.name: finding for finding in found}
    assert by_name["model silero-vad"].status == "ok"
    whisper = by_name["model whisper-base-ct2"]
    assert whisper.status == "fail"
    assert whisper.remedy == "sapa models fetch whisper-base-ct2"


def test_memory_of_a_container_counts(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("2147483648\n")
    assert doctor.memory_bytes(tmp_path) == 2 << 30
    assert doctor.memory(2 << 30).remedy == "run with --jobs 1"
    (tmp_path / "memory.max").write_text("max\n")
    assert (doctor.memory_bytes(tmp_path) or 0) != 2 << 30
    assert doctor.memory(16 << 30).status == "ok"


def test_disk_is_judged_where_the_folder_would_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = 2 << 30

    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda place: Usage)
    finding = doctor.disk(tmp_path / "not" / "yet")
    assert (finding.status, finding.detail) == ("warn", "2.0 GiB free")
    Usage.free = 1 << 20
    assert doctor.disk(tmp_path).status == "fail"


def test_variables_that_endanger_data() -> None:
    assert statuses(doctor.environment({})) == {"telemetry": "ok"}
    found = doctor.environment(
        {"PYANNOTE_METRICS_ENABLED": "1", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"}
    )
    assert statuses(found) == {"telemetry": "warn", "weight files": "fail"}


def test_speed_is_stated_as_times_real_time() -> None:
    assert "about 30 × real time" in doctor.speed(doctor.ENCODER_GIGA_OPERATIONS).detail
    assert doctor.giga_operations_per_second(0.01) > 0


def test_a_check_that_breaks_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.torchaudio_repair, "probe", lambda: CPU_FINE)
    options = doctor.DoctorOptions(tmp_path, tmp_path / "absent.toml", measure=False)
    findings = doctor.examine(options)
    broken = [finding for finding in findings if finding.name == "examination"]
    assert len(broken) == 1
    assert "absent.toml" in broken[0].detail
    assert {"python", "torch", "ffmpeg", "codecs", "duckdb", "disk", "telemetry"} <= set(
        statuses(findings)
    )
