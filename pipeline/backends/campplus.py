"""CAM++ speaker embeddings (Wang et al., "CAM++: A Fast and Efficient Network for Speaker
Verification Using Context-Aware Masking", Interspeech 2023), inference only.

Module names follow the published checkpoint, so that its state dict loads as it is.
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.types import Samples

BINS = 80
DIMENSION = 192
GROWTH = 32
SEGMENT = 100


class _Residual(nn.Module):
    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, (stride, 1), 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.shortcut = nn.Sequential()
        if stride != 1:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels, channels, 1, (stride, 1), bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        out = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(out)) + self.shortcut(x))


class _Head(nn.Module):
    """Two-dimensional front end: (batch, bins, frames) -> (batch, 320, frames)."""

    def __init__(self, channels: int = 32) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, channels, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.layer1 = nn.Sequential(_Residual(channels, 2), _Residual(channels, 1))
        self.layer2 = nn.Sequential(_Residual(channels, 2), _Residual(channels, 1))
        self.conv2 = nn.Conv2d(channels, channels, 3, (2, 1), 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        out = functional.relu(self.bn1(self.conv1(x.unsqueeze(1))))
        out = self.layer2(self.layer1(out))
        out = functional.relu(self.bn2(self.conv2(out)))
        return out.flatten(1, 2)


def _nonlinear(channels: int, *, affine: bool = True, relu: bool = True) -> nn.Sequential:
    parts: list[tuple[str, nn.Module]] = [("batchnorm", nn.BatchNorm1d(channels, affine=affine))]
    if relu:
        parts.append(("relu", nn.ReLU()))
    return nn.Sequential(OrderedDict(parts))


class _Tdnn(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Conv1d(inputs, outputs, 5, stride=2, padding=2, bias=False)
        self.nonlinear = _nonlinear(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.nonlinear(self.linear(x)))


class _ContextMask(nn.Module):
    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.linear_local = nn.Conv1d(
            channels, GROWTH, 3, padding=dilation, dilation=dilation, bias=False
        )
        self.linear1 = nn.Conv1d(channels, channels // 2, 1)
        self.linear2 = nn.Conv1d(channels // 2, GROWTH, 1)

    def forward(self, x: Tensor) -> Tensor:
        frames = x.shape[-1]
        pooled = functional.avg_pool1d(x, SEGMENT, SEGMENT, ceil_mode=True)
        context = pooled.repeat_interleave(SEGMENT, dim=-1)[..., :frames]
        context = functional.relu(self.linear1(x.mean(-1, keepdim=True) + context))
        return cast(Tensor, self.linear_local(x) * torch.sigmoid(self.linear2(context)))


class _DenseLayer(nn.Module):
    def __init__(self, inputs: int, dilation: int) -> None:
        super().__init__()
        self.nonlinear1 = _nonlinear(inputs)
        self.linear1 = nn.Conv1d(inputs, 4 * GROWTH, 1, bias=False)
        self.nonlinear2 = _nonlinear(4 * GROWTH)
        self.cam_layer = _ContextMask(4 * GROWTH, dilation)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.cam_layer(self.nonlinear2(self.linear1(self.nonlinear1(x)))))


class _DenseBlock(nn.Module):
    def __init__(self, layers: int, inputs: int, dilation: int) -> None:
        super().__init__()
        for i in range(layers):
            self.add_module(f"tdnnd{i + 1}", _DenseLayer(inputs + i * GROWTH, dilation))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.children():
            x = torch.cat([x, layer(x)], dim=1)
        return x


class _Transit(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.nonlinear = _nonlinear(inputs)
        self.linear = nn.Conv1d(inputs, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.linear(self.nonlinear(x)))


class _Dense(nn.Module):
    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.linear = nn.Conv1d(inputs, DIMENSION, 1, bias=False)
        self.nonlinear = _nonlinear(DIMENSION, affine=False, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.nonlinear(self.linear(x.unsqueeze(-1)).squeeze(-1)))


class _StatsPool(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x.mean(-1), x.std(-1, unbiased=True)], dim=1)


def _xvector() -> nn.Sequential:
    parts: list[tuple[str, nn.Module]] = [("tdnn", _Tdnn(320, 128))]
    channels = 128
    for i, (layers, dilation) in enumerate(((12, 1), (24, 2), (16, 2)), start=1):
        parts.append((f"block{i}", _DenseBlock(layers, channels, dilation)))
        channels += layers * GROWTH
        parts.append((f"transit{i}", _Transit(channels, channels // 2)))
        channels //= 2
    parts += [
        ("out_nonlinear", _nonlinear(channels)),
        ("stats", _StatsPool()),
        ("dense", _Dense(2 * channels)),
    ]
    return nn.Sequential(OrderedDict(parts))


class CamPlusPlus(nn.Module):
    """Filter banks (batch, frames, 80), mean-normalised -> embeddings (batch, 192)."""

    def __init__(self) -> None:
        super().__init__()
        self.head = _Head()
        self.xvector = _xvector()

    def forward(self, features: Tensor) -> Tensor:
        return cast(Tensor, self.xvector(self.head(features.transpose(1, 2))))


class CampplusEmbedder:
    """Unit-norm voice embeddings of stretches of one 16 kHz channel."""

    def __init__(self, checkpoint: Path, *, device: str = "cpu") -> None:
        self._device = torch.device(device)
        self._model = CamPlusPlus()
        self._model.load_state_dict(
            torch.load(checkpoint, map_location="cpu", weights_only=True), strict=True
        )
        self._model.eval().to(self._device)

    def __call__(
        self, samples: Samples, sample_rate: int, intervals: tuple[tuple[float, float], ...]
    ) -> Samples:
        """Embeddings (len(intervals), 192) float32; `samples` is (n,)."""
        rows = [
            self._embed(samples[round(start * sample_rate) : round(end * sample_rate)])
            for start, end in intervals
        ]
        stacked = torch.stack(rows) if rows else torch.zeros(0, DIMENSION)
        return cast(Samples, functional.normalize(stacked, dim=-1).numpy())

    @torch.inference_mode()
    def _embed(self, samples: Samples) -> Tensor:
        from torchaudio.compliance import kaldi

        features = kaldi.fbank(
            torch.from_numpy(samples.copy()).unsqueeze(0), num_mel_bins=BINS, dither=0.0
        )
        features = features - features.mean(dim=0, keepdim=True)  # (frames, 80)
        return cast(Tensor, self._model(features.unsqueeze(0).to(self._device))[0].cpu())
