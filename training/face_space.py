"""Make models/faces.space: the space of faces from which the simulated class draws people who exist nowhere.

    cd training && .venv/bin/python face_space.py --faces ~/data/fer2013 --out ../models/faces.space

Faces of FER2013's Training part whose FER+ majority agrees with the label are laid over one another; what is kept
is a weighted mean for each expression and a few components in which people differ. docs/reference/simulator.md describes the
file and what the figures printed at the end mean. Seeded: the same data gives the same file.
"""

import argparse
import struct
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from moodtrain.data import fer2013
from moodtrain.expression.light import normalize_bytes

SIDE, EXPRESSIONS, COMPONENTS, CANDIDATES = 48, 7, 24, 40
MAGIC, VERSION, HEADER = b"MOODFACE", 1, "<8s4H"
SEED = 0
# How many pictures of each expression are laid over one another, the share of FER+ votes that its label must have, and
# the share of the worst fits that is left out. Disgust is rare: all of it is taken.
WANTED = (700, 100, 300, 500, 700, 500, 500)
AGREEMENT = (0.7, 0.3, 0.6, 0.9, 0.7, 0.8, 0.8)
LEFT_OUT = (0.4, 0.15, 0.3, 0.4, 0.4, 0.4, 0.4)
# Each mean's distance from the mean of all is multiplied by this: at the size of a back row plain means are too faint.
EMPHASIS = np.array([2.0, 2.2, 3.0, 1.2, 2.4, 1.5, 1.0], np.float32)
# Weight of a picture in its mean: this much for all, the rest by the probability that the network reads its label.
# Disgust has few pictures that are read well, and no mean may rest on a few pictures.
MIN_WEIGHT = np.array([0.02, 0.25, 0.0, 0.02, 0.02, 0.02, 0.02])
VARIETY = 0.45  # standard deviation of a person's coefficients: VARIETY in crates/camera/src/simulator/head.rs
WINDOW = (slice(10, 37), slice(6, 42))  # rows and columns in which faces are compared: brows to upper lip

_y, _x = np.mgrid[:SIDE, :SIDE]
FACE = ((_x - 23.5) / 18) ** 2 + ((_y - 25) / 23) ** 2 < 1


@dataclass(frozen=True)
class Space:
    """Planes in contrast units: mean [48, 48], deviation of each expression [7, 48, 48], components [K, 48, 48]."""

    mean: np.ndarray
    deviations: np.ndarray
    components: np.ndarray

    def blend(self, expression: int, coefficients: np.ndarray) -> np.ndarray:
        """Faces [N, 48, 48] with coefficients [N, <= K]."""
        people = np.tensordot(coefficients, self.components[: coefficients.shape[1]], 1)
        return self.mean + self.deviations[expression] + people


def normalised(face: np.ndarray) -> np.ndarray:
    """Mean 0 and deviation 1 within the face."""
    return (face - face[FACE].mean()) / max(float(face[FACE].std()), 1e-3)


def choose(faces: fer2013.Faces) -> tuple[np.ndarray, np.ndarray]:
    """Pictures float32 [N, 48, 48] and labels [N]: Training only, no leaks, nothing blank, voters agree with the label."""
    flat = faces.images.reshape(len(faces), -1)
    fit = (faces.usage == "Training") & ~faces.leak & (flat.min(1) < flat.max(1))
    fit &= fer2013.ferplus_majority(faces.votes) == faces.labels
    share = faces.votes.max(1) / np.maximum(faces.votes.sum(1), 1)
    dice = np.random.default_rng(SEED)
    rows = []
    for expression in range(EXPRESSIONS):
        agreed = np.nonzero(fit & (faces.labels == expression) & (share >= AGREEMENT[expression]))[0]
        rows.append(dice.permutation(agreed)[: WANTED[expression]])
    chosen = np.concatenate(rows)
    return faces.images[chosen].astype(np.float32), faces.labels[chosen]


def placements() -> list[tuple[np.ndarray, float]]:
    """Similarities (with a little stretch) that are tried, and what each costs so that plain ones win ties."""
    tried = []
    for size in (0.78, 0.85, 0.92, 1.0, 1.08):
        for stretch in (1.0, 1.08, 0.93):
            for turn in (-12, -6, 0, 6, 12):
                cosine, sine = np.cos(np.deg2rad(turn)) * size, np.sin(np.deg2rad(turn)) * size
                matrix = np.array([[cosine, -sine, 0], [sine * stretch, cosine * stretch, 0]], np.float32)
                cost = (abs(turn) / 6 + abs(size - 0.92) * 6 + abs(stretch - 1) * 6) * 0.006
                tried.append((matrix, cost))
    return tried


def align(picture: np.ndarray, template: np.ndarray, tried: list[tuple[np.ndarray, float]]) -> tuple[np.ndarray, float]:
    """The picture laid over the template as well as any placement can, and how well that is (correlation)."""
    border, reach_y, reach_x = 8, 6, 5
    rows, columns = WINDOW
    best, best_matrix = -np.inf, None
    for plain, cost in tried:
        matrix = plain.copy()
        matrix[:, 2] = SIDE / 2 + border - matrix[:, :2] @ [SIDE / 2, SIDE / 2]
        wide = cv2.warpAffine(picture, matrix, (SIDE + 2 * border,) * 2, borderMode=cv2.BORDER_REPLICATE)
        searched = wide[rows.start + border - reach_y : rows.stop + border + reach_y,
                        columns.start + border - reach_x : columns.stop + border + reach_x]
        fits = cv2.matchTemplate(searched, template[WINDOW], cv2.TM_CCOEFF_NORMED)
        at = int(fits.argmax())
        if fits.flat[at] - cost > best:
            best = float(fits.flat[at]) - cost
            down, right = divmod(at, fits.shape[1])
            matrix[:, 2] -= [border + right - reach_x, border + down - reach_y]
            best_matrix = matrix
    laid = cv2.warpAffine(picture, best_matrix, (SIDE, SIDE), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return normalised(laid), best


def lay_over(pictures: np.ndarray, labels: np.ndarray, rounds: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Aligned faces [M, 48, 48], each with its mirror image, and their labels; the worst fits are left out."""
    laid = np.stack([normalised(picture) for picture in pictures])
    kept = np.ones(len(laid), bool)
    tried = placements()
    for number in range(rounds):
        template = np.mean([laid[(labels == e) & kept].mean(0) for e in range(EXPRESSIONS)], 0)
        template = ((template + template[:, ::-1]) / 2).astype(np.float32)
        if number == 0:  # the pictures are cut close: leave room for chin and hair
            smaller = np.array([[0.92, 0, 24 * 0.08], [0, 0.92, 18 * 0.08]], np.float32)
            template = cv2.warpAffine(template, smaller, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
        placed = [align(picture, template, tried) for picture in pictures]
        laid, fits = np.stack([face for face, _ in placed]), np.array([fit for _, fit in placed])
        least = np.array([np.quantile(fits[labels == e], LEFT_OUT[e]) for e in range(EXPRESSIONS)])
        kept = fits > least[labels]
    both = np.concatenate([laid[kept], laid[kept][:, :, ::-1]]).astype(np.float32)
    return both, np.tile(labels[kept], 2)


def sharpen(plane: np.ndarray) -> np.ndarray:
    """Means are soft because faces differ: raises what is finer than 1.6 and than 4 pixels. Linear, so planes may be."""
    plane = plane.astype(np.float32)
    fine, coarse = cv2.GaussianBlur(plane, (0, 0), 1.6), cv2.GaussianBlur(plane, (0, 0), 4)
    return plane + 0.5 * (plane - fine) + 0.25 * (plane - coarse)


class Reader:
    """The expression network's FER+ head, without contempt."""

    def __init__(self, model: Path):
        from ai_edge_litert.interpreter import Interpreter

        self.network = Interpreter(str(model), num_threads=1)
        self.network.allocate_tensors()
        self.input = self.network.get_input_details()[0]
        self.output = next(o for o in self.network.get_output_details() if o["shape"][-1] == EXPRESSIONS + 1)

    def read(self, pictures: np.ndarray) -> np.ndarray:
        """uint8 [N, 48, 48] -> probabilities [N, 7]."""
        scale, zero = self.output["quantization"]
        answers = []
        for picture in normalize_bytes(pictures):
            self.network.set_tensor(self.input["index"], (picture.astype(np.int16) - 128).astype(np.int8)[None, :, :, None])
            self.network.invoke()
            answers.append((self.network.get_tensor(self.output["index"])[0].astype(np.float32) - zero) * scale)
        seven = np.array(answers)[:, :EXPRESSIONS]
        return seven / np.maximum(seven.sum(1, keepdims=True), 1e-6)


def grey(faces: np.ndarray) -> np.ndarray:
    """Contrast units to uint8."""
    return np.clip(128 + 48 * faces, 0, 255).astype(np.uint8)


def means(laid: np.ndarray, labels: np.ndarray, reader: Reader) -> tuple[np.ndarray, np.ndarray]:
    """The symmetrical mean of each expression [7, 48, 48], and the effective number of pictures in each [7]."""
    clear = reader.read(grey(laid))[np.arange(len(labels)), labels]
    least = MIN_WEIGHT[labels]
    weights = least + (1 - least) * clear**2
    planes, counts = [], []
    for expression in range(EXPRESSIONS):
        rows = labels == expression
        mean = np.average(laid[rows], axis=0, weights=weights[rows])
        planes.append((mean + mean[:, ::-1]) / 2)
        counts.append(weights[rows].sum() ** 2 / (weights[rows] ** 2).sum() / 2)  # mirrored pairs count once
    return np.stack(planes), np.array(counts)


def candidates(laid: np.ndarray, labels: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """The directions in which people of one expression differ most [CANDIDATES, 48, 48], one standard deviation long.

    Principal components of what is left when each expression's mean and all differences between means are taken
    out; every expression counts the same.
    """
    weight = np.where(FACE, 1, 0.25).ravel()
    balance = np.sqrt(1 / np.bincount(labels)[labels])[:, None]
    rest = (laid - centres[labels]).reshape(len(laid), -1) * weight * balance
    moods = np.linalg.svd((centres - centres.mean(0)).reshape(EXPRESSIONS, -1) * weight, full_matrices=False)[2]
    moods = moods[: EXPRESSIONS - 1]
    rest -= rest @ moods.T @ moods
    directions = np.linalg.svd(rest, full_matrices=False)[2][:CANDIDATES]
    deviations = np.sqrt(((rest @ directions.T) ** 2).sum(0) / (balance**2).sum())
    return (directions / weight * deviations[:, None]).reshape(-1, SIDE, SIDE)


def least_disturbing(space: Space, reader: Reader) -> np.ndarray:
    """The components that change the network's reading least when added at 1.5 deviations, in their old order."""
    still = np.zeros((1, 1), np.float32)
    clear = [reader.read(grey(space.blend(e, still)))[0, e] for e in range(EXPRESSIONS)]
    loss = np.zeros(len(space.components))
    for index in range(len(loss)):
        pushed = np.zeros((2, len(loss)), np.float32)
        pushed[:, index] = -1.5, 1.5
        for expression in range(EXPRESSIONS):
            read = reader.read(grey(space.blend(expression, pushed)))[:, expression]
            loss[index] += np.maximum(0, clear[expression] - read).sum()
    return np.sort(np.argsort(loss, kind="stable")[:COMPONENTS])


def build(laid: np.ndarray, labels: np.ndarray, reader: Reader) -> tuple[Space, np.ndarray]:
    """The space, and the effective number of pictures in each mean."""
    centres, counts = means(laid, labels, reader)
    mean = centres.mean(0)
    deviations = (centres - mean) * EMPHASIS[:, None, None]
    components = candidates(laid, labels, centres)
    sharp = [np.stack([sharpen(p) for p in planes]) for planes in (mean[None], deviations, components)]
    space = Space(sharp[0][0], sharp[1], sharp[2])
    return Space(space.mean, space.deviations, space.components[least_disturbing(space, reader)]), counts


def pack(space: Space) -> bytes:
    """The file: header, one float32 scale a plane, then int8 planes (mean, seven deviations, components)."""
    planes = np.concatenate([space.mean[None], space.deviations, space.components]).astype(np.float32)
    scales = np.abs(planes).reshape(len(planes), -1).max(1) / 127
    values = np.clip(np.rint(planes / scales[:, None, None]), -127, 127).astype(np.int8)
    header = struct.pack(HEADER, MAGIC, VERSION, SIDE, EXPRESSIONS, len(space.components))
    return header + scales.astype("<f4").tobytes() + values.tobytes()


def unpack(data: bytes) -> Space:
    """What `pack` wrote."""
    magic, version, side, expressions, components = struct.unpack_from(HEADER, data)
    if (magic, version, side, expressions) != (MAGIC, VERSION, SIDE, EXPRESSIONS):
        raise ValueError("not a face space of this version")
    count, start = 1 + expressions + components, struct.calcsize(HEADER)
    if len(data) != start + count * (4 + side * side):
        raise ValueError("a face space of the wrong length")
    scales = np.frombuffer(data, "<f4", count, start)
    values = np.frombuffer(data, np.int8, offset=start + 4 * count).reshape(count, side, side)
    planes = values * scales[:, None, None]
    return Space(planes[0], planes[1 : 1 + expressions], planes[1 + expressions :])


def nearest(faces: np.ndarray, pictures: np.ndarray) -> np.ndarray:
    """RMS distance of each face to the nearest picture within the face, both brought to mean 0 and deviation 1."""
    a = np.stack([normalised(face)[FACE] for face in faces])
    b = np.stack([normalised(picture)[FACE] for picture in pictures])
    squares = (a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T
    return np.sqrt(np.maximum(squares.min(1), 0) / FACE.sum())


def sample(space: Space, count: int) -> np.ndarray:
    """Faces as the simulator draws them: every expression in turn."""
    dice = np.random.default_rng(SEED)
    coefficients = VARIETY * np.clip(dice.normal(size=(count, len(space.components))), -1.8, 1.8)
    return np.stack([space.blend(i % EXPRESSIONS, coefficients[i : i + 1])[0] for i in range(count)])


def best_copies(space: Space, pictures: np.ndarray) -> np.ndarray:
    """RMS error of the best copy of each picture that ANY coefficients give (least squares over all planes)."""
    planes = np.concatenate([space.mean[None], space.deviations, space.components])[:, FACE].T
    basis = np.linalg.qr(np.concatenate([planes, np.ones((len(planes), 1))], 1))[0]
    targets = np.stack([normalised(picture)[FACE] for picture in pictures])
    return np.sqrt(((targets - targets @ basis @ basis.T) ** 2).mean(1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=Path, required=True, help="FER2013 with FER+ votes, in a form that moodtrain reads")
    parser.add_argument("--model", type=Path, default=Path("../models/expression_48x48_int8.tflite"), help="expression network")
    parser.add_argument("--out", type=Path, default=Path("../models/faces.space"), help="file to write")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    reader = Reader(arguments.model)
    laid, labels = lay_over(*choose(fer2013.read(arguments.faces)))
    space, counts = build(laid, labels, reader)
    arguments.out.write_bytes(pack(space))
    space = unpack(arguments.out.read_bytes())
    print("pictures in each mean", (np.bincount(labels) // 2).tolist(), "effective", counts.round().astype(int).tolist())
    faces = sample(space, 1400)
    read = reader.read(grey(faces)).argmax(1) == np.arange(len(faces)) % EXPRESSIONS
    print("read as meant", [round(float(read[e::EXPRESSIONS].mean()), 2) for e in range(EXPRESSIONS)])
    unmirrored = laid[: len(laid) // 2]
    for name, values in (("drawn face to nearest picture", nearest(faces, laid)), ("best copy of a picture", best_copies(space, unmirrored))):
        print(f"{name}: least {values.min():.2f}, 1 % {np.quantile(values, 0.01):.2f}, median {np.median(values):.2f}")


if __name__ == "__main__":
    main()
