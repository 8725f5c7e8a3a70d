"""How fast each stage is on mono and stereo calls, and both recognisers in the same run.

`make bench` runs the sample calls into a database of their own and prints what the stages took.
Times depend on the machine; compare engines within one run.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from pipeline.cli.inspect import print_table
from pipeline.store import Store, Table
from tests.conftest import SAMPLES, sapa

ENGINES = ("faster-whisper", "openai-whisper")
SQL = """
    SELECT stage,
        round(sum(duration_s) FILTER (layout <> 'stereo')
            / sum(seconds) FILTER (layout <> 'stereo'), 1) AS mono,
        round(sum(duration_s) FILTER (layout = 'stereo')
            / sum(seconds) FILTER (layout = 'stereo'), 1) AS stereo,
        round(sum(stage_result.seconds), 1) AS total
    FROM stage_result
    JOIN call USING (call_id, commit_number) JOIN audio_quality USING (call_id, commit_number)
    GROUP BY stage HAVING sum(seconds) > 0.5 ORDER BY sum(seconds) DESC
"""


def main() -> int:
    """Print the stages over all samples, then the ratio of the recognisers on two of them."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        rows = measured(home, "auto")
        print("every sample, default engine: times real time, one worker")
        print_table(Table(("stage", "mono", "stereo", "seconds"), rows))
        seconds = {engine: words_of(measured(home, engine, "--limit", "2")) for engine in ENGINES}
    for engine, value in seconds.items():
        print(f"{engine}: {value:.1f} s for the words of two mono calls")
    ratio = seconds[ENGINES[1]] / seconds[ENGINES[0]]
    print(f"{ENGINES[0]} is {ratio:.1f} times as fast as {ENGINES[1]} on the same weights")
    return 0


def measured(home: Path, engine: str, *more: str) -> tuple[tuple[object, ...], ...]:
    """What every stage took when the samples were run with an engine."""
    profile, database = home / f"{engine}.toml", home / f"{engine}.duckdb"
    profile.write_text(f'[transcribe]\nengine = "{engine}"\n', encoding="utf-8")
    arguments = ("run", SAMPLES, "--db", database, "--profile", profile, "--jobs", "1", *more)
    ran = sapa(*arguments, home=home)
    if ran.returncode not in (0, 1):
        raise SystemExit(ran.stderr)
    with Store.open(database, read_only=True) as store:
        return store.query(SQL).rows


def words_of(rows: tuple[tuple[object, ...], ...]) -> float:
    """Seconds of recognition."""
    return next(float(str(row[3])) for row in rows if row[0] == "words")


if __name__ == "__main__":
    raise SystemExit(main())
