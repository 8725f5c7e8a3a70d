"""The layers, kept by reading the sources: who may import whom, and what is loaded when."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "pipeline"

LAYERS: tuple[tuple[str, ...], ...] = (
    ("types", "errors"),
    ("timeline", "text"),
    (
        "ingest", "audio", "speech", "sounds", "diarize", "roles", "transcribe", "interaction",
        "transcripts", "tag", "label", "cards", "score", "evaluate",
    ),
    ("backends",),
    ("registry", "store", "config"),
    ("run", "doctor", "train"),
    ("cli", "report", "export"),
)  # fmt: skip
LAYER = {name: rank for rank, names in enumerate(LAYERS) for name in names}
STAGES = 2

HEAVY = frozenset(
    {
        "torch", "torchaudio", "whisper", "faster_whisper", "ctranslate2", "pyannote", "silero_vad",
        "transformers", "onnxruntime", "safetensors", "huggingface_hub", "sklearn", "duckdb",
        "pyarrow", "av", "pydub",
    }
)  # fmt: skip
HEAVY_PLACES = frozenset({"backends", "registry", "store", "train"})
#: a worker sets torch's threads before it loads the first model
HEAVY_EXCEPTIONS = frozenset({("pipeline.run.models", "torch")})
#: the network itself: a class of torch cannot be defined lazily, the module can be imported so
TORCH_AT_TOP = "pipeline.backends.campplus"

LONGEST_MODULE = 450
#: a catalogue of values: no logic, read by name
CATALOGUES = frozenset({"pipeline.types"})


@dataclass(frozen=True, slots=True)
class Imported:
    """An import statement; `at_load`: it runs when the module is imported."""

    name: str
    line: int
    at_load: bool


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imports(path: Path) -> list[Imported]:
    return list(_walk(ast.parse(path.read_text(encoding="utf-8")), at_load=True))


def _walk(node: ast.AST, *, at_load: bool) -> Iterator[Imported]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Imported(alias.name, child.lineno, at_load)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, f"line {child.lineno}: relative import"
            for alias in child.names:
                full = f"{child.module}.{alias.name}"
                yield Imported(
                    full if full in MODULES else child.module or "", child.lineno, at_load
                )
        else:
            lazy = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            typing = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test)
            yield from _walk(child, at_load=at_load and not lazy and not typing)


def unit(module: str) -> str:
    """The second part of a dotted name: pipeline.run.batch -> run; the package itself is ''."""
    return module.partition(".")[2].partition(".")[0]


def own(item: Imported) -> bool:
    return item.name.split(".")[0] == "pipeline" and unit(item.name) != ""


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_lower_layers(module: str) -> None:
    here = unit(module)
    if here == "":
        return
    assert here in LAYER, f"{module} has no layer: add it to LAYERS"
    wrong = [
        f"line {item.line}: {item.name}"
        for item in imports(MODULES[module])
        if own(item) and unit(item.name) != here and LAYER[unit(item.name)] >= LAYER[here]
    ]
    assert wrong == []


def test_the_check_sees_a_stage_that_imports_another(tmp_path: Path) -> None:
    source = tmp_path / "roles.py"
    source.write_text("def f():\n    from pipeline import speech\n", encoding="utf-8")
    (found,) = imports(source)
    assert (found.name, found.line, found.at_load) == ("pipeline.speech", 2, False)
    assert LAYER[unit(found.name)] == LAYER["roles"] == STAGES


@pytest.mark.parametrize("module", MODULES)
def test_heavy_libraries_stay_in_their_places_and_are_loaded_lazily(module: str) -> None:
    heavy = [
        (item.name.split(".")[0], item)
        for item in imports(MODULES[module])
        if item.name.split(".")[0] in HEAVY
    ]
    if unit(module) not in HEAVY_PLACES:
        misplaced = {name for name, item in heavy if (module, name) not in HEAVY_EXCEPTIONS}
        assert misplaced == set(), f"{module} imports {misplaced}"
    eager = {name for name, item in heavy if item.at_load}
    assert eager <= ({"torch"} if module == TORCH_AT_TOP else set())


@pytest.mark.parametrize("module", MODULES)
def test_the_network_of_the_voice_embedding_is_imported_lazily(module: str) -> None:
    eager = [item.name for item in imports(MODULES[module]) if item.at_load]
    assert TORCH_AT_TOP not in eager


@pytest.mark.parametrize("module", [name for name in MODULES if name != TORCH_AT_TOP])
def test_nothing_is_asked_of_a_private_name_of_another_module(module: str) -> None:
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    private = [
        f"line {node.lineno}: {alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pipeline")
        for alias in node.names
        if alias.name.startswith("_") and not alias.name.startswith("__")
    ]
    assert private == []


def test_the_command_line_starts_without_heavy_libraries() -> None:
    program = "import json, sys, pipeline.cli; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = {name.split(".")[0] for name in json.loads(done.stdout)}
    assert loaded & (HEAVY | {"numpy", "scipy"}) == set()


def test_every_stage_and_the_run_load_without_heavy_libraries() -> None:
    program = (
        "import importlib, json, sys\n"
        f"for name in {[name for name in MODULES if name != TORCH_AT_TOP]!r}:\n"
        "    importlib.import_module(name)\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = {name.split(".")[0] for name in json.loads(done.stdout)}
    assert loaded & HEAVY == set()


@pytest.mark.parametrize("module", [name for name in MODULES if name not in CATALOGUES])
def test_a_module_can_be_read_at_a_sitting(module: str) -> None:
    lines = len(MODULES[module].read_text(encoding="utf-8").splitlines())
    assert lines <= LONGEST_MODULE, f"{module}: {lines} lines, at most {LONGEST_MODULE}"


def repository_files() -> list[Path]:
    """What is committed or about to be; without git, what is not a product of running."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=False,
    )  # fmt: skip
    if listed.returncode == 0:
        names = listed.stdout.decode("utf-8", "surrogateescape").split("\0")
        return [ROOT / name for name in names if name and (ROOT / name).is_file()]
    return [path for part in SOURCES for path in ROOT.glob(part) if path.is_file()]


SOURCES = ("*.*", "Makefile", "LICENSE", "pipeline/**/*.*", "tests/**/*.*", "configs/**/*.*",
           "notebooks/*.ipynb", "docs/**/*.*", "models/*.toml", "data/**/*.md")  # fmt: skip
#: folders that exist on one machine alone
MACHINE_PATH = re.compile(r"(?<![\w./~-])/(?:work|home|Users|root|mnt|workspace)/\w[\w./-]*")


def test_no_file_names_a_place_on_one_machine() -> None:
    files, found = repository_files(), []
    assert len(files) > 50
    for path in files:
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}: {hit}" for hit in MACHINE_PATH.findall(text)]
    assert found == []


def test_a_place_on_one_machine_is_recognised() -> None:
    separator = "/"
    assert MACHINE_PATH.search(separator.join(["open('", "home", "someone", "calls')"]))
    assert not MACHINE_PATH.search("pipeline/run/work.py and https://example.org/home/page")
