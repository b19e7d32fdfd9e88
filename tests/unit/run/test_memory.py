import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from inverter.run import memory
from inverter.run.memory import importing, keep_freed_memory

PROBE = """
import ctypes, resource
from inverter.run.memory import keep_freed_memory
{call}
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes, libc.memset.argtypes = [ctypes.c_void_p], [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    block = libc.malloc({size})
    libc.memset(block, 1, {size})
    libc.free(block)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(call: str, size: int = 64 << 20) -> int:
    """Pages that 10 blocks of the size of a large tensor, freed in turn, cost a fresh process."""
    command = [sys.executable, "-c", PROBE.format(call=call, size=size)]
    return int(subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, check=True).stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc only")
def test_freed_blocks_are_reused():
    assert page_faults("assert keep_freed_memory()") < page_faults("") / 4


def test_other_systems_are_left_alone(monkeypatch):
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda _: pytest.fail("called"))
    monkeypatch.setattr(memory.sys, "platform", "darwin")
    assert keep_freed_memory() is False


def test_a_c_library_without_the_option(monkeypatch):
    monkeypatch.setattr(memory.sys, "platform", "linux")
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda _: SimpleNamespace())
    assert keep_freed_memory() is False


@pytest.mark.parametrize("refused", [-1, -2, -4])
def test_a_refusal_is_told(monkeypatch, refused):
    monkeypatch.setattr(memory.sys, "platform", "linux")
    library = SimpleNamespace(mallopt=lambda option, value: int(option != refused))
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda _: library)
    assert keep_freed_memory() is False


def test_peak_memory_counts_what_was_freed_but_not_the_parent():
    hoard = b"x" * 2**29
    code = "from inverter.run.memory import peak_memory\nblock = b'x' * {size}\ndel block\nprint(peak_memory())"
    small, large = (
        int(subprocess.check_output([sys.executable, "-c", code.format(size=size)], cwd=Path(__file__).parents[3]))
        for size in (1, 2**28)
    )
    assert small < len(hoard)
    assert large - small == pytest.approx(2**28, rel=0.1)


@pytest.mark.parametrize("collected", [True, False])
def test_collection_pauses_and_is_then_as_before(collected, monkeypatch):
    called, frozen = [], [0]
    monkeypatch.setattr(memory.gc, "isenabled", lambda: collected)
    monkeypatch.setattr(memory.gc, "get_freeze_count", lambda: frozen[0])
    monkeypatch.setattr(memory.atexit, "register", lambda _: called.append("unfreeze"))
    for name in ("disable", "enable", "freeze"):
        monkeypatch.setattr(memory.gc, name, lambda name=name: called.append(name))
    with pytest.raises(ImportError), importing():
        raise ImportError
    after = ["enable"] if collected else []
    assert called == ["disable", *after]
    for frozen[0], kept in ((0, ["freeze", "unfreeze"]), (9, [])):
        called.clear()
        with importing():
            assert called == ["disable"]
        assert called == ["disable", *kept, *after]
