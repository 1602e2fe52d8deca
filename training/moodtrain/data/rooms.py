"""Which pictures show the same room from the same place, so that rooms can be kept apart.

Part A of SCUT-HEAD looks like 800 pictures but is a handful of fixed cameras: every picture of its validation split has a
near twin in its training split, and says little about a new room.
"""

import cv2
import numpy as np

SMALL = (96, 54)  # a room's furniture is still seen at this size, people hardly
DATE_ROWS = 8  # cameras write the date into the top of the picture
SAME_ROOM = 0.6  # correlation; pictures of part A have 0.75 or more with some picture of their own room, others below 0.3


def describe(luma: np.ndarray) -> np.ndarray:
    """uint8 [H, W] -> unit vector [54 * 96]: edges, normalised by their local strength so that light does not matter."""
    small = cv2.resize(luma, SMALL, interpolation=cv2.INTER_AREA).astype(np.float32)
    edges = cv2.GaussianBlur(small, (0, 0), 1.2) - cv2.GaussianBlur(small, (0, 0), 5)
    edges[:DATE_ROWS] = 0
    edges /= np.sqrt(cv2.GaussianBlur(edges * edges, (0, 0), 6)) + 2
    edges -= edges.mean()
    return (edges / max(float(np.linalg.norm(edges)), 1e-6)).ravel()


def group(descriptions: np.ndarray, same: float = SAME_ROOM) -> np.ndarray:
    """int64 [N]: room numbers, 0 the most pictured; pictures joined by a chain of correlations above `same` share a room."""
    alike = descriptions @ descriptions.T > same
    room = np.full(len(descriptions), -1)
    for start in range(len(descriptions)):
        if room[start] >= 0:
            continue
        waiting, number = [start], room.max() + 1
        room[start] = number
        while waiting:
            joined = np.flatnonzero(alike[waiting.pop()] & (room < 0))
            room[joined] = number
            waiting += joined.tolist()
    order = np.argsort(-np.bincount(room), kind="stable") if len(room) else np.zeros(0, int)
    return np.argsort(order)[room] if len(room) else room


def hold_out(rooms: np.ndarray, share: float = 0.2) -> np.ndarray:
    """bool [N]: the smallest rooms, as many whole ones as stay below `share` of the pictures."""
    counts = np.bincount(rooms)
    kept, total = [], 0
    for room in range(len(counts) - 1, 0, -1):
        total += counts[room]
        if total <= share * len(rooms):
            kept.append(room)
    return np.isin(rooms, kept)
