#!/usr/bin/env python3
"""Draws the icons: posts, planks and dots as signed distances, so that no drawing program is needed.

A gangway between shore (left) and ship (right): whole when on, drawn up when off, broken with a mark
over the gap when something is wrong. The shapes differ, not only the colours: some panels show no
colour, and some people see none. Run it in this folder.
"""

import math
import struct
import zlib

# On a 64 × 64 field; y goes down.
SHORE, SHIP = ("box", 3, 40, 22, 58, 4), ("box", 42, 26, 61, 58, 4)
ON = [SHORE, SHIP, ("line", 8, 33, 54, 17, 4.5)]
OFF = [SHORE, SHIP, ("line", 12.5, 31, 12.5, 9, 4.5)]
PROBLEM = [SHORE, SHIP, ("line", 7, 32, 15, 29, 4.5), ("line", 48, 17, 56, 14, 4.5),
           ("line", 31.5, 7, 31.5, 24, 4.5), ("line", 31.5, 38, 31.5, 38, 5)]


def distance(shape, x, y):
    """How far the point lies outside of the shape; negative inside."""
    kind, x0, y0, x1, y1, radius = shape
    if kind == "line":
        dx, dy = x1 - x0, y1 - y0
        length = dx * dx + dy * dy
        along = min(1, max(0, ((x - x0) * dx + (y - y0) * dy) / length)) if length else 0
        return math.hypot(x - x0 - along * dx, y - y0 - along * dy) - radius
    out_x = abs(x - (x0 + x1) / 2) - (x1 - x0) / 2 + radius
    out_y = abs(y - (y0 + y1) / 2) - (y1 - y0) / 2 + radius
    return math.hypot(max(out_x, 0), max(out_y, 0)) + min(max(out_x, out_y), 0) - radius


def coverage(shapes, x, y, scale):
    """How much of the pixel at (x, y) the shapes cover, at `scale` pixels a unit."""
    return min(1, max(0, 0.5 - min(distance(s, x, y) for s in shapes) * scale))


def png(path, size, pixel):
    rows = b"".join(b"\0" + bytes(v for x in range(size) for v in pixel(x, y)) for y in range(size))
    chunk = lambda kind, data: (struct.pack(">I", len(data)) + kind + data
                                + struct.pack(">I", zlib.crc32(kind + data)))
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">2I5B", size, size, 8, 6, 0, 0, 0))
                   + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))


def tray(name, shapes, colour):
    png(name, 64, lambda x, y: (*colour, round(255 * coverage(shapes, x + .5, y + .5, 1))))


def app(name, size):
    plate, scale = [("box", 0, 0, 64, 64, 14)], size / 64

    def pixel(x, y):
        x, y = (x + .5) / scale, (y + .5) / scale
        inner = coverage(ON, (x - 12) / .625, (y - 12) / .625, scale * .625)
        mix = lambda dark, light: round(dark + (light - dark) * inner)
        return mix(18, 255), mix(102, 255), mix(107, 255), round(255 * coverage(plate, x, y, scale))

    png(name, size, pixel)


tray("tray-on.png", ON, (42, 161, 152))
tray("tray-off.png", OFF, (138, 148, 153))
tray("tray-problem.png", PROBLEM, (217, 130, 43))
app("icon.png", 128)
