"""A small text encoder in CLIP's format: tokenizer trained on the captions, transformer trained with the denoiser."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from tokenizers import Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

START, END = "<|startoftext|>", "<|endoftext|>"


def train_tokenizer(captions: Iterable[str], vocabulary: int, num_tokens: int) -> CLIPTokenizer:
    """Byte-level BPE tokenizer in CLIP's format whose merges come from the captions.

    Args:
        captions: Texts that the denoiser will be trained on.
        vocabulary: Largest number of tokens; at least 600, since every byte has one with and one without a word's end.
        num_tokens: Length K that prompts are padded or cut to.
    Returns:
        A tokenizer that diffusers' pipelines load; words that never occurred fall apart into bytes, none is lost.
    """
    if vocabulary < 600:
        raise ValueError(f"vocabulary is {vocabulary}; allowed: 600 or more")
    model = Tokenizer(BPE(end_of_word_suffix="</w>", unk_token=END))
    model.normalizer = normalizers.Lowercase()
    model.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    bytes_alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[START, END, *bytes_alphabet, *(symbol + "</w>" for symbol in bytes_alphabet)],
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    model.train_from_iterator(captions, trainer)
    trained = json.loads(model.to_str())["model"]
    merges = [tuple(merge) if not isinstance(merge, str) else tuple(merge.split(" ")) for merge in trained["merges"]]
    with tempfile.TemporaryDirectory() as folder:
        vocab_file, merges_file = Path(folder) / "vocab.json", Path(folder) / "merges.txt"
        vocab_file.write_text(json.dumps(trained["vocab"], ensure_ascii=False), encoding="utf-8")
        lines = ["#version: 0.2", *(" ".join(merge) for merge in merges)]  # without captions there is no merge
        merges_file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return CLIPTokenizer.from_pretrained(folder, model_max_length=num_tokens)


def tokenize(tokenizer: CLIPTokenizer, prompts: Sequence[str]) -> Tensor:
    """Tokens ``(B, K)`` int64 of B prompts; shorter ones are padded, longer ones cut to the K that prompts may have."""
    length = tokenizer.model_max_length
    return tokenizer(
        list(prompts), padding="max_length", max_length=length, truncation=True, return_tensors="pt"
    ).input_ids


def build_text_encoder(tokenizer: CLIPTokenizer, width: int, layers: int) -> CLIPTextModel:
    """Fresh CLIP text transformer for a tokenizer; its last hidden state ``(B, K, width)`` conditions the denoiser."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=width,
            intermediate_size=4 * width,
            projection_dim=width,
            num_hidden_layers=layers,
            num_attention_heads=max(width // 32, 1),
            max_position_embeddings=tokenizer.model_max_length,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.eos_token_id,
        )
    )
