"""Telephone numbers: one spelling per subscriber, and a pseudonym for it."""

from __future__ import annotations

import hashlib
import hmac
import re

from pipeline.errors import ConfigError


def normalise_number(raw: str | None) -> str | None:
    """`+` and digits, one spelling per subscriber; None for withheld numbers and extensions.

    >>> {normalise_number(n) for n in ("87021234567", "+7 (702) 123-45-67", "7021234567")}
    {'+77021234567'}
    >>> normalise_number("810998901234567"), normalise_number("anonymous"), normalise_number("710")
    ('+998901234567', None, None)
    """
    digits = re.sub(r"[^0-9]", "", raw or "")
    if digits.startswith("810") and len(digits) >= 13:
        digits = digits[3:]
    digits = digits.lstrip("0")
    if len(digits) == 11 and digits[0] in "78":
        return f"+7{digits[1:]}"
    if len(digits) == 10:
        return f"+7{digits}"
    return f"+{digits}" if len(digits) >= 11 else None


def caller_key(number: str | None, secret: bytes) -> str | None:
    """The pseudonym of a number: 32 hex digits of HMAC-SHA256 over its normalised form.

    None when there is no number. The same secret gives the same key, so one caller is one
    caller; without the secret the number cannot be found by trying all numbers.
    """
    if len(secret) < 16:
        raise ConfigError(f"the caller key needs at least 16 secret bytes, got {len(secret)}")
    normalised = normalise_number(number)
    if normalised is None:
        return None
    return hmac.new(secret, normalised.encode(), hashlib.sha256).hexdigest()[:32]
