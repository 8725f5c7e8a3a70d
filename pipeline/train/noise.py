"""What a small recogniser does to a sentence on a telephone line, for training copies."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

_PUNCTUATION = re.compile(r"[^\w\s]+")
_SOUNDALIKE = {
    **dict(zip("оаеиыэяёюбпдтгкзсжшвф", "аоиеиеаеупбтдкгсзшжфв", strict=True)),
    **dict(zip("қғңәөұүіһ", "кгнаоууих", strict=True)),
    **dict(zip("bpdtgkzsvfieou", "pbtdkgszfveiuo", strict=True)),
}  # fmt: skip
_KAZAKH = frozenset("қғңәөұүіһ")


@dataclass(frozen=True, slots=True)
class NoiseOptions:
    #: probability that a word is not recognised
    drop: float = 0.06
    #: probability that a word changes places with the next one
    swap: float = 0.03
    #: probability that one letter of a word is misheard or lost
    misspell: float = 0.15
    #: probability that a letter only Kazakh has is written with a Russian one
    russify: float = 0.3
    #: probability of losing capitals and punctuation, as streaming recognisers do
    plain: float = 0.5


def spoil(text: str, rng: np.random.Generator, options: NoiseOptions) -> str:
    """A noisy copy of the text; the same generator state gives the same copy."""
    words = text.split()
    kept = [word for word in words if rng.random() >= options.drop] or words
    for place in range(len(kept) - 1):
        if rng.random() < options.swap:
            kept[place], kept[place + 1] = kept[place + 1], kept[place]
    out = " ".join(_misheard(word, rng, options) for word in kept)
    if rng.random() < options.plain:
        out = " ".join(_PUNCTUATION.sub(" ", out).lower().split()) or out
    return out


def _misheard(word: str, rng: np.random.Generator, options: NoiseOptions) -> str:
    letters = [
        _SOUNDALIKE[letter] if letter in _KAZAKH and rng.random() < options.russify else letter
        for letter in word
    ]
    if len(letters) > 3 and rng.random() < options.misspell:
        place = int(rng.integers(1, len(letters)))
        letters[place] = "" if rng.random() < 0.4 else _SOUNDALIKE.get(letters[place], "")
    return "".join(letters)
