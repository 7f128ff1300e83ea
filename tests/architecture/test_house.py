"""What the house rules ask of every file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ("keymaps", "queue", "tui")
TOPS = (*SHIPPED, "tests")
LONGEST = 400
WRITTEN = {".md", ".py", ".sh", ".sql", ".tcss", ".toml"}

# Spelt so that this file does not find itself.
MACHINE_PATH = re.compile(r"(?<![\w.~}/])/(?:w[o]rk|f[a]rm|r[o]ot|t[m]p)/\w")
TICKET = re.compile(r"(?i:\b(?:issue|ticket|pull request)s? ?#?\d)|(?<![\w&/`])#\d{1,4}\b(?![0-9a-fA-F])")
UNFINISHED = re.compile(r"\b(?:T[O]DO|F[I]XME|X[X]X)\b|Not[I]mplementedError")
NUMBERED = re.compile(r"(?<![\[\\])\?[1-9]\b")
BARE = re.compile(r"# type: [i]gnore(?!\[)|# n[o]qa(?!: ?[A-Z]+\d)")


def written() -> list[Path]:
    """The files that people wrote, in every top-level folder and at the root."""
    inside = [file for top in TOPS for file in (ROOT / top).rglob("*") if file.suffix in WRITTEN or file.name == "run"]
    return sorted([*inside, ROOT / "README.md", ROOT / "pyproject.toml", ROOT / ".ci" / "run"])


def found(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()}"
        for file in written()
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if pattern.search(line)
    ]


def test_no_module_is_longer_than_it_should_be() -> None:
    modules = [file for top in SHIPPED for file in (ROOT / top).rglob("*.py")]
    lengths = {str(file.relative_to(ROOT)): len(file.read_text(encoding="utf-8").splitlines()) for file in modules}
    assert len(lengths) > 20
    assert not {file: lines for file, lines in lengths.items() if lines > LONGEST}


@pytest.mark.parametrize("top", TOPS)
def test_every_top_level_folder_says_what_lives_there(top: str) -> None:
    readme = ROOT / top / "README.md"
    assert readme.exists()
    assert len(readme.read_text(encoding="utf-8")) > 200


def test_the_folder_named_queue_is_no_package() -> None:
    """With an `__init__.py` it would hide the standard library's `queue`."""
    assert not (ROOT / "queue" / "__init__.py").exists()


def test_no_path_of_one_machine() -> None:
    assert not found(MACHINE_PATH)


def test_no_ticket_numbers() -> None:
    assert not found(TICKET)


def test_nothing_unfinished() -> None:
    assert not found(UNFINISHED)


def test_every_silenced_warning_is_named() -> None:
    assert not found(BARE)


def test_sql_parameters_have_names_or_none() -> None:
    """Numbered ones (`?` and a digit) work on the Python that a change is tried with, and fail on the next."""
    assert NUMBERED.search("WHERE id = ?" + "1")
    assert not [line for line in found(NUMBERED) if line.startswith(SHIPPED)]


def test_every_function_of_the_database_stands_once() -> None:
    """As it is now, in the folder of functions; a numbered migration that took a copy along would go out of date."""
    schema = ROOT / "queue/store/schema/postgres"
    made = [
        (name, file.parent.name)
        for file in schema.rglob("*.sql")
        for name in re.findall(r"CREATE (?:OR REPLACE )?FUNCTION (\w+)\(", file.read_text(encoding="utf-8"))
    ]
    assert len(made) > 50
    assert len({name for name, _ in made}) == len(made)
    assert {name for name, folder in made if folder != "functions"} == {"hello", "supervises"}
