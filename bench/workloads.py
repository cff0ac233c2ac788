"""The work that is measured: real programs, prepared once in a folder of their own."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
FEWER = 50  # how many times fewer calls or requests slow tools get


@dataclass(frozen=True)
class Workload:
    """A piece of work.

    Attributes:
        name: as it stands in the report.
        command: what is run under each tool.
        needs: programs it needs.
        expected: number of calls by name that every complete recording of it holds, where that is known.
        before: undoes what the last run left.
        fewer: the same with fewer calls, for tools that are too slow for all of them.
        times: how many times fewer those are.
        client: for a server: sends so many requests to the started server and ends it; returns requests/s, which is
            then what is compared instead of the time.
        requests: for the client; FEWER times fewer for tools that are slow.
    """

    name: str
    command: list[str]
    needs: tuple[str, ...] = ()
    expected: dict[str, int] = field(default_factory=dict)
    before: Callable[[], None] = lambda: None
    fewer: list[str] | None = None
    times: float = FEWER
    client: Callable[[int], float] | None = None
    requests: int = 0


def _c_source(functions: int) -> str:
    """Return a C program that keeps the compiler busy for about a second."""
    lines = ["#include <stdio.h>", "#include <stdlib.h>", "#include <string.h>"]
    for n in range(functions):
        lines.append(
            f"static int f{n}(int a, int *b) {{ int s = a; for (int i = 0; i < {n % 17 + 3}; i++) "
            f"{{ s = s * {n * 31 + 7} + b[(s ^ i) & 15]; if (s % {n % 13 + 2} == 0) b[i & 15] ^= s >> {n % 5}; }} "
            f"return s; }}"
        )
    calls = " ".join(f"s += f{n}(s, b);" for n in range(functions))
    lines.append(f'int main(void) {{ int b[16] = {{0}}, s = 1; {calls} printf("%d\\n", s); return 0; }}')
    return "\n".join(lines)


def _redis_client(port: int) -> Callable[[int], float]:
    def client(requests: int) -> float:
        for _ in range(200):
            ping = subprocess.run(["redis-cli", "-p", str(port), "ping"], capture_output=True, text=True, check=False)
            if "PONG" in ping.stdout:
                break
            time.sleep(0.05)
        words = ["redis-benchmark", "-p", str(port), "-t", "get", "-n", str(requests), "-c", "50", "--csv"]
        output = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        subprocess.run(["redis-cli", "-p", str(port), "shutdown", "nosave"], capture_output=True, check=False)
        match = re.search(r'"GET","([\d.]+)"', output)
        if match is None:
            raise RuntimeError(f"redis-benchmark said: {output}")
        return float(match[1])

    return client


def _entries(place: str) -> int:
    """Return how many files and folders there are: a find's calls grow with them."""
    return subprocess.run(["find", place], capture_output=True, check=True).stdout.count(b"\n")


def prepare(folder: Path) -> list[Workload]:
    """Build what is needed in ``folder`` and return the workloads, in the order of the report."""
    getppid = folder / "getppid"
    subprocess.run(["gcc", "-O2", "-o", str(getppid), str(HERE / "workloads" / "getppid.c")], check=True)
    source = folder / "work.c"
    source.write_text(_c_source(400))
    inserts = folder / "inserts.sql"
    inserts.write_text(
        "create table t(a integer primary key, b text);\n"
        + "".join(f"insert into t(b) values('row {n} {'x' * (n % 90)}');\n" for n in range(1500))
        + "select count(*), sum(length(b)) from t;\n"
    )
    database, clone, repository = folder / "work.db", folder / "clone", folder / "repository"
    subprocess.run(["git", "clone", "-q", "--bare", str(HERE.parent), str(repository)], check=True)

    def fresh_database() -> None:
        for path in folder.glob("work.db*"):
            path.unlink()

    port = 17379
    redis = f"redis-server --port {port} --bind 127.0.0.1 --save '' --appendonly no --dir {folder} > /dev/null"
    python = "i=0; while [ $i -lt 20 ]; do /usr/bin/python3 -c pass; i=$((i+1)); done"

    def calls(threads: int, count: int) -> list[str]:
        return [str(getppid), str(threads), str(count)]

    def dd(count: int) -> list[str]:
        return ["dd", "if=/dev/zero", "of=/dev/null", "bs=1", f"count={count}", "status=none"]

    def find(place: str) -> list[str]:
        return ["find", place, "-fprintf", "/dev/null", "%p %s\n"]

    return [
        Workload(
            "getppid loop",
            calls(1, 1_000_000),
            expected={"getppid": 1_000_000},
            fewer=calls(1, 1_000_000 // FEWER),
        ),
        Workload("dd bs=1 count=500k", dd(512_000), expected={"write": 512_000}, fewer=dd(512_000 // FEWER)),
        Workload(
            "16 x 62,500 getppid",
            calls(16, 62_500),
            expected={"getppid": 1_000_000},
            fewer=calls(16, 62_500 // FEWER),
        ),
        Workload(
            "find /usr",
            find("/usr"),
            fewer=find("/usr/include"),
            times=_entries("/usr") / _entries("/usr/include"),
        ),
        Workload("gcc -O2", ["gcc", "-O2", "-o", str(folder / "work"), str(source)], needs=("gcc",)),
        Workload(
            "sqlite transactions",
            ["sh", "-c", f"sqlite3 {database} < {inserts} > /dev/null"],
            needs=("sqlite3",),
            before=fresh_database,
        ),
        Workload("python start-up x 20", ["sh", "-c", python], needs=("/usr/bin/python3",)),
        Workload(
            "git clone",
            ["git", "clone", "-q", f"file://{repository}", str(clone)],
            needs=("git",),
            before=lambda: shutil.rmtree(clone, ignore_errors=True),
        ),
        Workload(
            "redis-benchmark GET",
            ["sh", "-c", redis],
            needs=("redis-server", "redis-benchmark"),
            client=_redis_client(port),
            requests=100_000,
        ),
    ]
