"""The bundled model in PyTorch: a Llama with as many key/value heads as query heads.

Rotary embedding in the half-split layout, as in Hugging Face's Llama: pair p of a head is its
dimensions p and p + head_dim/2.
"""

from dataclasses import dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F


@dataclass
class Config:
    vocabulary: int = 2048
    hidden: int = 256
    layers: int = 4
    heads: int = 8
    head_dim: int = 32
    ffn: int = 512
    context: int = 1024
    rope_theta: float = 10000.0
    norm_eps: float = 1e-5


def rope_tables(config):
    """Cosines and sines [context, head_dim/2], computed in double precision."""
    pair = torch.arange(0, config.head_dim, 2, dtype=torch.float64)
    frequency = config.rope_theta ** (-pair / config.head_dim)
    angle = torch.arange(config.context, dtype=torch.float64)[:, None] * frequency
    return angle.cos().float(), angle.sin().float()


def rotate(x, cos, sin):
    """Rotary embedding of x [batch, heads, tokens, head_dim]."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)


class Layer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        width = config.heads * config.head_dim
        self.attn_norm = nn.RMSNorm(config.hidden, config.norm_eps)
        self.q = nn.Linear(config.hidden, width, bias=False)
        self.k = nn.Linear(config.hidden, width, bias=False)
        self.v = nn.Linear(config.hidden, width, bias=False)
        self.o = nn.Linear(width, config.hidden, bias=False)
        self.ffn_norm = nn.RMSNorm(config.hidden, config.norm_eps)
        self.gate = nn.Linear(config.hidden, config.ffn, bias=False)
        self.up = nn.Linear(config.hidden, config.ffn, bias=False)
        self.down = nn.Linear(config.ffn, config.hidden, bias=False)

    def forward(self, x, cos, sin):
        batch, tokens, _ = x.shape
        heads = (batch, tokens, self.config.heads, self.config.head_dim)
        h = self.attn_norm(x)
        q = rotate(self.q(h).view(heads).transpose(1, 2), cos, sin)
        k = rotate(self.k(h).view(heads).transpose(1, 2), cos, sin)
        v = self.v(h).view(heads).transpose(1, 2)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.o(mixed.transpose(1, 2).reshape(batch, tokens, -1))
        h = self.ffn_norm(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


class Llama(nn.Module):
    """Token ids [batch, tokens] to logits [batch, tokens, vocabulary]; embedding and output tied."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary, config.hidden)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))
        self.output_norm = nn.RMSNorm(config.hidden, config.norm_eps)
        cos, sin = rope_tables(config)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        for name, weight in self.named_parameters():
            if weight.dim() == 2:  # what adds to the residual stream starts smaller, as in GPT-2
                adds = name.endswith(("o.weight", "down.weight"))
                nn.init.normal_(weight, 0.0, 0.02 / (2 * config.layers) ** 0.5 if adds else 0.02)

    def forward(self, ids):
        cos, sin = self.cos[: ids.shape[1]], self.sin[: ids.shape[1]]
        x = self.embedding(ids)
        for layer in self.layers:
            x = layer(x, cos, sin)
        return F.linear(self.output_norm(x), self.embedding.weight)
