"""The inside of a kernel that runs a student's notebook: no network, no keys, set seeds."""

from __future__ import annotations

import getpass
import os
import random
import re
import socket
from collections.abc import Iterable
from typing import Any

from synthkit.core.secrets import hidden
from synthkit.models.openai.providers import PROVIDERS

NO_KEY = "none"
"""In the place of each key: what a lesson's bundle has is found without one."""
NOWHERE = "http://127.0.0.1:9"
"""A proxy that is not there, for programs that a notebook starts."""
_KEY = re.compile(r"api[-_]key[-_]env[=\s]+[\"']?(\w+)")


def environment(folder: str, sources: Iterable[str]) -> dict[str, str]:
    """The variables of a kernel's environment: those of this process, without the keys in them.

    Parameters
    ----------
    folder : where it runs.
    sources : the cells, which may name further variables with keys.
    """
    keys = {provider.key_env for provider in PROVIDERS.values() if provider.key_env}
    keys |= {"OPENAI_API_KEY", *(name for source in sources for name in _KEY.findall(source))}
    keys |= {name for name, value in os.environ.items() if hidden(value, name) != value}
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), NOWHERE)
    return {
        **os.environ,
        **dict.fromkeys(keys, NO_KEY),
        **proxies,
        "HF_HUB_OFFLINE": "1",
        "IPYTHONDIR": f"{folder}/.ipython",
        "PYTHONHASHSEED": "0",
        "SYNTHKIT_LIVE": "0",
    }


def seal() -> None:
    """Refuse the network to this process, ask for no password, and seed ``random``."""
    import sys

    sys.addaudithook(_refuse)
    setattr(getpass, "getpass", lambda *_, **__: NO_KEY)  # noqa: B010
    random.seed(0)


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        if arguments[0].family == getattr(socket, "AF_UNIX", None):
            return
    elif event not in ("socket.getaddrinfo", "socket.gethostbyname"):
        return
    raise PermissionError("there is no network while a notebook is graded.")
