"""Wheel, source distribution and editable install, each put into an environment of its own and used from there."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
DATA = {".toml", ".tcss", ".sql"}


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """What the command prints; its complaints are in the failure."""
    ended = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def environment(folder: Path) -> Path:
    """A new environment's python. It sees our libraries, but not our Earmark: a .pth inside a .pth is not read."""
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    library = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    (library / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    assert subprocess.run([python, "-c", "import earmark.tui"], capture_output=True, check=False).returncode != 0
    return python


def install(python: Path, *what: str | Path) -> None:
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index"]
    run(*pip, "--no-build-isolation", "--disable-pip-version-check", *what)


def works(python: Path, elsewhere: Path) -> str:
    """Check that the installed command works and that queue is the standard library's; says where ours is."""
    assert "earmark demo" in run(python.with_name("earmark"), "--help", cwd=elsewhere)
    code = "import queue; queue.Queue; import earmark.queue.clip, earmark.keymaps; print(earmark.queue.clip.__file__)"
    return run(python, "-c", code, cwd=elsewhere).strip()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source distribution and the wheel made from the checkout."""
    folder = tmp_path_factory.mktemp("built")
    run(sys.executable, "-m", "hatchling", "build", "-d", folder, cwd=ROOT)
    return folder


@pytest.fixture(scope="module")
def unpacked(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution, unpacked."""
    folder = tmp_path_factory.mktemp("unpacked")
    (archive,) = built.glob("*.tar.gz")
    run("tar", "-xzf", archive, cwd=folder)
    (top,) = folder.iterdir()
    return top


def names(folder: Path) -> set[str]:
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def tracked(*ends: str) -> set[str]:
    """The files of the three folders with these endings, named as the wheel should name them."""
    return {
        f"earmark/{Path(folder, file).relative_to(ROOT)}"
        for top in ("tui", "queue", "keymaps")
        for folder, _, files in os.walk(ROOT / top)
        for file in files
        if Path(file).suffix in ends
    }


def test_the_wheel_holds_every_module_and_all_data(built: Path) -> None:
    wanted = tracked(".py", *DATA) | {f"earmark/tui/demo/{file.name}" for file in (ROOT / "tui" / "demo").iterdir()}
    assert wanted <= names(built)
    assert {Path(name).suffix for name in wanted} >= DATA


def test_the_wheel_holds_nothing_else(built: Path) -> None:
    assert "earmark/queue/__init__.py" not in names(built)
    tops = {tuple(name.split("/")[:2]) for name in names(built) if ".dist-info/" not in name}
    assert tops == {("earmark", "tui"), ("earmark", "queue"), ("earmark", "keymaps")}


def test_the_licence_goes_along(built: Path) -> None:
    assert any(name.endswith("licenses/LICENSE") for name in names(built))


def test_the_source_distribution_gives_the_same_wheel(built: Path, unpacked: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path, cwd=unpacked)
    assert names(tmp_path) == names(built)


def test_the_source_distribution_holds_each_file_once(unpacked: Path) -> None:
    assert (unpacked / "tests" / "run").exists()
    assert sum(1 for _ in unpacked.rglob("clip.py")) == 1


def test_an_installed_wheel_works(built: Path, tmp_path: Path) -> None:
    python = environment(tmp_path / "environment")
    (wheel,) = built.glob("*.whl")
    install(python, wheel)
    assert str(tmp_path) in works(python, tmp_path)


def test_an_editable_install_works_on_the_checkout_itself(tmp_path: Path) -> None:
    python = environment(tmp_path / "environment")
    install(python, "--editable", ROOT)
    assert Path(works(python, tmp_path)).resolve() == ROOT / "queue" / "clip.py"
