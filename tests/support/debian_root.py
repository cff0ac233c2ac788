"""Debian of another architecture, as the disk of a virtual machine, with Python packages from PyPI.

The packages are unpacked and not configured: there is what their files are, which is enough to run programs.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path

from tests.support.vm import CACHE, run_command

_ROOT = Path(__file__).resolve().parents[2]
_GIB = 2
_ACCOUNTS = "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home/user:/bin/sh\n"
_WHEELS_OF = {"arm64": "aarch64", "amd64": "x86_64"}
_SITE = "usr/lib/python3/dist-packages"


def dependencies() -> list[str]:
    """Return what this project needs of PyPI to run, as pyproject.toml has it."""
    return list(tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]["dependencies"])


def image(arch: str, packages: Sequence[str], wheels: Sequence[str]) -> Path:
    """Return an ext4 file system with Debian packages and Python packages; it is made once, and kept.

    Args:
        arch: Debian's name of the architecture; apt must know of it (:func:`tests.support.vm.prepare`).
        packages: Debian packages; what they depend on comes along.
        wheels: requirements for pip, which has to find wheels for that architecture.

    Raises:
        VmError: something could not be fetched, or the image not be made.
    """
    words = "\n".join([arch, *packages, *wheels, Path(__file__).read_text()])
    path = CACHE / f"root_{arch}_{hashlib.sha256(words.encode()).hexdigest()[:16]}.ext4"
    if path.exists():
        return path
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="root-") as name:
        work = Path(name)
        root = work / "root"
        for deb in _fetched(arch, packages, work):
            run_command("dpkg", "-x", str(deb), str(root))
        _install(arch, wheels, root / _SITE)
        (root / "etc" / "passwd").write_text(_ACCOUNTS)
        partial = work / "image"
        run_command("mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-d", str(root), str(partial), f"{_GIB}G")
        partial.rename(path)
    return path


def _fetched(arch: str, packages: Sequence[str], work: Path) -> list[Path]:
    """Download packages and all that they depend on, as if nothing were installed."""
    archives = work / "archives"
    (archives / "partial").mkdir(parents=True)
    status = work / "status"
    status.touch()
    options = {
        "APT::Architecture": arch,
        "APT::Architectures": arch,
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "root",
        "Dir::State::status": str(status),
        "Dir::Cache::archives": str(archives),
    }
    words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    run_command("apt-get", *words, "--yes", "--quiet", "--download-only", "install", *packages)
    return sorted(archives.glob("*.deb"))


def _install(arch: str, wheels: Sequence[str], folder: Path) -> None:
    version = next(path.name.removeprefix("python") for path in folder.parents[1].glob("python3.*"))
    machine = _WHEELS_OF[arch]
    platforms = [f"manylinux{glibc}_{machine}" for glibc in ("_2_34", "_2_28", "_2_17", "2014")]
    run_command(
        *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"),
        *("--target", str(folder), "--implementation", "cp", "--python-version", version, "--only-binary=:all:"),
        *(word for platform in platforms for word in ("--platform", platform)),
        *wheels,
    )


def missing() -> str | None:
    """Return what an image can't be made without, or None."""
    return None if shutil.which("mke2fs") else "not installed: mke2fs (package e2fsprogs)"
