"""Training pictures for the detector: crops, mosaics, pasted heads and distractors, spoilt as cameras spoil them.

Everything is drawn from one numpy generator, so that a run resumes exactly.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from moodtrain.data.classroom import Face, Picture, Pixels
from moodtrain.heads.boxes import area, iou, longer_side
from moodtrain.heads.covering import cover, mask_faces
from moodtrain.heads.loss import Truth

SMALLEST_PX = 6  # smaller heads are neither right nor wrong
GREY = 114
GIANT = 1.1  # heads longer than this share of a crop's side cannot be boxed in it
# Around the heads of a picture with incomplete labels, the background that is known: shares of the head's size to the left and right,
# above, and below (where the second box of a close-up lies).
RING = (0.6, 0.5, 1.2)


@dataclass
class Shares:
    """How often each trick is used, 0..1."""

    mosaic: float = 0.25
    close: float = 0.10  # zoomed until one head fills a fifth to nearly all: hands and bags are large there too
    empty: float = 0.22  # zoomed into a place without heads, or a piece of a picture without people
    paste: float = 0.30
    rooms: float = 0.45  # of pictures: from the sets of other rooms, where there are such
    cover: float = 0.25  # of crops: cloth over some heads, or hair of another brightness
    mask: float = 0.06  # of crops: masks over some faces
    dark: float = 0.12  # little light


# How often each set of rooms is drawn, relative to the others.
SET_SHARES = {
    "hardhat_heads": 0.24, "veils": 0.24, "school_scenes": 0.18, "mask_crowds": 0.10, "mask_people": 0.12, "hijab_portraits": 0.07,
    "webcam_closeups": 0.05,
}
READ_AT = (1280, 736)  # px: the program scales whole pictures to this size
ROOM_HEADS = (9.0, 200.0)  # px: sizes that heads of the sets are brought to in an ordinary crop
LARGEST_ZOOM = 2.5
LARGEST_FRAME = 1.4  # a crop is at most so many times as wide as its picture


def cut(luma: np.ndarray, left: int, top: int, side: int, out: int, border: int) -> np.ndarray:
    """uint8 [out, out]: the square of `side` px at (left, top), which may hang over the edge, scaled."""
    height, width = luma.shape
    inner = luma[max(top, 0) : min(top + side, height), max(left, 0) : min(left + side, width)]
    if inner.shape != (side, side):
        framed = np.full((side, side), border, np.uint8)
        y, x = max(-top, 0), max(-left, 0)
        framed[y : y + inner.shape[0], x : x + inner.shape[1]] = inner
        inner = framed
    return cv2.resize(inner, (out, out), interpolation=cv2.INTER_AREA if side > out else cv2.INTER_LINEAR)


def label_crop(picture: Picture, left: int, top: int, side: int, out: int) -> Truth:
    """The labels of such a crop; heads mostly outside it or too small are ignored, faces cut off are unknown."""
    scale = out / side
    origin = np.array([left, top, left, top], np.float32)
    heads, faces = (picture.heads - origin) * scale, (picture.faces - origin) * scale
    inside, faces_inside = heads.clip(0, out), faces.clip(0, out)
    seen = area(inside) / np.maximum(area(heads), 1e-3)
    face_seen = area(faces_inside) / np.maximum(area(faces), 1e-3)
    visible = picture.visible.copy()
    visible[(visible == Face.VISIBLE) & (face_seen < 0.7)] = Face.UNKNOWN
    visible[(visible == Face.HIDDEN) & (seen < 0.8)] = Face.UNKNOWN
    size = longer_side(heads)
    giant = size > GIANT * out
    keep = (seen >= 0.4) & (size >= SMALLEST_PX) & ~giant
    ignore = (seen > 0.05) & ~keep & ~(giant & (seen < 0.4))  # a piece of a giant head is background
    ignored = inside[ignore]
    if len(picture.ignored):
        others = ((picture.ignored - origin) * scale).clip(0, out)
        ignored = np.concatenate([ignored, others[area(others) > 1]])
    return Truth(inside[keep], faces_inside[keep], visible[keep], ignored, known_places(picture, heads, out))


def known_places(picture: Picture, heads: np.ndarray, out: int) -> np.ndarray:
    """float32 [K, 4]: where a crop of side `out` has background that is known to be background; `heads` in its pixels."""
    if picture.complete:
        return np.array([[0, 0, out, out]], np.float32)
    size = heads[:, 2:] - heads[:, :2]
    growth = np.stack([-RING[0] * size[:, 0], -RING[1] * size[:, 1], RING[0] * size[:, 0], RING[2] * size[:, 1]], 1)
    return (heads + growth).clip(0, out).astype(np.float32)


def mirror(luma: np.ndarray, truth: Truth) -> np.ndarray:
    """Mirrors the boxes in place and returns the mirrored picture."""
    for boxes in (truth.heads, truth.faces, truth.ignored, truth.known):
        boxes[:, [0, 2]] = luma.shape[1] - boxes[:, [2, 0]]
    return np.ascontiguousarray(luma[:, ::-1])


def spoil(luma: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """uint8 -> float32 0..1: JPEG blocks, defocus, movement, gamma, contrast, light from one side, sensor noise."""
    if rng.random() < 0.15:
        luma = cv2.imdecode(cv2.imencode(".jpg", luma, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 80))])[1], 0)
    if rng.random() < 0.2:
        luma = cv2.GaussianBlur(luma, (0, 0), rng.uniform(0.4, 1.4))
    elif rng.random() < 0.06:
        luma = cv2.blur(luma, (int(rng.integers(2, 6)), 1) if rng.random() < 0.7 else (1, int(rng.integers(2, 6))))
    curve = np.arange(256, dtype=np.float32) / 255
    if rng.random() < 0.5:
        curve = curve ** (2 ** rng.uniform(-0.9, 0.9))
    if rng.random() < 0.7:
        curve = (curve - 0.5) * rng.uniform(0.5, 1.3) + 0.5 + rng.uniform(-0.2, 0.2)
    x = curve.astype(np.float32)[luma]
    if rng.random() < 0.08:
        x = x * np.linspace(rng.uniform(0.3, 1), rng.uniform(0.3, 1.3), x.shape[1], dtype=np.float32)[None]
    if rng.random() < 0.25:
        x = x + rng.standard_normal(x.shape, dtype=np.float32) * rng.uniform(0.005, 0.05)
    return x.clip(0, 1)


def darken(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """float32 0..1 -> the same by 4 to 60 % of the light: shot and read noise, and the few steps that 8 bits leave."""
    light = float(np.exp(rng.uniform(np.log(0.04), np.log(0.6))))
    x = x * light + rng.uniform(0, 0.02)
    if rng.random() < 0.7:
        noise = rng.standard_normal(x.shape, dtype=np.float32)
        x = x + noise * (np.sqrt(np.maximum(x, 0)) * rng.uniform(0, 0.02) + rng.uniform(0, 0.012))
    return (np.round(x.clip(0, 1) * 255) / 255).astype(np.float32)


def drawn_mark(side: int, rng: np.random.Generator) -> np.ndarray:
    """uint8 [side, side]: a disc, a ring or letters on an even ground, as on logos, clocks, boards and keys."""
    scale = 4
    mark = np.full((side * scale, side * scale), int(rng.integers(256)), np.uint8)
    luma, middle = int(rng.integers(256)), side * scale // 2
    kind = rng.random()
    if kind < 0.45:
        axes = tuple(int(middle * rng.uniform(0.45, 0.95)) for _ in range(2)) if rng.random() < 0.5 else (int(middle * rng.uniform(0.5, 0.95)),) * 2
        thickness = -1 if rng.random() < 0.4 else max(1, int(side * scale * rng.uniform(0.03, 0.2)))
        cv2.ellipse(mark, (middle, middle), axes, 0, 0, 360, luma, thickness, cv2.LINE_AA)
        if rng.random() < 0.5:
            cv2.circle(mark, (middle, middle), int(middle * rng.uniform(0.1, 0.5)), int(rng.integers(256)), -1, cv2.LINE_AA)
    if kind > 0.3:
        text = "".join(rng.choice(list("0O8QDCGBSae6935&@%RPo"), int(rng.integers(1, 4))))
        font = [cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX, cv2.FONT_HERSHEY_TRIPLEX][int(rng.integers(4))]
        width, size = max(1, int(side * scale * rng.uniform(0.02, 0.12))), side * scale * rng.uniform(0.5, 1.0)
        (w, h), _ = cv2.getTextSize(text, font, 1.0, width)
        factor = size / max(w, h, 1)
        corner = (int(middle - w * factor / 2), int(middle + h * factor / 2))
        cv2.putText(mark, text, corner, font, factor, luma if kind > 0.45 else int(rng.integers(256)), width, cv2.LINE_AA)
    return cv2.resize(mark, (side, side), interpolation=cv2.INTER_AREA)


def soft_oval(height: int, width: int) -> np.ndarray:
    """float32 [height, width]: 1 inside, falling to 0 at the edge: the mask by which patches are pasted."""
    y, x = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    return np.clip((1.05 - np.sqrt(x * x + y * y)) * 5, 0, 1).astype(np.float32)


class Samples:
    """An endless source of training pictures of side `side`."""

    def __init__(self, pictures: list[Picture], pixels: Pixels, side: int, rng: np.random.Generator,
                 negatives: list[np.ndarray] | None = None, empty: list[np.ndarray] | None = None):
        self.pictures, self.pixels, self.side, self.rng = pictures, pixels, side, rng
        # Two kinds of uint8 [H, W] pictures without people; the second, harder one is drawn more often.
        self.negatives = [kind for kind in (negatives, empty) if kind]
        self.shares = Shares()
        self.strength = 1.0  # 0 leaves out mosaics, pasting and what is drawn over heads
        self.classroom = [i for i, picture in enumerate(pictures) if picture.part in ("A", "B")]
        self.sets = {name: [i for i, p in enumerate(pictures) if p.part == name and len(p.heads)] for name in SET_SHARES}
        self.sets = {name: rows for name, rows in self.sets.items() if rows}
        weights = np.array([SET_SHARES[name] for name in self.sets])
        self.set_shares = np.cumsum(weights / weights.sum()) if len(weights) else weights
        # Pasted patches and places without heads come from pictures whose labels are complete.
        self.full = [i for i, picture in enumerate(pictures) if picture.complete and picture.part in ("A", "B", "hardhat_heads")]
        self.peopled = [i for i in self.full if len(pictures[i].heads)]
        self.web = [i for i in self.peopled if pictures[i].part == "B"] or self.peopled

    def any_picture(self) -> int:
        """The index of a picture: of a classroom, or of one of the sets by their shares."""
        rng = self.rng
        if self.sets and (not self.classroom or rng.random() < self.shares.rooms):
            rows = list(self.sets.values())[min(int(np.searchsorted(self.set_shares, rng.random())), len(self.sets) - 1)]
        else:
            rows = self.classroom
        return rows[int(rng.integers(len(rows)))]

    def draw(self) -> tuple[np.ndarray, Truth]:
        """float32 [side, side] luma in 0..1, and its labels."""
        rng = self.rng
        if self.strength > 0 and rng.random() < self.shares.mosaic:
            luma, truth = self.mosaic()
        else:
            kind = rng.random()
            if kind < self.shares.close:
                luma, truth = self.close_crop()
            elif kind < self.shares.close + self.shares.empty:
                luma, truth = self.empty_crop()
            else:
                luma, truth = self.crop(self.side)
        if self.strength > 0 and rng.random() < self.shares.paste:
            self.paste_patches(luma, truth)
        if self.strength > 0 and rng.random() < self.shares.cover:
            cover(luma, truth, rng, float(rng.choice([0.3, 0.7])))
        if self.strength > 0 and rng.random() < self.shares.mask:
            mask_faces(luma, truth, rng, 0.5)
        if rng.random() < 0.5:
            luma = mirror(luma, truth)
        x = spoil(luma, rng)
        return (darken(x, rng) if rng.random() < self.shares.dark else x), truth

    def take(self, index: int, left: int, top: int, side: int, out: int) -> tuple[np.ndarray, Truth]:
        """A crop and its labels."""
        border = GREY if self.rng.random() < 0.5 else int(self.rng.integers(256))
        luma = cut(self.pixels[index], left, top, side, out, border)
        return luma, label_crop(self.pictures[index], left, top, side, out)

    def crop(self, out: int, zoom: float = 1.0) -> tuple[np.ndarray, Truth]:
        """An ordinary crop at half to twice the stored size, three times in four around some head."""
        rng = self.rng
        index = self.any_picture()
        picture = self.pictures[index]
        if picture.part in SET_SHARES:
            return self.room_crop(index, out, zoom)
        scale = 2 ** rng.uniform(-1, 1) * zoom
        if len(picture.heads) and picture.part == "B":
            usual = float(np.median(picture.heads[:, 3] - picture.heads[:, 1]))
            if usual > 60:  # close-ups: keep most heads in the range of a classroom
                scale = min(scale, 2 ** rng.uniform(-1, 1) * 60 / usual * zoom)
        side = round(out / max(scale, 0.3))
        left, top = self.somewhere(picture, side)
        return self.take(index, left, top, side, out)

    def room_crop(self, index: int, out: int, zoom: float) -> tuple[np.ndarray, Truth]:
        """A crop of a picture of a set of rooms around some head, which becomes 9 to 200 px high (times `zoom`)."""
        rng = self.rng
        picture = self.pictures[index]
        head = picture.heads[int(rng.integers(len(picture.heads)))]
        low, high = np.log(ROOM_HEADS)
        # The middle of the range more often than its ends.
        wanted = float(np.exp(low + (high - low) * (rng.random() + rng.random()) / 2)) * zoom
        scale = float(np.clip(wanted / max(head[3] - head[1], 4), 0.2, LARGEST_ZOOM))
        extent = (picture.width, picture.height)
        side = min(round(out / scale), round(LARGEST_FRAME * max(extent)))
        middle = (head[:2] + head[2:]) / 2
        corner = [int(middle[i] - rng.uniform(0.1, 0.9) * side) for i in (0, 1)]
        left, top = (min(max(c, min(0, e - side)), max(0, e - side)) for c, e in zip(corner, extent))
        return self.take(index, left, top, side, out)

    def somewhere(self, picture: Picture, side: int) -> tuple[int, int]:
        """The corner of a crop of `side` px: around a random head, or anywhere."""
        rng = self.rng
        extent = (picture.width, picture.height)
        if len(picture.heads) and rng.random() < 0.75:
            head = picture.heads[int(rng.integers(len(picture.heads)))]
            middle = (head[:2] + head[2:]) / 2
            corner = [int(middle[i] - rng.uniform(0.1, 0.9) * side) for i in (0, 1)]
            return tuple(min(max(c, min(0, e - side)), max(0, e - side)) for c, e in zip(corner, extent))  # type: ignore[return-value]
        return tuple(int(rng.integers(min(0, e - side), max(0, e - side) + 1)) for e in extent)  # type: ignore[return-value]

    def close_crop(self) -> tuple[np.ndarray, Truth]:
        """Zoomed so that one head fills a fifth to all of the height, sometimes more than all."""
        rng = self.rng
        index = self.any_picture()
        if self.pictures[index].part in ("A", "B"):
            index = self.web[int(rng.integers(len(self.web)))]
        heads = self.pictures[index].heads
        sizes = heads[:, 3] - heads[:, 1]
        row = int(sizes.argmax()) if rng.random() < 0.5 else int(rng.integers(len(heads)))
        head = heads[row]
        wanted = self.side * np.exp(rng.uniform(np.log(0.2), np.log(0.97 if rng.random() < 0.9 else 2.0)))
        side = int(np.clip(self.side * max(head[3] - head[1], 8) / wanted, 48, 3 * self.side))
        left, top = (int((head[i] + head[i + 2]) / 2 - rng.uniform(0.3, 0.7) * side) for i in (0, 1))
        return self.take(index, left, top, side, self.side)

    def empty_crop(self) -> tuple[np.ndarray, Truth]:
        """Zoomed into a place without heads: desks, hands, bags, walls, lights; ordinary where none is found. Half of
        them come from the pictures without people, where there are such."""
        rng = self.rng
        if self.negatives and rng.random() < 0.65:
            return self.negative_crop()
        for _ in range(8):
            index = self.full[int(rng.integers(len(self.full)))]
            picture = self.pictures[index]
            side = int(rng.integers(48, min(320, picture.width, picture.height)))
            left, top = int(rng.integers(picture.width - side + 1)), int(rng.integers(picture.height - side + 1))
            truth = label_crop(picture, left, top, side, self.side)
            if not len(truth.heads) and area(truth.ignored).sum() < 0.05 * self.side**2:
                return self.take(index, left, top, side, self.side)
        return self.crop(self.side)

    def negative_crop(self) -> tuple[np.ndarray, Truth]:
        """A random piece of a picture without people: at about the size at which whole pictures are read, or 64 px to all of it."""
        rng = self.rng
        kind = self.negatives[-1 if rng.random() < 0.65 else 0]
        luma = kind[int(rng.integers(len(kind)))]
        most = min(luma.shape)
        if rng.random() < 0.6:
            scale = min(READ_AT[0] / luma.shape[1], READ_AT[1] / luma.shape[0], 1.5) * 2 ** rng.uniform(-0.6, 0.4)
            side = int(np.clip(self.side / scale, 32, most))
        else:
            side = int(np.exp(rng.uniform(np.log(min(64, most)), np.log(most))))
        left, top = (int(rng.integers(extent - side + 1)) for extent in luma.shape[::-1])
        none = np.zeros((0, 4), np.float32)
        crop = cut(luma, left, top, side, self.side, GREY)
        return crop, Truth(none, none.copy(), np.zeros(0, np.int64), none.copy())

    def mosaic(self) -> tuple[np.ndarray, Truth]:
        """Four crops in one picture (YOLOv4, arXiv:2004.10934): many scales and rooms at once."""
        half = self.side // 2
        luma = np.empty((self.side, self.side), np.uint8)
        parts = []
        for i in range(4):
            y, x = i // 2 * half, i % 2 * half
            luma[y : y + half, x : x + half], truth = self.crop(half, zoom=0.75)
            for boxes in (truth.heads, truth.faces, truth.ignored, truth.known):
                boxes += np.array([x, y, x, y], np.float32)
            parts.append(truth)
        joined = (np.concatenate([getattr(t, name) for t in parts]) for name in ("heads", "faces", "visible", "ignored", "known"))
        return luma, Truth(*joined)

    def paste_patches(self, luma: np.ndarray, truth: Truth) -> None:
        """Paste one to six patches in place: half of them small heads, half things that are no head, with the same soft
        edge, so that the edge gives nothing away."""
        rng = self.rng
        for _ in range(int(rng.integers(1, 7))):
            is_head = rng.random() < 0.5
            patch, head, face, visible = self.head_patch() if is_head else self.other_patch()
            height, width = patch.shape
            if height >= self.side or width >= self.side or min(height, width) < 4:
                continue
            left, top = int(rng.integers(self.side - width)), int(rng.integers(self.side - height))
            place = np.array([[left, top, left + width, top + height]], np.float32)
            taken = np.concatenate([truth.heads, truth.ignored])
            if len(taken) and iou(place, taken).max() > 0.02:
                continue
            mask = soft_oval(height, width)
            below = luma[top : top + height, left : left + width]
            below[:] = (below * (1 - mask) + patch * mask).astype(np.uint8)
            if is_head:
                corner = place[:, [0, 1, 0, 1]]
                truth.heads = np.concatenate([truth.heads, head + corner])
                truth.faces = np.concatenate([truth.faces, face + corner])
                truth.visible = np.append(truth.visible, visible)

    def head_patch(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
        """A head with a tenth of its surroundings, made 7 to 40 px high: (patch, its head box, its face box, `Face`)."""
        rng = self.rng
        picture, index = self.any_peopled()
        row = int(rng.integers(len(picture.heads)))
        head = picture.heads[row]
        size = head[2:] - head[:2]
        low, high = np.maximum(head[:2] - 0.1 * size, 0), np.minimum(head[2:] + 0.1 * size, (picture.width, picture.height))
        low, high = np.round(low).astype(int), np.round(high).astype(int)
        scale = min(1.0, float(np.exp(rng.uniform(np.log(7), np.log(40))) / max(size[1], 1)))
        patch = self.shrink(self.pixels[index][low[1] : high[1], low[0] : high[0]], scale)
        corner = low[[0, 1, 0, 1]].astype(np.float32)
        face = (picture.faces[row : row + 1] - corner) * scale
        return patch, (picture.heads[row : row + 1] - corner) * scale, face, int(picture.visible[row])

    def other_patch(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
        """A head-sized piece of a picture in which there is no head, 8 to 120 px; nothing where none is found."""
        rng = self.rng
        none = np.zeros((1, 4), np.float32)
        if rng.random() < 0.2:
            return drawn_mark(round(np.exp(rng.uniform(np.log(10), np.log(90)))), rng), none, none, Face.HIDDEN
        if self.negatives and rng.random() < 0.4:
            crop, _ = self.negative_crop()
            side = float(np.exp(rng.uniform(np.log(10), np.log(120))))
            return self.shrink(crop, side / self.side), none, none, Face.HIDDEN
        for _ in range(4):
            picture, index = self.any_peopled()
            side = int(np.exp(rng.uniform(np.log(10), np.log(120))))
            if side >= min(picture.width, picture.height):
                continue
            left, top = int(rng.integers(picture.width - side)), int(rng.integers(picture.height - side))
            place = np.array([[left, top, left + side, top + side]], np.float32)
            if iou(place, picture.heads).max() < 0.01:
                scale = float(np.exp(rng.uniform(np.log(max(8 / side, 0.3)), np.log(1.5))))
                return self.shrink(self.pixels[index][top : top + side, left : left + side], scale), none, none, Face.HIDDEN
        return np.zeros((1, 1), np.uint8), none, none, Face.HIDDEN

    def any_peopled(self) -> tuple[Picture, int]:
        """A random picture that has heads, and its index."""
        index = self.peopled[int(self.rng.integers(len(self.peopled)))]
        return self.pictures[index], index

    @staticmethod
    def shrink(patch: np.ndarray, scale: float) -> np.ndarray:
        """Scaled by `scale`, at least one pixel."""
        if not patch.size:
            return np.zeros((1, 1), np.uint8)
        size = tuple(max(1, round(side * scale)) for side in patch.shape[::-1])
        return cv2.resize(patch, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
