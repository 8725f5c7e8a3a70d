"""Transcripts that other recognisers made: JSON, vCon and STM, as calls without audio. Pure.

Words stand evenly in their turn and carry no probability; languages are told by the letters where
the file is silent; roles that a file names are corrections, others are found from the words.
"""

from pipeline.transcripts.made import Imported, Spoken, imported
from pipeline.transcripts.plain import parse_json, parse_stm
from pipeline.transcripts.vcon import parse_vcon

__all__ = ["Imported", "Spoken", "imported", "parse_json", "parse_stm", "parse_vcon"]
