"""Make torchaudio importable beside a CPU build of torch.

Its wheel carries compiled extensions that link against the CUDA libraries of torch; beside a CPU
torch, `import torchaudio` dies with OSError, and pyannote.audio with it. torchaudio's loader skips
extensions whose files are absent, and resampling and the Kaldi filter bank need none of them, so
the files are renamed to NAME.disabled. Nothing is touched when torch is not a CPU build.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

SUFFIX = ".disabled"

#: Imports happen in a process of their own: a failed import of an extension cannot be undone.
_PROBE = """
import json, warnings
warnings.simplefilter("ignore")
found = {"torch": "", "cuda": "", "device": "", "error_type": "", "error": ""}
try:
    import torch
    found["torch"] = torch.__version__
    found["cuda"] = str(torch.version.cuda or torch.version.hip or "")
    found["device"] = torch.cuda.get_device_name(0) if torch.cuda.is_available() else ""
    import torchaudio
except Exception as error:
    found["error_type"], found["error"] = type(error).__name__, str(error)[:300]
print(json.dumps(found))
"""


@dataclass(frozen=True, slots=True)
class TorchProbe:
    """What a fresh interpreter sees; `cuda` and `device` '' without a GPU build or a GPU.

    `torch` is '' when torch itself does not import; `error` '' when torchaudio imports, too.
    """

    torch: str
    cuda: str = ""
    device: str = ""
    error_type: str = ""
    error: str = ""

    @property
    def repairable(self) -> bool:
        """Exactly the known case: a CPU torch imports, torchaudio dies loading a library."""
        return bool(self.torch) and not self.cuda and self.error_type == "OSError"


@dataclass(frozen=True, slots=True)
class Repair:
    """What was done: `names` are the files that were renamed."""

    action: Literal["not needed", "repaired", "not possible"]
    detail: str
    names: tuple[str, ...] = ()


def probe() -> TorchProbe:
    """Import torch and torchaudio in a fresh interpreter (2–5 s) and report."""
    done = subprocess.run(
        [sys.executable, "-c", _PROBE], capture_output=True, text=True, check=False
    )
    try:
        found = json.loads(done.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError):
        reason = done.stderr.strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
        return TorchProbe("", error_type="ProcessDied", error=reason[0])
    return TorchProbe(**found)


def extension_folder() -> Path | None:
    """torchaudio/lib of this environment, found without importing it."""
    spec = importlib.util.find_spec("torchaudio")
    return None if spec is None or spec.origin is None else Path(spec.origin).parent / "lib"


def repair(folder: Path | None, look: Callable[[], TorchProbe] = probe) -> Repair:
    """Disable torchaudio's extensions in `folder` if, and only if, that is what is wrong.

    A second call finds nothing to do. If torchaudio still fails afterwards, the names are put back.
    """
    before = look()
    if not before.error:
        return Repair("not needed", "torchaudio imports")
    if not before.repairable or folder is None:
        return Repair("not possible", f"{before.error_type}: {before.error}")
    moved = _disable(folder)
    if not moved:
        return Repair("not possible", f"no extension in {folder} to disable; {before.error}")
    after = look()
    if after.error:
        for path in moved:
            path.rename(path.with_name(path.name.removesuffix(SUFFIX)))
        return Repair("not possible", f"still {after.error_type}: {after.error}; nothing changed")
    names = tuple(path.name.removesuffix(SUFFIX) for path in moved)
    return Repair(
        "repaired",
        f"torch {before.torch} is a CPU build, so torchaudio's CUDA extensions cannot load: "
        f"renamed {', '.join(names)} to *{SUFFIX} in {folder}",
        names,
    )


def _disable(folder: Path) -> tuple[Path, ...]:
    return tuple(
        path.rename(path.with_name(path.name + SUFFIX)) for path in sorted(folder.glob("*.so"))
    )
