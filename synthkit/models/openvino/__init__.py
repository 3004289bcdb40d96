"""Local models by OpenVINO: small models fast on CPUs, without torch.

When it is imported, OpenVINO reports this to its makers, in a process that it forks, unless its
package for that is missing. So that package is hidden before OpenVINO is imported.
"""

from __future__ import annotations

import logging
import sys


def _matters(record: logging.LogRecord) -> bool:
    """False for what transformers says where torch is missing: its tokenizers need none."""
    return not record.getMessage().startswith("PyTorch was not found")


logging.getLogger("transformers").addFilter(_matters)
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
