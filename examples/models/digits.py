# Writes digits.onnx, the untrained classifier of example 03 (torch 2.13).
import torch
from torch import nn

torch.manual_seed(1)
model = nn.Sequential(nn.Linear(784, 32), nn.Tanh(), nn.Linear(32, 10))
torch.onnx.export(
    model,
    torch.zeros(1, 784),
    "digits.onnx",
    opset_version=18,
    dynamo=False,
    input_names=["pixels"],
    output_names=["logits"],
    dynamic_axes={"pixels": {0: "batch"}, "logits": {0: "batch"}},
)
