"""The examples of docs/extending.md: each file is put where its first line says, and nothing else is edited."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_part_is_a_file_and_its_test(tmp_path: Path) -> None:
    for name in ("inverter", "tests", "configs"):
        ignored = shutil.ignore_patterns("__pycache__", "test_*.py")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    blocks = re.findall(r"```python\n# (\S+)\n(.*?)```", (ROOT / "docs" / "extending.md").read_text(), re.DOTALL)
    for name, text in blocks:
        assert not (tmp_path / name).exists(), name
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    tests = [name for name, _ in blocks if name.startswith("tests/")]
    assert len(tests) == len(blocks) / 2 == 3
    words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rA", *tests]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("PASSED") == 6
