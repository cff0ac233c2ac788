"""Whether a recording can be replayed, here."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

from retrograde.errors import CannotError, UsageError
from retrograde.recording import Recording
from retrograde.replay.scan import ReplayScan

# Of a CPU's features, those that are instructions of programs: a program that found them uses them.
_WORDS = """
    adx aes avx avx2 avx_vnni bmi1 bmi2 cx16 f16c fma fsrm gfni lahf_lm abm movbe movdir64b movdiri pclmulqdq popcnt pku
    rdpid rdrand rdseed sha_ni sse sse2 ssse3 sse4_1 sse4_2 sse4a vaes vpclmulqdq xsave xsavec xsaveopt
    asimd asimddp asimdhp atomics crc32 fphp i8mm bf16 jscvt lrcpc paca pacg sha1 sha2 sha3 sha512 sve sve2 bti mte
"""
_INSTRUCTIONS = frozenset(_WORDS.split())
_FAMILIES = ("avx512", "amx")


def _here() -> str:
    return {"aarch64": "arm64", "amd64": "x86_64"}.get(platform.machine(), platform.machine())


def cpu_features() -> set[str]:
    """Return the features of this machine's CPU, as /proc/cpuinfo names them."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        name, _, words = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return set(words.split())
    return set()


def check(recording: Recording, scan: ReplayScan, pid: int | None) -> None:
    """Check that a recording can be replayed on this machine.

    Raises:
        CannotError: it can't, here or anywhere.
        UsageError: it has no such process.
    """
    name = recording.name
    info = recording.info
    again = "record it again: retrograde record -- COMMAND"
    if recording.kind == "stream":
        raise CannotError(
            f"{name} is a bare block stream: it does not hold the files that its programs mapped",
            hint="record to a folder: retrograde record -- COMMAND",
        )
    if recording.arch != _here():
        raise CannotError(
            f"{name} was recorded on {recording.arch} and this machine is {_here()}",
            hint=f"replay it on a machine with {recording.arch}",
        )
    if info.get("grade") != "replay":
        raise CannotError(
            f"{name} is an {info.get('grade', 'unknown')}-grade recording: it does not hold what a replay needs",
            hint=again,
        )
    if recording.lost:
        raise CannotError(f"{name} has lost {recording.lost} events: it can't be replayed", hint=again)
    if not recording.from_start:
        raise CannotError(f"{name} kept the latest part of its run alone: it can't be replayed", hint=again)
    if recording.complete and recording.problems:
        raise CannotError(
            f"{name} is damaged, and can't be replayed: {recording.problems[0]}", hint="copy it anew, or record again"
        )
    if not isinstance(info.get("replay"), dict) or scan.start is None:
        raise CannotError(f"{name} does not hold the start of a command: it can't be replayed", hint=again)
    _check_processor(name, info)
    if absent := sorted(scan.images - set(recording.images)):
        raise CannotError(
            f"{name} lacks {len(absent)} of the {len(scan.images)} files that its programs mapped: images/{absent[0]}",
            hint="copy the recording anew, its folder images included: retrograde pack",
        )
    if pid is not None and pid not in scan.processes:
        known = ", ".join(str(each) for each in list(scan.processes)[:10])
        raise UsageError(
            f"{name} has no process {pid}", hint=f"it has {known}{'…' if len(scan.processes) > 10 else ''}"
        )


def _check_processor(name: str, info: dict[str, Any]) -> None:
    cpu = info.get("cpu")
    features = cpu.get("features") if isinstance(cpu, dict) else None
    number = info["replay"].get("cpu", 0)
    if not isinstance(cpu, dict) or not isinstance(features, list) or not isinstance(number, int):
        raise CannotError(f"{name} does not say on which CPU it was recorded: it can't be replayed")
    recorded = {str(feature) for feature in features}
    instructions = {each for each in recorded if each in _INSTRUCTIONS or each.startswith(_FAMILIES)}
    here = cpu_features()
    # Without xsavec, programs save vector registers by xsave, which writes as many as the processor has, to where they
    # left room for as many as cpuid told (glibc: _dl_runtime_resolve_xsave).
    wider = sorted(feature for feature in ("avx", "mpx", "avx512f") if feature in here - recorded)
    if "xsave" in recorded and "xsavec" not in recorded and wider:
        raise CannotError(
            f"{name} was recorded on a CPU without xsavec, and this one has more vector registers: {', '.join(wider)}",
            hint=f"replay it on a CPU like {cpu.get('model', 'the recorded one')}",
        )
    if missing := sorted(instructions - here):
        raise CannotError(
            f"{name} was recorded on a CPU with instructions that this one lacks: {', '.join(missing[:20])}",
            hint=f"replay it on a CPU like {cpu.get('model', 'the recorded one')}",
        )
