import pytest

from inverter.callbacks.made_of import MadeOf


def test_a_run_of_other_weights_is_refused():
    kept = MadeOf("prior", "a" * 64).state_dict()
    MadeOf("prior", "a" * 64).load_state_dict(kept)
    with pytest.raises(ValueError, match=r"prior has weights bbbbbbbbbbbb, .* begun with aaaaaaaaaaaa; choose another"):
        MadeOf("prior", "b" * 64).load_state_dict(kept)
