"""The models: what the manifest lists, where they lie, whether they are sound, how to get them.

A run only calls `require` and `digest`; nothing is ever downloaded there.
"""

from pipeline.registry.fetching import FetchEvent, FetchOptions, FetchOutcome, Progress, fetch
from pipeline.registry.inventory import (
    FileStatus,
    default_manifest,
    default_store,
    digest,
    model_path,
    refuse_unsafe_loading,
    require,
    verify,
)
from pipeline.registry.manifest import Conversion, FileSpec, Manifest, ModelSpec, load_manifest

__all__ = [
    "Conversion",
    "FetchEvent",
    "FetchOptions",
    "FetchOutcome",
    "FileSpec",
    "FileStatus",
    "Manifest",
    "ModelSpec",
    "Progress",
    "default_manifest",
    "default_store",
    "digest",
    "fetch",
    "load_manifest",
    "model_path",
    "refuse_unsafe_loading",
    "require",
    "verify",
]
