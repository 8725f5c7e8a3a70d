"""Sapa: speech analytics for public contact centres."""

__version__ = "0.1.0"
