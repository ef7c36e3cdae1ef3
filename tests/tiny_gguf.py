"""Writing the tiny model as a .gguf file, as llama.cpp's converter would."""

from pathlib import Path

import numpy as np
import torch
from gguf import GGUFWriter, TokenType
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from tests.tiny import CHAT_TEMPLATE, PAIRS, SPECIALS, tiny_model, tiny_tokenizer

LAYER_NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def save_tiny_gguf(path: Path, *, splitter: str = "smollm", seed: int = 0) -> LlamaForCausalLM:
    """Write the tiny model and tokenizer to `path`, and return the model."""
    tokenizer = tiny_tokenizer()
    model = tiny_model(tokenizer, seed=seed)
    writer = GGUFWriter(path, "llama")
    _add_config(writer, model)
    _add_tokenizer(writer, tokenizer, splitter)
    for name, tensor in model.state_dict().items():
        if name != "lm_head.weight":
            writer.add_tensor(_gguf_name(name), _as_array(name, tensor, model))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return model


def _add_config(writer: GGUFWriter, model: LlamaForCausalLM) -> None:
    config = model.config
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_vocab_size(config.vocab_size)


def _add_tokenizer(writer: GGUFWriter, tokenizer: PreTrainedTokenizerFast, splitter: str) -> None:
    tokens = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    kinds = [TokenType.CONTROL if token in SPECIALS else TokenType.NORMAL for token in tokens]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(splitter)
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges([" ".join(pair) for pair in PAIRS])
    writer.add_bos_token_id(tokenizer.bos_token_id)
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_pad_token_id(tokenizer.pad_token_id)
    writer.add_unk_token_id(tokenizer.unk_token_id)
    writer.add_chat_template(CHAT_TEMPLATE)


def _gguf_name(name: str) -> str:
    match name.removeprefix("model.").removesuffix(".weight").split(".", 2):
        case ["layers", layer, rest]:
            return f"blk.{layer}.{LAYER_NAMES[rest]}.weight"
        case ["embed_tokens"]:
            return "token_embd.weight"
    return "output_norm.weight"


def _as_array(name: str, tensor: torch.Tensor, model: LlamaForCausalLM) -> np.ndarray:
    """A tensor as float32, its rotary halves interleaved as llama.cpp keeps them."""
    array: np.ndarray = tensor.float().numpy()
    for part, heads in (
        ("q_proj", model.config.num_attention_heads),
        ("k_proj", model.config.num_key_value_heads),
    ):
        if part in name:
            halves = array.reshape(heads, 2, -1, array.shape[1])
            array = halves.swapaxes(1, 2).reshape(array.shape)
    return array
