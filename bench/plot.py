"""The plot of a report."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl


def ratios(values: dict[str, dict[str, float]], path: Path) -> None:
    """Draw bars, grouped by workload, on a logarithmic axis.

    Args:
        values: ratios against bare, by workload, then by tool.
        path: an SVG file.
    """
    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "retrograde"  # the same figures give the same file
    from matplotlib import pyplot

    names = list(dict.fromkeys(tool for row in values.values() for tool in row))
    figure, axes = pyplot.subplots(figsize=(11, 5))
    width = 0.8 / max(len(names), 1)
    for number, tool in enumerate(names):
        places = [place + (number - len(names) / 2 + 0.5) * width for place in range(len(values))]
        heights = [row.get(tool, float("nan")) for row in values.values()]
        axes.bar(places, heights, width, label=tool)
    axes.set_yscale("log")
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set_ylabel("times bare")
    axes.set_xticks(range(len(values)), list(values), rotation=20, ha="right")
    axes.legend(fontsize="small", ncols=2)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
