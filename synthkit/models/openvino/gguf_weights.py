"""Weights of a GGUF file as they are, where openvino-genai changes them.

A 4-bit block of a GGUF file is ``scale * q + offset``. openvino-genai 2026.4 writes the offset as a
whole number of steps, which is wrong by a quarter of a step on average: log-probabilities of
SmolLM2-135M (Q4_1) then differ by 0.41 on average from those of the file's own weights. With 8 bits
for a block, as here, they differ by 0.05, at the same speed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGEST_ERROR = 0.01
"""Of the weights, relative to their mean size, up to which they stay as they are."""


def restore(model: Any, tensors: Sequence[Any], heads: Mapping[str, int]) -> int:
    """Write 4-bit weights that differ from the file's with 8 bits; returns how many those were.

    Parameters
    ----------
    model : as openvino-genai made it of the file.
    tensors : of the GGUF file.
    heads : part of a tensor's name -> its number of attention heads, which llama.cpp may order
        otherwise.
    """
    from gguf.quants import dequantize

    tensors = [tensor for tensor in tensors if len(tensor.shape) == 2]
    firsts = [dequantize(tensor.data[:1], tensor.tensor_type)[0] for tensor in tensors]
    changed = 0
    for node in model.get_ordered_ops():
        found = _four_bit(node)
        if found is None:
            continue
        written, scale = found
        rows = written.reshape(len(written), -1)
        # the first row of a tensor keeps its place in any order of heads
        same = [at for at, tensor in enumerate(tensors) if tuple(tensor.shape[::-1]) == rows.shape]
        tensor = tensors[min(same, key=lambda at: float(np.abs(firsts[at] - rows[0]).sum()))]
        weights = dequantize(tensor.data, tensor.tensor_type)
        count = next((count for name, count in heads.items() if name in tensor.name), 0)
        if count:
            orders = (weights, _halves_apart(weights, count))
            weights = min(orders, key=lambda order: float(np.abs(order - rows).mean()))
        if np.abs(weights - rows).mean() > LARGEST_ERROR * np.abs(weights).mean():
            _write(node, scale, weights.reshape(written.shape))
            changed += 1
    model.validate_nodes_and_infer_types()
    return changed


def scale_rotation(model: Any, factors: NDArray[np.float32], base: float) -> None:
    """Divide the frequencies of the rotation by a file's factors, which openvino-genai ignores.

    Parameters
    ----------
    factors : (half a head,) as in Llama 3.1 and later.
    base : of the frequencies.
    """
    from openvino import opset13

    plain = base ** -(np.arange(len(factors)) / len(factors))
    for node in model.get_ordered_ops():
        if node.get_type_name() == "Constant" and np.size(node.data) == len(factors):
            values = np.array(node.data)
            if np.allclose(values.ravel(), plain, rtol=1e-2):
                scaled = (values / factors.reshape(values.shape)).astype(values.dtype)
                for target in node.output(0).get_target_inputs():
                    target.replace_source_output(opset13.constant(scaled).output(0))


def _four_bit(node: Any) -> tuple[NDArray[np.float32], Any] | None:
    """The (rows, groups, group) weights whose zero points a node subtracts, and their scaling.

    ``None`` for any other operation.
    """
    if node.get_type_name() != "Subtract":
        return None
    bits, zeros = (node.input_value(at).get_node().input_value(0).get_node() for at in (0, 1))
    if bits.get_type_name() != "Constant" or bits.get_element_type().get_type_name() != "u4":
        return None
    scale = next(iter(node.output(0).get_target_inputs())).get_node()
    steps = np.array(scale.input_value(1).get_node().data, np.float32)
    return (_unpacked(bits) - _unpacked(zeros)) * steps, scale


def _unpacked(constant: Any) -> NDArray[np.float32]:
    packed = np.array(constant.data).view(np.uint8).reshape(-1, 1)
    pairs = np.concatenate([packed & 15, packed >> 4], axis=1)
    return pairs.reshape(list(constant.get_output_shape(0))).astype(np.float32)


def _halves_apart(weights: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Rows of heads with the two halves of the rotation apart; llama.cpp has them alternate."""
    return weights.reshape(heads, -1, 2, weights.shape[1]).swapaxes(1, 2).reshape(weights.shape)


def _write(node: Any, scale: Any, weights: NDArray[np.float32]) -> None:
    """Put (rows, groups, group) weights in place of a node's, with 8 bits for each."""
    from openvino import opset13

    low = np.minimum(weights.min(-1, keepdims=True), 0)
    high = np.maximum(weights.max(-1, keepdims=True), 0)
    steps = ((high - low) / 255).astype(np.float16)
    steps[steps == 0] = 1
    divisors = steps.astype(np.float32)
    zeros = np.round(-low / divisors).clip(0, 255)
    bits = np.round(weights / divisors + zeros).clip(0, 255)
    for at, values in enumerate((bits, zeros)):
        whole = opset13.convert(opset13.constant(values.astype(np.uint8)), "f16")
        node.input(at).replace_source_output(whole.output(0))
    scale.input(1).replace_source_output(opset13.constant(steps).output(0))
