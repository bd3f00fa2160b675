"""A language model of random weights in a GGUF file of half a megabyte: real to a server, meaningless to a reader."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy

__all__ = ["write_tiny_model"]

CONTEXT = 2048
WIDTH = 64
FEED_FORWARD = 128
HEADS = 4
LAYERS = 2

CHAT_TEMPLATE = (
    "{% for message in messages %}[{{ message['role'] }}] {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant] {% endif %}"
)


def _vocabulary() -> tuple[list[bytes], list[float], list[int]]:
    """Tokens, scores and kinds: three controls, the 256 bytes, and every printable character as a piece."""
    kinds = gguf.TokenType
    tokens = [b"<unk>", b"<s>", b"</s>"]
    types = [int(kinds.UNKNOWN), int(kinds.CONTROL), int(kinds.CONTROL)]
    tokens += [f"<0x{byte:02X}>".encode() for byte in range(256)]
    types += [int(kinds.BYTE)] * 256
    pieces = ["\u2581", *(chr(code) for code in range(33, 127))]
    tokens += [piece.encode() for piece in pieces]
    types += [int(kinds.NORMAL)] * len(pieces)
    return tokens, [0.0] * len(tokens), types


def write_tiny_model(path: Path, *, seed: int = 7) -> None:
    """A llama of two layers; the same seed writes the same weights."""
    rng = numpy.random.default_rng(seed)
    tokens, scores, types = _vocabulary()
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny-random")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores(scores)
    writer.add_token_types(types)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_chat_template(CHAT_TEMPLATE)

    def weights(*shape: int) -> numpy.ndarray:
        return rng.standard_normal(shape, dtype=numpy.float32) / numpy.float32(shape[-1] ** 0.5)

    ones = numpy.ones(WIDTH, dtype=numpy.float32)
    output = weights(len(tokens), WIDTH)
    output[:259] = 0.0  # controls and bytes are unlikely, so the text is printable and ends at max_tokens
    output[259:] *= 8.0
    writer.add_tensor("token_embd.weight", weights(len(tokens), WIDTH))
    writer.add_tensor("output_norm.weight", ones)
    writer.add_tensor("output.weight", output)
    for layer in range(LAYERS):
        block = f"blk.{layer}."
        writer.add_tensor(block + "attn_norm.weight", ones)
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            writer.add_tensor(f"{block}{name}.weight", weights(WIDTH, WIDTH))
        writer.add_tensor(block + "ffn_norm.weight", ones)
        writer.add_tensor(block + "ffn_gate.weight", weights(FEED_FORWARD, WIDTH))
        writer.add_tensor(block + "ffn_up.weight", weights(FEED_FORWARD, WIDTH))
        writer.add_tensor(block + "ffn_down.weight", weights(WIDTH, FEED_FORWARD))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
