"""The inside of a kernel that runs a student's notebook: no network, no keys, the bundles."""

from __future__ import annotations

import getpass
import os
import random
import re
import socket
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from synthkit.core.errors import StoreError
from synthkit.core.secrets import hidden
from synthkit.models.openai.providers import PROVIDERS
from synthkit.sessions.current import ATTACH, session

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
        **{name: value for name, value in os.environ.items() if name != ATTACH},
        **dict.fromkeys(keys, NO_KEY),
        **proxies,
        "HF_HUB_OFFLINE": "1",
        "IPYTHONDIR": f"{folder}/.ipython",
        "PYTHONHASHSEED": "0",
        "SYNTHKIT_LIVE": "0",
    }


def seal(bundles: Sequence[str]) -> None:
    """Refuse the network to this process, ask for no password, seed ``random``, attach bundles.

    Raises
    ------
    StoreError
        If bundles are damaged; the others are attached to each session that is opened.
    """
    sys.addaudithook(_refuse)
    setattr(getpass, "getpass", lambda *_, **__: NO_KEY)  # noqa: B010
    random.seed(0)
    problems = []
    for bundle in map(os.path.abspath, bundles):
        try:
            session().attach(bundle)
        except StoreError as error:
            problems.append(str(error))
        else:
            attached = [os.environ[ATTACH]] if ATTACH in os.environ else []
            os.environ[ATTACH] = os.pathsep.join([*attached, bundle])
    if problems:
        raise StoreError("; ".join(problems))


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        if arguments[0].family == getattr(socket, "AF_UNIX", None):
            return
    elif event not in ("socket.getaddrinfo", "socket.gethostbyname"):
        return
    raise PermissionError("there is no network while a notebook is graded.")
