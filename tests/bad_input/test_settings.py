"""Settings that nothing would read."""

import pytest


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("a key that the model's kind has not", ["model.kind=surrogate", "model.strength=0.5"]),
        ("a kind of model that there is not", ["model.kind=gan"]),
        ("a key of the model that its other settings leave without effect", ["model.rank=8"]),
    ],
)
def test_settings_of_a_model(refused_by_command, what, words):
    refused_by_command(what, ["train", "train.yaml", *words])
