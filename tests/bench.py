"""How fast each stage is on mono and stereo calls, and both recognisers in the same run.

`make bench` runs the sample calls with each engine into databases of their own and prints what the
stages took. Times depend on the machine; compare engines within one run.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from pipeline.cli.inspect import print_table
from pipeline.store import Store
from tests.conftest import SAMPLES, sapa

ENGINES = ("faster-whisper", "openai-whisper")
SQL = """
    SELECT stage,
        round(sum(duration_s) FILTER (layout <> 'stereo')
            / sum(seconds) FILTER (layout <> 'stereo'), 1) AS mono_times_real_time,
        round(sum(duration_s) FILTER (layout = 'stereo')
            / sum(seconds) FILTER (layout = 'stereo'), 1) AS stereo_times_real_time,
        round(sum(seconds), 1) AS seconds
    FROM stage_result
    JOIN call USING (call_id, commit_number) JOIN audio_quality USING (call_id, commit_number)
    GROUP BY stage ORDER BY seconds DESC
"""


def main() -> int:
    """Print a table for each engine, then the ratio of the recognisers' times."""
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        for engine in ENGINES:
            profile, database = home / f"{engine}.toml", home / f"{engine}.duckdb"
            profile.write_text(f'[transcribe]\nengine = "{engine}"\n', encoding="utf-8")
            ran = sapa("run", SAMPLES, "--db", database, "--profile", profile, home=home)
            if ran.returncode not in (0, 1):
                sys.stderr.write(ran.stderr)
                return 2
            with Store.open(database, read_only=True) as store:
                table = store.query(SQL)
            print(f"\n{engine}")
            print_table(table)
            seconds[engine] = next(float(str(row[3])) for row in table.rows if row[0] == "words")
    print(f"\nrecognition: {ENGINES[0]} is {seconds[ENGINES[1]] / seconds[ENGINES[0]]:.1f} times "
          f"as fast as {ENGINES[1]} on the same weights")  # fmt: skip
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
