from pathlib import Path

import pytest
from importlinter.cli import lint_imports


def test_imports_point_one_way(capsys: pytest.CaptureFixture[str]) -> None:
    """Packages in the order of ``[tool.importlinter]``: none imports one that stands above it."""
    status = lint_imports(config_filename=str(Path(__file__).parents[2] / "pyproject.toml"), no_cache=True)
    assert status == 0, capsys.readouterr().out
