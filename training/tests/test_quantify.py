"""Calibration of readings: shares stay shares, rare classes are not left to chance, cards are only touched where meant."""

import tomllib

import numpy as np
import tomli_w

from moodtrain.data import synthetic
from moodtrain.expression.targets import build_targets, held_out, split
from moodtrain.quantify.calibrate import floored, section, write_section


def readings(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.choice(7, count, p=[0.1, 0.0, 0.1, 0.3, 0.1, 0.1, 0.3])
    return np.stack([rng.dirichlet(np.eye(7)[label] * 5 + 0.3) for label in labels]), labels


def test_every_row_adds_up_also_of_a_class_without_faces():
    result = section(*readings(300))
    rows = np.array([result["prior"], *result["confusion"]])
    assert np.allclose(rows.sum(1), 1, atol=1e-9) and (rows >= 0).all() and (np.array(result["prior"]) > 0).all()
    assert all(row.argmax() == i for i, row in enumerate(rows[1:]) if i != 1)


def test_what_is_below_one_step_is_not_impossible():
    assert floored(np.eye(7))[0].min() > 0.001


def test_a_section_takes_the_place_of_the_older_one(tmp_path):
    card = tmp_path / "card.toml"
    written_by_evaluate = tomli_w.dumps({"quantification": section(*readings(200))})
    card.write_text(f'# kept\nname = "x"\n\n{written_by_evaluate}\n# kept\n[accuracy]\nfer2013 = 0.6 # kept too\n')
    for count in (300, 400):
        write_section(card, section(*readings(count)))
    text = card.read_text()
    content = tomllib.loads(text)
    assert content["quantification"]["faces"] == 400 and text.count("[quantification]") == 1
    assert text.count("# kept\n") == 2 and "0.6 # kept too" in text


def test_held_out_faces_are_those_of_the_validation_split():
    faces = synthetic.faces(400)
    _, validation = split(build_targets(faces))
    assert 0 < len(held_out(faces)) == len(validation)
    assert np.array_equal(held_out(faces).images, validation.images)
