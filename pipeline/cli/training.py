"""What `sapa train` does and prints."""

from __future__ import annotations

from pathlib import Path

from pipeline.cli.console import err, out


def train_heads(data: Path | None, corrected: Path | None, heads: Path | None, store: Path) -> None:
    """Train, save and print cross-validated scores, held out by situation."""
    from rich.table import Table

    from pipeline.backends.encoder import Encoder
    from pipeline.config import load_config, resources
    from pipeline.registry import default_manifest, load_manifest, require
    from pipeline.train import TrainingOptions, save_training, train

    encoder_id = load_config().models.encoder
    folder = require(store, load_manifest(default_manifest()), encoder_id)
    exemplars = data or resources() / "data" / "exemplars"
    target = heads or resources() / "models" / "heads"
    with err().status("encoding the sentences and training (minutes on two cores) …"):
        report = train(exemplars, Encoder(folder), TrainingOptions(corrections=corrected))
        save_training(report, target)
    table = Table("act", "n", "precision", "recall", "F1", box=None)
    for score in report.acts:
        if score.language == "all" and score.kind == "noisy":
            table.add_row(
                score.name, str(score.n), *map(_number, (score.precision, score.recall, score.f1))
            )
    out().print(table)
    for language in ("ru", "kk", "en"):
        acts, topics = report.macro_f1(language), report.macro_topic_f1(language)
        out().print(f"macro F1 {language}: acts {_number(acts)}, topics {_number(topics)}")
    out().print(f"held out by situation; heads and model cards are in {target}", soft_wrap=True)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
