"""Run a command as on a CPU whose widest vectors are AVX2, whatever this one has.

    python -m tests.benchmarks.avx2_only FOLDER -m tests.benchmarks.local_engines ...

``ONEDNN_MAX_CPU_ISA`` and its like hold torch to AVX2, but not OpenVINO. So FOLDER becomes a copy
of this environment in which the libraries of torch, OpenVINO and numpy ask a handler of
``avx2_only.c`` in place of the CPU: each ``cpuid`` is overwritten by ``ud2``, which is as long.
A library then takes the code that it takes on such a CPU; clock, caches and memory stay this
machine's. Needs gcc, objdump and readelf, once about a minute, and the disk space of torch.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SOURCE = Path(__file__).with_suffix(".c")
LIBRARIES = ["torch", "openvino", "openvino_genai", "openvino_tokenizers", "numpy", "numpy.libs"]
CPUID, UD2 = b"\x0f\xa2", b"\x0f\x0b"


def printed(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def overwrite(library: Path) -> int:
    """Overwrite each cpuid of a library, in a file of its own; the number of them."""
    with subprocess.Popen(
        ["objdump", "-d", "--no-show-raw-insn", library], stdout=subprocess.PIPE, text=True
    ) as lines:
        assert lines.stdout
        found = [int(line.split(":")[0], 16) for line in lines.stdout if line.endswith("cpuid\n")]
    if not found:
        return 0
    code = [
        [int(number, 16) for number in match.groups()]
        for match in re.finditer(
            r"PROGBITS +(\w+) (\w+) (\w+) \w+ +AX", printed("readelf", "-SW", library)
        )
    ]
    mode, content = library.stat().st_mode, bytearray(library.read_bytes())
    for address in found:
        start, offset = next((a, o) for a, o, size in code if a <= address < a + size)
        at = slice(offset + address - start, offset + address - start + 2)
        assert content[at] == CPUID, f"{library.name}: no cpuid at {address:#x}"
        content[at] = UD2
    library.unlink()  # the file itself is shared with the other environment
    library.write_bytes(content)
    library.chmod(mode)
    return len(found)


def copy(folder: Path) -> None:
    """Make the environment in a folder."""
    partial = folder.with_name(f"{folder.name}.partial")
    printed("rm", "-rf", partial)
    printed("cp", "-al", sys.prefix, partial)
    printed("gcc", "-O1", "-shared", "-fPIC", "-o", partial / "avx2_only.so", SOURCE)
    packages = next(partial.glob("lib/python*/site-packages"))
    files = [
        file
        for name in LIBRARIES
        for file in (packages / name).rglob("*.so*")
        if file.is_file() and not file.is_symlink()
    ]
    with ThreadPoolExecutor(2) as pool:
        total = sum(pool.map(overwrite, files))
    partial.rename(folder)
    print(f"{folder}: {total} cpuid overwritten", file=sys.stderr)


def main() -> None:
    folder = Path(sys.argv[1]).absolute()
    if not folder.exists():
        copy(folder)
    python = folder / "bin" / "python"
    os.execve(
        python, [python, *sys.argv[2:]], {**os.environ, "LD_PRELOAD": f"{folder / 'avx2_only.so'}"}
    )


if __name__ == "__main__":
    main()
