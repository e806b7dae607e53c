"""Fits the NIST problems of test/fixtures/nist-strd.json by scipy.optimize.least_squares, Jacobians by differences.

Prints JSON, a list for each method and tolerance: {"name", "start", "calls", "digits"}, where calls counts every
evaluation of the model, those of differences too.
"""

import json
import pathlib
import sys
import warnings

import numpy as np
from numpy import arctan, cos, exp, pi, sin
from scipy.optimize import least_squares

warnings.simplefilter("ignore")
DATA = pathlib.Path(__file__).parents[2] / "test/fixtures/nist-strd.json"


def peaks(x, b):
    return b[0] * exp(-b[1] * x) + b[2] * exp(-(((x - b[3]) / b[4]) ** 2)) + b[5] * exp(-(((x - b[6]) / b[7]) ** 2))


def exponentials(x, b):
    return b[0] * exp(-b[1] * x) + b[2] * exp(-b[3] * x) + b[4] * exp(-b[5] * x)


def chwirut(x, b):
    return exp(-b[0] * x) / (b[1] + b[2] * x)


def enso(x, b):
    year, second, third = 2 * pi * x / 12, 2 * pi * x / b[3], 2 * pi * x / b[6]
    return (
        b[0]
        + b[1] * cos(year) + b[2] * sin(year)
        + b[4] * cos(second) + b[5] * sin(second)
        + b[7] * cos(third) + b[8] * sin(third)
    )


MODELS = {
    "Chwirut1": chwirut,
    "Chwirut2": chwirut,
    "DanWood": lambda x, b: b[0] * x ** b[1],
    "ENSO": enso,
    "Gauss1": peaks,
    "Gauss2": peaks,
    "Gauss3": peaks,
    "Kirby2": lambda x, b: (b[0] + b[1] * x + b[2] * x**2) / (1 + b[3] * x + b[4] * x**2),
    "Lanczos1": exponentials,
    "Lanczos2": exponentials,
    "Lanczos3": exponentials,
    "MGH10": lambda x, b: b[0] * exp(b[1] / (x + b[2])),
    "MGH17": lambda x, b: b[0] + b[1] * exp(-x * b[3]) + b[2] * exp(-x * b[4]),
    "Misra1a": lambda x, b: b[0] * (1 - exp(-b[1] * x)),
    "Misra1b": lambda x, b: b[0] * (1 - (1 + b[1] * x / 2) ** -2),
    "Misra1c": lambda x, b: b[0] * (1 - (1 + 2 * b[1] * x) ** -0.5),
    "Misra1d": lambda x, b: b[0] * b[1] * x / (1 + b[1] * x),
    "Nelson": lambda x, b: b[0] - b[1] * x[:, 0] * exp(-b[2] * x[:, 1]),
    "Rat42": lambda x, b: b[0] / (1 + exp(b[1] - b[2] * x)),
    "Roszman1": lambda x, b: b[0] - b[1] * x - arctan(b[2] / (x - b[3])) / pi,
}

SETTINGS = {
    "trf": {},
    "trf, x_scale jac": {"x_scale": "jac"},
    "lm": {"method": "lm"},
    "lm, x_scale jac": {"method": "lm", "x_scale": "jac"},
    "lm, x_scale jac, tolerances 1e-15": {"method": "lm", "x_scale": "jac", "ftol": 1e-15, "xtol": 1e-15, "gtol": 1e-15},
}


def fit(name, reference, start, options):
    x, y = np.array(reference["x"]), np.array(reference["y"])
    target = np.log(y) if name == "Nelson" else y
    calls = 0

    def residuals(b):
        nonlocal calls
        calls += 1
        return MODELS[name](x, b) - target

    try:
        found = least_squares(residuals, reference["starts"][start], max_nfev=20000, **options).x
    except ValueError:
        return {"name": name, "start": start + 1, "calls": calls, "digits": 0}
    certified = np.array(reference["parameters"])
    error = np.max(np.abs(found - certified) / np.abs(certified))
    digits = float(min(11, -np.log10(max(error, 1e-11)))) if np.isfinite(error) else 0
    return {"name": name, "start": start + 1, "calls": calls, "digits": digits}


data = json.loads(DATA.read_text())
json.dump(
    {
        label: [fit(name, reference, start, options) for name, reference in data.items() for start in (0, 1)]
        for label, options in SETTINGS.items()
    },
    sys.stdout,
)
