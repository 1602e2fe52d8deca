"""Readers of FER2013 in its three forms, FER+ votes, leaks and duplicates."""

import csv
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from moodtrain.data import fer2013, synthetic
from moodtrain.data.fer2013 import VOTES, Faces
from moodtrain.expression.net import FER2013_CLASSES
from moodtrain.expression.targets import build_targets, epoch_order, soften, split

FERPLUS_COLUMNS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF")


@pytest.fixture
def faces() -> Faces:
    return synthetic.faces(70)


def write_sheets(faces: Faces, folder) -> None:
    padded = np.zeros((3600, 48, 48), np.uint8)
    padded[: len(faces)] = faces.images
    Image.fromarray(padded.reshape(60, 60, 48, 48).swapaxes(1, 2).reshape(2880, 2880)).save(folder / "sheet0.webp", lossless=True)
    with (folder / "labels.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["index", "usage", "emotion", *VOTES, "leak", "constant"])
        writer.writeheader()
        for i in range(len(faces)):
            votes = {name: int(v) for name, v in zip(VOTES, faces.votes[i])}
            row = {"index": i, "usage": faces.usage[i], "emotion": faces.labels[i], "leak": int(faces.leak[i]), "constant": 0}
            writer.writerow({**row, **votes})


def write_kaggle(faces: Faces, folder) -> None:
    with (folder / "fer2013.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["emotion", "pixels", "Usage"])
        for image, label, usage in zip(faces.images, faces.labels, faces.usage):
            writer.writerow([label, " ".join(map(str, image.ravel())), usage])
    with (folder / "fer2013new.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["Usage", "Image name", *FERPLUS_COLUMNS])
        for i, votes in enumerate(faces.votes):
            named = dict(zip(VOTES, votes))
            writer.writerow(["", f"fer{i}.png", *(int(named["nf" if c == "NF" else c]) for c in FERPLUS_COLUMNS)])


@pytest.mark.parametrize("write", [write_sheets, write_kaggle])
def test_forms_with_rows_read_the_same(faces, tmp_path, write):
    write(faces, tmp_path)
    read = fer2013.read(tmp_path)
    assert fer2013.checksum(read) == fer2013.checksum(faces)
    for name in ("labels", "votes", "usage"):
        np.testing.assert_array_equal(getattr(read, name), getattr(faces, name))


def test_folder_form_reads_classes_and_splits(faces, tmp_path):
    for i, (label, usage) in enumerate(zip(faces.labels, faces.usage)):
        folder = tmp_path / ("train" if usage == "Training" else "test") / FER2013_CLASSES[label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(faces.images[i]).save(folder / f"{i}.png")
    assert fer2013.class_table(fer2013.read(tmp_path)) == fer2013.class_table(faces)


def test_missing_labels_are_told(faces, tmp_path):
    write_kaggle(faces, tmp_path)
    lines = (tmp_path / "fer2013new.csv").read_text().splitlines()
    (tmp_path / "fer2013new.csv").write_text("\n".join(lines[:-1]))
    with pytest.raises(ValueError, match="rows of votes"):
        fer2013.read(tmp_path)


def test_leaks_are_found_and_not_learned(faces):
    images = faces.images.copy()
    images[0] = images[-1]  # the last row is PublicTest
    leaky = replace(faces, images=images)
    leak = fer2013.find_leaks(leaky)
    assert leak[0] and leak.sum() == 1
    names = {fer2013.digest(image) for image in build_targets(replace(leaky, leak=leak)).images}
    assert fer2013.digest(images[0]) not in names


def test_duplicates_are_merged_with_the_mean_of_their_labels(faces):
    images, labels = faces.images.copy(), faces.labels.copy()
    images[1] = images[0]
    labels[:2] = 3, 4
    before = build_targets(faces)
    after = build_targets(replace(faces, images=images, labels=labels, votes=np.zeros_like(faces.votes)))
    assert len(after) == len(before) - 1
    row = after.fer2013[0]
    assert row[3] == pytest.approx(row[4]) and row.sum() == pytest.approx(1)


def test_blank_images_are_dropped(faces):
    images = faces.images.copy()
    images[0] = 0
    assert len(build_targets(replace(faces, images=images))) == len(build_targets(faces)) - 1


def test_single_votes_and_unknown_faces_teach_nothing():
    votes = np.zeros((4, 10), np.float32)
    votes[0, 3], votes[0, 0] = 7, 1  # happiness, one stray vote
    votes[1, 8], votes[1, 2] = 6, 3  # mostly unknown
    votes[2, :7] = 1  # only stray votes
    votes[3, 7], votes[3, 6] = 5, 3  # contempt
    distribution, useful = fer2013.vote_distribution(votes)
    assert useful.tolist() == [True, False, False, True]
    assert distribution[0, 3] == 1
    assert fer2013.ferplus_majority(votes).tolist() == [3, -1, -1, -1]


def test_soft_targets_sum_to_one_and_keep_the_label_ahead():
    label = np.eye(7, dtype=np.float32)[[2, 2]]
    votes = np.array([[0, 0, 0, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 1]], np.float32)
    target = soften(label, votes, np.array([True, True]))
    np.testing.assert_allclose(target.sum(1), 1, atol=1e-6)
    assert (target.argmax(1) == 2).all() and target[1, 2] > target[0, 2]


def test_split_depends_on_pixels_only():
    targets = build_targets(synthetic.faces(300))
    train, validation = split(targets)
    order = np.random.default_rng(0).permutation(len(targets))
    again, other = split(targets.select(order))
    assert {fer2013.digest(i) for i in validation.images} == {fer2013.digest(i) for i in other.images}
    assert len(train) + len(validation) == len(targets) and 0 < len(validation) < len(train)


def test_rare_classes_come_more_often():
    order = epoch_order(np.array([0, 1, 0, 3]), {1: 3}, np.random.default_rng(0))
    assert np.bincount(order, minlength=4).tolist() == [1, 3, 1, 1]
