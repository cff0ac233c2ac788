"""Names for the raw numbers of system calls in logs that other tools wrote.

for match in Decoder("x86_64").matches("audit: type=1326 ... arch=c00000b7 syscall=63 ..."):
    print(match.name)        # read
"""

from retrograde.decode.lines import Decoder, Match, annotate
from retrograde.decode.patterns import PATTERNS, Pattern, user_pattern

__all__ = ["PATTERNS", "Decoder", "Match", "Pattern", "annotate", "user_pattern"]
