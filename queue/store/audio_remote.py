"""Sealed audio in object storage: S3 and what speaks its language, or what else obstore knows.

Credentials, region and endpoint come from the environment, as the storage's own tools take them (AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL).
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterable, Iterator

from earmark.queue.store.interface import StoreError

AGAIN = 5
"""How often a request is made again after a fault of the storage or of the line to it. obstore by itself goes on for
three minutes, while somebody sits before a clip that does not sound: what lasts longer than seconds is told.
"""


class RemoteObjects:
    """Objects in the bucket, under the prefix, that `url` names. Raises `StoreError` when it cannot be used at all."""

    def __init__(self, url: str) -> None:
        try:
            from obstore.store import from_url
        except ImportError:
            raise StoreError("object storage needs obstore: pip install 'earmark[s3]'") from None
        self._url = url
        try:
            with self._told():
                # Options of the client would be taken in the place of the environment's (AWS_ALLOW_HTTP), not beside.
                self._store = from_url(url, retry_config={"max_retries": AGAIN})
        except OSError as error:
            raise StoreError(str(error)) from None

    def put(self, name: str, data: bytes) -> None:
        import obstore

        try:
            with self._told():
                # In one piece: the storage answers when it is durable, and a part is never there.
                obstore.put(self._store, _path(name), data, use_multipart=False)
        except FileNotFoundError:
            raise OSError(errno.EIO, "the object storage has no such bucket", self._url) from None

    def read(self, name: str) -> bytes:
        import obstore

        with self._told():
            return obstore.get(self._store, _path(name)).bytes().to_bytes()

    def has(self, name: str) -> bool:
        import obstore

        try:
            with self._told():
                obstore.head(self._store, _path(name))
        except FileNotFoundError:
            return False
        return True

    def remove(self, names: Iterable[str]) -> None:
        import obstore

        for name in names:
            with contextlib.suppress(FileNotFoundError), self._told():
                obstore.delete(self._store, _path(name))

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Say obstore's errors as `OSError`. Their texts quote requests, signatures too: only their kind is told."""
        from obstore.exceptions import BaseError, NotFoundError, PermissionDeniedError, UnauthenticatedError

        try:
            yield
        except (NotFoundError, FileNotFoundError):
            raise FileNotFoundError(errno.ENOENT, "no such object", self._url) from None
        except (PermissionDeniedError, UnauthenticatedError):
            raise PermissionError(errno.EACCES, "the object storage refuses these credentials", self._url) from None
        except BaseError as error:
            raise OSError(errno.EIO, f"the object storage refused ({type(error).__name__})", self._url) from None


def _path(name: str) -> str:
    return f"{name[:2]}/{name}"
