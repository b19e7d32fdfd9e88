import pytest

from inverter.run.callbacks.weights_hash import WeightsHash, weights_hash


@pytest.mark.parametrize("states", [None, [], {}, {"MadeOf": {}}, {"MadeOf": []}])
def test_a_checkpoint_may_keep_no_hash(states):
    assert weights_hash({"callbacks": states}) is None
    assert weights_hash({"callbacks": {"MadeOf": WeightsHash("prior", "a" * 64).state_dict()}}) == "a" * 64


def test_a_run_of_other_weights_is_refused():
    kept = WeightsHash("prior", "a" * 64).state_dict()
    WeightsHash("prior", "a" * 64).load_state_dict(kept)
    with pytest.raises(ValueError, match=r"prior has weights bbbbbbbbbbbb, .* begun with aaaaaaaaaaaa; choose another"):
        WeightsHash("prior", "b" * 64).load_state_dict(kept)
