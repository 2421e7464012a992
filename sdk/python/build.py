"""Turns the folder of a plugin into a component: NAME.wasm.

Reads `pyproject.toml`, puts the SDK, the author's modules and the packages that they depend on beside each
other in a folder of its own, and lets componentize-py run the imports and freeze the interpreter behind
them. Runs under the Python that has componentize-py; the author's Python plays no part.

    python build.py FOLDER --out NAME.wasm
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

try:
    import tomllib
except ImportError:  # Python 3.9 and 3.10: pip brings the same parser along
    from pip._vendor import tomli as tomllib

SDK = Path(__file__).resolve().parent
# The CPython inside componentize-py 0.25.1; wheels are chosen for it.
GUEST_PYTHON = "3.14"
WORLDS = ("transform", "transform-with-http")
# What holds no modules of a plugin: anywhere in its folder, and directly in it, where packages have other names.
NOT_STAGED = ("*.wasm", "__pycache__", "*.egg-info", ".*")
NOT_STAGED_AT_TOP = ("build", "cases", "sdk", "tests")


class BuildError(Exception):
    """Why there is no component, and what to do about it."""


class Project:
    """What `pyproject.toml` says."""

    def __init__(self, folder: Path):
        self.file = folder / "pyproject.toml"
        try:
            document = tomllib.loads(self.file.read_text(encoding="utf-8"))
        except OSError as error:
            raise BuildError(f"{self.file}: {error.strerror}: a plugin in Python has a pyproject.toml") from error
        except tomllib.TOMLDecodeError as error:
            raise BuildError(f"{self.file}: {error}") from error
        project = document.get("project", {})
        self.name = self._text(project, "project.name")
        self.version = self._text(project, "project.version")
        self.dependencies = sorted(project.get("dependencies", []))
        options = dict(document.get("tool", {}).get("millstream", {}))
        self.world = options.pop("world", WORLDS[0])
        self.module = options.pop("module", "plugin")
        if options:
            raise BuildError(f"{self.file}: unknown key `tool.millstream.{min(options)}`: there are `world`, `module`")
        if self.world not in WORLDS:
            raise BuildError(f"{self.file}: `tool.millstream.world` is `{self.world}`: write one of {', '.join(WORLDS)}")

    def _text(self, table: dict, key: str) -> str:
        value = table.get(key.rpartition(".")[2])
        if not isinstance(value, str) or not value:
            raise BuildError(f'{self.file}: `{key}` is missing: write {key.rpartition(".")[2]} = "..." under [project]')
        return value


def packages_folder(dependencies: list, folder: Path) -> Path:
    """Where the packages of a plugin are."""
    digest = hashlib.sha256(json.dumps([GUEST_PYTHON, dependencies]).encode()).hexdigest()[:12]
    return folder / "build" / f"packages-{digest}"


def install(dependencies: list, folder: Path) -> list:
    """Installs pure Python packages beside the plugin, once for each list of them; returns the path to them."""
    if not dependencies:
        return []
    target = packages_folder(dependencies, folder)
    if target.is_dir():
        return [target]
    target.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as unfinished:
        command = [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"),
            *("--only-binary=:all:", "--platform=any", "--implementation=py", "--abi=none"),
            *(f"--python-version={GUEST_PYTHON}", f"--target={unfinished}/packages", "--", *dependencies),
        ]
        if subprocess.run(command).returncode != 0:
            packages = ", ".join(dependencies)
            raise BuildError(f"pip could not install {packages}: a plugin can use packages that are pure Python only")
        try:
            os.rename(f"{unfinished}/packages", target)
        except OSError:
            if not target.is_dir():  # else another build was faster
                raise
    return [target]


def stage(project: Project, folder: Path, into: Path) -> None:
    """Copies the author's modules and the SDK's, and writes what the plugin says of itself."""
    shutil.copytree(folder, into, ignore=lambda within, names: _not_staged(folder, within, names))
    if not (into / f"{project.module}.py").is_file() and not (into / project.module / "__init__.py").is_file():
        raise BuildError(f"{folder}: no {project.module}.py: it holds the plugin")
    shutil.copytree(SDK / "millstream", into / "millstream", ignore=shutil.ignore_patterns("__pycache__"))
    about = {"name": project.name, "version": project.version, "module": project.module}
    (into / "millstream_project.py").write_text(f"PROJECT = {about!r}\n", encoding="utf-8")


def _not_staged(top: Path, within: str, names: list) -> set:
    """What is not copied; a virtual environment is known by its file."""
    environments = {name for name in names if Path(within, name, "pyvenv.cfg").is_file()}
    patterns = NOT_STAGED + (NOT_STAGED_AT_TOP if Path(within) == top else ())
    return shutil.ignore_patterns(*patterns)(within, names) | environments


def componentize(project: Project, paths: list, staged: Path, out: Path) -> None:
    """Runs componentize-py. What the author's modules raise while they are imported is shown."""
    run = "import sys; from componentize_py import script; sys.argv[0] = 'componentize-py'; sys.exit(script())"
    command = [
        *(sys.executable, "-c", run, "--quiet", "--wit-path", SDK / "wit", "--world", project.world),
        *("componentize", "millstream.component", "--stub-wasi", "--output", out),
    ]
    for path in paths:
        command += ["--python-path", path]
    # componentize-py looks for packages in this environment, or else in those of whichever Python it finds.
    nothing = staged / "environment" / "lib" / "site-packages"
    nothing.mkdir(parents=True)
    environment = {**os.environ, "VIRTUAL_ENV": str(nothing.parents[1]), "RUST_BACKTRACE": "0"}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    sys.stderr.write(done.stdout + (done.stderr if done.returncode == 0 else authors_traceback(done.stderr)))
    if done.returncode != 0:
        raise BuildError(f"{project.name} did not build: see above")


def authors_traceback(text: str) -> str:
    """The traceback within what componentize-py prints, without the frames of its own and of the SDK."""
    begin = text.find("Traceback (most recent call last):", text.find("AssertionError: "))
    if begin < 0:
        return text
    kept, is_authors = [], True
    for line in text[begin:].partition("\n\n")[0].splitlines():
        if line.startswith('  File "'):
            is_authors = line.startswith('  File "/0/') and not line.startswith('  File "/0/millstream')
        elif not line.startswith(" "):
            is_authors = True
        if is_authors:
            kept.append(line.replace('  File "/0/', '  File "'))
    if not kept[1].startswith("  "):
        del kept[0]
    return "\n".join(kept) + "\n"


def build(folder: Path, out: Path | None) -> Path:
    """Builds the plugin of `folder`; the file is there whole or not at all."""
    project = Project(folder)
    out = out or folder / f"{project.name}.wasm"
    packages = install(project.dependencies, folder)
    with tempfile.TemporaryDirectory() as staged:
        modules, built = Path(staged) / "plugin", Path(staged) / "plugin.wasm"
        stage(project, folder, modules)
        componentize(project, [modules, *packages], Path(staged), built)
        beside = out.with_name(f".{out.name}.{os.getpid()}")
        shutil.copyfile(built, beside)
        os.replace(beside, out)
    return out


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("folder", type=Path, help="folder of the plugin")
    arguments.add_argument("--out", type=Path, help="file to write [default: NAME.wasm in the folder]")
    given = arguments.parse_args()
    try:
        built = build(given.folder.resolve(), given.out and given.out.absolute())
        if given.out is None:
            print(built)
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
