import pytest

from inverter.lab.bench.memory import stage_memory


def test_memory_of_a_stage_is_read_in_its_own_process():
    hoard = b"x" * 2**30  # this process's memory does not count
    assert 2**24 < stage_memory(["list"]) < len(hoard)


def test_a_failed_stage_is_an_error_with_its_last_line():
    with pytest.raises(RuntimeError, match=r"invert.*status 2.*no-such"):
        stage_memory(["invert", "input=photo.png", "inverter=no-such"])
