"""Whisper weights from CTranslate2's binary file to the checkpoint that openai-whisper loads.

Lossless: the fp16 tensors are regrouped, never recomputed. CTranslate2 stacks query|key|value
(and key|value of the cross attention); Whisper's key bias is zero and has no place of its own.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from pipeline.errors import ModelError

VERSION = 1

#: Cross-attention heads that follow the time, by model size, from openai-whisper's own table. Hand
#: to `Whisper.set_alignment_heads` after loading: a path gives the loader no name to look up.
ALIGNMENT_HEADS = {
    "base": b"ABzY8KQ!870{>%RzyTQH3`Q^yNP!>##QT-<FaQ7m",
    "small": b"ABzY8DmU6=0{>%Rpa?J`kvJ6qF(V^F86#Xh7JUGMK}P<N0000",
    "medium": b"ABzY8B0Jh+0{>%R7}kK1fFL7w6%<-Pf*t^=N)Qr&0RR9",
    "large-v3": b"ABzY8gWO1E0{>%R7(9S+Kn!D~%ngiGaR?*L!iJG9p-nab0JQ=-{D1-g00",
    "large-v3-turbo": b"ABzY8j^C+e0{>%RARaKHP%t(lGR*)0g!tONPyhe`",
}
ALIGNMENT_HEADS_BASE = ALIGNMENT_HEADS["base"]

#: Largest difference allowed by the self-check, see `differences`; measured 2e-6 for base, so 1e-3
#: tells a wrong regrouping (about 1) from arithmetic.
TOLERANCE = 1e-3

Tensor = npt.NDArray[np.generic]

_DTYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
_BINARY_VERSION = 6


@dataclass(frozen=True, slots=True)
class WhisperDimensions:
    """The sizes that openai-whisper stores beside the weights, under its own names."""

    n_mels: int
    n_audio_ctx: int
    n_audio_state: int
    n_audio_head: int
    n_audio_layer: int
    n_vocab: int
    n_text_ctx: int
    n_text_state: int
    n_text_head: int
    n_text_layer: int

    def as_dict(self) -> dict[str, int]:
        return {name: int(getattr(self, name)) for name in self.__slots__}


def _take(stream: BinaryIO, layout: str) -> int:
    size = struct.calcsize(layout)
    raw = stream.read(size)
    if len(raw) != size:
        raise ModelError("CTranslate2 file ends early: fetch the model again")
    return int(struct.unpack("<" + layout, raw)[0])


def _take_string(stream: BinaryIO) -> str:
    length = _take(stream, "H")  # counts the closing NUL
    return stream.read(length)[:-1].decode("utf-8")


def _take_tensor(stream: BinaryIO) -> Tensor:
    rank = _take(stream, "B")
    shape = tuple(_take(stream, "I") for _ in range(rank))
    code, size = _take(stream, "B"), _take(stream, "I")
    if code not in _DTYPES:
        raise ModelError(f"CTranslate2 file: element type {code}, known are {sorted(_DTYPES)}")
    raw = stream.read(size)
    if len(raw) != size:
        raise ModelError("CTranslate2 file ends early: fetch the model again")
    return np.frombuffer(raw, dtype=_DTYPES[code]).reshape(shape)


def read_variables(path: Path) -> dict[str, Tensor]:
    """Every variable of a CTranslate2 `model.bin` (binary version 6, WhisperSpec) by name.

    Raises ModelError if the file is of another version or model, or is cut short.
    """
    with path.open("rb") as stream:
        version, spec = _take(stream, "I"), _take_string(stream)
        if version != _BINARY_VERSION or spec != "WhisperSpec":
            raise ModelError(
                f"{path.name}: binary version {version} of {spec!r}, "
                f"expected version {_BINARY_VERSION} of 'WhisperSpec'"
            )
        _take(stream, "I")  # revision of the specification
        count = _take(stream, "I")
        return {_take_string(stream): _take_tensor(stream) for _ in range(count)}


def dimensions(variables: Mapping[str, Tensor]) -> WhisperDimensions:
    """Whisper's sizes, read off the tensor shapes."""

    def layers(side: str) -> int:
        pattern = re.compile(rf"{side}/layer_(\d+)/")
        return len({m.group(1) for name in variables if (m := pattern.match(name))})

    audio_context, audio_state = variables["encoder/position_encodings/encodings"].shape
    text_context, text_state = variables["decoder/position_encodings/encodings"].shape
    return WhisperDimensions(
        n_mels=variables["encoder/conv1/weight"].shape[1],
        n_audio_ctx=audio_context,
        n_audio_state=audio_state,
        n_audio_head=int(variables["encoder/num_heads"]),
        n_audio_layer=layers("encoder"),
        n_vocab=variables["decoder/embeddings/weight"].shape[0],
        n_text_ctx=text_context,
        n_text_state=text_state,
        n_text_head=int(variables["decoder/num_heads"]),
        n_text_layer=layers("decoder"),
    )


def _norm(source: str, target: str) -> dict[str, str]:
    return {f"{target}.weight": f"{source}/gamma", f"{target}.bias": f"{source}/beta"}


def _linear(source: str, target: str) -> dict[str, str]:
    return {f"{target}.weight": f"{source}/weight", f"{target}.bias": f"{source}/bias"}


def _attention(
    variables: Mapping[str, Tensor], source: str, target: str, *, cross: bool
) -> dict[str, Tensor]:
    if cross:
        query_weight = variables[f"{source}/linear_0/weight"]
        query_bias = variables[f"{source}/linear_0/bias"]
        key_weight, value_weight = np.split(variables[f"{source}/linear_1/weight"], 2)
        key_bias, value_bias = np.split(variables[f"{source}/linear_1/bias"], 2)
        output = f"{source}/linear_2"
    else:
        query_weight, key_weight, value_weight = np.split(variables[f"{source}/linear_0/weight"], 3)
        query_bias, key_bias, value_bias = np.split(variables[f"{source}/linear_0/bias"], 3)
        output = f"{source}/linear_1"
    if np.any(key_bias):
        raise ModelError(f"{source}: key bias is not zero, so this is not a Whisper attention")
    return {
        f"{target}.query.weight": query_weight,
        f"{target}.query.bias": query_bias,
        f"{target}.key.weight": key_weight,
        f"{target}.value.weight": value_weight,
        f"{target}.value.bias": value_bias,
        f"{target}.out.weight": variables[f"{output}/weight"],
        f"{target}.out.bias": variables[f"{output}/bias"],
    }


def _block(variables: Mapping[str, Tensor], source: str, target: str) -> dict[str, Tensor]:
    names = {
        **_norm(f"{source}/self_attention/layer_norm", f"{target}.attn_ln"),
        **_norm(f"{source}/ffn/layer_norm", f"{target}.mlp_ln"),
        **_linear(f"{source}/ffn/linear_0", f"{target}.mlp.0"),
        **_linear(f"{source}/ffn/linear_1", f"{target}.mlp.2"),
    }
    tensors = _attention(variables, f"{source}/self_attention", f"{target}.attn", cross=False)
    if f"{source}/attention/linear_2/weight" in variables:
        names |= _norm(f"{source}/attention/layer_norm", f"{target}.cross_attn_ln")
        tensors |= _attention(variables, f"{source}/attention", f"{target}.cross_attn", cross=True)
    return tensors | {name: variables[origin] for name, origin in names.items()}


def state_dict(variables: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under openai-whisper's parameter names, unchanged in value and type."""
    sizes = dimensions(variables)
    names = {
        **_linear("encoder/conv1", "encoder.conv1"),
        **_linear("encoder/conv2", "encoder.conv2"),
        **_norm("encoder/layer_norm", "encoder.ln_post"),
        **_norm("decoder/layer_norm", "decoder.ln"),
        "encoder.positional_embedding": "encoder/position_encodings/encodings",
        "decoder.positional_embedding": "decoder/position_encodings/encodings",
        "decoder.token_embedding.weight": "decoder/embeddings/weight",
    }
    result = {name: variables[origin] for name, origin in names.items()}
    for side, layers in (("encoder", sizes.n_audio_layer), ("decoder", sizes.n_text_layer)):
        for layer in range(layers):
            result |= _block(variables, f"{side}/layer_{layer}", f"{side}.blocks.{layer}")
    return result


def convert(sources: Path, target: Path) -> None:
    """Write the openai-whisper checkpoint of the CTranslate2 model in folder `sources`.

    `target` is the checkpoint file; `whisper.load_model(str(target))` reads it. Raises ModelError
    if the source is not a Whisper model.
    """
    import torch

    variables = read_variables(sources / "model.bin")
    tensors = {
        name: torch.from_numpy(np.array(value, order="C"))
        for name, value in state_dict(variables).items()
    }
    torch.save({"dims": dimensions(variables).as_dict(), "model_state_dict": tensors}, target)


def synthetic_mel(n_mels: int) -> npt.NDArray[np.float32]:
    """A fixed log-mel-like picture, (1, n_mels, 3000) float32 in [-1, 1]: moving ridges."""
    time = np.arange(3000, dtype=np.float32) / 100
    band = np.arange(n_mels, dtype=np.float32)[:, None] / n_mels
    ridges = np.sin(2 * np.pi * (3 * band + 0.7 * time)) * np.sin(2 * np.pi * 1.3 * time)
    return ridges.astype(np.float32)[None]


def differences(sources: Path, checkpoint: Path) -> tuple[float, float]:
    """How far the checkpoint is from its source on `synthetic_mel`, both in float32.

    First the relative Frobenius difference of the encoder's output, then, for the decoder, the
    largest difference of a language's probability. Every key of the checkpoint is matched, too:
    the loader raises otherwise.
    """
    import ctranslate2
    import torch
    import whisper

    ours = whisper.load_model(str(checkpoint), device="cpu")
    mel = synthetic_mel(ours.dims.n_mels)
    with torch.inference_mode():
        found = ours.encoder(torch.from_numpy(mel))
        _, (languages,) = whisper.detect_language(ours, found)
    theirs = ctranslate2.models.Whisper(str(sources), device="cpu", compute_type="float32")
    encoded = theirs.encode(ctranslate2.StorageView.from_array(mel), to_cpu=True)
    expected = np.asarray(encoded)
    (pairs,) = theirs.detect_language(encoded)
    wanted = {token.strip("<|>"): probability for token, probability in pairs}
    return (
        float(np.linalg.norm(found.numpy() - expected) / np.linalg.norm(expected)),
        max(abs(languages[name] - probability) for name, probability in wanted.items()),
    )


def self_check(sources: Path, target: Path) -> dict[str, float]:
    """Measure the conversion; raises ModelError if encoder or decoder disagree with the source."""
    encoder, language = differences(sources, target)
    if not (encoder < TOLERANCE and language < TOLERANCE):
        raise ModelError(
            f"{target.name}: differs from its source by {encoder:.2g} in the encoder and "
            f"{language:.2g} in the decoder, allowed is {TOLERANCE}; the conversion was not kept"
        )
    return {"encoder_difference": encoder, "language_difference": language}
