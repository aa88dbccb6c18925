"""Plots as SVG that stands inside a page: no script, no font file, nothing to fetch."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.figure import Figure

from paylake.contracts.taxonomy import REASONS
from paylake.report.figures import SEVERITIES, BreakCount, HourCount
from paylake.report.wording import label

INK, GREY = "#1b2733", "#5b6875"
COLOURS: dict[str, str] = dict(zip(SEVERITIES, ("#8f1d14", "#d4582e", "#e0a030", "#8395a7"), strict=True))
"""Severity -> its colour: told apart by lightness too, so in print and by every eye."""
HEAT = LinearSegmentedColormap.from_list("heat", ["#fdf1e6", "#e98b4e", "#8f1d14"])

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "paylake",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": GREY,
    "xtick.color": GREY,
    "ytick.color": INK,
}


def reason_bars(breaks: Sequence[BreakCount]) -> Markup:
    """Open breaks per primary reason, split by severity."""
    counts: dict[str, dict[str, int]] = {}
    for b in breaks:
        of_reason = counts.setdefault(b.reason, dict.fromkeys(SEVERITIES, 0))
        of_reason[b.severity] += b.breaks
    reasons = sorted(counts, key=lambda reason: (sum(counts[reason].values()), reason))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(9.2, 0.7 + 0.36 * len(reasons)), layout="constrained")
        axes = figure.add_subplot()
        left = np.zeros(len(reasons))
        for severity in SEVERITIES:
            widths = np.array([counts[reason][severity] for reason in reasons])
            if widths.any():
                axes.barh(
                    range(len(reasons)),
                    widths,
                    left=left,
                    height=0.66,
                    color=COLOURS[severity],
                    label=severity,
                    edgecolor="white",
                )
            left = left + widths
        for place, total in enumerate(left):
            axes.annotate(f"{total:,.0f}", (total, place), xytext=(5, 0), textcoords="offset points", va="center")
        axes.set_yticks(range(len(reasons)), [label(reason) for reason in reasons])
        axes.set_xlim(0, max(left.max(initial=0), 1) * 1.08)
        axes.set_xticks([])
        _bare(axes)
        axes.legend(loc="lower right", frameon=False, title="Severity", alignment="left")
        return _svg(figure, "reasons")


def hour_heatmap(hours: Sequence[HourCount]) -> Markup:
    """Broken transactions per hour of the day (UTC) and primary reason; the count stands in each cell."""
    found = {h.reason for h in hours}
    reasons = [reason for reason in REASONS if reason in found]
    cells = np.zeros((len(reasons), 24))
    for h in hours:
        cells[reasons.index(h.reason), h.hour] += h.transactions
    worst = max(cells.max(initial=0), 2)
    norm = LogNorm(1, worst)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(11.6, 0.7 + 0.36 * len(reasons)), layout="constrained")
        axes = figure.add_subplot()
        shown = np.ma.masked_equal(cells, 0)
        axes.pcolormesh(shown, cmap=HEAT, norm=norm, edgecolors="white", linewidth=2)
        for (row, hour), count in np.ndenumerate(cells):
            if count:
                colour = "white" if _luminance(HEAT(norm(count))) < 0.22 else INK
                axes.text(hour + 0.5, row + 0.5, _short(count), ha="center", va="center", fontsize=8, color=colour)
        axes.set_yticks(np.arange(len(reasons)) + 0.5, [label(reason) for reason in reasons])
        axes.set_xticks(np.arange(24) + 0.5, [f"{hour:02d}" for hour in range(24)])
        axes.set_xlim(0, 24)
        axes.set_xlabel("hour of the booking time, UTC")
        axes.invert_yaxis()
        _bare(axes)
        return _svg(figure, "hours")


def _luminance(colour: tuple[float, float, float, float]) -> float:
    """How light a colour is, from 0 to 1, as the contrast rules for the web count it."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3]]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _short(count: float) -> str:
    return f"{count:,.0f}" if count < 10_000 else f"{count / 1000:,.0f}k"


def _bare(axes: Axes) -> None:
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(length=0)


def _svg(figure: Figure, name: str) -> Markup:
    """The figure as an `svg` element that scales, whose ids cannot meet those of another one."""
    stream = io.StringIO()
    figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    for size in ("width", "height"):
        text = re.sub(rf'(<svg[^>]*?) {size}="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(id="|url\(#|href="#)', rf"\g<1>{name}-", text)
    text = text.replace("'DejaVu Sans'", "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans'")
    return Markup(text.replace("<svg", '<svg aria-hidden="true" focusable="false"', 1))  # noqa: S704
