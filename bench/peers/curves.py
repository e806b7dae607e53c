"""Fits the curves of bench/problems/curves, given as JSON on the input, by scipy.optimize.curve_fit with its defaults.

Prints JSON, a list for each method: {"calls", "x"}, where calls counts every evaluation of the model, those of differences
too, and x is null where curve_fit raises an error.
"""

import json
import sys
import warnings

import numpy as np
from scipy.optimize import curve_fit

warnings.simplefilter("ignore")
np.seterr(all="ignore")
FUNCTIONS = {"exp": np.exp, "log": np.log, "sin": np.sin, "cos": np.cos, "atan": np.arctan, "sqrt": np.sqrt}


def fit(curve, start, options):
    code = compile(curve["formula"], curve["name"], "eval")
    calls = 0

    def model(x, *parameters):
        nonlocal calls
        calls += 1
        return eval(code, {"__builtins__": {}, **FUNCTIONS}, {"x": x, **dict(zip(curve["parameters"], parameters))})

    try:
        x = curve_fit(model, np.array(curve["x"]), np.array(curve["y"]), p0=start, **options)[0].tolist()
    except (RuntimeError, ValueError):
        x = None
    return {"calls": calls, "x": x}


curves = json.load(sys.stdin)
SETTINGS = {"curve_fit(method='lm')": {"method": "lm"}, "curve_fit(method='trf')": {"method": "trf"}}
json.dump(
    {
        label: [fit(curve, start, options) for curve in curves for start in curve["starts"]]
        for label, options in SETTINGS.items()
    },
    sys.stdout,
)
