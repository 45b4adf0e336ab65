"""The table of rooms in ARCHITECTURE.md, and its picture: `python tests/house/plan.py` draws it anew."""

import re
from html import escape
from typing import NamedTuple

from imports import ROOT

PICTURE = ROOT / "tests" / "house" / "rooms.svg"


class Room(NamedTuple):
    #: What comes in and goes out.
    does: str
    #: What of the world outside it may touch, in words of `tests/house/touch.py`.
    touches: list[str]
    #: Rooms that it may use.
    uses: list[str]


def rooms():
    """{name: Room}, from the top down."""
    text = (ROOT / "ARCHITECTURE.md").read_text()
    section = re.search(r"## Rooms\n(.*?)\n## ", text, re.S).group(1)
    found = {}
    for line in section.splitlines():
        if line.startswith("| `"):
            name, does, touches, uses = (cell.strip() for cell in line.strip("|").split("|"))
            touches = [] if touches == "nothing" else touches.split(", ")
            found[name.strip("`")] = Room(does, touches, re.findall(r"`(\w+)`", uses))
    return found


def floors(uses):
    """Each room above all that it uses; the ground is 0."""

    def floor(room):
        return 1 + max((floor(other) for other in uses[room]), default=-1)

    return {room: floor(room) for room in uses}


def reduced(uses):
    """The arrows that no longer way stands for: what a picture needs."""

    def reach(room):
        return {room}.union(*(reach(other) for other in uses[room]))

    return [
        (room, other)
        for room, others in uses.items()
        for other in others
        if not any(other in reach(between) for between in others if between != other)
    ]


def outwards(there):
    """The first in the middle, the others beside it in turns: who is used from far above stands outside."""
    return [*there[2::2][::-1], *there[:1], *there[1::2]]


def picture():
    uses = {name: room.uses for name, room in rooms().items()}
    level = floors(uses)
    width, height, gap, row = 128, 40, 28, 84
    by_floor = {}
    for room in uses:
        by_floor.setdefault(level[room], []).append(room)
    users = {room: max((level[user] for user, used in reduced(uses) if used == room), default=0) for room in uses}
    by_floor = {floor: outwards(sorted(there, key=users.get)) for floor, there in by_floor.items()}
    widest = max(len(there) for there in by_floor.values())
    total = widest * (width + gap) + gap
    top = max(by_floor)
    at = {}
    for floor, there in by_floor.items():
        left = (total - len(there) * (width + gap) + gap) / 2
        for n, room in enumerate(there):
            at[room] = (left + n * (width + gap), 20 + (top - floor) * row)
    tall = 20 + top * row + height + 20
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total:.0f} {tall}" width="{total:.0f}" '
        f'font-family="ui-monospace, monospace" font-size="14" role="img" aria-label="Rooms of src/, each above those that it uses">',
        '<defs><marker id="a" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#667"/></marker></defs>',
        f'<rect width="{total:.0f}" height="{tall}" fill="#fff"/>',
    ]
    for room, other in reduced(uses):
        (x1, y1), (x2, y2) = at[room], at[other]
        x1, x2 = x1 + width / 2, x2 + width / 2
        if level[room] - level[other] == 1:
            y1 += height
            middle = (y1 + y2) / 2
            way = f"M{x1:.0f} {y1:.0f}C{x1:.0f} {middle:.0f} {x2:.0f} {middle:.0f} {x2:.0f} {y2:.0f}"
        else:
            # Past the floors between, beside them.
            side = 1 if x2 > x1 else -1
            x1, y1 = x1 + side * width / 2, y1 + height / 2
            bend = min(16, abs(x2 - x1))
            way = f"M{x1:.0f} {y1:.0f}H{x2 - side * bend:.0f}Q{x2:.0f} {y1:.0f} {x2:.0f} {y1 + bend:.0f}V{y2:.0f}"
        out.append(f'<path d="{way}" fill="none" stroke="#667" stroke-width="1.3" marker-end="url(#a)"/>')
    for room, (x, y) in at.items():
        fill = "#e8f0e4" if room in ("strict_saml", "fair_line") else "#eef1f8"
        out.append(
            f'<rect x="{x:.0f}" y="{y:.0f}" width="{width}" height="{height}" rx="6" fill="{fill}" stroke="#445"/>'
            f'<text x="{x + width / 2:.0f}" y="{y + 25:.0f}" text-anchor="middle" fill="#112">{escape(room)}</text>'
        )
    return "\n".join(out) + "\n</svg>\n"


if __name__ == "__main__":
    PICTURE.write_text(picture())
