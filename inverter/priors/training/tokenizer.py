"""The tokenizer of a denoiser's captions."""

from __future__ import annotations

from pathlib import Path

from transformers import CLIPTokenizer

from inverter.config import DenoiserConfig
from inverter.data.picture_cache import read_words
from inverter.priors.text import train_tokenizer


def open_tokenizer(config: DenoiserConfig, output: Path, begun: bool) -> tuple[CLIPTokenizer, list[str]]:
    """Tokenizer for the captions, that of a run that was begun, and a spread of captions to draw samples with."""
    captions = [words["caption"] for _, words in read_words(config.data.shards)]
    if begun:
        tokenizer = CLIPTokenizer.from_pretrained(output / "tokenizer")
    else:
        tokenizer = train_tokenizer(captions, config.vocabulary, config.num_tokens)
    return tokenizer, sorted(set(captions[:: max(len(captions) // 4096, 1)]))
