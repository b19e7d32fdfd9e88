import pytest
import torch
from transformers import CLIPTokenizer

from inverter.priors.text import build_text_encoder, train_tokenizer

CAPTIONS = ["a red kite over the sea", "a photo of a red fox", "the sea at night"] * 3


@pytest.fixture(scope="module")
def tokenizer() -> CLIPTokenizer:
    return train_tokenizer(CAPTIONS, 620, 10)


def ids(tokenizer: CLIPTokenizer, prompt: str) -> list[int]:
    return tokenizer([prompt], padding="max_length", max_length=10, truncation=True).input_ids[0]


def test_known_words_are_few_tokens(tokenizer):
    tokens = tokenizer.convert_ids_to_tokens(ids(tokenizer, "a red sea"))
    assert tokens == ["<|startoftext|>", "a</w>", "red</w>", "sea</w>"] + ["<|endoftext|>"] * 6


def test_case_does_not_matter(tokenizer):
    assert ids(tokenizer, "A RED Sea") == ids(tokenizer, "a red sea")


@pytest.mark.parametrize(
    "prompt", ["zyx", "café", "日本語", "\U0001f98a", "naïve Ωμέγα", "!?;", "a\tb\n\nc", "0123", "\x00"]
)
def test_unknown_words_fall_apart_into_known_pieces(tokenizer, prompt):
    encoded = ids(tokenizer, prompt)
    assert len(encoded) == 10
    assert all(0 <= token < len(tokenizer) for token in encoded)
    assert encoded[0] == tokenizer.bos_token_id
    assert encoded[1] != tokenizer.eos_token_id  # not unknown, not empty


def test_no_byte_of_an_unknown_word_is_lost(tokenizer):
    words = ["zyx", "zxy", "日本", "本日", "é", "è"]
    encoded = [tuple(ids(tokenizer, word)) for word in words]
    assert len(set(encoded)) == len(words)
    for word, tokens in zip(words, encoded, strict=True):
        assert tokenizer.decode(tokens, skip_special_tokens=True).strip() == word


def test_long_prompts_are_cut_and_still_end(tokenizer):
    encoded = ids(tokenizer, "red " * 30)
    assert len(encoded) == tokenizer.model_max_length == 10
    assert encoded[-1] == tokenizer.eos_token_id
    assert encoded == ids(tokenizer, "red " * 8)


def test_saved_and_loaded_it_is_the_same(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    again = CLIPTokenizer.from_pretrained(tmp_path)
    assert again.model_max_length == 10
    for prompt in ("a red sea", "日本 fox", ""):
        assert ids(again, prompt) == ids(tokenizer, prompt)


def test_a_vocabulary_without_room_for_every_byte():
    with pytest.raises(ValueError, match="vocabulary is 599; allowed: 600 or more"):
        train_tokenizer(CAPTIONS, 599, 10)


def test_without_captions_every_word_falls_apart():
    tokenizer = train_tokenizer(["", ""], 600, 10)
    assert tokenizer.tokenize("a red") == ["a</w>", "r", "e", "d</w>"]


def test_captions_decide_the_merges_and_the_size_is_a_limit():
    assert len(train_tokenizer(CAPTIONS, 600, 10)) <= 600
    merged = train_tokenizer(["wombat"] * 5, 620, 10)
    assert merged.tokenize("wombat") == ["wombat</w>"]


def test_the_text_encoder_takes_what_the_tokenizer_gives(tokenizer):
    encoder = build_text_encoder(tokenizer, 64, 1).eval()
    tokens = torch.tensor([ids(tokenizer, prompt) for prompt in ("a red fox", "日本", "")])
    hidden = encoder(tokens)[0]
    assert hidden.shape == (3, 10, 64)
    assert hidden.isfinite().all()
    assert encoder.config.vocab_size == len(tokenizer)
