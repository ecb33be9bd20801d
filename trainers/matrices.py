"""One matrix in blocks of few bits: round to nearest, k-quant, HQQ, GPTQ. Arrays in, arrays out; HQQ alone needs torch.

A matrix is (inputs K, outputs N), as ONNX's MatMul has it; blocks run along K. The layout is that of MatMulNBits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from phi4bench.errors import UsageError

Method = Literal["rtn", "k-quant", "hqq", "gptq"]
METHODS: tuple[Method, ...] = ("rtn", "k-quant", "hqq", "gptq")
DAMPING = 0.01
"""Share of the mean diagonal that GPTQ adds to the diagonal; the paper's."""
PIECE_BYTES = 64 << 20
"""Of columns that are worked on at a time, so that a vocabulary of 200,000 takes no more room than a layer."""


@dataclass(frozen=True)
class Packed:
    """`values`: (N, blocks, bytes of a block), uint8, the first of two 4-bit values in the low half. `scales`: (N,
    blocks). `zero_points`: (N, bytes), uint8, packed likewise; floats (N, blocks) from HQQ; `None` for the middle of
    the range.
    """

    bits: int
    block_size: int
    rows: int
    values: np.ndarray
    scales: np.ndarray
    zero_points: np.ndarray | None

    def restored(self) -> np.ndarray:
        """The matrix (K, N) that the packed one stands for."""
        blocks = self.scales.shape[1]
        values = unpacked(self.values, self.bits).reshape(len(self.values), blocks, self.block_size)
        if self.zero_points is None:
            zero = np.full(self.scales.shape, 2.0 ** (self.bits - 1), np.float32)
        elif self.zero_points.dtype == np.uint8:
            zero = unpacked(self.zero_points, self.bits)[:, :blocks].astype(np.float32)
        else:
            zero = self.zero_points
        whole = (values.astype(np.float32) - zero[..., None]) * self.scales[..., None]
        return np.ascontiguousarray(whole.reshape(len(values), -1)[:, : self.rows].T)

    def part(self, columns: slice) -> Packed:
        """Some of the matrix's columns."""
        zero = None if self.zero_points is None else self.zero_points[columns]
        return replace(self, values=self.values[columns], scales=self.scales[columns], zero_points=zero)

    def error(self, matrix: np.ndarray) -> float:
        """What is lost of `matrix`, as a share of its norm."""
        lost = whole = 0.0
        for columns in pieces(matrix):
            piece = np.asarray(matrix[:, columns])
            lost += float(np.linalg.norm(self.part(columns).restored() - piece)) ** 2
            whole += float(np.linalg.norm(piece)) ** 2
        return float(np.sqrt(lost / (whole or 1.0)))


def check_packing(block_size: int, accuracy_level: int) -> None:
    """`UsageError` for what onnxruntime and the builder do not make."""
    if not 16 <= block_size <= 256 or block_size & (block_size - 1):
        raise UsageError(f"block_size={block_size}, but should be a power of two from 16 to 256")
    if not 0 <= accuracy_level <= 4:
        raise UsageError(f"accuracy_level={accuracy_level}, but should be from 0 to 4")


def pieces(matrix: np.ndarray) -> Iterator[slice]:
    """Columns that together are no larger than `PIECE_BYTES`, or single ones."""
    size = max(1, PIECE_BYTES // (len(matrix) * 4))
    for first in range(0, matrix.shape[1], size):
        yield slice(first, first + size)


def quantized(
    matrix: np.ndarray,
    bits: int,
    block_size: int,
    symmetric: bool,
    method: Method,
    hessian: np.ndarray | None = None,
) -> Packed:
    """`hessian`: (K, K), the sum of x xᵀ over calibration inputs x, for GPTQ alone."""
    if method == "rtn":
        return _joined([_nearest(one, bits, block_size, symmetric) for one in _apart(matrix)])
    if method == "k-quant":
        return _joined([_k_quant(one, bits, block_size) for one in _apart(matrix)])
    if method == "hqq":  # it stops when all columns together get no better
        return _hqq(np.ascontiguousarray(matrix), bits, block_size)
    assert hessian is not None, "GPTQ is calibrated"
    return _gptq(matrix, bits, block_size, symmetric, hessian)


def _apart(matrix: np.ndarray) -> Iterator[np.ndarray]:
    return (np.ascontiguousarray(matrix[:, columns]) for columns in pieces(matrix))


def _joined(made: Sequence[Packed]) -> Packed:
    if len(made) == 1:
        return made[0]
    zero = [one.zero_points for one in made if one.zero_points is not None]
    return replace(
        made[0],
        values=np.concatenate([one.values for one in made]),
        scales=np.concatenate([one.scales for one in made]),
        zero_points=np.concatenate(zero) if zero else None,
    )


def _nearest(matrix: np.ndarray, bits: int, block_size: int, symmetric: bool) -> Packed:
    """onnxruntime's own kernel."""
    from onnxruntime.quantization.matmul_nbits_quantizer import DefaultWeightOnlyQuantConfig, DefaultWeightOnlyQuantizer

    config = DefaultWeightOnlyQuantConfig(block_size=block_size, is_symmetric=symmetric, bits=bits)
    values, scales, zero = DefaultWeightOnlyQuantizer(config).qbits_block_quant(matrix)
    return Packed(bits, block_size, len(matrix), values, scales, None if symmetric else zero)


def _k_quant(matrix: np.ndarray, bits: int, block_size: int) -> Packed:
    """onnxruntime's port of llama.cpp's; never symmetric."""
    from onnxruntime.quantization.neural_compressor.weight_only import quant_tensor_k_quant_cpu

    blocked = _blocked(matrix, block_size)
    with np.errstate(divide="ignore", invalid="ignore"):  # a block of equal values has no spread; it is handled there
        values, scales, zero = quant_tensor_k_quant_cpu(blocked.reshape(-1, block_size), bits, block_size)
    shape = blocked.shape[:2]
    return _packed(matrix, bits, block_size, values.reshape(blocked.shape), scales.reshape(shape), zero.reshape(shape))


def _hqq(matrix: np.ndarray, bits: int, block_size: int) -> Packed:
    """onnxruntime's copy of Half-Quadratic Quantization, whose zero points are no integers."""
    import torch
    from onnxruntime.quantization.matmul_nbits_quantizer import HQQWeightOnlyQuantConfig, HQQWeightOnlyQuantizer

    quantizer = HQQWeightOnlyQuantizer(HQQWeightOnlyQuantConfig(block_size=block_size, bits=bits))
    whole = torch.from_numpy(np.ascontiguousarray(matrix.T))
    values, scales, zero = quantizer.quantize_internal(whole, bits=bits, group_size=block_size)
    blocks = -(-len(matrix) // block_size)
    return Packed(
        bits,
        block_size,
        len(matrix),
        packed(values.numpy().astype(np.uint8).reshape(matrix.shape[1], blocks, block_size), bits),
        scales.numpy().astype(np.float32).reshape(-1, blocks),
        zero.numpy().astype(np.float32).reshape(-1, blocks),
    )


def _gptq(matrix: np.ndarray, bits: int, block_size: int, symmetric: bool, hessian: np.ndarray) -> Packed:
    """Rounds row after row of inputs, each time moving the rest to make good for the error on the calibration inputs.

    Source: E. Frantar and others, GPTQ (2022), arXiv:2210.17323, algorithm 1, without reordering. Scales are taken when
    a block begins, from the weights as they then are.
    """
    rows, columns = matrix.shape
    weights, h = matrix.astype(np.float64), hessian.astype(np.float64).copy()
    idle = np.diag(h) == 0
    h[idle, idle] = 1.0
    weights[idle] = 0.0
    h[np.diag_indices(rows)] += DAMPING * np.mean(np.diag(h))
    upper = np.linalg.cholesky(np.linalg.inv(h)).T
    blocks, top = -(-rows // block_size), 2**bits - 1
    values = np.zeros((columns, blocks, block_size), np.uint8)
    scales, zero = np.zeros((columns, blocks)), np.zeros((columns, blocks))
    for block in range(blocks):
        first, last = block * block_size, min(rows, (block + 1) * block_size)
        scale, middle = _grid(weights[first:last], top, symmetric)
        scales[:, block], zero[:, block] = scale, middle
        errors = np.zeros((last - first, columns))
        for row in range(first, last):
            said = np.clip(np.round(weights[row] / scale) + middle, 0, top)
            values[:, block, row - first] = said
            errors[row - first] = (weights[row] - (said - middle) * scale) / upper[row, row]
            weights[row + 1 : last] -= np.outer(upper[row, row + 1 : last], errors[row - first])
        weights[last:] -= upper[first:last, last:].T @ errors
    return _packed(matrix, bits, block_size, values, scales, None if symmetric else zero)


def _grid(block: np.ndarray, top: int, symmetric: bool) -> tuple[np.ndarray, np.ndarray]:
    """Scale and zero point of each column of a block (rows, columns), such that its extremes are in range."""
    low, high = np.minimum(block.min(0), 0.0), np.maximum(block.max(0), 0.0)
    middle = (top + 1) / 2
    if symmetric:
        scale = np.maximum(high / (top - middle), -low / middle)
        return np.where(scale == 0, 1.0, scale), np.full(len(scale), middle)
    scale = (high - low) / top
    scale = np.where(scale == 0, 1.0, scale)
    return scale, np.clip(np.round(-low / scale), 0, top)


def _blocked(matrix: np.ndarray, block_size: int) -> np.ndarray:
    """(N, blocks, block size), the last block filled with zeros."""
    rows, columns = matrix.shape
    blocks = -(-rows // block_size)
    whole = np.zeros((columns, blocks * block_size), np.float32)
    whole[:, :rows] = matrix.T
    return whole.reshape(columns, blocks, block_size)


def _packed(
    matrix: np.ndarray, bits: int, block_size: int, values: np.ndarray, scales: np.ndarray, zero: np.ndarray | None
) -> Packed:
    return Packed(
        bits,
        block_size,
        len(matrix),
        packed(values.astype(np.uint8), bits),
        scales.astype(np.float32),
        None if zero is None else packed(zero.astype(np.uint8), bits, filler=2 ** (bits - 1)),
    )


def packed(values: np.ndarray, bits: int, filler: int = 0) -> np.ndarray:
    """uint8 values of few bits as bytes along the last axis; an odd one is filled up."""
    if bits == 8:
        return np.ascontiguousarray(values)
    if values.shape[-1] % 2:
        tail = np.full((*values.shape[:-1], 1), filler, np.uint8)
        values = np.concatenate([values, tail], -1)
    return np.ascontiguousarray(values[..., ::2] | values[..., 1::2] << 4)


def unpacked(values: np.ndarray, bits: int) -> np.ndarray:
    """The inverse of `packed`, with the filler."""
    if bits == 8:
        return values
    return np.stack([values & 15, values >> 4], -1).reshape(*values.shape[:-1], -1)
