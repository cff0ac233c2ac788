"""What this machine can do for Retrograde, and the line that mends what it can't.

for finding in examine(Machine()):
    print(finding.name, finding.status, finding.remedy)
"""

from retrograde.capability.checks import CHECKS, examine
from retrograde.capability.machine import Finding, Machine, Status

__all__ = ["CHECKS", "Finding", "Machine", "Status", "examine"]
