"""An S3 server of the tests' own: a Ceph of one monitor and one disk in memory, with its gateway on the loopback.

    server = S3Server()
    server.start()                        some seconds
    server.bucket("audio")
    os.environ.update(server.environment) for whoever speaks to it through obstore
    server.kill_gateway(); server.start_gateway()     what was put stays: it is the disk's
    server.stop()

Nothing is configured for the machine and nothing outlives `stop`. The processes are children of the tests, started as
whoever runs them.
"""

from __future__ import annotations

import base64
import email.utils
import hashlib
import hmac
import http.client
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

PROGRAMS = ("ceph", "ceph-authtool", "ceph-mon", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin")
DISK_BYTES = 1 << 30
"""What the disk in memory holds at most: it takes no more than what is put."""

_UP_SECONDS = 60.0

# One copy of everything on one disk, and keys for whoever takes part.
_CONFIGURATION = """\
[global]
fsid = {fsid}
mon_host = [v2:127.0.0.1:{monitor}/0]
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
run_dir = {folder}
admin_socket =
log_file = {folder}/$name.log
mon_cluster_log_file = {folder}/cluster.log
crash_dir = {folder}
keyring = {folder}/keyring
mon_data = {folder}/monitor
osd_data = {folder}/disk
rgw_data = {folder}
osd_objectstore = memstore
memstore_device_bytes = {disk}
osd_memory_target = 1073741824
osd_crush_chooseleaf_type = 0
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_update_on_start = true
mon_allow_pool_size_one = true
mon_warn_on_pool_no_redundancy = false
rgw_frontends = beast endpoint=127.0.0.1:{port}
"""


def missing() -> list[str]:
    """The programs that are not on this machine."""
    return [name for name in PROGRAMS if shutil.which(name) is None]


class S3Server:
    """One server, whose people's keys are `access` and `secret`. Raises `RuntimeError` when it does not come up."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="earmark-s3-"))
        self.access, self.secret = secrets.token_hex(10), secrets.token_hex(20)
        self.port = _free_port()
        self._environment = {**os.environ, "CEPH_CONF": str(self.folder / "ceph.conf")}
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def environment(self) -> dict[str, str]:
        """What obstore reads: where to ask, and as whom."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "default",
            "AWS_ACCESS_KEY_ID": self.access,
            "AWS_SECRET_ACCESS_KEY": self.secret,
        }

    def start(self) -> None:
        """Make the cluster, start it, and let one person in."""
        monitor, keyring = _free_port(), self.folder / "keyring"
        fsid = str(uuid.uuid4())
        (self.folder / "ceph.conf").write_text(
            _CONFIGURATION.format(fsid=fsid, monitor=monitor, folder=self.folder, disk=DISK_BYTES, port=self.port)
        )
        for name, rights in {
            "mon.": ("mon", "allow *"),
            "client.admin": ("mon", "allow *", "osd", "allow *", "mgr", "allow *"),
            "client.rgw": ("mon", "allow *", "osd", "allow *"),
            "osd.0": ("mon", "allow profile osd", "mgr", "allow profile osd", "osd", "allow *"),
        }.items():
            capabilities = [
                word for kind, right in zip(rights[::2], rights[1::2], strict=True) for word in ("--cap", kind, right)
            ]
            new = () if keyring.exists() else ("--create-keyring",)
            self._run("ceph-authtool", keyring, *new, "--gen-key", "-n", name, *capabilities)
        for name in ("monitor", "disk"):
            (self.folder / name).mkdir()
        plan = self.folder / "monmap"
        self._run(
            "monmaptool", "--create", "--fsid", fsid, "--addv", "a", f"[v2:127.0.0.1:{monitor}/0]", plan
        )  # fmt: skip
        self._run("ceph-mon", "-i", "a", "--mkfs", "--monmap", plan, "--keyring", keyring)
        self._daemon("ceph-mon", "-i", "a")
        disk = str(uuid.uuid4())
        self._run("ceph", "osd", "new", disk, "-i", "-", given=b'{"cephx_secret":"%s"}' % self._key("osd.0"))
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", disk)
        self._daemon("ceph-osd", "-i", "0")
        self._until("the disk", lambda: b"1 up" in self._run("ceph", "osd", "stat"))
        self.start_gateway()
        self._run(
            "radosgw-admin", "-n", "client.rgw", "user", "create", "--uid=tests", "--display-name=tests",
            f"--access-key={self.access}", f"--secret-key={self.secret}",
        )  # fmt: skip

    def start_gateway(self) -> None:
        """Start what speaks S3, again where it was killed, and wait until it answers."""
        self._daemon("radosgw", "-n", "client.rgw")
        self._until("the gateway", self._answers)

    def kill_gateway(self) -> None:
        """Kill what speaks S3, in whatever it does."""
        gateway = self._daemons.pop("radosgw")
        gateway.kill()
        gateway.wait()

    def bucket(self, name: str) -> None:
        """Make a bucket."""
        status = self._ask("PUT", f"/{name}")
        if status != 200:
            raise RuntimeError(f"the bucket {name} was not made: HTTP {status}")

    def stop(self) -> None:
        """End every process and remove everything."""
        for daemon in reversed(self._daemons.values()):
            daemon.kill()
            daemon.wait()
        self._daemons.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- its inner parts ---------------------------------------------------------------------------------------------

    def _key(self, name: str) -> bytes:
        return self._run("ceph-authtool", self.folder / "keyring", "-n", name, "--print-key").strip()

    def _run(self, program: str, *arguments: object, given: bytes = b"") -> bytes:
        done = subprocess.run(
            [program, *map(str, arguments)],
            input=given,
            capture_output=True,
            env=self._environment,
            cwd=self.folder,
            timeout=_UP_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{program} ended with {done.returncode}: {done.stderr.decode(errors='replace')[-500:]}")
        return done.stdout

    def _daemon(self, program: str, *arguments: str) -> None:
        """Start a server in the foreground: as a child of ours it is the one that we end."""
        with (self.folder / f"{program}.out").open("ab") as out:
            self._daemons[program] = subprocess.Popen(
                [program, "-f", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=self._environment,
                cwd=self.folder,
                start_new_session=True,
            )

    def _until(self, what: str, ready: Callable[[], bool]) -> None:
        end = time.monotonic() + _UP_SECONDS
        while not ready():
            ended = [name for name, daemon in self._daemons.items() if daemon.poll() is not None]
            if ended or time.monotonic() > end:
                raise RuntimeError(f"{what} does not come up{' and ended: ' if ended else ''}{', '.join(ended)}")
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            return self._ask("GET", "/") < 500
        except OSError:
            return False

    def _ask(self, method: str, path: str) -> int:
        """One request signed in S3's older way, for which a hash is enough. obstore makes no buckets."""
        date = email.utils.formatdate(usegmt=True)
        told = f"{method}\n\n\n{date}\n{path}".encode()
        signature = base64.b64encode(hmac.new(self.secret.encode(), told, hashlib.sha1).digest()).decode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, headers={"Date": date, "Authorization": f"AWS {self.access}:{signature}"})
            return connection.getresponse().status
        finally:
            connection.close()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
