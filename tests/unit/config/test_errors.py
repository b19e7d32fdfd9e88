import pytest
from torch.utils.data import DataLoader

from inverter.config.errors import one_line


class Broken(list):
    def __getitem__(self, number):
        raise ValueError("shard x.tar: no\nsuch pair")


def test_the_message_of_a_reading_process_is_its_own():
    with pytest.raises(ValueError, match="Original Traceback") as caught:
        next(iter(DataLoader(Broken([1]), num_workers=1)))
    assert one_line(caught.value) == "shard x.tar: no such pair"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("a\n  b\tc"), "a b c"),
        (ValueError("\x1b[31mred\x00"), "?[31mred?"),
        (EOFError(), "EOFError"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (PermissionError(13, "Permission denied", "/x"), "Permission denied: /x"),
        (ValueError("x" * 2000), "x" * 999 + "…"),
    ],
)
def test_one_printable_line(error, line):
    assert one_line(error) == line
