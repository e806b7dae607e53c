"""Milliseconds of a loss alone and with its gradients in torch, on one thread.

Reads one line of JSON for each request, [name, rounds]; answers with {"loss": [...], "both": [...]}. The first line it
writes is torch's version.
"""

import json
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(1)
torch.manual_seed(1)


def convolved(channels, filters, kernel, stride=1, groups=1):
    """Convolution, batch normalization and ReLU."""
    conv = nn.Conv2d(channels, filters, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(filters), nn.ReLU())


def separable(channels, filters, stride):
    return nn.Sequential(
        convolved(channels, channels, 3, stride, channels), convolved(channels, filters, 1)
    )


class Residual(nn.Module):
    def __init__(self, channels, filters, stride):
        super().__init__()
        self.first = convolved(channels, filters, 3, stride)
        self.second = nn.Conv2d(filters, filters, 3, 1, 1, bias=False)
        self.norm = nn.BatchNorm2d(filters)
        self.shortcut = nn.Identity()
        if stride != 1:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels, filters, 1, stride, bias=False), nn.BatchNorm2d(filters)
            )

    def forward(self, x):
        return F.relu(self.norm(self.second(self.first(x))) + self.shortcut(x))


def pooled(*layers, width):
    """Layers, the mean of each channel, and a dense layer."""
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))


NETWORKS = {
    "mlp": (lambda: nn.Sequential(nn.Linear(784, 128), nn.Tanh(), nn.Linear(128, 10)), (256, 784)),
    "cnn": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 8, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 16, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(784, 10),
        ),
        (128, 1, 28, 28),
    ),
    "residual": (
        lambda: pooled(
            convolved(1, 16, 3), Residual(16, 16, 1), Residual(16, 32, 2), Residual(32, 64, 2), width=64
        ),
        (64, 1, 28, 28),
    ),
    "separable": (
        lambda: pooled(
            convolved(1, 16, 3), separable(16, 32, 2), separable(32, 64, 1), separable(64, 64, 2), width=64
        ),
        (64, 1, 28, 28),
    ),
}


def milliseconds(task):
    start = time.perf_counter()
    task()
    return 1000 * (time.perf_counter() - start)


def measure(name, rounds):
    make, shape = NETWORKS[name]
    network = make()
    parameters = list(network.parameters())
    x, target = torch.rand(shape), torch.arange(shape[0]) % 10

    def loss():
        with torch.no_grad():
            F.cross_entropy(network(x), target)

    def both():
        torch.autograd.grad(F.cross_entropy(network(x), target), parameters)

    times = {"loss": [], "both": []}
    for round in range(-3, rounds):
        for kind, task in (("loss", loss), ("both", both)):
            time_taken = milliseconds(task)
            if round >= 0:
                times[kind].append(time_taken)
    return times


print(json.dumps(torch.__version__), flush=True)
for line in sys.stdin:
    print(json.dumps(measure(*json.loads(line))), flush=True)
