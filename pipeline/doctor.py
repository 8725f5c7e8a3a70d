"""What is installed, what is missing, and how fast this machine is: findings, never output.

Native libraries are tried in processes of their own, so that a broken one is a finding and not the
end of the examination.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

import numpy as np

from pipeline import registry
from pipeline.backends import torchaudio_repair
from pipeline.errors import SapaError

Status = Literal["ok", "warn", "fail"]

#: Codecs that recordings of contact centres come in, by FFmpeg's names.
CODECS = (
    "pcm_s16le", "pcm_alaw", "pcm_mulaw", "gsm", "gsm_ms", "mp3", "opus", "vorbis", "aac", "flac",
    "amrnb", "amrwb", "g722", "g726", "adpcm_ima_wav",
)  # fmt: skip
EXTENSIONS = ("duckdb-extension-fts", "duckdb-extension-httpfs")

#: Free bytes below which the disk is a warning, and a failure.
DISK_WARN, DISK_FAIL = 5 << 30, 1 << 30
#: Memory in bytes below which one worker with Whisper base and the encoder is tight.
MEMORY_WARN = 4 << 30
#: Seconds of the speed measurement.
BENCHMARK_SECONDS = 0.5
#: Arithmetic of the Whisper base encoder on one 30 s window, in 10^9 operations: six layers of
#: width 512 over 1500 frames (24 d^2 T + 4 T^2 d each) and two convolutions.
ENCODER_GIGA_OPERATIONS = 87.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One fact about the installation; `remedy` is '' when there is nothing to do."""

    name: str
    status: Status
    detail: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class DoctorOptions:
    """Where to look; None takes the default places."""

    #: Folder of the fetched models.
    store: Path | None = None
    #: The list of models.
    manifest: Path | None = None
    #: Measure the speed (about half a second).
    measure: bool = True


def examine(options: DoctorOptions | None = None) -> tuple[Finding, ...]:
    """Look at everything that a run needs (5–15 s). A failed check is a finding, never an error."""
    chosen = options or DoctorOptions()
    store = chosen.store or registry.default_store()
    found: list[Finding] = [python_version(sys.version_info[:3])]
    checks: list[Callable[[], Iterable[Finding]]] = [
        lambda: packages(_requirements()),
        lambda: torch_findings(torchaudio_repair.probe()),
        lambda: (_ffmpeg(), _codecs()),
        _duckdb,
        lambda: models(store, chosen.manifest or registry.default_manifest()),
        lambda: (disk(store), memory(memory_bytes()), _cores()),
        lambda: environment(os.environ),
    ]
    if chosen.measure:
        checks.append(lambda: (speed(giga_operations_per_second()),))
    for check in checks:
        try:
            found += check()
        except (OSError, ValueError, SapaError) as error:
            found.append(Finding("examination", "fail", f"{type(error).__name__}: {error}"))
    return tuple(found)


def repair() -> tuple[Finding, ...]:
    """Mend what can be mended without the network; each finding says what was done."""
    done = torchaudio_repair.repair(torchaudio_repair.extension_folder())
    if done.action == "not possible":
        return (
            Finding("torchaudio repair", "fail", done.detail, "reinstall torch and torchaudio"),
        )
    return (Finding("torchaudio repair", "ok", f"{done.action}: {done.detail}"),)


def python_version(version: tuple[int, ...]) -> Finding:
    """3.11 to 3.13 are supported."""
    text = ".".join(str(part) for part in version)
    if (3, 11) <= version[:2] <= (3, 13):
        return Finding("python", "ok", text)
    return Finding("python", "fail", text, "use Python 3.11, 3.12 or 3.13")


def _requirements() -> tuple[str, ...]:
    """The declared dependencies, from the installed package or from the checkout."""
    try:
        return tuple(item for item in metadata.requires("sapa") or () if "extra ==" not in item)
    except metadata.PackageNotFoundError:
        project = Path(__file__).resolve().parents[1] / "pyproject.toml"
        if not project.is_file():
            return ()
        values = tomllib.loads(project.read_text(encoding="utf-8"))
        return tuple(values["project"]["dependencies"])


def packages(requirements: Iterable[str]) -> tuple[Finding, ...]:
    """Each declared dependency: installed, and of the declared version."""
    from packaging.requirements import Requirement

    versions, wrong = [], []
    for requirement in map(Requirement, requirements):
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        version = _version(requirement.name)
        if version is None:
            wrong.append(
                Finding(requirement.name, "fail", "not installed", f"pip install '{requirement}'")
            )
        elif not requirement.specifier.contains(version, prereleases=True):
            wrong.append(
                Finding(
                    requirement.name,
                    "warn",
                    f"{version}, tested with {requirement.specifier}",
                    f"pip install '{requirement}'",
                )
            )
        else:
            versions.append(f"{requirement.name} {version}")
    return (Finding("packages", "ok", ", ".join(versions) or "none declared"), *wrong)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def torch_findings(probe: torchaudio_repair.TorchProbe) -> tuple[Finding, ...]:
    """The build of torch, the GPU it sees, and whether torchaudio imports beside it."""
    if not probe.torch:
        return (Finding("torch", "fail", probe.error, "reinstall torch and torchaudio"),)
    build = f"{probe.torch}, {'CUDA ' + probe.cuda if probe.cuda else 'CPU build'}"
    torch = Finding("torch", "ok", f"{build}, {probe.device or 'no GPU'}")
    if probe.cuda and not probe.device:
        torch = Finding(
            "torch",
            "warn",
            f"{build}, but no GPU answers",
            "check the driver, or use --profile cpu",
        )
    if not probe.error:
        return (torch, Finding("torchaudio", "ok", "imports"))
    remedy = "sapa doctor --repair" if probe.repairable else "reinstall torch and torchaudio"
    return (torch, Finding("torchaudio", "fail", f"{probe.error_type}: {probe.error}", remedy))


def _ffmpeg() -> Finding:
    import imageio_ffmpeg

    try:
        path = imageio_ffmpeg.get_ffmpeg_exe()
        done = subprocess.run([path, "-version"], capture_output=True, text=True, check=True)
    except (RuntimeError, OSError, subprocess.CalledProcessError) as error:
        return Finding("ffmpeg", "fail", str(error), "pip install --force-reinstall imageio-ffmpeg")
    return Finding("ffmpeg", "ok", " ".join(done.stdout.split()[:3]))


def _codecs() -> Finding:
    code = "import av; print(av.__version__, *sorted(av.codecs_available))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode != 0 or not done.stdout:
        reason = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        return Finding("codecs", "fail", reason, "pip install --force-reinstall av")
    version, *available = done.stdout.split()
    return codecs(version, available)


def codecs(version: str, available: Iterable[str]) -> Finding:
    """Whether PyAV carries every codec of CODECS."""
    missing = sorted(set(CODECS) - set(available))
    if missing:
        return Finding(
            "codecs", "warn", f"PyAV {version} lacks {', '.join(missing)}", "pip install -U av"
        )
    return Finding("codecs", "ok", f"PyAV {version} reads all {len(CODECS)} expected codecs")


def _duckdb() -> tuple[Finding, ...]:
    version = _version("duckdb")
    if version is None:
        return (Finding("duckdb", "fail", "not installed", "pip install duckdb==1.5.5"),)
    found = [f"{name} {_version(name)}" for name in EXTENSIONS if _version(name) == version]
    missing = [name for name in EXTENSIONS if _version(name) != version]
    base = Finding("duckdb", "ok", ", ".join([version, *found]))
    if not missing:
        return (base,)
    command = "pip install " + " ".join(f"{name}=={version}" for name in missing)
    what = "full-text search and encryption need"
    return (base, Finding("duckdb extensions", "warn", f"{what} {', '.join(missing)}", command))


def models(store: Path, manifest: Path) -> tuple[Finding, ...]:
    """Every model of the default set: there, and with the right digests."""
    known = registry.load_manifest(manifest)
    return tuple(_model(model_id, registry.verify(store, known, [model_id]))
                 for model_id in known.defaults())  # fmt: skip


def _model(model_id: str, statuses: tuple[registry.FileStatus, ...]) -> Finding:
    name = f"model {model_id}"
    bad = [item for item in statuses if item.state != "ok"]
    if not bad:
        return Finding(name, "ok", "verified")
    detail = "; ".join(f"{item.file or item.model} {item.state}" for item in bad)
    usable = all(item.state in {"outdated", "unverified"} for item in bad)
    return Finding(name, "warn" if usable else "fail", detail, f"sapa models fetch {model_id}")


def disk(folder: Path) -> Finding:
    """Free space where `folder` is or would be created."""
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    status: Status = "ok" if free >= DISK_WARN else "warn" if free >= DISK_FAIL else "fail"
    remedy = "" if status == "ok" else "free some space; the default models alone take 0.9 GB"
    return Finding("disk", status, f"{free / 2**30:.1f} GiB free", remedy)


def memory_bytes(limits: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Memory of the machine, or of the container if that is less; None where nothing tells."""
    known = []
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        known.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        path = limits / name
        text = path.read_text(encoding="ascii").strip() if path.is_file() else ""
        if text.isdigit():
            known.append(int(text))
    return min(known, default=None)


def memory(total: int | None) -> Finding:
    """Whether one worker fits."""
    if total is None:
        return Finding("memory", "ok", "not known on this system")
    detail = f"{total / 2**30:.1f} GiB"
    if total < MEMORY_WARN:
        return Finding("memory", "warn", detail, "run with --jobs 1")
    return Finding("memory", "ok", detail)


def _cores() -> Finding:
    allowed = getattr(os, "sched_getaffinity", None)
    count = len(allowed(0)) if allowed is not None else os.cpu_count() or 1
    return Finding("cores", "ok", str(count))


def environment(variables: Mapping[str, str]) -> tuple[Finding, ...]:
    """Variables that would send usage data, or let a weight file run code."""
    found = []
    if variables.get("PYANNOTE_METRICS_ENABLED", "0").lower() not in {"0", "false", ""}:
        found.append(
            Finding(
                "telemetry",
                "warn",
                "PYANNOTE_METRICS_ENABLED asks pyannote to send usage data",
                "unset PYANNOTE_METRICS_ENABLED",
            )
        )
    else:
        found.append(Finding("telemetry", "ok", "nothing asks for it"))
    if "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD" in variables:
        try:
            registry.refuse_unsafe_loading(variables)
        except SapaError as error:
            found.append(
                Finding(
                    "weight files", "fail", str(error), "unset TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"
                )
            )
    return tuple(found)


def giga_operations_per_second(seconds: float = BENCHMARK_SECONDS) -> float:
    """10^9 multiply-adds counted as two, in float32 products of the encoder's own shape."""
    generator = np.random.default_rng(0)
    left = generator.random((1500, 512), dtype=np.float32)
    right = generator.random((512, 2048), dtype=np.float32)
    _ = left @ right  # the first product starts the threads
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        _ = left @ right
        count += 1
    return float(2e-9 * left.size * right.shape[1] * count / (time.perf_counter() - start))


def speed(giga_operations: float) -> Finding:
    """What the arithmetic speed means for speech: an upper bound for Whisper base on this CPU."""
    times = 30 * giga_operations / ENCODER_GIGA_OPERATIONS
    return Finding(
        "speed",
        "ok",
        f"{giga_operations:.0f} billion operations a second: at best about {times:.0f} × real time "
        "for Whisper base on this CPU, at its present load",
    )
