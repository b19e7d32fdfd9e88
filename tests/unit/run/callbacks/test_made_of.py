import pytest

from inverter.run.callbacks.made_of import MadeOf, made_of


@pytest.mark.parametrize("states", [None, [], {}, {"MadeOf": {}}, {"MadeOf": []}])
def test_a_checkpoint_may_keep_no_hash(states):
    assert made_of({"callbacks": states}) is None
    assert made_of({"callbacks": {"MadeOf": MadeOf("prior", "a" * 64).state_dict()}}) == "a" * 64


def test_a_run_of_other_weights_is_refused():
    kept = MadeOf("prior", "a" * 64).state_dict()
    MadeOf("prior", "a" * 64).load_state_dict(kept)
    with pytest.raises(ValueError, match=r"prior has weights bbbbbbbbbbbb, .* begun with aaaaaaaaaaaa; choose another"):
        MadeOf("prior", "b" * 64).load_state_dict(kept)
