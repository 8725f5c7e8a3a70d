"""Opening, migrating, guarding and copying one DuckDB file."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import StoreError

if TYPE_CHECKING:
    import duckdb

#: Files stay readable for every DuckDB from this version on.
STORAGE_VERSION = "v1.5.0"
#: DuckDB keeps at most this much in memory and writes the rest into <db>.tmp beside the database.
MEMORY_LIMIT = "2GB"
SQL = Path(__file__).parent.parent / "sql"
_VIEW_SCRIPTS = ("views.sql", "comments.sql", "access.sql", "access_comments.sql")
_SCHEMA_VERSION = """CREATE TABLE IF NOT EXISTS schema_version (
    version INTEGER NOT NULL, script VARCHAR NOT NULL, sha256 VARCHAR NOT NULL)"""


def snapshot_path(database: Path) -> Path:
    """Where the batch publishes the copy that others read: <db>.snapshot.duckdb."""
    return database.with_suffix(".snapshot.duckdb")


@contextmanager
def explained(doing: str, path: Path) -> Iterator[None]:
    """Turn DuckDB's errors into a `StoreError` that says what to do.

    Messages of DuckDB may quote stored values, so only those about files are passed on.
    """
    import duckdb

    about_files = (
        duckdb.IOException,
        duckdb.FatalException,
        duckdb.OutOfMemoryException,
        duckdb.TransactionException,  # a commit that could not be written
    )
    try:
        yield
    except about_files as error:
        raise StoreError(
            f"{path}: could not {doing}: {_first_line(error)}; nothing that was acknowledged is "
            "lost: free disk space or memory, then start the same command again"
        ) from error
    except duckdb.Error as error:
        raise StoreError(f"{path}: could not {doing} ({type(error).__name__})") from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def connect(path: Path, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    """Open a file without network, extensions, or files outside its folder.

    Raises StoreError when the file is absent (read_only), locked, or no DuckDB file.
    """
    import duckdb

    if read_only and not path.is_file():
        raise StoreError(f"{path}: no such database; `sapa run ARCHIVE --db {path}` makes one")
    path.parent.mkdir(parents=True, exist_ok=True)
    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_community_extensions": False,
        "python_enable_replacements": False,
        "storage_compatibility_version": STORAGE_VERSION,
        "memory_limit": MEMORY_LIMIT,
    }
    try:
        connection = duckdb.connect(str(path), read_only=read_only, config=config)
    except duckdb.Error as error:
        raise StoreError(_why_closed(path, error)) from error
    if not read_only:
        folder = str(path.parent).replace("'", "''")
        connection.execute(f"SET allowed_directories = ['{folder}']")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def _why_closed(path: Path, error: Exception) -> str:
    message = _first_line(error)
    if "lock on file" in message or "different configuration" in message:
        return (
            f"{path}: another process or connection has the database open; to read meanwhile, "
            f"open its snapshot {snapshot_path(path)}; to write, close the other one first"
        )
    if "not a valid DuckDB" in message:
        return f"{path}: not a DuckDB database; name another file with --db"
    if "newer version" in message or "can only read versions" in message:
        return f"{path}: written by a newer DuckDB ({message}); update Sapa"
    return f"{path}: cannot be opened: {message}"


def migrate(connection: duckdb.DuckDBPyConnection, path: Path, *, read_only: bool) -> None:
    """Bring the schema up to date in one transaction, or check it when read_only.

    Raises StoreError when the schema is newer than this program, older than it while
    read_only, foreign, or built by another edition of a script.
    """
    scripts = {int(file.name[:3]): file for file in sorted(SQL.glob("[0-9][0-9][0-9]_*.sql"))}
    applied = _applied(connection, path)
    _check(applied, scripts, path)
    pending = [version for version in scripts if version not in applied]
    views = _digest(*(SQL / name for name in _VIEW_SCRIPTS))
    if not pending and applied.get(0) == views:
        return
    if read_only:
        if pending:
            raise StoreError(
                f"{path}: its schema is older than this program's; open it once for writing "
                "(`sapa run`) to bring it up to date"
            )
        return
    with explained("bring the schema up to date", path):
        connection.execute("BEGIN TRANSACTION")
        connection.execute(_SCHEMA_VERSION)
        for version in pending:
            connection.execute(scripts[version].read_text("utf-8"))
            _record(connection, version, scripts[version].name, _digest(scripts[version]))
        for name in _VIEW_SCRIPTS:
            connection.execute((SQL / name).read_text("utf-8"))
        connection.execute("DELETE FROM schema_version WHERE version = 0")
        _record(connection, 0, " ".join(_VIEW_SCRIPTS), views)
        connection.execute("COMMIT")


def _applied(connection: duckdb.DuckDBPyConnection, path: Path) -> dict[int, str]:
    tables = {
        str(name)
        for (name,) in connection.execute(
            "SELECT table_name FROM duckdb_tables() WHERE NOT internal"
        ).fetchall()
    }
    if not tables:
        return {}
    if "schema_version" not in tables:
        raise StoreError(f"{path}: a DuckDB database of something else; name another with --db")
    rows = connection.execute("SELECT version, sha256 FROM schema_version").fetchall()
    return {int(version): str(sha256) for version, sha256 in rows}


def _check(applied: dict[int, str], scripts: dict[int, Path], path: Path) -> None:
    newest = max(scripts)
    found = max(applied, default=0)
    if found > newest:
        raise StoreError(
            f"{path}: its schema is version {found}, this program knows up to {newest}; "
            "update Sapa, or name another file with --db"
        )
    for version, script in scripts.items():
        if version in applied and applied[version] != _digest(script):
            raise StoreError(
                f"{path}: its schema {version} was built by another edition of {script.name}; "
                "start a new database with --db (recordings are processed again)"
            )


def _record(connection: duckdb.DuckDBPyConnection, version: int, script: str, digest: str) -> None:
    connection.execute("INSERT INTO schema_version VALUES (?, ?, ?)", [version, script, digest])


def _digest(*scripts: Path) -> str:
    text = "\n".join(script.read_text("utf-8") for script in scripts)
    return hashlib.sha256(text.encode()).hexdigest()


def publish(connection: duckdb.DuckDBPyConnection, database: Path, target: Path) -> None:
    """Copy the open database to `target`, which readers see whole or not at all.

    The copy is made beside the database, the only folder the connection may write to.
    """
    copy = database.with_name(f"{database.name}.{os.getpid()}.copy")
    copy.unlink(missing_ok=True)
    name = str(copy).replace("'", "''")
    try:
        with explained("write the snapshot", target):
            row = connection.execute("SELECT current_database()").fetchone()
            source = str(row[0] if row else "").replace('"', '""')
            connection.execute(
                f"ATTACH '{name}' AS published_copy (STORAGE_VERSION '{STORAGE_VERSION}')"
            )
            try:
                connection.execute(f'COPY FROM DATABASE "{source}" TO published_copy')
            finally:
                connection.execute("DETACH published_copy")
        _move(copy, target)
    finally:
        copy.unlink(missing_ok=True)
        copy.with_name(copy.name + ".wal").unlink(missing_ok=True)


def _move(copy: Path, target: Path) -> None:
    """Replace `target`, over a second copy when it lies in another folder."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.parent != copy.parent:
            near = target.with_name(f"{target.name}.{os.getpid()}.copy")
            shutil.copyfile(copy, near)
            copy = near
        with copy.open("rb+") as file:
            os.fsync(file.fileno())
        copy.replace(target)
    except OSError as error:
        raise StoreError(f"{target}: could not publish the snapshot: {error.strerror}") from error
