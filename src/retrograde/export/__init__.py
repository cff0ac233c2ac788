"""Writing a recording for other tools: Parquet for tables, JSON lines for scripts.

export_parquet(recording, Path("dataset"))
export_json(recording, sys.stdout)
"""

from retrograde.export.json_lines import export_json
from retrograde.export.parquet import export_parquet

__all__ = ["export_json", "export_parquet"]
