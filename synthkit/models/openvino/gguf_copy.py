"""A copy of a GGUF file whose tensors have the types that openvino-genai reads."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

READ = {"F16", "Q4_0", "Q4_1", "Q4_K", "Q6_K", "Q8_0"}
"""The types of matrices that openvino-genai 2026.4 reads. Many files have others in part: where
rows are no multiple of 256, llama.cpp writes Q5_0 into a file that it names Q4_K_M."""


def copy(file: Path, reader: Any, target: Path) -> None:
    """Copy a GGUF file; matrices of other types than :data:`READ` become F16 or Q8_0.

    Parameters
    ----------
    reader : of ``file``.
    """
    if all(_is_read(tensor) for tensor in reader.tensors):
        shutil.copyfile(file, target)
        return
    from gguf import GGMLQuantizationType, GGUFValueType, GGUFWriter
    from gguf.quants import dequantize, quantize

    writer = GGUFWriter(target, reader.get_field("general.architecture").contents())
    for name, field in reader.fields.items():
        if not name.startswith("GGUF.") and name != "general.architecture":
            kind = field.types[0]
            part = field.types[-1] if kind == GGUFValueType.ARRAY else None
            writer.add_key_value(name, field.contents(), kind, part)
    for tensor in reader.tensors:
        data, kind = tensor.data, tensor.tensor_type
        if not _is_read(tensor):
            data = dequantize(data, kind)
            whole = GGMLQuantizationType.F32 if data.ndim == 1 else GGMLQuantizationType.F16
            kind = whole if kind.name in {"F32", "BF16"} else GGMLQuantizationType.Q8_0
            data = quantize(data, kind)
        writer.add_tensor(tensor.name, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _is_read(tensor: Any) -> bool:
    kind = tensor.tensor_type.name
    return kind in READ if len(tensor.shape) > 1 else kind == "F32"
