"""Reads the PNG files that the project writes: up to eight bits per channel, no palette, not interlaced."""
import struct
import zlib


def decode_png(data, wanted_width):
    """Rows of characters, 1 where a pixel is brighter than half. Of an enlarged picture, one pixel of each block is used."""
    width, height, bits, colour = struct.unpack_from(">IIBB", data, 16)
    channels = {0: 1, 2: 3, 4: 2, 6: 4}[colour]
    scale = max(1, width // wanted_width)
    columns = range(scale // 2, width, scale)
    at, packed = 8, b""
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"IDAT":
            packed += data[at + 8:at + 8 + length]
        at += 12 + length
    raw, rows = zlib.decompress(packed), []
    line_bytes, step = (width * bits * channels + 7) // 8, max(1, bits * channels // 8)
    above = bytearray(line_bytes)
    for y in range(height):
        start = y * (line_bytes + 1)
        line = bytearray(raw[start + 1:start + 1 + line_bytes])
        _unfilter(raw[start], line, above, step)
        above = line
        if y % scale != scale // 2:
            continue
        if bits == 8:
            rows.append("".join("1" if line[x * channels] > 127 else "0" for x in columns))
        else:
            rows.append("".join(str(line[x // 8] >> (7 - x % 8) & 1) for x in columns))
    return rows


def _unfilter(kind, line, above, step):
    """PNG specification, chapter 9."""
    for i in range(len(line)):
        left = line[i - step] if i >= step else 0
        up = above[i]
        corner = above[i - step] if i >= step else 0
        if kind == 1:
            line[i] = line[i] + left & 0xFF
        elif kind == 2:
            line[i] = line[i] + up & 0xFF
        elif kind == 3:
            line[i] = line[i] + (left + up) // 2 & 0xFF
        elif kind == 4:
            guess = left + up - corner
            nearest = min((abs(guess - left), 0, left), (abs(guess - up), 1, up), (abs(guess - corner), 2, corner))
            line[i] = line[i] + nearest[2] & 0xFF
