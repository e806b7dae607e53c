"""SciPy or torch on the quadratic of bench/overhead.js: prints the seconds of each iteration beyond f."""
import sys
import time

peer, n, iterations = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
inside = 0.0


def scipy():
    import numpy as np
    from scipy.optimize import minimize

    curvatures = 10 ** (4 * np.arange(n) / n)
    last = 0.0

    def fg(x):
        global inside
        start = time.perf_counter()
        d = x - 1
        g = curvatures * d
        f = 0.5 * g.dot(d)
        inside += time.perf_counter() - start
        return f, g

    def callback(_):
        nonlocal last
        global inside
        now = time.perf_counter()
        print(now - last - inside)
        last, inside = now, 0.0

    last = time.perf_counter()
    options = dict(maxcor=10, maxiter=iterations, maxfun=10**6, ftol=0, gtol=0)
    minimize(fg, np.zeros(n), jac=True, method="L-BFGS-B", callback=callback, options=options)


def torch():
    import torch

    torch.set_default_dtype(torch.float64)
    curvatures = 10 ** (4 * torch.arange(n) / n)
    x = torch.zeros(n, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [x], history_size=10, max_iter=iterations, max_eval=10**6,
        tolerance_grad=0, tolerance_change=0, line_search_fn="strong_wolfe",
    )
    # torch counts its iterations in its state; the time between two evaluations goes to the current one.
    state = optimizer.state[x]
    outside = {}
    last = time.perf_counter()

    def closure():
        nonlocal last
        start = time.perf_counter()
        k = state.get("n_iter", 0)
        outside[k] = outside.get(k, 0.0) + start - last
        with torch.no_grad():
            d = x - 1
            x.grad = curvatures * d
            f = 0.5 * x.grad.dot(d)
        last = time.perf_counter()
        return f

    optimizer.step(closure)
    print(*outside.values(), sep="\n")


{"scipy": scipy, "torch": torch}[peer]()
