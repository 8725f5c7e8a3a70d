"""Conversions of weights: small files built by hand, and the real models."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from pipeline import registry
from pipeline.backends import convert_e5, convert_whisper
from pipeline.errors import ModelError

# ------------------------------------------------------------------ Whisper

STATE, LAYERS, VOCABULARY, MELS = 8, 2, 11, 4
CODES = {"float32": 0, "int8": 1, "int16": 2, "int32": 3, "float16": 4}


def whisper_variables() -> dict[str, np.ndarray]:
    """A tiny Whisper under CTranslate2's names; every tensor has its own values."""
    generator = np.random.default_rng(7)

    def tensor(*shape: int) -> np.ndarray:
        return generator.normal(size=shape).astype(np.float16)

    def norm(name: str) -> dict[str, np.ndarray]:
        return {f"{name}/gamma": tensor(STATE), f"{name}/beta": tensor(STATE)}

    def linear(name: str, rows: int, columns: int = STATE) -> dict[str, np.ndarray]:
        return {f"{name}/weight": tensor(rows, columns), f"{name}/bias": tensor(rows)}

    found = {
        "encoder/conv1/weight": tensor(STATE, MELS, 3), "encoder/conv1/bias": tensor(STATE),
        "encoder/conv2/weight": tensor(STATE, STATE, 3), "encoder/conv2/bias": tensor(STATE),
        "encoder/position_encodings/encodings": tensor(6, STATE),
        "decoder/position_encodings/encodings": tensor(5, STATE),
        "decoder/embeddings/weight": tensor(VOCABULARY, STATE),
        "encoder/num_heads": np.array(2, np.int16), "decoder/num_heads": np.array(2, np.int16),
        **norm("encoder/layer_norm"), **norm("decoder/layer_norm"),
    }  # fmt: skip
    for side in ("encoder", "decoder"):
        for layer in range(LAYERS):
            prefix = f"{side}/layer_{layer}"
            found |= norm(f"{prefix}/self_attention/layer_norm") | norm(f"{prefix}/ffn/layer_norm")
            found |= linear(f"{prefix}/self_attention/linear_0", 3 * STATE)
            found[f"{prefix}/self_attention/linear_0/bias"][STATE : 2 * STATE] = 0
            found |= linear(f"{prefix}/self_attention/linear_1", STATE)
            found |= linear(f"{prefix}/ffn/linear_0", 4 * STATE)
            found |= linear(f"{prefix}/ffn/linear_1", STATE, 4 * STATE)
            if side == "decoder":
                found |= norm(f"{prefix}/attention/layer_norm")
                found |= linear(f"{prefix}/attention/linear_0", STATE)
                found |= linear(f"{prefix}/attention/linear_1", 2 * STATE)
                found[f"{prefix}/attention/linear_1/bias"][:STATE] = 0
                found |= linear(f"{prefix}/attention/linear_2", STATE)
    return found


def write_ctranslate2(
    path: Path, variables: dict[str, np.ndarray], *, version: int = 6, spec: str = "WhisperSpec"
) -> None:
    def text(value: str) -> bytes:
        return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"

    parts = [struct.pack("<I", version), text(spec), struct.pack("<II", 3, len(variables))]
    for name, value in variables.items():
        shape = struct.pack(f"<B{value.ndim}I", value.ndim, *value.shape)
        size = struct.pack("<BI", CODES[value.dtype.name], value.nbytes)
        parts += [text(name), shape, size, value.tobytes()]
    path.write_bytes(b"".join(parts) + struct.pack("<I", 0))


def test_whisper_checkpoint_fits_the_library_and_keeps_every_bit(tmp_path: Path) -> None:
    import torch
    from whisper.model import ModelDimensions, Whisper

    variables = whisper_variables()
    write_ctranslate2(tmp_path / "model.bin", variables)
    convert_whisper.convert(tmp_path, tmp_path / "tiny.pt")
    checkpoint = torch.load(tmp_path / "tiny.pt", weights_only=True)
    assert checkpoint["dims"] == {
        "n_mels": MELS, "n_audio_ctx": 6, "n_audio_state": STATE, "n_audio_head": 2,
        "n_audio_layer": LAYERS, "n_vocab": VOCABULARY, "n_text_ctx": 5, "n_text_state": STATE,
        "n_text_head": 2, "n_text_layer": LAYERS,
    }  # fmt: skip
    model = Whisper(ModelDimensions(**checkpoint["dims"]))
    result = model.load_state_dict(checkpoint["model_state_dict"], strict=True)
    assert (result.missing_keys, result.unexpected_keys) == ([], [])
    stacked = variables["decoder/layer_1/attention/linear_1/weight"]
    block = model.decoder.blocks[1].cross_attn
    np.testing.assert_array_equal(block.key.weight.detach().numpy(), stacked[:STATE])
    np.testing.assert_array_equal(block.value.weight.detach().numpy(), stacked[STATE:])
    stacked = variables["encoder/layer_0/self_attention/linear_0/bias"]
    block = model.encoder.blocks[0].attn
    np.testing.assert_array_equal(block.value.bias.detach().numpy(), stacked[2 * STATE :])


def test_whisper_refuses_an_attention_with_a_key_bias() -> None:
    variables = whisper_variables()
    variables["encoder/layer_0/self_attention/linear_0/bias"][STATE] = 1
    with pytest.raises(ModelError, match="key bias is not zero"):
        convert_whisper.state_dict(variables)


def test_whisper_refuses_other_files(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    write_ctranslate2(path, {}, version=5)
    with pytest.raises(ModelError, match="version 5 of 'WhisperSpec', expected version 6"):
        convert_whisper.read_variables(path)
    write_ctranslate2(path, {}, spec="TransformerSpec")
    with pytest.raises(ModelError, match="'TransformerSpec'"):
        convert_whisper.read_variables(path)
    write_ctranslate2(path, whisper_variables())
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ModelError, match="ends early"):
        convert_whisper.read_variables(path)


def test_alignment_heads_are_those_of_the_library() -> None:
    import whisper

    for size, heads in convert_whisper.ALIGNMENT_HEADS.items():
        assert whisper._ALIGNMENT_HEADS[size] == heads


# ------------------------------------------------------------------ e5


def quantize(values: np.ndarray) -> bytes:
    """Q4_0 as its definition says, one block at a time."""
    packed = b""
    for block in values.reshape(-1, 32):
        scale = np.float16(np.abs(block).max() / 7 or 1)
        steps = np.clip(np.round(block / np.float32(scale)) + 8, 0, 15).astype(np.uint8)
        packed += scale.tobytes()
        packed += bytes(int(steps[j]) | int(steps[j + 16]) << 4 for j in range(16))
    return packed


def write_e5(path: Path, *, hidden: int = 32, wide: int = 64, vocabulary: int = 6) -> np.ndarray:
    """A one-layer packed model; returns its word embeddings before packing."""
    generator = np.random.default_rng(3)
    shapes = {
        "emb.word": vocabulary * hidden, "emb.pos": 8 * hidden, "emb.type": 2 * hidden,
        "emb.ln.w": hidden, "emb.ln.b": hidden, "l0.aln.w": hidden, "l0.aln.b": hidden,
        "l0.oln.w": hidden, "l0.oln.b": hidden, "l0.fi.w": wide * hidden, "l0.fi.b": wide,
        "l0.fo.w": wide * hidden, "l0.fo.b": hidden,
    }  # fmt: skip
    for name in ("q", "k", "v", "ao"):
        shapes |= {f"l0.{name}.w": hidden * hidden, f"l0.{name}.b": hidden}
    quantized = {"emb.word", "l0.fi.w", "l0.fo.w", "l0.q.w", "l0.k.w", "l0.v.w", "l0.ao.w"}
    header = struct.pack("<4sI7ifi", b"E5S1", 1, hidden, 1, 2, wide, vocabulary, 8, 2, 1e-12, 32)
    pieces, words = 2, b"ab"
    tokens = struct.pack("<5iQ", pieces, 0, 2, 1, 3, len(words)) + bytes(4 * (pieces + 1))
    tokens += bytes(4 * pieces) + words + struct.pack("<iI", 1, 9) + bytes(9)
    values = {name: generator.normal(size=size).astype("<f4") for name, size in shapes.items()}
    data = {n: quantize(v) if n in quantized else v.tobytes() for n, v in values.items()}
    place = len(header) + len(tokens) + 4 + sum(2 + len(name) + 21 for name in shapes)
    entries = struct.pack("<i", len(shapes))
    for name, size in shapes.items():
        entries += struct.pack("<H", len(name)) + name.encode()
        entries += struct.pack("<BIQQ", name in quantized, size, place, len(data[name]))
        place += len(data[name])
    path.write_bytes(header + tokens + entries + b"".join(data.values()))
    return values["emb.word"].reshape(vocabulary, hidden)


def test_e5_nibbles_follow_the_definition() -> None:
    scale = np.float16(0.5)
    packed = scale.tobytes() + bytes([0x1F] + [0x88] * 15)
    expected = np.zeros(32, np.float32)
    expected[0], expected[16] = (15 - 8) * 0.5, (1 - 8) * 0.5
    np.testing.assert_array_equal(convert_e5.dequantize(packed, 32), expected)


def test_e5_loads_in_transformers_within_a_quantization_step(tmp_path: Path) -> None:
    from transformers import AutoModel

    words = write_e5(tmp_path / "e5-small-q4.bin")
    (tmp_path / "tokenizer.json").write_text("{}")
    convert_e5.convert(tmp_path, tmp_path / "out")
    model, report = AutoModel.from_pretrained(
        tmp_path / "out", local_files_only=True, add_pooling_layer=False, output_loading_info=True
    )
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    found = model.embeddings.word_embeddings.weight.detach().numpy()
    step = np.abs(words).max(axis=1, keepdims=True) / 7
    assert np.all(np.abs(found - words) <= 0.51 * step)
    assert model.config.layer_norm_eps == pytest.approx(1e-12)


def test_e5_refuses_other_files(tmp_path: Path) -> None:
    path = tmp_path / "e5-small-q4.bin"
    write_e5(path)
    whole = path.read_bytes()
    path.write_bytes(b"GGUF" + whole[4:])
    with pytest.raises(ModelError, match="magic b'GGUF'"):
        convert_e5.read_packed(path)
    path.write_bytes(whole[:-10])
    with pytest.raises(ModelError, match="bytes"):
        convert_e5.read_packed(path)
    path.write_bytes(whole[:70])
    with pytest.raises(ModelError, match="ends early"):
        convert_e5.read_packed(path)


# ------------------------------------------------------------------ the real models


@pytest.fixture(scope="module")
def store() -> Path:
    return registry.default_store()


@pytest.fixture(scope="module")
def manifest() -> registry.Manifest:
    return registry.load_manifest(registry.default_manifest())


@pytest.mark.slow
def test_fetched_models_are_verified(store: Path, manifest: registry.Manifest) -> None:
    statuses = registry.verify(store, manifest)
    assert [item for item in statuses if item.state != "ok"] == []


# openai-whisper leaves its vocabulary file to the garbage collector.
@pytest.mark.filterwarnings(
    "ignore:Exception ignored in.*tiktoken:pytest.PytestUnraisableExceptionWarning"
)
@pytest.mark.slow
def test_whisper_base_agrees_with_its_source(store: Path, manifest: registry.Manifest) -> None:
    source = registry.require(store, manifest, "whisper-base-ct2")
    target = registry.require(store, manifest, "whisper-base-openai") / "base.pt"
    encoder, language = convert_whisper.differences(source, target)
    assert encoder < 1e-4
    assert language < 1e-4


@pytest.mark.slow
def test_e5_tells_meaning_across_languages(store: Path, manifest: registry.Manifest) -> None:
    folder = registry.require(store, manifest, "multilingual-e5-small")
    vectors = convert_e5.embed(folder, convert_e5.CHECK_SENTENCES)
    assert vectors.shape == (3, 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    cosines = vectors @ vectors.T
    assert cosines[0, 1] > cosines[0, 2] + 0.1
