"""What `build.py` says of folders that are no plugins; no component is made here."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import build  # noqa: E402

SOUND = '[project]\nname = "adjust"\nversion = "0.1.0"\n'


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        (None, "No such file or directory: a plugin in Python has a pyproject.toml"),
        ("[project", "Expected ']'"),
        ('[project]\nversion = "1"\n', '`project.name` is missing: write name = "..." under [project]'),
        ('[project]\nname = "a"\n', "`project.version` is missing"),
        (SOUND + '[tool.millstream]\nworld = "keyed"\n', "`tool.millstream.world` is `keyed`: write one of transform, transform-with-http"),
        (SOUND + "[tool.millstream]\nword = 1\n", "unknown key `tool.millstream.word`: there are `world`, `module`"),
        (SOUND, "no plugin.py: it holds the plugin"),
    ],
)
def test_what_is_no_plugin(tmp_path, manifest, message):
    if manifest is not None:
        (tmp_path / "pyproject.toml").write_text(manifest)
    with pytest.raises(build.BuildError) as caught:
        build.stage(build.Project(tmp_path), tmp_path, tmp_path / "build")
    assert message in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_folders_of_these_names_are_left_out_at_the_top_alone(tmp_path):
    folder, into = tmp_path / "adjust", tmp_path / "staged"
    for name in ("plugin.py", "tests/test.py", "cases/one.py", "meters/tests/a.py", "meters/build/b.py", "meters/__pycache__/c.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")
    (folder / "pyproject.toml").write_text(SOUND)
    build.stage(build.Project(folder), folder, into)
    staged = {str(path.relative_to(into)) for path in into.rglob("*.py")}
    assert {name for name in staged if not name.startswith("millstream")} == {"plugin.py", "meters/tests/a.py", "meters/build/b.py"}


def test_packages_that_are_there_are_not_installed_again(tmp_path):
    first = build.packages_folder(["tzdata"], tmp_path)
    first.mkdir(parents=True)
    assert build.install(["tzdata"], tmp_path) == [first]
    assert build.packages_folder(["tzdata", "other"], tmp_path) != first
    assert build.install([], tmp_path) == []


PRINTED = """Traceback (most recent call last):
  File "<string>", line 1, in <module>
AssertionError: Traceback (most recent call last):
  File "/0/millstream/component.py", line 55, in <module>
    _DEFINITION = _find()
{frame}ImportError: no such thing


Caused by:
    ImportError: no such thing
"""


@pytest.mark.parametrize(
    ("frame", "shown"),
    [
        (
            '  File "/0/plugin.py", line 3, in <module>\n    import thing\n',
            'Traceback (most recent call last):\n  File "plugin.py", line 3, in <module>\n    import thing\n',
        ),
        ("", ""),
    ],
)
def test_tracebacks_show_the_authors_lines_alone(frame, shown):
    assert build.authors_traceback(PRINTED.format(frame=frame)) == shown + "ImportError: no such thing\n"


def test_what_is_no_traceback_is_shown_as_it_is():
    assert build.authors_traceback("error: no space left") == "error: no space left"
