"""What kind of audio a file holds, judged by its first bytes. Pure.

Names lie: an MP3 may be called .wav and a web page .mp3. Only headerless telephone formats, which
have nothing to recognise, are taken at their name's word, and only when they are not text.
"""

from __future__ import annotations

#: Bytes of the beginning of a file that `sniff` wants to see.
HEAD = 64 * 1024

#: Endings that promise audio: such a file is reported when it holds none.
AUDIO_SUFFIXES = frozenset((
    ".wav", ".wave", ".mp3", ".gsm", ".ogg", ".oga", ".opus", ".spx", ".m4a", ".mp4", ".aac",
    ".amr", ".awb", ".3gp", ".flac", ".ul", ".ulaw", ".mu", ".al", ".alaw", ".au", ".snd", ".aif",
    ".aiff", ".caf", ".wma", ".webm", ".mka", ".sln", ".g722", ".g729",
))  # fmt: skip

# Asterisk writes these without a header, at 8 kHz (G.722: 16 kHz), one channel.
_HEADERLESS = {
    ".ul": "mulaw",
    ".ulaw": "mulaw",
    ".mu": "mulaw",
    ".al": "alaw",
    ".alaw": "alaw",
    ".sln": "s16le",
    ".g722": "g722",
    ".g729": "g729",
}
_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"OggS", "ogg"),
    (0, b"fLaC", "flac"),
    (0, b"#!AMR", "amr"),
    (0, b".snd", "au"),
    (0, b"caff", "caf"),
    (0, b"\x1aE\xdf\xa3", "matroska"),
    (0, b"0&\xb2u\x8ef\xcf\x11", "asf"),
    (0, b"riff.\x91\xcf\x11", "w64"),
    (4, b"ftyp", "mov"),
)
_CHUNKED = {
    (b"RIFF", b"WAVE"): "wav",
    (b"RF64", b"WAVE"): "wav",
    (b"BW64", b"WAVE"): "wav",
    (b"FORM", b"AIFF"): "aiff",
    (b"FORM", b"AIFC"): "aiff",
}
_GSM_FRAME = 33
_UNKNOWN_LENGTH = 0x7FFF0000  # bytes
_BITRATES = {  # kbit/s by (MPEG 1, layer), index 1..14; ISO 11172-3 and 13818-3
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


def sniff(head: bytes, suffix: str) -> str | None:
    """The demuxer that reads this file (wav, mp3, ogg, …), or None when it is not audio.

    `head` is the beginning of the file, up to HEAD bytes; `suffix` its ending with the dot.
    """
    for offset, magic, kind in _MAGIC:
        if head[offset : offset + len(magic)] == magic:
            return kind
    chunk = _CHUNKED.get((head[:4], head[8:12]))
    return chunk or _mpeg(head) or _headerless(head, suffix.lower())


def _headerless(head: bytes, suffix: str) -> str | None:
    if suffix == ".gsm":
        return "gsm" if _is_gsm(head) else None
    if not head or is_text(head):
        return None
    return _HEADERLESS.get(suffix)


def wav_promise(head: bytes) -> float | None:
    """Seconds of audio that a RIFF header promises; None where it does not know.

    Recorders that stream, or that were cut off, leave 0 or the largest number in the size field.
    """
    if head[:4] != b"RIFF":
        return None
    place, byte_rate = 12, 0
    while place + 8 <= len(head):
        name, size = head[place : place + 4], int.from_bytes(head[place + 4 : place + 8], "little")
        if name == b"fmt " and place + 20 <= len(head):
            byte_rate = int.from_bytes(head[place + 16 : place + 20], "little")
        if name == b"data":
            known = 0 < size < _UNKNOWN_LENGTH and byte_rate > 0
            return size / byte_rate if known else None
        place += 8 + size + size % 2
    return None


def is_text(head: bytes) -> bool:
    """Whether the bytes read as UTF-8 text without control characters."""
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:  # else a letter was cut in two by the end of the head
            return False
        text = head[: error.start].decode("utf-8")
    return not any(ord(letter) < 32 and letter not in "\t\n\r\f" for letter in text)


def _is_gsm(head: bytes) -> bool:
    """Every full GSM 06.10 frame of 33 bytes begins with the nibble 0xD."""
    starts = head[::_GSM_FRAME]
    return len(head) >= _GSM_FRAME and all(byte >> 4 == 0xD for byte in starts)


def _mpeg(head: bytes) -> str | None:
    """mp3 or aac (ADTS) when three frames, or all there are, follow one another."""
    if head[:3] == b"ID3" and len(head) >= 10:
        size = 0
        for byte in head[6:10]:
            size = size << 7 | byte & 0x7F
        start = 10 + size
        if start >= len(head):  # a large cover picture hides the first frame
            return "mp3"
        head = head[start:].lstrip(b"\0")
    for kind, length in (("mp3", _mp3_frame), ("aac", _adts_frame)):
        place, frames = 0, 0
        while frames < 3 and place < len(head) and (step := length(head[place : place + 6])):
            place, frames = place + step, frames + 1
        if frames >= 3 or (frames and place >= len(head)):
            return kind
    return None


def _mp3_frame(head: bytes) -> int:
    """Length in bytes of an MPEG audio frame of layer II or III, 0 if it is none."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return 0
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    bitrate, rate, padding = head[2] >> 4, head[2] >> 2 & 3, head[2] >> 1 & 1
    if version == 1 or layer not in (2, 3) or bitrate in (0, 15) or rate == 3:
        return 0
    kbits = _BITRATES[version == 3, layer][bitrate - 1]
    slots = 72 if layer == 3 and version != 3 else 144
    return slots * kbits * 1000 // _RATES[version][rate] + padding


def _adts_frame(head: bytes) -> int:
    """Length in bytes of an ADTS frame, 0 if it is none."""
    if len(head) < 6 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0:
        return 0
    length = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    return length if length > 7 else 0
