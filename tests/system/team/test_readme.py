"""From one machine to a team, as the README has it: every command as it stands there, against a real PostgreSQL and a
real sshd. Only what it calls ours to choose is other: the folders, the host, the account and its home.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import numpy as np
import psycopg
import pytest
import soundfile

from needs import need_postgres, need_sshd
from postgres_server import PostgresServer
from sshd_server import Sshd
from system.team.conftest import TEXTS
from terminal.home import Home, decide, leave, opened

ROOT = Path(__file__).resolve().parents[3]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SECTION = README[README.index("## From one machine to a team") : README.index("## A store over SSH")]
HOST, PASSPHRASE, TYPED = "review.example.org", "correct horse battery staple", "qvwtypedsecret"
FOLDERS = ("/opt/earmark", "/etc/earmark", "/srv/earmark", "/var/backups/earmark")


def blocks() -> dict[str, str]:
    """The indented lines under each mark."""
    found = re.findall(r"<!-- team: (.*?) -->\n((?:    .*\n)+)", SECTION)
    return {name: re.sub(r"^    ", "", lines, flags=re.MULTILINE) for name, lines in found}


class Machine:
    """A host in a folder: its own paths, its own PostgreSQL, and the account `earmark`, which is whoever runs this."""

    def __init__(self, folder: Path, sshd: Sshd) -> None:
        self.folder = folder
        self.home, self.cwd = folder / "home", folder / "cwd"
        for place in (self.home, self.cwd, *map(self.path, FOLDERS)):
            place.mkdir(parents=True, mode=0o700)
        self.sshd = sshd
        self.postgres = PostgresServer()
        self.postgres.start()
        binaries = folder / "bin"
        binaries.mkdir()
        # Whoever runs this has no rights as postgres, and PostgreSQL is asked to believe it.
        for name, does in (("python3", f'exec {sys.executable} "$@"'), ("sudo", 'shift 2; PGUSER=postgres exec "$@"')):
            (binaries / name).write_text(f"#!/bin/sh\n{does}\n")
            (binaries / name).chmod(0o755)
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(("EARMARK", "PG", "XDG"))}
        self.env |= {
            "HOME": str(self.home),
            "PATH": f"{binaries}:{os.environ['PATH']}",
            "PGHOST": str(self.postgres.folder),
            "PGPORT": str(self.postgres.port),
            "PGUSER": "earmark",
            # What is installed already need not be fetched; a build in an environment of its own would fetch.
            "PIP_NO_BUILD_ISOLATION": "false",
            "PIP_NO_INDEX": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def path(self, path: str) -> Path:
        return self.folder / path.lstrip("/")

    def here(self, text: str) -> str:
        """The README's text with this machine's folders, account and host in it."""
        for folder in FOLDERS:
            text = text.replace(folder, str(self.path(folder)))
        return text.replace(f"earmark@{HOST}", HOST)

    def types(self, commands: str, *, cwd: Path | None = None) -> str:
        """Commands in the account's shell, one after the other, all of which go well. What they export stays."""
        script = f"{self.here(commands)}\nenv -0 > {self.folder}/environment"
        done = subprocess.run(
            ["sh", "-ec", script], cwd=cwd or self.cwd, env=self.env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        entries = (self.folder / "environment").read_text().rstrip("\0").split("\0")
        self.env |= {name: value for name, _, value in (entry.partition("=") for entry in entries) if name != "PWD"}
        return done.stdout + done.stderr

    def configure(self, lines: dict[str, str]) -> None:
        """Put lines into PostgreSQL's own files, above what is there."""
        for name, text in lines.items():
            path = self.postgres.data / name
            path.write_text(text + path.read_text())

    def let_in(self, given: dict[str, str]) -> None:
        """Step 2 with its files; the system's accounts that it names are whoever runs this."""
        account = re.sub(r"(?m)^(\S+\s+)\S+", rf"\g<1>{Sshd.account()}", given["pg_ident.conf"])
        self.types(given["database"])
        self.configure({"pg_ident.conf": account, "pg_hba.conf": given["pg_hba.conf"]})
        self.types(given["reload"])


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    need_sshd()
    need_postgres()
    sshd = Sshd(tmp_path / "sshd")
    machine = Machine(tmp_path / "host", sshd)
    yield machine
    sshd.stop()
    machine.postgres.stop()


def corpus(folder: Path) -> None:
    """A manifest with a short sound for each text."""
    draw = np.random.default_rng(7)
    rows = []
    for number, text in enumerate(TEXTS):
        soundfile.write(folder / f"call{number}.wav", draw.normal(0, 0.1, 2400), 8000)
        rows.append(
            {"audio_filepath": f"call{number}.wav", "pred_text": text, "lang": "en", "speaker": f"person{number}"}
        )
    (folder / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def reviewers_machine(folder: Path, machine: Machine) -> Home:
    """ada's own machine, with `earmark` on its path."""
    home = Home(folder, **machine.sshd.environment)
    del home.env["EARMARK_REVIEWER"]
    home.env["PATH"] = f"{machine.path('/opt/earmark')}/bin:{home.env['PATH']}"
    return home


def test_no_command_stands_there_untested() -> None:
    """Each block has a name, and each name is used below."""
    assert SECTION.count("\n\n    ") + SECTION.count("-->\n    ") == len(blocks())
    here = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in blocks() if f'given["{name}"]' not in here] == []


def test_the_readmes_way_from_one_machine_to_a_team(tmp_path: Path, machine: Machine) -> None:
    given = blocks()

    # The host. Its environment finds our libraries, so that nothing has to be fetched.
    make, rest = given["host"].split("\n", 1)
    machine.types(make)
    (library,) = machine.path("/opt/earmark").glob("lib/python3*/site-packages")
    (library / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    machine.types(rest, cwd=ROOT)
    assert Path(shutil.which("earmark", path=machine.env["PATH"]) or "").is_relative_to(machine.folder)

    # The database, the store, the clips.
    machine.let_in(given)
    said = machine.types(given["store"])
    assert "Its master key is in" in said
    master = machine.path("/etc/earmark/master.key")
    assert master.stat().st_mode & 0o777 == 0o600
    corpus(machine.cwd)
    said = machine.types(given["load"])
    assert "this login reviews as 'eve'" in said
    assert "1,500 clips a reviewer and day" in said
    assert f"{len(TEXTS)} clips added" in said

    # The keys. The command has no environment, and finds the master key by the configuration in its home.
    for line in given["authorized_keys"].splitlines():
        name = line.rpartition(" ")[2]
        place = f"{quote(str(machine.postgres.folder), safe='')}:{machine.postgres.port}"
        forced = machine.here(line).replace("@/earmark", f"@{place}/earmark").replace(f"ssh-ed25519 AAAA… {name}", "{}")
        if name == "ben":  # as step 3 has it for object storage
            machine.path("/etc/earmark/storage").write_text("export AWS_ACCESS_KEY_ID=none\n")
            assert "begin with `. /etc/earmark/storage; exec `" in SECTION
            forced = forced.replace('command="', machine.here('command=". /etc/earmark/storage; exec '))
        machine.sshd.key(HOST if name == "ada" else name, line=forced)
    config = machine.sshd.folder / "sshd_config"
    config.write_text(config.read_text() + f"SetEnv HOME={machine.home}\n")
    machine.sshd.start()

    # ada's machine: a sitting, and one offline.
    ada = reviewers_machine(tmp_path / "ada", machine)
    shell = shutil.which("sh") or "sh"
    with ada.console(argv=[shell, "-ec", machine.here(given["review"])]) as console:
        console.wait(f"{len(TEXTS)} clips that you could review", 30)
        opened(console)
        console.wait(TEXTS[0])
        console.wait(lambda text: "fetching" not in text)
        console.press("e")
        console.wait("EDITING")
        console.type(f" {TYPED}")
        decide(console, "enter")
        assert leave(console) == 0
    ada.env["EARMARK_STORE"] = f"ssh://{HOST}"
    with ada.console(argv=[shell, "-ec", given["offline"]]) as console:
        console.wait("A passphrase for the batch", 30)
        console.type(f"{PASSPHRASE}\r")
        console.wait("The same again", 30)
        console.type(f"{PASSPHRASE}\r")
        console.wait("checked out until", 60)
        console.wait("Passphrase of the batch", 30)
        console.type(f"{PASSPHRASE}\r")
        opened(console)
        console.wait(TEXTS[1])
        console.press("e")
        console.wait("EDITING")
        console.type(f" {TYPED}")
        decide(console, "enter")
        console.press("q")
        assert console.wait_exit(60) == 0, console.text()
        assert "given back" in console.text()

    # ben comes, and leaves.
    ben = reviewers_machine(tmp_path / "ben", machine)
    ben.env["EARMARK_STORE"] = "ssh://ben"
    assert ben.run("status").returncode == 0
    assert "`earmark store remove-reviewer ben`" in SECTION
    machine.types("earmark store remove-reviewer ben --store postgresql:///earmark")
    assert "this login role may not do that" in " ".join(ben.run("status").stderr.split())

    # Results, backups, and what a thief of them has.
    machine.types(given["export"])
    results = [json.loads(line) for line in (machine.cwd / "results.jsonl").read_text().splitlines()]
    expected = [(f"call{number}.wav", f"{TEXTS[number]} {TYPED}", "ada") for number in (0, 1)]
    assert [(Path(one["audio_filepath"]).name, one["text"], one["reviewer"]) for one in results] == expected
    machine.types(given["backup"])
    stolen = subprocess.run(
        ["pg_restore", "--file=-", str(machine.path("/var/backups/earmark/earmark.dump"))],
        capture_output=True,
        check=True,
    ).stdout
    assert TEXTS[0].encode() in stolen, "text is text: the README says so"
    assert b"person0" not in stolen
    stolen += machine.path("/var/backups/earmark/audio.tar").read_bytes()
    assert b"fLaC" not in stolen
    assert bytes.fromhex(master.read_text()).hex().encode() not in stolen

    # The host burns down.
    machine.postgres.stop()
    shutil.rmtree(machine.path("/srv/earmark/audio"))
    machine.postgres = PostgresServer()
    machine.postgres.start()
    machine.env |= {"PGHOST": str(machine.postgres.folder), "PGPORT": str(machine.postgres.port)}
    machine.let_in(given)
    said = machine.types(given["restore"])
    assert "A store is here already" in said
    assert "the master key is this store's" in said
    before = (machine.cwd / "results.jsonl").read_bytes()
    machine.types("export EARMARK_STORE=postgresql://eve@/earmark\n" + given["export"])
    assert (machine.cwd / "results.jsonl").read_bytes() == before
    machine.env |= {"PGUSER": "ada"}
    with (
        pytest.raises(psycopg.errors.InsufficientPrivilege),
        psycopg.connect(
            f"postgresql://ada@/earmark?host={machine.postgres.folder}&port={machine.postgres.port}"
        ) as thief,
    ):
        thief.execute("SELECT * FROM earmark.line")
