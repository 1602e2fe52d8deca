"""How the expressions of a class are estimated from readings of its faces: probabilities, calibration, references."""
