# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
Safetensors files, read and written tensor by tensor.

The library maps whole files into memory; here a tensor streams through one small buffer into the
memory, dtype and device it will live in. Format: 8 bytes header length (little endian), a JSON
header {name: {dtype, shape, data_offsets}}, then the values.
"""

from collections.abc import Mapping
from dataclasses import dataclass
import json
import os
from pathlib import Path

import torch
from torch import Tensor

DTYPES = {'F32': torch.float32, 'BF16': torch.bfloat16, 'F16': torch.float16}
DTYPE_NAMES = {dtype: name for name, dtype in DTYPES.items()}
INDEX = 'model.safetensors.index.json'
CHUNK_BYTES = 4 * 2**20
SHARD_BYTES = 5_000_000_000


@dataclass(frozen=True)
class StoredTensor:
    """Where a tensor lies: file, first byte, dtype and shape."""

    path: Path
    offset: int
    dtype: torch.dtype
    shape: tuple[int, ...]

    def read_into(self, target: Tensor, chunk: memoryview) -> None:
        """Fill the contiguous ``target``, in its dtype and on its device, through ``chunk``."""
        target = target.view(-1)
        step = len(chunk) // self.dtype.itemsize
        with self.path.open('rb') as file:
            file.seek(self.offset)
            for first in range(0, target.numel(), step):
                count = min(step, target.numel() - first)
                size = count * self.dtype.itemsize
                if file.readinto(chunk[:size]) != size:
                    raise ValueError(f'{self.path} ends before its tensors do; copy it again')
                values = torch.frombuffer(chunk, dtype=self.dtype, count=count)
                target[first : first + count].copy_(values)


def new_chunk() -> memoryview:
    """Return the buffer that reads pass through."""
    return memoryview(bytearray(CHUNK_BYTES))


def open_weights(path: Path) -> dict[str, StoredTensor]:
    """
    Return the tensors of a file, or of all files in a folder, by name.

    :raises ValueError: naming the file that is missing, cut off or not a safetensors file.
    """
    stored: dict[str, StoredTensor] = {}
    for file in _weight_files(path):
        for name, tensor in _read_header(file).items():
            if name in stored:
                raise ValueError(f'{name} is in {stored[name].path} and in {file}; keep one')
            stored[name] = tensor
    return stored


def write_weights(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """
    Write ``tensors`` to a file, or to a folder in shards with their index.

    :raises ValueError: naming a dtype that cannot be stored.
    """
    if path.suffix == '.safetensors':
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_file(path, tensors)
        return
    path.mkdir(parents=True, exist_ok=True)
    shards = _split(tensors)
    names = [f'model-{n:05}-of-{len(shards):05}.safetensors' for n in range(1, len(shards) + 1)]
    if len(shards) == 1:
        names = ['model.safetensors']
    for name, shard in zip(names, shards, strict=True):
        _write_file(path / name, shard)
    # Shards or an index of an earlier save would be read instead.
    for stale in {path / INDEX, *path.glob('model*.safetensors')} - {path / n for n in names}:
        stale.unlink(missing_ok=True)
    if len(shards) > 1:
        total = sum(tensor.nbytes for tensor in tensors.values())
        weight_map = {
            tensor: n for n, shard in zip(names, shards, strict=True) for tensor in shard
        }
        index = {'metadata': {'total_size': total}, 'weight_map': weight_map}
        (path / INDEX).write_text(json.dumps(index, indent=2))


def _weight_files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    index = path / INDEX
    if index.is_file():
        names = sorted(set(json.loads(index.read_text())['weight_map'].values()))
        absent = [name for name in names if not (path / name).is_file()]
        if absent:
            raise ValueError(f'{index} names shards that are not there: {", ".join(absent)}')
        return [path / name for name in names]
    files = sorted(path.glob('*.safetensors'))
    if not files:
        raise ValueError(f'{path}: found no *.safetensors; expected a file or folder of weights')
    return files


def _read_header(path: Path) -> dict[str, StoredTensor]:
    size = path.stat().st_size
    with path.open('rb') as file:
        length = int.from_bytes(file.read(8), 'little')
        if size < 8 or 8 + length > size:
            raise ValueError(f'{path} is cut off in its header ({size} bytes); copy it again')
        try:
            header = json.loads(file.read(length))
        except ValueError as error:
            raise ValueError(f'{path} is not a safetensors file: {error}') from error
    header.pop('__metadata__', None)
    end = 8 + length + max((entry['data_offsets'][1] for entry in header.values()), default=0)
    if size < end:
        raise ValueError(f'{path} is cut off: {size} of {end} bytes; copy it again')
    stored = {}
    for name, entry in header.items():
        if entry['dtype'] not in DTYPES:
            raise ValueError(
                f'{path}: {name} is of dtype {entry["dtype"]}; expected one of {", ".join(DTYPES)}'
            )
        offset = 8 + length + entry['data_offsets'][0]
        stored[name] = StoredTensor(path, offset, DTYPES[entry['dtype']], tuple(entry['shape']))
    return stored


def _split(tensors: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
    """Return ``tensors`` in order, in shards of at most ``SHARD_BYTES``."""
    shards: list[dict[str, Tensor]] = [{}]
    filled = 0
    for name, tensor in tensors.items():
        if shards[-1] and filled + tensor.nbytes > SHARD_BYTES:
            shards.append({})
            filled = 0
        shards[-1][name] = tensor
        filled += tensor.nbytes
    return shards


def _write_file(path: Path, tensors: Mapping[str, Tensor]) -> None:
    header: dict = {'__metadata__': {'format': 'pt'}}
    offset = 0
    for name, tensor in tensors.items():
        if tensor.dtype not in DTYPE_NAMES:
            raise ValueError(
                f'{name} is of dtype {tensor.dtype}; expected one of {", ".join(DTYPES)}'
            )
        header[name] = {
            'dtype': DTYPE_NAMES[tensor.dtype],
            'shape': list(tensor.shape),
            'data_offsets': [offset, offset + tensor.nbytes],
        }
        offset += tensor.nbytes
    encoded = json.dumps(header).encode()
    encoded += b' ' * (-len(encoded) % 8)
    partial = path.with_name(path.name + '.partial')
    with partial.open('wb') as file:
        file.write(len(encoded).to_bytes(8, 'little') + encoded)
        for tensor in tensors.values():
            file.write(tensor.detach().contiguous().cpu().view(-1).view(torch.uint8).numpy())
    os.replace(partial, path)
