"""Faces as a classroom camera may see them: each condition in steps, so that accuracy can be read off as a curve.

Every function takes and returns uint8 [48, 48] and is deterministic.
"""

from collections.abc import Callable

import cv2
import numpy as np

from moodtrain.expression.net import FACE_PX


def at_width(face: np.ndarray, width: float) -> np.ndarray:
    """Made `width` pixels wide by area averaging and enlarged again, as the daemon enlarges a small face."""
    side = round(width)
    if side >= FACE_PX:
        return face
    small = cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (FACE_PX, FACE_PX), interpolation=cv2.INTER_LINEAR)


def blurred(face: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur of `sigma` pixels of 48."""
    return cv2.GaussianBlur(face, (0, 0), sigma) if sigma > 0 else face


def darkened(face: np.ndarray, light: float) -> np.ndarray:
    """A share `light` (0..1) of the light, with the noise of a sensor (2.5 of 255) that does not shrink with it."""
    noise = np.random.default_rng(int(face.sum())).normal(0, 2.5, face.shape)
    return np.clip(face * light + noise, 0, 255).astype(np.uint8)


def back_lit(face: np.ndarray, strength: float) -> np.ndarray:
    """A window behind: contrast falls by `strength` (0..1), haze is added and the face itself grows darker."""
    return np.clip((face * (1 - strength)) * 0.7 + 90 * strength, 0, 255).astype(np.uint8)


def turned(face: np.ndarray, degrees: float) -> np.ndarray:
    """Rotated in the picture plane."""
    turn = cv2.getRotationMatrix2D((FACE_PX / 2, FACE_PX / 2), degrees, 1.0)
    return cv2.warpAffine(face, turn, (FACE_PX, FACE_PX), borderMode=cv2.BORDER_REPLICATE)


def covered(face: np.ndarray, share: float) -> np.ndarray:
    """The lowest `share` (0..1) of the face is hidden: a hand, a book, a mask."""
    out = face.copy()
    rows = round(FACE_PX * share)
    if rows:
        out[-rows:] = int(face.mean())
    return out


def misplaced(face: np.ndarray, share: float) -> np.ndarray:
    """The box is off to one side by `share` of its width."""
    shift = np.float32([[1, 0, share * FACE_PX], [0, 1, share * FACE_PX / 2]])
    return cv2.warpAffine(face, shift, (FACE_PX, FACE_PX), borderMode=cv2.BORDER_REPLICATE)


# name -> (unit, function, steps); the first step of each is the undisturbed face.
CONDITIONS: dict[str, tuple[str, Callable[[np.ndarray, float], np.ndarray], tuple[float, ...]]] = {
    "face_width": ("px", at_width, (48, 40, 32, 24, 20, 16, 12)),
    "blur": ("sigma, px of 48", blurred, (0, 1, 1.5, 2, 3)),
    "light": ("share", darkened, (1, 0.5, 0.25, 0.12, 0.06)),
    "back_light": ("strength", back_lit, (0, 0.3, 0.5, 0.7, 0.85)),
    "turn": ("degrees in plane", turned, (0, 10, 20, 30, 45)),
    "covered": ("share from below", covered, (0, 0.15, 0.3, 0.45)),
    "misplaced": ("share of width", misplaced, (0, 0.05, 0.1, 0.2)),
}
