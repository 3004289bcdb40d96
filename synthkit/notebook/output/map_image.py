"""The static output of an explorer: a picture of the map, its caption, and a table of its groups.

The picture is an SVG image in a data URL: an image runs no script, and is shown in an untrusted
notebook, where inline SVG is removed. It holds no text, so its background may be transparent.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import numpy as np

from synthkit import plots
from synthkit.core.formatting import count, thousands
from synthkit.core.static_output import StaticOutput, static_table
from synthkit.evaluate.views.group_contrast import MISSING
from synthkit.notebook.widgets.explorer.map import TextMap
from synthkit.plots import HUES

WIDTH, HEIGHT, MARGIN = 1280, 720, 24
GLYPHS = ("●", "■", "▲", "◆", "▼", "✚", "✖", "○")
# the same shapes as in the explorer's script
SHAPES = (
    "M-7,0a7,7,0,1,0,14,0a7,7,0,1,0-14,0",
    "M-6-6h12v12h-12z",
    "M0-8l8,14h-16z",
    "M0-9l8,9l-8,9l-8-9z",
    "M0,8l8-14h-16z",
    "M-3-8h6v5h5v6h-5v5h-6v-5h-5v-6h5z",
    "M-8-5l3-3l5,5l5-5l3,3l-5,5l5,5l-3,3l-5-5l-5,5l-3-3l5-5z",
    "M-7,0a7,7,0,1,0,14,0a7,7,0,1,0-14,0m3,0a4,4,0,0,1,8,0a4,4,0,0,1-8,0",
)


def static(text_map: TextMap) -> StaticOutput:
    """The map as an image, with the number of rows in each group; equal for equal maps."""
    groups = text_map.groups
    counts = groups.counts()
    rows = [
        {"mark": _mark(text_map, code), "group": label, "rows": counts[code]}
        for code, label in enumerate(groups.labels)
        if text_map.colour
    ]
    table = static_table(rows, note=caption(text_map))
    url = "data:image/svg+xml," + quote(_svg(text_map), safe=",='/:;() ")
    size = f'width="{WIDTH // 2}" height="{HEIGHT // 2}"'
    picture = (
        f'<p><img {size} alt="A map of {count(len(text_map.drawn), "point")}." src="{url}"></p>'
    )
    return StaticOutput(table.plain, (picture if len(text_map.drawn) else "") + table.html)


def figure(text_map: TextMap, hover: int | None = None) -> Any:
    """The map as a plotly figure; ``hover`` as in :func:`synthkit.plots.embedding_map`."""
    drawn = text_map.drawn
    labels = [label or text_map.name for label in text_map.groups.labels]
    return plots.embedding_map(
        text_map.map.points[drawn].astype(float).tolist(),
        texts=[text_map.texts[at] for at in drawn],
        groups=[labels[code] for code in text_map.groups.codes[drawn]],
        order=labels,
        axes=(f"{text_map.map.method} 1", f"{text_map.map.method} 2"),
        caption=caption(text_map),
        hover=hover,
        seed=text_map.map.seed,
    )


def caption(text_map: TextMap) -> str:
    """One line: the number of points, their colour, the embedder, the projection and the seed."""
    shown, total, placed = len(text_map.drawn), len(text_map.scope), text_map.placed
    vectors, projected = text_map.vectors, text_map.map
    points = count(total, "point")
    parts = [f"{text_map.name}: {points}"]
    if shown < total:
        parts = [f"{text_map.name}: {thousands(shown)} of {points} shown"]
    if total < placed:
        parts.append(f"narrowed from {thousands(placed)}")
    if vectors.done < text_map.size:
        parts.append(f"{thousands(vectors.done)} of {count(text_map.size, 'text')} embedded")
    elif missing := text_map.size - placed:
        parts.append(f"{count(missing, 'row')} without a vector")
    if text_map.colour:
        parts.append(f"coloured by {text_map.colour}")
    if text_map.column is not None and vectors.embedder is not None:
        parts.append(f"{text_map.column} embedded by {vectors.source}")
    else:
        parts.append(f"vectors from {vectors.source}")
    across, up = (f"{share:.0%}".replace("%", "\u202f%") for share in projected.explained)
    parts.append(f"{projected.method}, {across} of the variance across, {up} up")
    if projected.fitted < placed:
        parts.append(f"fitted on {thousands(projected.fitted)}")
    return ", ".join([*parts, f"seed {projected.seed}"])


def _mark(text_map: TextMap, code: int) -> str:
    groups = text_map.groups
    if not groups.numeric:
        return GLYPHS[code % len(GLYPHS)]
    return GLYPHS[-1] if groups.labels[code] == MISSING else f"size {code + 1}"


def _svg(text_map: TextMap) -> str:
    at = np.searchsorted(text_map.scope, text_map.drawn)
    x = np.rint(MARGIN + text_map.frame[at, 0] * (WIDTH - 2 * MARGIN)).astype(int)
    y = np.rint(HEIGHT - MARGIN - text_map.frame[at, 1] * (HEIGHT - 2 * MARGIN)).astype(int)
    codes = text_map.groups.codes[text_map.drawn]
    parts = []
    for code in range(len(text_map.groups.labels)):
        if len(members := np.flatnonzero(codes == code)):
            # markers at the corners of an invisible line take the fewest characters for a point
            line = "L".join(f"{x[n]},{y[n]}" for n in members)
            paint, shape = _style(text_map, code)
            parts.append(
                f"<marker id='m{code}' markerUnits='userSpaceOnUse' markerWidth='32' "
                f"markerHeight='32' viewBox='-16 -16 32 32'><path {paint} d='{shape}'/></marker>"
                f"<path fill='none' d='M{line}h0' marker-start='url(#m{code})' "
                f"marker-mid='url(#m{code})' marker-end='url(#m{code})'/>"
            )
    frame = f"<path fill='none' stroke='#888' d='M1,1h{WIDTH - 2}v{HEIGHT - 2}h{2 - WIDTH}z'/>"
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {HEIGHT}'>"
        f"{frame}{''.join(parts)}</svg>"
    )


def _style(text_map: TextMap, code: int) -> tuple[str, str]:
    """The paint of a group, and the path of its points around their middle."""
    groups = text_map.groups
    if not groups.numeric:
        fill = HUES[code % len(HUES)] if text_map.colour else HUES[0]
        return f"fill='{fill}'", SHAPES[code % len(SHAPES)]
    if groups.labels[code] == MISSING:
        return f"fill='{HUES[-1]}'", SHAPES[-1]
    r = 4 + code
    return f"fill='{HUES[0]}'", f"M{-r},0a{r},{r},0,1,0,{2 * r},0a{r},{r},0,1,0-{2 * r},0"
