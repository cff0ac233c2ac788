"""Make one file of a recording, to send it elsewhere; with --unpack make a recording of such a file.

    retrograde pack                         # latest, as ./NAME.rgtr
    retrograde pack nginx-3 -o /tmp/case.rgtr
    retrograde pack --unpack case.rgtr      # into the folder of recordings

Every verb reads the packed file as it is; unpacking is never needed. It is an uncompressed tar archive.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from retrograde.cli.ls import size_text
from retrograde.cli.output import talk
from retrograde.errors import EXIT_DONE
from retrograde.recording.pack import pack, unpack
from retrograde.recording.store import PACKED_SUFFIX, make_recordings_folder, resolve

HELP = "make one file of a recording, to send it elsewhere"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("recording", nargs="?", default="latest", metavar="RECORDING", help="name or path")
    parser.add_argument("-o", "--output", metavar="PATH", help="file to write (--unpack: name or folder to make)")
    parser.add_argument("--unpack", action="store_true", help="make a folder of a packed recording")
    parser.add_argument("--force", action="store_true", help="replace a file that is there")


def run(arguments: argparse.Namespace) -> int:
    """Pack or unpack."""
    path = resolve(arguments.recording)
    if arguments.unpack:
        name = arguments.output or path.name.removesuffix(PACKED_SUFFIX)
        folder = Path(name) if os.sep in name else make_recordings_folder() / name
        unpack(path, folder)
        talk(f"unpacked to {folder}", f"retrograde read {folder.name if os.sep not in name else folder}")
        return EXIT_DONE
    output = Path(arguments.output or f"{path.resolve().name}{PACKED_SUFFIX}")
    pack(path, output, force=arguments.force)
    talk(f"packed to {output} ({size_text(output.stat().st_size)})", f"retrograde read {os.path.join('.', output)}")
    return EXIT_DONE
