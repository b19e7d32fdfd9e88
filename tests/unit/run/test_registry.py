import sys

import pytest

from inverter.run.registry import Registry, deferred


@pytest.fixture
def parts(tmp_path, monkeypatch) -> Registry[int]:
    """A package whose files register ``one`` and ``two``."""
    package = tmp_path / "some_parts"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "kinds.py").write_text(
        'from inverter.run.registry import Registry\nKINDS = Registry("kind", "some_parts")\n'
    )
    for number, name in enumerate(("two", "one")):
        (package / f"{name}.py").write_text(f"from some_parts.kinds import KINDS\nKINDS.register({name!r}, {number})\n")
    monkeypatch.syspath_prepend(tmp_path)
    from some_parts.kinds import KINDS

    yield KINDS
    for module in [name for name in sys.modules if name.startswith("some_parts")]:
        del sys.modules[module]


def test_a_file_in_the_package_is_all_that_a_part_needs(parts):
    assert parts["one"] == 1
    assert parts.names() == ("one", "two")


def test_an_unknown_name_says_which_there_are(parts):
    with pytest.raises(ValueError, match=r"^kind is 'three'; allowed: one, two$"):
        parts["three"]


def test_a_name_is_registered_once(parts):
    parts.register("one", parts["one"])
    with pytest.raises(ValueError, match="kind='one' is registered twice"):
        parts.register("one", 7)


def test_a_deferred_function_is_imported_when_it_is_called():
    assert deferred("math:hypot")(3, 4) == 5
    with pytest.raises(ModuleNotFoundError, match="nowhere"):
        deferred("nowhere:build")()
