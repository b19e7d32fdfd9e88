from inverter.data.sources.source import unique_key


def test_long_and_repeated_names_get_a_hash():
    used: set[str] = set()
    keys = [unique_key(name, used) for name in ("a/b", "a_b", "A_B", "x" * 200, "x" * 201)]
    assert keys[0] == "a_b"
    assert len({key.lower() for key in keys}) == 5
    assert max(map(len, keys)) <= 80
