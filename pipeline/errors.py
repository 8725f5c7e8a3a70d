"""Errors that a user can act on. Each message says what was seen and what to do."""

from __future__ import annotations


class SapaError(Exception):
    """Base of every expected error; the command line prints it without a trace."""

    exit_code = 2


class ConfigError(SapaError):
    """A configuration, card or lexicon file that cannot be used."""


class ModelMissing(SapaError):
    """A model that is not in the model store; names the command that fetches it."""


class ModelError(SapaError):
    """A model file that is damaged, or no source could deliver it."""


class StoreError(SapaError):
    """A database that cannot be opened or written."""


class TruthError(SapaError):
    """A reference file that an evaluation or an import cannot read."""


class CallError(Exception):
    """One call cannot be processed further; becomes a row, never a crash.

    `status` is the call's final status, `code` a short stable reason.
    """

    def __init__(self, status: str, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.status = status
        self.code = code
        self.detail = detail

    def __reduce__(self) -> tuple[type[CallError], tuple[str, str, str]]:
        return type(self), (self.status, self.code, self.detail)
