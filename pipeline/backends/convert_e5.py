"""multilingual-e5-small from its packed 4-bit file to a folder that transformers loads offline.

Layout of the packed file (little endian): magic `E5S1`, u32 version, i32 hidden, layers, heads,
ff, vocab, positions, types, f32 eps, i32 block; a tokenizer block, skipped here because the
original tokenizer.json is used; then a directory of tensors, either f32 or Q4_0. Q4_0 holds per 32
weights an fp16 scale and 16 bytes: low nibble of byte j is weight j, high nibble weight j + 16,
both minus 8.
"""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.errors import ModelError

VERSION = 1

#: Weights per scale in Q4_0.
BLOCK = 32
_BLOCK_BYTES = 2 + BLOCK // 2

Floats = npt.NDArray[np.float32]

#: Sentences of the self-check, in the order question, its paraphrase in Kazakh, unrelated.
CHECK_SENTENCES = (
    "query: Сколько стоит замена удостоверения личности?",
    "query: Жеке куәлікті ауыстыру қанша тұрады?",
    "query: The orchestra played in the park until midnight.",
)
#: Cosines of the sentence pairs (0, 1), (0, 2), (1, 2), measured on the converted weights; the
#: package's own integer engine gives the same within 0.002.
CHECK_COSINES = (0.8527, 0.6686, 0.6960)
#: Largest allowed difference from CHECK_COSINES: other processors round differently, not this much.
COSINE_TOLERANCE = 0.005

_TOKENIZER_CONFIG = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "model_max_length": 512,
    "bos_token": "<s>",
    "eos_token": "</s>",
    "sep_token": "</s>",
    "cls_token": "<s>",
    "unk_token": "<unk>",
    "pad_token": "<pad>",
    "mask_token": "<mask>",
    "clean_up_tokenization_spaces": False,
}


@dataclass(frozen=True, slots=True)
class PackedTensor:
    """One entry of the directory: `count` weights at `data`, packed when `quantized`."""

    name: str
    quantized: bool
    count: int
    data: memoryview


@dataclass(frozen=True, slots=True)
class PackedModel:
    """The header's sizes and the tensors by name."""

    hidden: int
    layers: int
    heads: int
    feed_forward: int
    vocabulary: int
    positions: int
    types: int
    epsilon: float
    tensors: Mapping[str, PackedTensor]


def dequantize(packed: bytes | memoryview, count: int) -> Floats:
    """`count` weights (a multiple of 32) of a Q4_0 block sequence, as float32 (count,)."""
    blocks = np.frombuffer(packed, dtype=np.uint8, count=count // BLOCK * _BLOCK_BYTES)
    blocks = blocks.reshape(-1, _BLOCK_BYTES)
    scales = blocks[:, :2].copy().view(np.float16).astype(np.float32)  # (blocks, 1)
    nibbles = np.concatenate([blocks[:, 2:] & 0x0F, blocks[:, 2:] >> 4], axis=1)  # (blocks, 32)
    return ((nibbles.astype(np.float32) - 8) * scales).reshape(-1)


def _directory_start(raw: memoryview) -> int:
    """Byte offset of the tensor directory: behind the header and the tokenizer block."""
    place = 44
    (pieces,) = struct.unpack_from("<i", raw, place)
    (text_bytes,) = struct.unpack_from("<Q", raw, place + 20)
    place += 28 + (pieces + 1) * 4 + pieces * 4 + text_bytes
    (map_bytes,) = struct.unpack_from("<I", raw, place + 4)
    return int(place + 8 + map_bytes)


def _directory(raw: memoryview) -> dict[str, PackedTensor]:
    place = _directory_start(raw)
    (entries,) = struct.unpack_from("<i", raw, place)
    place += 4
    found = {}
    for _ in range(entries):
        (length,) = struct.unpack_from("<H", raw, place)
        name = bytes(raw[place + 2 : place + 2 + length]).decode("ascii")
        _, count, offset, size = struct.unpack_from("<BIQQ", raw, place + 2 + length)
        place += 2 + length + struct.calcsize("<BIQQ")
        data = raw[offset : offset + size]
        expected = count // BLOCK * _BLOCK_BYTES if size != 4 * count else 4 * count
        if size != expected or len(data) != size:
            raise ModelError(f"e5 file: {name} of {count} weights has {len(data)} of {size} bytes")
        found[name] = PackedTensor(name, size != 4 * count, count, data)
    return found


def read_packed(path: Path) -> PackedModel:
    """Parse a packed e5 file. Raises ModelError if it is another format or cut short."""
    raw = memoryview(path.read_bytes())
    try:
        magic, version = struct.unpack_from("<4sI", raw)
        hidden, layers, heads, wide, vocabulary, positions, types = struct.unpack_from(
            "<7i", raw, 8
        )
        epsilon, block = struct.unpack_from("<fi", raw, 36)
        if magic != b"E5S1" or version != 1 or block != BLOCK:
            raise ModelError(
                f"{path.name}: magic {magic!r} version {version} block {block}, "
                f"expected b'E5S1' version 1 block {BLOCK}"
            )
        return PackedModel(
            hidden, layers, heads, wide, vocabulary, positions, types, epsilon, _directory(raw)
        )
    except struct.error as error:
        raise ModelError(f"{path.name} ends early ({error}): fetch the model again") from error


_LAYER_NAMES = {
    "attention.self.query": "q",
    "attention.self.key": "k",
    "attention.self.value": "v",
    "attention.output.dense": "ao",
    "attention.output.LayerNorm": "aln",
    "intermediate.dense": "fi",
    "output.dense": "fo",
    "output.LayerNorm": "oln",
}


def state_dict(model: PackedModel) -> dict[str, Floats]:
    """The weights, float32, under the names of transformers' BertModel without pooler."""

    def take(name: str, *shape: int) -> Floats:
        tensor = model.tensors.get(name)
        if tensor is None:
            raise ModelError(f"e5 file: no tensor {name!r}; it has {', '.join(model.tensors)}")
        if tensor.quantized:
            return dequantize(tensor.data, tensor.count).reshape(shape)
        return np.frombuffer(tensor.data, dtype=np.float32).reshape(shape)

    hidden, wide = model.hidden, model.feed_forward
    shapes = {"fi": (wide, hidden), "fo": (hidden, wide), "aln": (hidden,), "oln": (hidden,)}
    result = {
        "embeddings.word_embeddings.weight": take("emb.word", model.vocabulary, hidden),
        "embeddings.position_embeddings.weight": take("emb.pos", model.positions, hidden),
        "embeddings.token_type_embeddings.weight": take("emb.type", model.types, hidden),
        "embeddings.LayerNorm.weight": take("emb.ln.w", hidden),
        "embeddings.LayerNorm.bias": take("emb.ln.b", hidden),
    }
    for layer in range(model.layers):
        for target, source in _LAYER_NAMES.items():
            shape = shapes.get(source, (hidden, hidden))
            prefix = f"encoder.layer.{layer}.{target}"
            result[f"{prefix}.weight"] = take(f"l{layer}.{source}.w", *shape)
            result[f"{prefix}.bias"] = take(f"l{layer}.{source}.b", shape[0])
    return result


def _config(model: PackedModel) -> dict[str, object]:
    return {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_act": "gelu",
        "hidden_size": model.hidden,
        "num_hidden_layers": model.layers,
        "num_attention_heads": model.heads,
        "intermediate_size": model.feed_forward,
        "vocab_size": model.vocabulary,
        "max_position_embeddings": model.positions,
        "type_vocab_size": model.types,
        "layer_norm_eps": round(model.epsilon, 15),
        "pad_token_id": 1,
        "bos_token_id": 0,
        "eos_token_id": 2,
        "dtype": "float32",
    }


def convert(sources: Path, target: Path) -> None:
    """Write folder `target` from `sources` holding e5-small-q4.bin and tokenizer.json.

    Loads with AutoModel(add_pooling_layer=False) and AutoTokenizer. Raises ModelError.
    """
    from safetensors.numpy import save_file

    model = read_packed(sources / "e5-small-q4.bin")
    target.mkdir(parents=True, exist_ok=True)
    save_file(state_dict(model), target / "model.safetensors", metadata={"format": "pt"})
    shutil.copyfile(sources / "tokenizer.json", target / "tokenizer.json")
    for name, values in (
        ("config.json", _config(model)),
        ("tokenizer_config.json", dict(_TOKENIZER_CONFIG)),
    ):
        (target / name).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def embed(folder: Path, sentences: Sequence[str]) -> Floats:
    """Mean-pooled unit vectors (n, hidden) of prefixed sentences, by transformers, offline."""
    import torch
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model, report = AutoModel.from_pretrained(
        folder, local_files_only=True, add_pooling_layer=False, output_loading_info=True
    )
    if report["missing_keys"] or report["unexpected_keys"]:
        raise ModelError(f"e5: keys do not match transformers' BertModel: {report}")
    batch = tokenizer(list(sentences), padding=True, return_tensors="pt")
    with torch.inference_mode():
        states = model.eval()(**batch).last_hidden_state  # (n, tokens, hidden)
    mask = batch["attention_mask"][..., None]
    pooled = (states * mask).sum(1) / mask.sum(1)
    vectors: Floats = torch.nn.functional.normalize(pooled, dim=1).numpy()
    return vectors


def self_check(sources: Path, target: Path) -> dict[str, float]:  # noqa: ARG001
    """Measure the conversion; raises ModelError if vectors are not finite, unit and as recorded."""
    vectors = embed(target, CHECK_SENTENCES)
    norms = np.linalg.norm(vectors, axis=1)
    if not np.all(np.isfinite(vectors)) or np.max(np.abs(norms - 1)) > 1e-4:
        raise ModelError(f"e5: vectors are not finite and of unit length, norms are {norms}")
    cosines = vectors @ vectors.T
    found = (float(cosines[0, 1]), float(cosines[0, 2]), float(cosines[1, 2]))
    worst = max(abs(a - b) for a, b in zip(found, CHECK_COSINES, strict=True))
    if not found[0] > max(found[1:]) or worst > COSINE_TOLERANCE:
        raise ModelError(
            f"e5: cosines of the check sentences are {found}, expected {CHECK_COSINES}"
        )
    return {"worst_cosine_difference": worst}
