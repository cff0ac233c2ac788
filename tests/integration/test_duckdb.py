"""DuckDB reads what `export --parquet` writes, and the how-to's queries answer what it says they do."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

import retrograde as api
from retrograde.cli import export
from retrograde.events import Kind
from tests.support.commands import retrograde

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = DOCS / "how-to" / "export-to-duckdb.md"
NAMES = ("python3-0", "python3-1")  # the failing run and the good one
SETTINGS = "[stock]\ndatabase = data/goods.db\n"


def _blocks(page: Path) -> list[str]:
    """Return the code blocks of a page, without their indentation."""
    found = re.findall(r"^(?:    .*\n|\n(?=    ))+", page.read_text(), re.MULTILINE)
    return [re.sub(r"^    ", "", block, flags=re.MULTILINE).strip("\n") for block in found]


def _queries() -> list[tuple[str, list[list[str]]]]:
    """Return the how-to's queries, each with the names and the types in the heading of the table that follows it."""
    queries, headings = [], []
    for block in _blocks(PAGE):
        if "┌" in block:
            rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in block.splitlines() if "│" in line]
            headings.append(rows[:2])
        # In Python, the query is in triple quotes.
        quoted = re.search(r'"""(.*?)"""', block, re.DOTALL)
        text = quoted[1] if quoted else block.partition("┌")[0]
        if text.strip().startswith("select "):
            queries.append(text.strip())
    assert len(queries) == len(headings) == 3
    return list(zip(queries, headings, strict=True))


def _environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SUDO_")}
    return {**kept, "PATH": f"{folder}/bin:{os.defpath}", "RETROGRADE_DIR": str(folder / "recordings")}


@pytest.fixture(scope="module")
def tutorial(capture_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tutorial's program, recorded where it fails and where it works, and both exported as the how-to does."""
    folder = tmp_path_factory.mktemp("tutorial")
    (program,) = [block for block in _blocks(DOCS / "tutorial.md") if block.startswith('"""Prints what is in stock.')]
    (folder / "shop" / "data").mkdir(parents=True)
    (folder / "shop" / "stock.py").write_text(program)
    (folder / "shop" / "settings.ini").write_text(SETTINGS)
    with sqlite3.connect(folder / "shop" / "data" / "goods.db") as goods:
        goods.execute("create table stock(name, amount)")
        goods.executemany("insert into stock values (?, ?)", [("apples", 12), ("pears", 3)])
    # The interpreter itself under the page's name, not a wrapper that chooses one.
    (folder / "bin").mkdir()
    (folder / "bin" / "python3").symlink_to(Path(getattr(sys, "_base_executable", sys.executable)).resolve())
    # A run that nobody records, so that both others find what Python compiles the first time.
    subprocess.run([str(folder / "bin" / "python3"), "stock.py"], cwd=folder / "shop", check=True, capture_output=True)
    options: dict[str, Any] = {"env": _environment(folder)}

    failing = retrograde("record", "python3", "shop/stock.py", cwd=folder, **options)
    assert "no such table: stock" in failing.stderr
    good = retrograde("record", "python3", "stock.py", cwd=folder / "shop", **options)
    assert "12 apples" in good.stdout
    for name in NAMES:
        done = retrograde("export", name, "--parquet", "events", cwd=folder, **options)
        assert done.stderr.endswith(f" rows in events/recording={name}\n")
    return folder


@pytest.fixture
def shop(tutorial: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, as current folder, which the page's queries are relative to."""
    monkeypatch.chdir(tutorial)
    return tutorial


def _rows(query: str, *parameters: object) -> list[tuple[Any, ...]]:
    return duckdb.execute(query, parameters).fetchall()


@pytest.mark.parametrize(("query", "heading"), _queries())
def test_a_query_of_the_page_gives_the_columns_that_it_shows(shop: Path, query: str, heading: list[list[str]]) -> None:
    answer = duckdb.sql(query)
    assert [answer.columns, [str(kind).lower().replace("bigint", "int64") for kind in answer.types]] == heading
    assert answer.fetchall()


def test_what_the_page_concludes_from_its_queries(shop: Path) -> None:
    """The failing run has one failed `openat` more, its last: the missing settings."""
    errors = (
        "select count(*) from 'events/**/*.parquet' where recording = ? and syscall = 'openat' and errno = 'ENOENT'"
    )
    (failing,), (good,) = (_rows(errors, name)[0] for name in NAMES)
    assert failing == good + 1
    paths = _queries()[1][0]
    assert duckdb.sql(paths).fetchall()[0][1:] == ("openat", "ENOENT", "settings.ini\0")


def test_the_query_of_the_help(shop: Path) -> None:
    match = re.search(r'duckdb -c "(.*)"', export.__doc__ or "")
    assert match is not None
    (most, *_others) = duckdb.sql(match[1].replace("DIR", "events")).fetchall()
    assert most[0] == "python3"


@pytest.mark.parametrize("name", NAMES)
def test_a_partition_counts_what_stats_counts(shop: Path, name: str) -> None:
    done = retrograde("stats", str(shop / "recordings" / name), "--json")
    stats = json.loads(done.stdout)
    dataset = "from 'events/**/*.parquet' where recording = ?"
    assert _rows(f"select count(*) {dataset} and kind <> 'data'", name) == [(stats["events"],)]
    counts = f"select syscall, count(*), sum(latency_ns), max(latency_ns) {dataset} and kind = 'syscall' group by all"
    expected = {
        (call, one["count"], one["total_ns"], one["max_ns"])
        for call, one in stats["syscalls"].items()
        if call != "exit_group"  # has not returned: a row of kind `enter`
    }
    assert set(_rows(counts, name)) == expected
    errors = f"select syscall, errno, count(*) {dataset} and errno is not null group by all"
    expected_errors = {
        (call, error, count) for call, one in stats["syscalls"].items() for error, count in one["errors"].items()
    }
    assert expected_errors
    assert set(_rows(errors, name)) == expected_errors


def test_data_is_what_the_call_read(shop: Path) -> None:
    reads = "select distinct recording from 'events/**/*.parquet' where syscall = 'read' and data = encode(?)"
    assert _rows(reads, SETTINGS) == [(NAMES[1],)]


def test_a_query_of_a_recording_leaves_the_others_alone(shop: Path, tmp_path: Path) -> None:
    """The recording is a partition: of another one, not even the file is opened."""
    shutil.copytree(shop / "events", tmp_path / "events")
    (tmp_path / "events" / f"recording={NAMES[1]}" / "part-00000.parquet").write_bytes(b"no parquet")
    count = f"select count(*) from read_parquet('{tmp_path}/events/**/*.parquet', hive_partitioning = true)"
    assert _rows(f"{count} where recording = ?", NAMES[0])[0][0] > 100
    with pytest.raises(duckdb.Error):
        _rows(count)


def test_processes_can_be_joined_with_their_parents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = retrograde("record", "-o", "family", "sh", "-c", "/bin/true; (/bin/true; ls /) | cat")
    assert done.returncode == 0, done.stderr
    assert retrograde("export", "family", "--parquet", str(tmp_path)).returncode == 0
    monkeypatch.chdir(tmp_path)
    parents = _rows("""
        select fork.pid, parent.pid, arg_min(parent.process, parent.seq)
        from '**/*.parquet' fork join '**/*.parquet' parent on fork.arg0 = parent.pid
        where fork.kind = 'fork' group by all
    """)
    with api.open("family") as recording:
        forks = [event for event in recording.events() if event.kind == Kind.FORK]
        shell = recording.info["pid"]
    assert len(forks) == 4
    assert {(child, parent) for child, parent, _ in parents} == {(event.pid, event.args[0]) for event in forks}
    assert sum(parent == shell for _, parent, _ in parents) == 3
    assert {name for _, _, name in parents} == {"sh"}
