"""Local models by OpenVINO: small models fast on CPUs, without torch."""

from __future__ import annotations

import logging


def _matters(record: logging.LogRecord) -> bool:
    """False for what transformers says where torch is missing: its tokenizers need none."""
    return not record.getMessage().startswith("PyTorch was not found")


logging.getLogger("transformers").addFilter(_matters)
