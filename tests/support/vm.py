"""Debian's kernels under qemu: boot one with a few files, run a script in it, bring files out.

The root is an initramfs made of Debian's static busybox and the files given, so that nothing but the kernel differs
from one machine to the next. What the script leaves in /out comes back through a second serial port, as a compressed
tar stream.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(__file__).resolve().parents[2] / "build" / "vm"

_INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin:/usr/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir /dev/pts
mount -t devpts devpts /dev/pts
mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null
mount -t tmpfs tmp /tmp
mkdir -p /out
if [ -e /dev/nvme0n1 ]; then
    mkdir /disk
    mount -t ext4 /dev/nvme0n1 /disk
    for folder in /dev /dev/pts /proc /sys /sys/kernel/tracing /tmp /out; do
        mkdir -p /disk$folder
        mount -o bind $folder /disk$folder
    done
fi
hostname vm
cd /root
ip link set lo up 2>/dev/null
echo 1 > /proc/sys/kernel/printk
sh /root/script > /out/stdout 2> /out/stderr < /dev/null
echo $? > /out/exit-status
stty -F @PORT@ raw -echo 2>/dev/null
tar -C /out -cf - . | gzip -1 > @PORT@
sync
poweroff -f
"""


@dataclass(frozen=True)
class Machine:
    """A kind of virtual machine.

    Attributes:
        arch: Debian's name of the architecture.
        kernel: the package whose dependency (or which itself) is the kernel.
        release: how the kernel's release begins.
        suite: the Debian release that has the package, where it is not this machine's.
    """

    arch: str
    kernel: str
    release: str
    suite: str | None = None

    def __str__(self) -> str:
        return f"{self.arch}-{self.release.rstrip('.')}"

    @property
    def emulator(self) -> list[str]:
        """The emulator, without kernel and initramfs."""
        if self.arch == "arm64":
            return ["qemu-system-aarch64", "-M", "virt", "-cpu", "max,pauth-impdef=on"]
        # By default the CPUs of x86-64 take turns in one thread, and a ptrace stop takes milliseconds.
        return ["qemu-system-x86_64", "-M", "q35", "-cpu", "max,pku=off,sse4a=off", "-accel", "tcg,thread=multi"]

    @property
    def console(self) -> str:
        """The kernel's console."""
        return "ttyAMA0" if self.arch == "arm64" else "ttyS0"

    @property
    def port(self) -> str:
        """The serial port of the tar stream."""
        return "/dev/ttyS0" if self.arch == "arm64" else "/dev/ttyS1"


ARM64 = Machine("arm64", "linux-image-cloud-arm64", "6.1.")
X86_KERNELS = (
    Machine("amd64", "linux-image-cloud-amd64", "6.1."),
    Machine("amd64", "linux-image-6.12-cloud-amd64", "6.12."),
    Machine("amd64", "linux-image-cloud-amd64", "5.10.", suite="bullseye"),
)


class VmError(Exception):
    """A virtual machine could not be made or did not come to its end."""


@dataclass(frozen=True)
class Result:
    """What a script left: its exit status, what it printed, and the files of its /out."""

    exit_status: int
    stdout: str
    stderr: str
    folder: Path


def run_command(*words: str, cwd: Path | None = None) -> str:
    """Run a command and return what it printed.

    Raises:
        VmError: it failed; with what it said.
    """
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise VmError(f"{' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def _download(package: str, folder: Path, options: list[str]) -> None:
    """Unpack a Debian package's files into ``folder``."""
    folder.mkdir(parents=True)
    run_command("apt-get", *options, "download", "-q", package, cwd=folder)
    for deb in folder.glob("*.deb"):
        run_command("dpkg", "-x", str(deb), str(folder))
        deb.unlink()


def _fetched(package: str, arch: str, options: list[str] | None = None) -> Path:
    folder = CACHE / f"{package}_{arch}"
    if not folder.exists():
        partial = folder.with_name(folder.name + ".part")
        shutil.rmtree(partial, ignore_errors=True)
        _download(f"{package}:{arch}", partial, options or [])
        partial.rename(folder)
    return folder


def _suite_options(suite: str) -> list[str]:
    """Return the options with which apt knows another Debian release alone; its lists lie in the cache folder."""
    folder = CACHE / f"apt-{suite}"
    options = [
        *("-o", f"Dir::Etc::SourceList={folder / 'sources.list'}", "-o", "Dir::Etc::SourceParts=-"),
        *("-o", f"Dir::State::Lists={folder / 'lists'}", "-o", f"Dir::Cache={folder}"),
    ]
    if not (folder / "sources.list").exists():
        for name in ("archives/partial", "lists/partial"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        archive = run_command("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages").split()[0]
        (folder / "sources.list").write_text(f"deb {archive} {suite} main\n")
        run_command("apt-get", *options, "update", "-q")
    return options


def _kernel(machine: Machine) -> Path:
    options = _suite_options(machine.suite) if machine.suite else []
    depends = run_command("apt-cache", *options, "depends", f"{machine.kernel}:{machine.arch}")
    match = re.search(r"Depends: (linux-image-[^\s:]+)", depends)
    folder = _fetched(match[1] if match else machine.kernel, machine.arch, options)
    return next((folder / "boot").glob("vmlinuz-*"))


def package(name: str, arch: str) -> Path:
    """Return a folder with the files of a package of this Debian release; ``prepare`` comes first.

    Raises:
        VmError: apt could not fetch it.
    """
    return _fetched(name, arch)


def prepare() -> None:
    """Let apt know of both architectures' packages, if it does not yet.

    Raises:
        VmError: apt could not.
    """
    if "arm64" not in run_command("dpkg", "--print-foreign-architectures").split():
        run_command("dpkg", "--add-architecture", "arm64")
        run_command("apt-get", "update", "-q")


def _initramfs(machine: Machine, files: dict[str, Path], script: str) -> bytes:
    """Return a cpio archive (newc) with busybox, ``files`` by their absolute path inside, and the script."""
    busybox = _fetched("busybox-static", machine.arch) / "bin" / "busybox"
    entries: list[tuple[str, int, bytes]] = []
    for folder in ("bin", "dev", "out", "proc", "root", "sys", "tmp", "usr", "usr/bin", "etc", "home", "home/user"):
        entries.append((folder, 0o040755, b""))
    entries += [
        ("bin/busybox", 0o100755, busybox.read_bytes()),
        ("init", 0o100755, _INIT.replace("@PORT@", machine.port).encode()),
        ("root/script", 0o100755, script.encode()),
        ("etc/passwd", 0o100644, b"root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home/user:/bin/sh\n"),
        ("etc/group", 0o100644, b"root:x:0:\nuser:x:1000:\n"),
    ]
    present = {name for name, _, _ in entries}
    for name, path in files.items():
        inside = Path(name.lstrip("/"))
        for parent in [*reversed(inside.parents)][1:]:
            if str(parent) not in present:
                present.add(str(parent))
                entries.append((str(parent), 0o040755, b""))
        entries.append((str(inside), 0o100755, path.read_bytes()))
    out = io.BytesIO()
    for inode, (name, mode, data) in enumerate([*entries, ("TRAILER!!!", 0, b"")], start=1):
        path = name.encode() + b"\0"
        numbers = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path), 0)
        out.write(b"070701" + b"".join(b"%08X" % number for number in numbers) + path)
        out.write(b"\0" * (-out.tell() % 4))
        out.write(data)
        out.write(b"\0" * (-out.tell() % 4))
    return out.getvalue()


def run(
    machine: Machine,
    files: dict[str, Path],
    script: str,
    folder: Path,
    *,
    disk: Path | None = None,
    timeout: float = 300,
) -> Result:
    """Boot the machine, run the script as root in /root, and return what it left in /out.

    Args:
        machine: which kernel.
        files: what to put where (absolute paths inside), executable.
        script: a shell script (busybox sh).
        folder: where on this machine to put what comes out; must exist.
        disk: an ext4 file system, which the script finds at /disk with /dev, /proc, /sys, /tmp and /out in it, for
            chroot; what is written there is forgotten.
        timeout: s, for boot and script together.

    Raises:
        VmError: the kernel did not get to the script's end in time; it holds the end of the console's output.
    """
    (folder / "initramfs").write_bytes(_initramfs(machine, files, script))
    stream = folder / "out.tar"
    serial = (
        ["-chardev", f"file,id=out,path={stream}", "-device", "pci-serial,chardev=out"]
        if machine.arch == "arm64"
        else ["-serial", f"file:{stream}"]
    )
    if disk is not None:
        serial += [
            "-drive",
            f"if=none,id=disk,format=raw,snapshot=on,file={disk}",
            "-device",
            "nvme,drive=disk,serial=1",
        ]
    console = folder / "console.txt"
    words = [
        *machine.emulator,
        *("-m", "1024", "-smp", "2", "-nographic", "-no-reboot", "-nic", "none", "-monitor", "none"),
        *("-kernel", str(_kernel(machine)), "-initrd", str(folder / "initramfs")),
        *("-append", f"console={machine.console} quiet panic=-1"),
        *("-serial", f"file:{console}", *serial),
    ]
    # Emulated CPUs that run in threads of their own may meet a breakpoint of the kernel's code patching that is not
    # there any more, and the kernel dies of it. One thread for all of them is slower, and does not.
    alone = [word.replace("thread=multi", "thread=single") for word in words]
    try:
        for command in (words, alone):
            subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, check=True, text=True
            )
            if "Oops: int3" not in console.read_text(errors="replace"):
                break
    except subprocess.TimeoutExpired:
        tail = console.read_text(errors="replace")[-2000:] if console.exists() else ""
        raise VmError(f"{machine.kernel} did not end in {timeout} s; its console: {tail}") from None
    except subprocess.CalledProcessError as error:
        raise VmError(f"{words[0]}: {error.stderr.strip()}") from None
    out = folder / "out"
    try:
        with tarfile.open(stream) as archive:
            archive.extractall(out, filter="data")
        status = int((out / "exit-status").read_text())
    except (OSError, tarfile.TarError, ValueError) as error:
        raise VmError(f"{machine.kernel}: nothing came out ({error}): {console.read_text()[-2000:]}") from None
    text = {name: (out / name).read_text(errors="replace") for name in ("stdout", "stderr")}
    return Result(status, text["stdout"], text["stderr"], out)


def missing() -> str | None:
    """Return why no virtual machine can be run here, or None."""
    if os.geteuid() != 0:
        return "fetching Debian's kernels for another architecture needs root"
    absent = [name for name in ("qemu-system-aarch64", "qemu-system-x86_64") if shutil.which(name) is None]
    return f"not installed: {', '.join(absent)}" if absent else None
