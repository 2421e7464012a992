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


def test_packages_that_are_there_are_not_installed_again(tmp_path):
    first = build.packages_folder(["tzdata"], tmp_path)
    first.mkdir(parents=True)
    assert build.install(["tzdata"], tmp_path) == [first]
    assert build.packages_folder(["tzdata", "other"], tmp_path) != first
    assert build.install([], tmp_path) == []
