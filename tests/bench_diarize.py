"""Our diarization beside the stock pipeline of pyannote.audio, on the same recordings.

`make bench-diarize` prints errors, times real time and memory of both. Each method runs in a
process of its own, one after the other; times are of everything after decoding, voice activity
included. Times depend on the machine and on what else it does; compare methods within one run.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console

from pipeline.config import Config
from pipeline.diarize import diarize
from pipeline.registry import default_manifest, load_manifest, require
from pipeline.run.plan import model_store
from pipeline.speech import find_speech
from pipeline.types import Audio, SpeechSegment, Turn
from tests.conftest import ROOT, SAMPLES
from tests.diarization_report import Found, MethodRun, Report, print_report, report_of, to_json
from tests.diarization_truth import Case, Span, call_cases, mono_audio, package_case

Method = Callable[[Audio], tuple[Turn, ...]]
METHODS = ("ours", "stock")
#: s of the first recording that warm the models up, not timed
WARM_UP = 10.0


@dataclass(frozen=True, slots=True)
class Arguments:
    folder: Path
    methods: tuple[str, ...]
    limit: int | None
    threads: int
    json: Path | None
    child: Path | None


def main() -> int:
    """Run the methods, print the tables, write the numbers."""
    arguments = parsed()
    cases, silent = chosen(arguments)
    if arguments.child is not None:
        ran = run(arguments.methods[0], cases, arguments.threads)
        arguments.child.write_text(json.dumps(asdict(ran)), encoding="utf-8")
        return 0
    runs = tuple(in_child(method, arguments) for method in arguments.methods)
    report = report_of(cases, runs, silent)
    print_report(report, console())
    if arguments.json is not None:
        write(report, arguments.json)
    return 0


def parsed() -> Arguments:
    parser = argparse.ArgumentParser(prog="python -m tests.bench_diarize", description=__doc__)
    beside = ROOT.parent / "shared" / "calls"
    default = beside if beside.is_dir() else SAMPLES
    parser.add_argument("folder", nargs="?", type=Path, default=default, metavar="CALLS_DIR")
    parser.add_argument("--only-ours", action="store_true", help="leave the stock pipeline out")
    parser.add_argument("--limit", type=int, help="at most so many calls")
    parser.add_argument(
        "--threads", type=int, default=1, help="of torch; a batch runs one worker per core"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there")
    parser.add_argument("--method", choices=METHODS, help=argparse.SUPPRESS)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    methods = METHODS[:1] if given.only_ours else METHODS
    if given.method is not None:
        methods = (given.method,)
    return Arguments(given.folder, methods, given.limit, given.threads, given.json, given.child)


def chosen(arguments: Arguments) -> tuple[tuple[Case, ...], tuple[str, ...]]:
    """The recordings, and the names of calls in which nobody speaks."""
    cases, silent = call_cases(arguments.folder)
    if not cases:
        raise SystemExit(f"{arguments.folder}: no truth/*.json with a spoken turn")
    return (*cases[: arguments.limit], package_case()), silent


def console() -> Console:
    return Console() if sys.stdout.isatty() else Console(width=144)


def write(report: Report, path: Path) -> None:
    path.write_text(
        json.dumps(to_json(report), ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
    )


# ---------------------------------------------------------------- one method


def in_child(method: str, arguments: Arguments) -> MethodRun:
    """What a process of its own found, so that its memory is its own."""
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "found.json"
        command = [sys.executable, "-m", "tests.bench_diarize", str(arguments.folder.resolve())]
        command += ["--method", method, "--child", str(answer)]
        command += ["--threads", str(arguments.threads)]
        command += [] if arguments.limit is None else ["--limit", str(arguments.limit)]
        if subprocess.run(command, cwd=ROOT, check=False).returncode != 0:
            raise SystemExit(f"bench-diarize: {method} failed; its message stands above")
        fields = json.loads(answer.read_text(encoding="utf-8"))
    found = [
        Found(**{**item, "spans": tuple(Span(**span) for span in item["spans"])})
        for item in fields.pop("found")
    ]
    return MethodRun(**{**fields, "found": tuple(found)})


def run(name: str, cases: Sequence[Case], threads: int) -> MethodRun:
    """One method over all recordings, in this process."""
    import torch

    started = time.perf_counter()
    method = {"ours": ours, "stock": stock}[name]()
    # silero-vad sets one thread for the whole process as it loads
    torch.set_num_threads(threads)
    load = time.perf_counter() - started
    first = mono_audio(cases[0])
    method(Audio(first.samples[:, : round(WARM_UP * first.sample_rate)], first.sample_rate))
    found = []
    for place, case in enumerate(cases, start=1):
        found.append(timed(method, case))
        print(f"{name} {place}/{len(cases)} {case.name} {found[-1].seconds:.1f} s", file=sys.stderr)
    return MethodRun(name, threads, round(load, 2), peak_memory(), tuple(found))


def timed(method: Method, case: Case) -> Found:
    audio = mono_audio(case)
    wall, cpu = time.perf_counter(), time.process_time()
    turns = method(audio)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    spans = tuple(Span(turn.start, turn.end, turn.speaker) for turn in turns)
    return Found(case.name, audio.duration, wall, cpu, spans)


def ours() -> Method:
    """Voice activity and diarization as a run does them, with default options."""
    from pipeline.backends.campplus import CampplusEmbedder
    from pipeline.backends.segmentation import PyannoteSegmentation
    from pipeline.backends.vad import SileroVoiceActivity

    config = Config()
    voice_activity = SileroVoiceActivity(config.speech)
    models = (
        PyannoteSegmentation(weights(config, config.models.segmentation)),
        CampplusEmbedder(weights(config, config.models.speaker)),
    )

    def method(audio: Audio) -> tuple[Turn, ...]:
        speech = find_speech(audio, voice_activity, options=config.speech)
        return diarize(audio, speech, models, options=config.diarize)

    return method


def stock() -> Method:
    """The stock pipeline with 3.1's parameters; it finds speech by itself."""
    from pipeline.backends.stock_diarization import StockDiarizer

    config = Config()
    diarizer = StockDiarizer(
        weights(config, config.models.segmentation),
        weights(config, config.models.speaker),
        exclusive=False,
    )
    return lambda audio: diarizer(audio, [SpeechSegment(0.0, audio.duration, 0)])


def weights(config: Config, model: str) -> Path:
    """The file of a model that is one file."""
    folder = require(model_store(config), load_manifest(default_manifest()), model)
    (path,) = (item for item in folder.iterdir() if item.suffix in (".bin", ".pt"))
    return path


def peak_memory() -> int:
    """Most bytes that this process ever held; what its parent held does not count on Linux."""
    status = Path("/proc/self/status")
    if status.is_file():
        text = status.read_text(encoding="utf-8")
        return 1024 * int(text.split("VmHWM:")[1].split()[0])
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    os.environ["PYANNOTE_METRICS_ENABLED"] = "0"
    raise SystemExit(main())
