"""The static twin of an explorer: a picture of the map, its caption, and its groups as a table.

The picture is an SVG image within the HTML. As an image it is shown where inline SVG is stripped
(a notebook that is not trusted) and runs no script; it holds no text, so that its ground may be
transparent. Where images are stripped as well, the table and the caption stand alone.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import numpy as np

from synthkit import plots
from synthkit.core.formatting import count, thousands
from synthkit.core.static_output import StaticOutput, static_table
from synthkit.evaluate.views.group_contrast import MISSING
from synthkit.notebook.widgets.explorer.map import Atlas
from synthkit.plots import HUES

WIDTH, HEIGHT, MARGIN = 1280, 720, 24
GLYPHS = ("●", "■", "▲", "◆", "▼", "✚", "✖", "○")
# explorer.js draws the same shapes
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


def static(atlas: Atlas) -> StaticOutput:
    """The map in a form that needs neither kernel nor script; equal for equal maps."""
    groups = atlas.groups
    counts = groups.counts()
    rows = [
        {"mark": _mark(atlas, code), "group": label, "rows": counts[code]}
        for code, label in enumerate(groups.labels)
        if atlas.colour
    ]
    table = static_table(rows, note=caption(atlas))
    where = "data:image/svg+xml," + quote(_svg(atlas), safe=",='/:;() ")
    size = f'width="{WIDTH // 2}" height="{HEIGHT // 2}"'
    picture = (
        f'<p><img {size} alt="A map of {count(len(atlas.drawn), "point")}." src="{where}"></p>'
    )
    return StaticOutput(table.plain, (picture if len(atlas.drawn) else "") + table.html)


def figure(atlas: Atlas, hover: int | None = None) -> Any:
    """The map as a plotly figure; ``hover`` as in :func:`synthkit.plots.embedding_map`."""
    drawn, labels = atlas.drawn, atlas.groups.labels
    return plots.embedding_map(
        atlas.map.points[drawn].astype(float).tolist(),
        texts=[atlas.texts[at] for at in drawn],
        groups=[labels[code] or atlas.name for code in atlas.groups.codes[drawn]],
        axes=(f"{atlas.map.method} 1", f"{atlas.map.method} 2"),
        caption=caption(atlas),
        hover=hover,
        seed=atlas.seed,
    )


def caption(atlas: Atlas) -> str:
    """How many points, coloured by what, embedded, laid out and drawn how; one line."""
    shown, of, made, placed = len(atlas.drawn), len(atlas.scope), atlas.map, _placed(atlas)
    points = count(of, "point")
    parts = [
        f"{atlas.name}: " + (f"{thousands(shown)} of {points} shown" if shown < of else points)
    ]
    if of < placed:
        parts.append(f"narrowed from {thousands(placed)}")
    if atlas.done < atlas.size:
        parts.append(f"{thousands(atlas.done)} of {count(atlas.size, 'text')} embedded")
    elif apart := atlas.size - placed:
        parts.append(f"{count(apart, 'row')} without a vector")
    if atlas.colour:
        parts.append(f"coloured by {atlas.colour}")
    if atlas.text is not None and atlas.embedder is not None:
        parts.append(f"{atlas.text} embedded by {atlas.source}")
    else:
        parts.append(f"vectors from {atlas.source}")
    parts.append(made.method)
    if made.explained is not None:
        across, up = made.explained
        parts[-1] += f", {across:.0%} of the variance across, {up:.0%} up".replace("%", "\u202f%")
    if made.fitted < placed:
        parts.append(f"fitted on {thousands(made.fitted)}")
    return ", ".join([*parts, f"seed {made.seed}"])


def _placed(atlas: Atlas) -> int:
    return int(np.isfinite(atlas.map.points).all(axis=1).sum())


def _mark(atlas: Atlas, code: int) -> str:
    groups = atlas.groups
    if not groups.numeric:
        return GLYPHS[code % len(GLYPHS)]
    return GLYPHS[-1] if groups.labels[code] == MISSING else f"size {code + 1}"


def _svg(atlas: Atlas) -> str:
    at = np.searchsorted(atlas.scope, atlas.drawn)
    x = np.rint(MARGIN + atlas.frame[at, 0] * (WIDTH - 2 * MARGIN)).astype(int)
    y = np.rint(HEIGHT - MARGIN - atlas.frame[at, 1] * (HEIGHT - 2 * MARGIN)).astype(int)
    codes = atlas.groups.codes[atlas.drawn]
    parts = []
    for code in range(len(atlas.groups.labels)):
        if len(own := np.flatnonzero(codes == code)):
            # the corners of an unseen line bear the marks: the fewest letters for each point
            line = "L".join(f"{x[n]},{y[n]}" for n in own)
            paint, shape = _style(atlas, code)
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


def _style(atlas: Atlas, code: int) -> tuple[str, str]:
    """How a group is painted, and the shape of its points, drawn from their middle."""
    groups = atlas.groups
    if not groups.numeric:
        fill = HUES[code % len(HUES)] if atlas.colour else HUES[0]
        return f"fill='{fill}'", SHAPES[code % len(SHAPES)]
    if groups.labels[code] == MISSING:
        return f"fill='{HUES[-1]}'", SHAPES[-1]
    r = 4 + code
    return f"fill='{HUES[0]}'", f"M{-r},0a{r},{r},0,1,0,{2 * r},0a{r},{r},0,1,0-{2 * r},0"
