"""Runs scipy.optimize.minimize on a function that lives in the parent process.

Reads lines of JSON {"method", "n", "options", "bounded", "gradient"} followed by x0, and where bounded by the lower and the upper
bounds, n doubles each; asks for f and its gradient by writing x, n doubles,
to stdout, and reads n + 1 doubles back, f first. A frame starts with one byte: "x" a question, "d" done.
"""

import json
import struct
import sys

import numpy as np
from scipy.optimize import minimize

source, sink = sys.stdin.buffer, sys.stdout.buffer


class Enough(Exception):
    """The parent has seen what it wanted."""


def ask(x):
    sink.write(b"x" + np.ascontiguousarray(x, dtype="<f8").tobytes())
    sink.flush()
    answer = np.frombuffer(source.read(8 * (len(x) + 1)), dtype="<f8")
    if np.isnan(answer[0]):
        raise Enough
    return answer[0], answer[1:].copy()


for line in iter(source.readline, b""):
    task = json.loads(line)
    vector = lambda: np.frombuffer(source.read(8 * task["n"]), dtype="<f8").copy()
    x0 = vector()
    bounds = list(zip(vector(), vector())) if task["bounded"] else None
    try:
        fun = ask if task["gradient"] else lambda x: ask(x)[0]
        minimize(fun, x0, jac=task["gradient"] or None, method=task["method"], bounds=bounds, options=task["options"])
    except Enough:
        pass
    sink.write(b"d")
    sink.flush()
