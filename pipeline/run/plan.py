"""Everything that decides a result, gathered before the first call, and its fingerprints."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline import (
    audio,
    cards,
    diarize,
    ingest,
    interaction,
    label,
    roles,
    score,
    sounds,
    speech,
    tag,
    transcribe,
)
from pipeline.backends import decode
from pipeline.config import Config, resources
from pipeline.errors import ConfigError, ModelMissing
from pipeline.registry import Manifest, default_store, digest, load_manifest, require
from pipeline.types import Call, CallResult, QualityCard, StageResult

#: stages in their order; each one's fingerprint covers those before it
STAGES = ("audio", "turns", "words", "roles", "metrics", "tags", "labels", "card")


#: how the fingerprints of stages begin whose result came from elsewhere
IMPORTED = "imported:"


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """Which models a worker loads, and from where; hashable, so that a worker loads them once."""

    engine: str
    asr: str
    segmentation: str
    speaker: str
    encoder: str
    heads: str
    device: str
    compute_type: str
    threads: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What every worker gets: options, values parsed from data files, model paths, digests."""

    config: Config
    models: ModelPlan
    lexicon: tag.Lexicon
    agencies: label.Registry
    card: QualityCard
    digests: tuple[tuple[str, str], ...]
    #: agent id and the voice of that agent in earlier calls, where it may be used
    agent_voices: tuple[tuple[str, tuple[float, ...]], ...] = ()


def build_plan(config: Config, *, card: Path | None, threads: int, listening: bool = True) -> Plan:
    """Read cards, lexicon and agencies, find the models, and note the digest of each.

    Without `listening` the models for audio are not needed: the words are there already.
    Raises ConfigError for a data file that cannot be used, ModelMissing for a model not fetched.
    """
    configs = resources() / "configs"
    texts = {
        "lexicon": _text(configs / "lexicon.toml"),
        "agencies": _text(configs / "agencies.toml"),
    }
    models, model_digests = _models(config, threads, listening=listening)
    digests = {name: _sha(text) for name, text in texts.items()} | model_digests
    lexicon = tag.parse_lexicon(texts["lexicon"])
    parsed = read_card(card or Path("1414"), lexicon.names())
    digests["card"] = _sha(repr(parsed))
    return Plan(
        config=replace(config, transcribe=replace(config.transcribe, engine=models.engine)),
        models=models,
        lexicon=lexicon,
        agencies=label.parse_registry(texts["agencies"]),
        card=parsed,
        digests=tuple(sorted(digests.items())),
    )


def read_card(card: Path, acts: Collection[str]) -> QualityCard:
    """The card of a file, or a shipped one by its name, with what it extends.

    Cards beside the file can be extended too. Raises ConfigError.
    """
    folder = resources() / "configs" / "cards"
    shipped = {path.stem: path for path in sorted(folder.glob("*.toml"))}
    path = card if card.is_file() else shipped.get(str(card), card)
    if not path.is_file():
        raise ConfigError(f"card {card}: no such file; shipped cards: {', '.join(shipped)}")
    beside = {found.stem: found for found in sorted(path.parent.glob("*.toml"))}
    others = {name: found for name, found in (beside | shipped).items() if found != path}
    texts = {name: _text(found) for name, found in others.items()}
    return cards.parse_card(_text(path), path.name, acts, texts)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as UTF-8 text: {error}") from error


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def model_store(config: Config) -> Path:
    """Where fetched models lie."""
    return Path(config.models.store) if config.models.store else default_store()


#: what hears a call; not needed where the words are there already
LISTENING = ("asr", "segmentation", "speaker", "vad")


def _models(config: Config, threads: int, *, listening: bool) -> tuple[ModelPlan, dict[str, str]]:
    manifest = load_manifest(resources() / "models" / "manifest.toml")
    store = model_store(config)
    names = {"encoder": config.models.encoder}
    engine = "none"
    if listening:
        engine, asr = _engine(config, store, manifest)
        names |= {
            "asr": asr,
            "segmentation": config.models.segmentation,
            "speaker": config.models.speaker,
        }
    folders = {task: require(store, manifest, name) for task, name in names.items()}
    heads = resources() / "models" / "heads"
    if not (heads / "acts.npz").is_file():
        raise ModelMissing(f"no trained heads in {heads}; run `sapa train`")
    digests = {task: digest(store, manifest, name) for task, name in names.items()}
    digests["heads"] = _folder_digest(heads)
    if listening:
        digests["vad"] = digest(store, manifest, "silero-vad")
    return (
        ModelPlan(
            engine=engine,
            asr=str(_weights(folders["asr"], engine)) if listening else "",
            segmentation=str(_one_file(folders["segmentation"])) if listening else "",
            speaker=str(_one_file(folders["speaker"])) if listening else "",
            encoder=str(folders["encoder"]),
            heads=str(heads),
            device=config.models.device,
            compute_type=config.models.compute_type,
            threads=threads,
        ),
        digests,
    )


def _engine(config: Config, store: Path, manifest: Manifest) -> tuple[str, str]:
    """The engine and its model. "auto" takes the faster one; README has the measured ratio."""
    options = config.transcribe
    by_engine = {
        "faster-whisper": options.faster_whisper_model,
        "openai-whisper": options.openai_whisper_model,
    }
    if options.engine in by_engine:
        return options.engine, by_engine[options.engine]
    if options.engine != "auto":
        raise ConfigError(
            f"[transcribe] engine: {options.engine!r} is none of auto, {', '.join(by_engine)}"
        )
    for engine, model in by_engine.items():
        try:
            require(store, manifest, model)
        except ModelMissing:
            continue
        return engine, model
    return "faster-whisper", options.faster_whisper_model


def _weights(folder: Path, engine: str) -> Path:
    return folder if engine == "faster-whisper" else _one_file(folder)


def _one_file(folder: Path) -> Path:
    found = sorted(path for path in folder.iterdir() if path.suffix in (".bin", ".pt"))
    if len(found) != 1:
        raise ConfigError(f"{folder}: one weight file is expected, found {len(found)}")
    return found[0]


def _folder_digest(folder: Path) -> str:
    whole = hashlib.sha256()
    for path in sorted(folder.glob("*.npz")):
        whole.update(path.name.encode() + path.read_bytes())
    return whole.hexdigest()[:16]


def fingerprints(call: Call, plan: Plan, stored: CallResult | None = None) -> dict[str, str]:
    """For each stage a digest of all that decides its result for this call.

    fingerprint = sha256(stage, version, options, model and data digests, parent fingerprint).
    `stored` tells what came from elsewhere: corrected roles, and an imported transcript, whose
    stages up to the words are as they were stored.
    """
    config = plan.config
    # the day, not the moment: read back from the store its zone is written differently
    said_on = call.started_at.date().isoformat() if call.started_at else None
    digests = dict.fromkeys(LISTENING, "") | dict(plan.digests)
    inputs: Mapping[str, tuple[object, ...]] = {
        "audio": (decode.VERSION, audio.VERSION, config.decode, config.audio),
        "turns": (
            speech.VERSION, sounds.VERSION, diarize.VERSION,
            config.speech, config.sounds, config.diarize,
            digests["vad"], digests["segmentation"], digests["speaker"],
        ),
        "words": (
            transcribe.VERSION, config.transcribe, digests["asr"], config.models.compute_type,
        ),
        "roles": (
            roles.VERSION, config.roles, call.operator_channel, digests["lexicon"],
            () if stored is None else stored.corrections,
            dict(plan.agent_voices).get(call.agent_id or ""), digests["heads"], digests["encoder"],
        ),
        "metrics": (interaction.VERSION, config.interaction),
        "tags": (tag.VERSION, config.tag),
        "labels": (label.VERSION, config.label, digests["agencies"], said_on),
        "card": (score.VERSION, config.score, digests["card"]),
    }  # fmt: skip
    found: dict[str, str] = {}
    parent = f"{call.sha256} {ingest.VERSION}"
    imported = {
        stage.stage: stage.fingerprint
        for stage in (stored.stages if stored else ())
        if stage.fingerprint.startswith(IMPORTED)
    }
    for stage in STAGES:
        parent = imported.get(stage) or _sha(f"{stage}\n{inputs[stage]!r}\n{parent}")
        found[stage] = parent
    return found


def first_stale(stages: tuple[StageResult, ...], wanted: Mapping[str, str]) -> str | None:
    """The first stage whose stored fingerprint differs; None if nothing is to be done.

    A stage that failed with the same fingerprint would fail again: nothing is to be done.
    """
    stored = {item.stage: item for item in stages}
    for stage in STAGES:
        item = stored.get(stage)
        if item is None or item.fingerprint != wanted[stage]:
            return stage
        if item.status == "failed":
            return None
    return None
