"""A bar chart of seconds on a logarithmic scale, as SVG, for report.py."""

import math
from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT, TOP, LINE, HEADING = 860, 250, 110, 70, 22, 34

# The background is drawn, and not left to the page: a page's theme need not be the one that the system asks for.
STYLE = """
    .page { fill: #ffffff } .text { fill: #1f2328 } .faint { fill: #59636e } .grid { stroke: #d1d9e0 }
    .ours { fill: #c51a4a } .theirs { fill: #8c959f }
    @media (prefers-color-scheme: dark) {
      .page { fill: #0d1117 } .text { fill: #f0f6fc } .faint { fill: #9198a1 } .grid { stroke: #3d444d }
      .ours { fill: #f0527d } .theirs { fill: #6e7681 }
    }
    text { font-family: system-ui, sans-serif; font-size: 13px } .head { font-weight: 600 } .title { font-size: 16px; font-weight: 600 }
"""


def label(value):
    if value < 10:
        return f"{value:.2f} s"
    if value < 120:
        return f"{value:.1f} s"
    return f"{int(value) // 60}:{int(value) % 60:02} min"


def text(x, y, words, classes="text", anchor="start"):
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{classes}" text-anchor="{anchor}">{escape(words)}</text>'


def draw(groups):
    """groups: (heading, [(label, seconds or None, whether it is ours, remark)])."""
    values = [value for _, items in groups for _, value, _, _ in items if value]
    low = math.floor(math.log10(min(values)))
    high = math.log10(max(values))
    span = WIDTH - LEFT - RIGHT
    place = lambda value: LEFT + (math.log10(value) - low) / (high - low) * span
    height = TOP + sum(HEADING + LINE * len(items) for _, items in groups) + 30

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" '
        'aria-label="Seconds of each measurement, on a logarithmic scale">',
        f"<style>{STYLE}</style>",
        f'<rect class="page" width="{WIDTH}" height="{height}"/>',
        text(20, 28, "Seconds, on a logarithmic scale: shorter is better", "text title"),
        f'<rect class="ours" x="{WIDTH - 210}" y="17" width="12" height="12"/>', text(WIDTH - 192, 28, "piforge"),
        f'<rect class="theirs" x="{WIDTH - 120}" y="17" width="12" height="12"/>', text(WIDTH - 102, 28, "others"),
    ]
    for power in range(low, math.floor(high) + 1):
        x = place(10**power)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 8}" y2="{height - 24}"/>')
        parts.append(text(x, TOP - 14, f"{10**power:g} s", "faint", "middle"))
    y = TOP
    for heading, items in groups:
        parts.append(text(20, y + HEADING - 12, heading, "text head"))
        y += HEADING
        for name, value, ours, remark in items:
            parts.append(text(LEFT - 10, y + 14, name, "text", "end"))
            if value:
                end = place(value)
                parts.append(f'<rect class="{"ours" if ours else "theirs"}" x="{LEFT}" y="{y + 3}" width="{max(end - LEFT, 1):.1f}" height="{LINE - 7}"/>')
                parts.append(text(end + 6, y + 14, label(value)))
            else:
                parts.append(text(LEFT + 6, y + 14, remark, "faint"))
            y += LINE
    parts.append("</svg>")
    return "\n".join(parts) + "\n"
