"""The checks of `retrograde doctor`, in the order in which they are shown."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from retrograde.capability.machine import (
    CAP_BPF,
    CAP_PERFMON,
    CAP_SYS_NICE,
    CAP_SYS_PTRACE,
    CAPABILITY_NAMES,
    Finding,
    Machine,
)
from retrograde.errors import CannotError

Check = Callable[[Machine], Finding]
CHECKS: dict[str, Check] = {}

_DEVICES = "sys/bus/event_source/devices"
_SETCAP = "sudo setcap cap_bpf,cap_perfmon,cap_sys_ptrace,cap_sys_nice+ep {program}   # or run retrograde with sudo"
_GIB = 1 << 30


def check(name: str) -> Callable[[Check], Check]:
    """Enter the decorated function as a check."""

    def enter(function: Check) -> Check:
        CHECKS[name] = function
        return function

    return enter


def examine(machine: Machine) -> list[Finding]:
    """Make all checks."""
    return [function(machine) for function in CHECKS.values()]


@check("kernel")
def _kernel(machine: Machine) -> Finding:
    purpose = "Linux on x86-64 or arm64"
    value = f"{machine.release} {machine.arch}"
    if machine.arch in ("x86_64", "aarch64"):
        return Finding("kernel", "OK", value, purpose)
    return Finding("kernel", "missing", value, purpose, "recordings can be read here; record on x86-64 or arm64")


@check("capture")
def _capture(machine: Machine) -> Finding:
    purpose = "the program that captures"
    found = machine.capture_program()
    if isinstance(found, CannotError):
        return Finding("capture", "missing", found.message, purpose, found.hint)
    return Finding("capture", "OK", str(found), purpose)


@check("ebpf")
def _ebpf(machine: Machine) -> Finding:
    return _backend(
        machine, "ebpf", "capture at full speed", "sudo retrograde doctor   # eBPF needs CAP_BPF and CAP_PERFMON"
    )


@check("ptrace")
def _ptrace(machine: Machine) -> Finding:
    remedy = "in a container: docker run --cap-add SYS_PTRACE --security-opt seccomp=unconfined"
    return _backend(machine, "ptrace", "capture where eBPF is not permitted, slower", remedy)


def _backend(machine: Machine, backend: str, purpose: str, remedy: str) -> Finding:
    program = machine.capture_program()
    if isinstance(program, CannotError):
        return Finding(backend, "missing", "not tried: there is no capture program", purpose, program.hint)
    problem = machine.try_backend(program, backend)
    if problem is None:
        return Finding(backend, "OK", "tried: it works", purpose)
    return Finding(backend, "missing", problem, purpose, remedy)


@check("btf")
def _btf(machine: Machine) -> Finding:
    purpose = "eBPF programs that fit this kernel"
    path = "sys/kernel/btf/vmlinux"
    if machine.exists(path):
        return Finding("btf", "OK", "/sys/kernel/btf/vmlinux", purpose)
    remedy = "a kernel with CONFIG_DEBUG_INFO_BTF=y, or its BTF as a file: retrograde record --btf FILE"
    return Finding("btf", "missing", "no /sys/kernel/btf/vmlinux", purpose, remedy)


@check("capabilities")
def _capabilities(machine: Machine) -> Finding:
    purpose = "eBPF (BPF, PERFMON), any process (SYS_PTRACE), one CPU for threads (SYS_NICE)"
    wanted = (CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE, CAP_SYS_NICE)
    lacking = [CAPABILITY_NAMES[one] for one in wanted if not machine.has(one)]
    if not lacking:
        return Finding("capabilities", "OK", "all that are needed", purpose)
    program = machine.capture_program()
    if isinstance(program, Path) and _has_file_capabilities(program):
        return Finding("capabilities", "OK", f"{program} has its own", purpose)
    name = str(program) if isinstance(program, Path) else "$(command -v retrograde-capture)"
    return Finding("capabilities", "degraded", f"without {' '.join(lacking)}", purpose, _SETCAP.format(program=name))


def _has_file_capabilities(program: Path) -> bool:
    try:
        return bool(os.getxattr(program, "security.capability"))
    except OSError:
        return False


@check("lockdown")
def _lockdown(machine: Machine) -> Finding:
    purpose = "eBPF that may read memory"
    text = machine.read("sys/kernel/security/lockdown")
    if text is None:
        return Finding("lockdown", "OK", "not in this kernel, or securityfs is not mounted", purpose)
    match = re.search(r"\[(\w+)\]", text)
    mode = match[1] if match else text
    if mode == "confidentiality":
        return Finding("lockdown", "missing", mode, purpose, "boot with lockdown=integrity on the kernel command line")
    return Finding("lockdown", "OK", mode, purpose)


@check("perf_event_paranoid")
def _perf_event_paranoid(machine: Machine) -> Finding:
    purpose = "control flow from CoreSight or Intel PT without privileges"
    level = machine.number("proc/sys/kernel/perf_event_paranoid")
    if level is None:
        return Finding(
            "perf_event_paranoid",
            "missing",
            "no perf events in this kernel",
            purpose,
            "a kernel with CONFIG_PERF_EVENTS=y",
        )
    if level <= 1 or machine.has(CAP_PERFMON):
        return Finding("perf_event_paranoid", "OK", str(level), purpose)
    return Finding(
        "perf_event_paranoid",
        "degraded",
        f"{level}, needed is 1 or less",
        purpose,
        "sudo sysctl kernel.perf_event_paranoid=1",
    )


@check("yama")
def _yama(machine: Machine) -> Finding:
    purpose = "attaching to running processes with ptrace"
    scope = machine.number("proc/sys/kernel/yama/ptrace_scope")
    if scope is None:
        return Finding("yama", "OK", "not in this kernel", purpose)
    if scope == 0 or (scope < 3 and machine.has(CAP_SYS_PTRACE)):
        return Finding("yama", "OK", f"ptrace_scope {scope}", purpose)
    if scope == 1:
        return Finding(
            "yama",
            "degraded",
            "ptrace_scope 1: only programs that retrograde starts",
            purpose,
            "sudo sysctl kernel.yama.ptrace_scope=0",
        )
    if scope == 2:
        return Finding(
            "yama",
            "missing",
            "ptrace_scope 2: only with CAP_SYS_PTRACE",
            purpose,
            "sudo sysctl kernel.yama.ptrace_scope=1",
        )
    remedy = "remove kernel.yama.ptrace_scope=3 from /etc/sysctl.d, then reboot: it can't be lowered before"
    return Finding("yama", "missing", "ptrace_scope 3: nobody may use ptrace", purpose, remedy)


@check("unprivileged_bpf_disabled")
def _unprivileged_bpf(machine: Machine) -> Finding:
    # Tracing programs need CAP_PERFMON whatever this says: it explains a refusal, and nothing is to be mended.
    purpose = "who may call bpf()"
    value = machine.number("proc/sys/kernel/unprivileged_bpf_disabled")
    if value is None:
        return Finding(
            "unprivileged_bpf_disabled",
            "missing",
            "no bpf() in this kernel",
            purpose,
            "a kernel with CONFIG_BPF_SYSCALL=y",
        )
    words = {0: "anybody, a little", 1: "only with CAP_BPF, until reboot", 2: "only with CAP_BPF"}
    return Finding("unprivileged_bpf_disabled", "OK", f"{value}: {words.get(value, 'unknown')}", purpose)


@check("rt")
def _rt(machine: Machine) -> Finding:
    purpose = "replay of threads: they share one CPU under SCHED_FIFO"
    if machine.try_fifo():
        runtime = machine.number("proc/sys/kernel/sched_rt_runtime_us")
        return Finding("rt", "OK", f"permitted (sched_rt_runtime_us {runtime})", purpose)
    remedy = 'run it with sudo, or allow it: echo "$USER - rtprio 10" | sudo tee /etc/security/limits.d/retrograde.conf'
    return Finding("rt", "degraded", "SCHED_FIFO is not permitted", purpose, remedy)


@check("pmu")
def _pmu(machine: Machine) -> Finding:
    purpose = "hardware counters; nothing needs them"
    devices = machine.names(_DEVICES)
    found = [
        name
        for name in devices
        if name in ("cpu", "cpu_core", "cpu_atom") or name.startswith(("armv8", "armv9", "arm_pmu"))
    ]
    if found:
        return Finding("pmu", "OK", " ".join(found), purpose)
    return Finding(
        "pmu",
        "missing",
        "none: usual in virtual machines",
        purpose,
        "none is needed; in a virtual machine of your own: -cpu host,pmu=on",
    )


@check("coresight")
def _coresight(machine: Machine) -> Finding:
    purpose = "control flow of arm64 programs"
    devices = machine.names(_DEVICES)
    if "cs_etm" in devices:
        sinks = [
            name
            for name in machine.names("sys/bus/coresight/devices")
            if "trbe" in name or "etr" in name or "etf" in name
        ]
        if sinks:
            return Finding("coresight", "OK", f"cs_etm with {' '.join(sinks)}", purpose)
        return Finding(
            "coresight", "degraded", "cs_etm without a sink", purpose, "sudo modprobe coresight_trbe coresight_tmc"
        )
    if machine.arch != "aarch64":
        return Finding("coresight", "missing", "an arm64 feature", purpose)
    remedy = "sudo modprobe -a coresight_etm4x coresight_tmc coresight_trbe   # if the firmware describes them"
    return Finding("coresight", "missing", f"no {'/' + _DEVICES}/cs_etm", purpose, remedy)


@check("intel_pt")
def _intel_pt(machine: Machine) -> Finding:
    purpose = "control flow of x86-64 programs"
    if "intel_pt" in machine.names(_DEVICES):
        return Finding("intel_pt", "OK", "intel_pt", purpose)
    if machine.arch != "x86_64":
        return Finding("intel_pt", "missing", "an x86-64 feature", purpose)
    flags = (machine.read("proc/cpuinfo") or "").split()
    if "intel_pt" in flags:
        return Finding(
            "intel_pt",
            "missing",
            "the CPU has it, the kernel shows none",
            purpose,
            "a kernel with CONFIG_PERF_EVENTS_INTEL_PT=y",
        )
    return Finding(
        "intel_pt",
        "missing",
        "this CPU, or the virtual machine, has none",
        purpose,
        "record on an Intel machine (Broadwell or later) without virtualisation",
    )


@check("gdb")
def _gdb(machine: Machine) -> Finding:
    purpose = "debugging, forwards and backwards"
    path = shutil.which("gdb")
    if path is None:
        return Finding("gdb", "missing", "not in PATH", purpose, "sudo apt-get install gdb")
    try:
        result = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=False)
        version = result.stdout.partition("\n")[0]
    except (OSError, subprocess.TimeoutExpired):
        return Finding("gdb", "degraded", f"{path} does not start", purpose, "sudo apt-get install --reinstall gdb")
    return Finding("gdb", "OK", version or path, purpose)


@check("disk")
def _disk(machine: Machine) -> Finding:
    from retrograde.recording.store import recordings_folder

    purpose = "room for recordings"
    folder = recordings_folder()
    place = folder
    while not os.path.exists(place) and place != place.parent:
        place = place.parent
    remedy = "export RETROGRADE_DIR=/a/folder/with/room"
    if not os.access(place, os.W_OK | os.X_OK):
        return Finding("disk", "missing", f"{place} is not writable", purpose, remedy)
    free = shutil.disk_usage(place).free
    value = f"{free / _GIB:.1f} GiB free for {folder}"
    if free >= _GIB:
        return Finding("disk", "OK", value, purpose)
    return Finding(
        "disk", "degraded" if free >= _GIB // 16 else "missing", value, purpose, f"retrograde rm NAME, or {remedy}"
    )
