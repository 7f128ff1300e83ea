"""What tests need of the machine. One place decides what it means when that is not there."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest

from postgres_server import binaries
from s3_server import missing
from sshd_server import sshd

PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def without(why: str) -> NoReturn:
    """This cannot be tested here. That counts as failed, or nobody would notice that a proof has gone. Only whoever
    asked for what can be tested (`tests/run --partial`) has it left out, and listed.
    """
    if os.environ.get("EARMARK_PARTIAL") == "1":
        pytest.skip(why)
    pytest.fail(f"{why}; EARMARK_PARTIAL=1 leaves this test out")


def need(program: str, *others: str) -> str:
    """These programs must be on the machine; the path of the first."""
    for name in (program, *others):
        if shutil.which(name, path=PATH) is None:
            without(f"there is no {name} here")
    return shutil.which(program, path=PATH) or program


def need_postgres() -> None:
    """A PostgreSQL server and its programs."""
    if binaries() is None:
        without("there is no PostgreSQL server here")
    need("psql", "pg_dump")


def need_s3() -> None:
    """A server of object storage."""
    if missing():
        without(f"there is no S3 server here: {', '.join(missing())} missing")


def need_sshd() -> None:
    """An sshd and its client."""
    need("ssh", "ssh-keygen")
    if sshd() is None:
        without("there is no sshd here")


def need_one_time_codes() -> None:
    """And one that may ask for a code, which takes root."""
    need_sshd()
    need("oathtool", "google-authenticator")
    if os.geteuid() != 0:
        without("PAM and one-time codes need root")
