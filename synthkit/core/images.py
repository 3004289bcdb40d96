"""Images in messages, for models that take them: at a URL, in a file, or as bytes."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.secrets import hidden_url

_TYPES = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"RIFF": "image/webp",
}
_LONGEST_START = max(map(len, _TYPES))


@dataclass(frozen=True, slots=True)
class Image:
    """An image of a message. :func:`image` makes one from a URL, a path or bytes.

    Parameters
    ----------
    url : its address, which the server opens; the request's key depends on the address alone.
    path : its file, which is read when the request is sent.
    data : its bytes, if it is neither at an address nor in a file.
    sha256 : of the bytes, in hex; the request's key depends on it.
    media_type : ``"image/png"``, ``"image/jpeg"``, ``"image/gif"`` or ``"image/webp"``.
    """

    url: str = ""
    path: str = ""
    data: bytes = field(default=b"", repr=False)
    sha256: str = ""
    media_type: str = ""

    def payload(self) -> dict[str, str]:
        """What identifies it, as JSON values."""
        if self.url:
            return {"url": hidden_url(self.url)}  # a signed address has a secret
        return {"type": self.media_type, "sha256": self.sha256}

    def address(self) -> str:
        """Its URL; a ``data:`` URL with the bytes if it has no other.

        Raises
        ------
        UsageError
            If its file has changed or is gone.
        """
        if self.url:
            return self.url
        data = self.data or _read(Path(self.path))
        if hashlib.sha256(data).hexdigest() != self.sha256:
            raise UsageError(f"the image {self.path} has changed; run the cell again.")
        return f"data:{self.media_type};base64,{base64.b64encode(data).decode()}"


def image(value: Any) -> Image:
    """The image that a cell of a table stands for.

    Parameters
    ----------
    value : an http(s) or ``data:`` URL, a path, bytes, a PIL image, or a dict with ``bytes`` or
        ``path`` as Hugging Face tables have it.

    Raises
    ------
    UsageError
        If it is none of these, or not a PNG, JPEG, GIF or WebP image.

    Examples
    --------
    >>> image("https://example.org/soup.png").payload()
    {'url': 'https://example.org/soup.png'}
    """
    if isinstance(value, Mapping):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, str) and value.startswith(("http://", "https://")):
        return Image(url=value)
    if isinstance(value, str) and value.startswith("data:"):
        try:
            value = base64.b64decode(value.partition(",")[2], validate=True)
        except binascii.Error:
            raise UsageError("a data: URL of an image must be in base64.") from None
    if isinstance(value, str | Path):
        data, kept = _read(Path(value).expanduser()), {"path": str(Path(value).expanduser())}
    elif hasattr(value, "save") and not isinstance(value, bytes):
        buffer = io.BytesIO()
        value.save(buffer, format="PNG")
        data = buffer.getvalue()
        kept = {}
    elif isinstance(value, bytes | bytearray | memoryview):
        data, kept = bytes(value), {}
    else:
        raise UsageError(
            f"expected an image: a URL, a path, bytes or a PIL image; got {str(value)[:80]!r}."
        )
    found = [kind for start, kind in _TYPES.items() if data.startswith(start)]
    if not found:
        raise UsageError(
            f"expected a PNG, JPEG, GIF or WebP image; got {data[:_LONGEST_START]!r} at the start"
            f" of {kept.get('path', 'the bytes')}."
        )
    digest = hashlib.sha256(data).hexdigest()
    return Image(
        path=kept.get("path", ""),
        data=b"" if kept else data,
        sha256=digest,
        media_type=found[0],
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"the image {path} cannot be read: {error.strerror}.") from None
