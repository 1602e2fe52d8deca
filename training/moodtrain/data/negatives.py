"""Pictures without people for the detector: `python -m moodtrain.data.negatives --from DIR... --out DIR`.

Takes photographs, and cut-outs with transparency (animals, fruit, hats, tools), of which it makes collages over pieces
of the photographs. What was used here: Debian's tuxpaint-stamps-default, gnome-backgrounds, mate-backgrounds and
ukui-wallpapers, unpacked with `dpkg -x`, and scikit-image's samples. Look through the result: a head in it is unlearned.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp"}
# Parts of paths: drawings teach little, and these show people or what cannot be told from them.
LEFT_OUT = ("cartoon", "people", "faces", "apes", "alphabets", "symbols", "chess", "monuments", "seasonal", "motorcycle", "doc/")
LONGEST_PX = 900
COLLAGE_PX = 512


def is_wanted(path: Path) -> bool:
    """A picture, and not of a folder that is left out."""
    return path.suffix.lower() in SUFFIXES and not any(part in str(path) for part in LEFT_OUT)


def shrink(picture: np.ndarray, longest_px: int) -> np.ndarray:
    """[H, W, ...] made at most `longest_px` long."""
    scale = min(1.0, longest_px / max(picture.shape[:2]))
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def read(paths: list[Path]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """(photographs uint8 [H, W], cut-outs uint8 [H, W, 2]: luma and opacity); what cannot be read is left out."""
    photographs, cut_outs = [], []
    for path in paths:
        picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if picture is None or picture.dtype != np.uint8 or min(picture.shape[:2]) < 48:
            continue
        picture = shrink(picture, LONGEST_PX)
        if picture.ndim == 3 and picture.shape[2] == 4 and picture[..., 3].min() < 128:
            luma = cv2.cvtColor(picture[..., :3], cv2.COLOR_BGR2GRAY)
            cut_outs.append(np.dstack([luma, picture[..., 3]]))
        else:
            photographs.append(picture if picture.ndim == 2 else cv2.cvtColor(picture[..., :3], cv2.COLOR_BGR2GRAY))
    return photographs, cut_outs


def collage(photographs: list[np.ndarray], cut_outs: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """uint8 [512, 512]: two to six cut-outs over a piece of a photograph, or over an even gray."""
    picture = np.full((COLLAGE_PX, COLLAGE_PX), rng.integers(40, 220), np.uint8)
    wide = [p for p in photographs if min(p.shape) >= COLLAGE_PX]
    if wide and rng.random() < 0.8:
        chosen = wide[rng.integers(len(wide))]
        top, left = (int(rng.integers(extent - COLLAGE_PX + 1)) for extent in chosen.shape)
        picture = chosen[top : top + COLLAGE_PX, left : left + COLLAGE_PX].copy()
    for _ in range(int(rng.integers(2, 7))):
        cut_out = shrink(cut_outs[rng.integers(len(cut_outs))], int(rng.integers(60, 360)))
        height, width = cut_out.shape[:2]
        top, left = int(rng.integers(COLLAGE_PX - height + 1)), int(rng.integers(COLLAGE_PX - width + 1))
        below = picture[top : top + height, left : left + width]
        opacity = cut_out[..., 1].astype(np.float32) / 255
        below[:] = (below * (1 - opacity) + cut_out[..., 0] * opacity).astype(np.uint8)
    return picture


def main() -> None:
    """Collect, compose, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from", type=Path, nargs="+", required=True, dest="folders")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--collages", type=int, default=400)
    args = parser.parse_args()
    paths = sorted(path for folder in args.folders for path in folder.rglob("*") if path.is_file() and is_wanted(path))
    photographs, cut_outs = read(paths)
    args.out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1)
    collages = [collage(photographs, cut_outs, rng) for _ in range(args.collages if cut_outs else 0)]
    for kind, pictures in (("photograph", photographs), ("collage", collages)):
        for i, picture in enumerate(pictures):
            cv2.imwrite(str(args.out / f"{kind}{i:04}.png"), picture)
    print(f"{len(photographs)} photographs, {len(cut_outs)} cut-outs in {len(collages)} collages: look through {args.out}")


if __name__ == "__main__":
    main()
