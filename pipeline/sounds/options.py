"""What counts as a tone, a key, music or silence."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SoundOptions:
    #: dBFS; a weaker tone or music is not heard by the caller
    minimum_level: float = -50.0
    #: dB that a tone stands above the strongest other frequency
    tone_contrast: float = 10.0
    #: Hz; ringing and busy tones lie within (E.180: 400 to 450, 425 preferred; 440 + 480 elsewhere)
    tone_lowest: float = 380.0
    #: Hz
    tone_highest: float = 500.0
    #: Hz; the second frequency of a tone of two (480 + 620 in North America)
    tone_second_highest: float = 650.0
    #: s; a burst of ringing (E.180: 0.67 to 1.5, accepted up to 2.5)
    ring_shortest: float = 0.6
    #: s
    ring_longest: float = 2.6
    #: s; the pause of ringing (E.180: 3 to 5, accepted up to 6) is no silence of the line
    ring_pause: float = 4.0
    #: s; bursts of ringing further apart are two events
    ring_pause_longest: float = 6.5
    #: s; a burst and a pause of a busy tone (E.180: a cycle of 0.3 to 1.1)
    busy_longest: float = 0.75
    #: bursts from which a busy tone is believed
    busy_bursts: int = 3
    #: share by which a frequency of a key may be off (Q.24: 1.5 % is a key, 3.5 % is none)
    key_tolerance: float = 0.025
    #: dB between the two frequencies of a key (Q.24: 4 and 8, more after codecs)
    key_twist: float = 10.0
    #: s; a shorter key is none (Q.24: 40 ms is a key; frames see the middle of it)
    key_shortest: float = 0.03
    #: share of tonal power that keeps its frequency, from which it is music (generated music of
    #: eleven kinds: above 0.65; generated voices of five pitches: below 0.45)
    music_steadiness: float = 0.55
    #: the same where voice activity hears speech
    music_steadiness_in_speech: float = 0.6
    #: share of all power that keeps its frequency, below which it is no music
    music_share: float = 0.12
    #: s over which steadiness is averaged
    music_window: float = 2.4
    #: s; shorter music is not reported
    music_minimum: float = 3.0
    #: s; shorter breaks do not end music
    music_break: float = 2.0
    #: s; shorter silence is not reported
    silence_minimum: float = 3.0
    #: dBFS; what is weaker is always quiet
    quiet_level: float = -55.0
    #: dB above the quietest fifth of the time without speech, up to which a channel is quiet
    quiet_margin: float = 8.0
    #: s; shorter sounds (clicks) do not end silence
    click: float = 0.2
