#!/usr/bin/env python3
"""Records what merge methods make of small attention layers, computed with numpy in double, for tests/converter.

Usage: make_conversion_fixtures.py [OUTPUT_DIR]     (default: tests/data/conversion beside this script; needs numpy)

One JSON file per layer: its weights, calibration inputs, the statistics of these, the costs of groups of heads, the best
groups by measured cost, and for every method the merged layer's output on the inputs with its relative error. The formulas
are written on inputs x and their second moments C, as papers state them; the C++ under test works in the space of heads.
"""
import functools
import itertools
import json
import pathlib
import sys

import numpy as np

CASES = [  # name, query heads, KV heads, head_dim, rotary_dims, hidden, biases, partitions
    ("mha-8", 8, 8, 6, 6, 20, False, [[[0, 1], [2, 3], [4, 5], [6, 7]], [[0, 5], [1, 3], [2, 7], [4, 6]],
                                      [[0, 1, 2, 3], [4, 5, 6, 7]], [[0, 1, 2, 3, 4, 5, 6, 7]]]),
    ("gqa-9-3", 9, 3, 8, 8, 18, False, [[[0, 1, 2]]]),
    ("biased-12-4", 12, 4, 6, 6, 16, True, [[[0, 1], [2, 3]], [[0, 3], [1, 2]], [[0, 1, 2, 3]]]),
    ("partial-rotary-8-4", 8, 4, 8, 4, 16, True, [[[0, 2], [1, 3]], [[0, 1, 2, 3]]]),
]
TOKENS, SEQUENCES, THETA = 20, 3, 10000.0


class Layer:
    def __init__(self, heads, kv_heads, dim, rotary, hidden):
        self.h, self.n, self.dim, self.rot, self.d = heads, kv_heads, dim, rotary, hidden
        self.r = heads // kv_heads
        self.scale = float(np.float32(1 / np.sqrt(dim)))
        self.bq = self.bk = self.bv = None

    def copy_with(self, q, k, v, o, bq, bk, bv):
        new = Layer(self.h, len(k), self.dim, self.rot, self.d)
        new.q, new.k, new.v, new.o, new.bq, new.bk, new.bv = q, k, v, o, bq, bk, bv
        return new


def make_layer(random, heads, kv_heads, dim, rotary, hidden, biases):
    """Heads share half of what they are, each in coordinates of its own: the case that merging must see through."""
    layer = Layer(heads, kv_heads, dim, rotary, hidden)
    size = 0.7 / np.sqrt(hidden)

    def alike(count):
        shared = random.standard_normal((dim, hidden))
        return size * (shared + random.standard_normal((count, dim, hidden)))

    layer.q, layer.k, layer.v = alike(heads), alike(kv_heads), alike(kv_heads)
    layer.o = size * random.standard_normal((heads, hidden, dim))
    if biases:
        layer.bq, layer.bk, layer.bv = (random.standard_normal((count, dim)) for count in (heads, kv_heads, kv_heads))
    for j in range(kv_heads):
        queries = slice(j * layer.r, (j + 1) * layer.r)
        turn = random.standard_normal(rotary // 2) + 1j * random.standard_normal(rotary // 2)
        full = real(turn / abs(turn), dim)
        mix = np.linalg.qr(random.standard_normal((dim, dim)))[0]
        for name, matrix, where in (("k", full, j), ("q", full, queries), ("v", mix, j)):
            getattr(layer, name)[where] = matrix @ getattr(layer, name)[where]
        layer.o[queries] = layer.o[queries] @ mix.T
        if biases:
            layer.bk[j] = full @ layer.bk[j]
            layer.bq[queries] = layer.bq[queries] @ full.T
            layer.bv[j] = mix @ layer.bv[j]
    for name in ("q", "k", "v", "o", "bq", "bk", "bv"):
        if getattr(layer, name) is not None:
            setattr(layer, name, getattr(layer, name).astype(np.float32).astype(float))
    return layer


def real(factors, dim, rest=None):
    """The [dim, dim] matrix that multiplies plane p, elements 2p and 2p + 1, by factors[p], the others by `rest`."""
    out = np.eye(dim)
    for p, c in enumerate(factors):
        out[2 * p:2 * p + 2, 2 * p:2 * p + 2] = [[c.real, -c.imag], [c.imag, c.real]]
    if rest is not None:
        out[2 * len(factors):, 2 * len(factors):] = rest
    return out


def planes(x, rotary):
    """The rotated elements of the last axis as complex numbers."""
    return x[..., 0:rotary:2] + 1j * x[..., 1:rotary:2]


def rope(x, rotary):
    """x: [sequence, token, head, dim]."""
    angle = np.arange(x.shape[1])[:, None] * THETA ** (-np.arange(0, rotary, 2) / max(rotary, 1))
    turn = np.cos(angle).astype(np.float32).astype(float) + 1j * np.sin(angle).astype(np.float32).astype(float)
    z = planes(x, rotary) * turn[None, :, None, :]
    out = x.copy()
    out[..., 0:rotary:2], out[..., 1:rotary:2] = z.real, z.imag
    return out


class Seen:
    """A layer's keys, queries, values, attention and output on inputs x [sequence, token, d]."""

    def __init__(self, a, x):
        project = lambda w, b: np.einsum("stx,hdx->sthd", x, w) + (0 if b is None else b)
        self.q, self.k = (rope(project(w, b), a.rot) for w, b in ((a.q, a.bq), (a.k, a.bk)))
        self.v = project(a.v, a.bv)
        kv = np.arange(a.h) // a.r
        logits = a.scale * np.einsum("sihd,sjhd->shij", self.q, self.k[:, :, kv])
        logits = np.where(np.tri(x.shape[1], dtype=bool), logits, -np.inf)
        e = np.exp(logits - logits.max(-1, keepdims=True))
        self.p = e / e.sum(-1, keepdims=True)
        self.heads = np.einsum("shij,sjhd->sihd", self.p, self.v[:, :, kv])
        self.output = np.einsum("sihd,hxd->six", self.heads, a.o)


class Statistics:
    def __init__(self, a, x):
        seen = Seen(a, x)
        count = x.shape[0] * x.shape[1]
        ones = np.ones(x.shape[:2] + (1,))
        z = np.einsum("shij,sjx->shix", seen.p, np.concatenate([x, ones], -1)).reshape(-1, a.d + 1)
        self.attended = z.T @ z / len(z)  # E[z z^T] of attended inputs with a constant 1 behind them
        values = np.einsum("shij,sjgd->shigd", seen.p, seen.v).reshape(-1, a.n * a.dim)
        self.value_gram = values.T @ values / len(values)
        k = seen.k - seen.k.mean(1, keepdims=True)
        kp = planes(k, a.rot)
        self.key_gram = np.einsum("stjp,stlp->pjl", kp, kp.conj()) / count
        self.query_energy = (abs(planes(seen.q, a.rot)) ** 2).mean((0, 1))
        rest = k[..., a.rot:].reshape(count, -1)
        self.rest_keys = rest.T.reshape(a.n, a.dim - a.rot, count)
        self.unrotated_key_gram = rest.T @ rest / count
        rest = seen.q[..., a.rot:]
        self.unrotated_query_gram = np.einsum("sthu,sthw->huw", rest, rest) / count
        u = np.einsum("stgd,hxd->sthgx", seen.v, a.o)[:, :, np.arange(a.h), np.arange(a.h) // a.r]  # W_o,h v
        out = np.einsum("shij,sjhx->sihx", seen.p, u)
        self.logit_sensitivity = (np.einsum("shij,sjh->h", seen.p, (u ** 2).sum(-1)) - (out ** 2).sum((0, 1, 3))) / count


def rows_with_bias(w, b, j):
    return np.concatenate([w[j], np.zeros((w.shape[1], 1)) if b is None else b[j][:, None]], 1)


def root(c):
    values, vectors = np.linalg.eigh(c)
    return (vectors * np.sqrt(values.clip(0))) @ vectors.T


def apply(a, groups, maps):
    """maps[g][i] = (key, query, value, output) matrices of member i."""
    q, k, v, o, bq, bk, bv = [], [], [], [], [], [], []
    for group, members in zip(groups, maps):
        k.append(sum(m[0] @ a.k[j] for j, m in zip(group, members)))
        v.append(sum(m[2] @ a.v[j] for j, m in zip(group, members)))
        if a.bk is not None:
            bk.append(sum(m[0] @ a.bk[j] for j, m in zip(group, members)))
            bv.append(sum(m[2] @ a.bv[j] for j, m in zip(group, members)))
        for j, m in zip(group, members):
            for i in range(j * a.r, (j + 1) * a.r):
                q.append(m[1] @ a.q[i])
                o.append(a.o[i] @ m[3])
                if a.bq is not None:
                    bq.append(m[1] @ a.bq[i])
    some = lambda rows: np.array(rows) if rows else None
    return a.copy_with(np.array(q), np.array(k), np.array(v), np.array(o), some(bq), some(bk), some(bv))


def mean_maps(a, group):
    share, one = np.eye(a.dim) / len(group), np.eye(a.dim)
    return [(share, one, share, one) for _ in group]


def first_maps(a, group):
    one, none = np.eye(a.dim), np.zeros((a.dim, a.dim))
    return [(one if i == 0 else none, one, one if i == 0 else none, one) for i in range(len(group))]


def ascend(count, turn):
    """turn(i, end) aligns member i with the others of the first `end` and returns how strong they are together. Members enter
    one by one; sweeps over all end when one gains less than 1e-5, and with the fiftieth."""
    for i in range(1, count):
        turn(i, i + 1)
    before = 0
    for _ in range(50 if count > 2 else 0):
        together = sum(turn(i, count) for i in range(1, count))
        if together - before <= 1e-5 * together:
            break
        before = together


def phases_of(gram):
    phases = np.ones(len(gram), complex)

    def turn(i, end):
        total = sum(phases[l] * gram[l, i] for l in range(end) if l != i)
        phases[i] = total / abs(total)
        return abs(total)

    ascend(len(gram), turn)
    return phases


def rotations_of(samples):
    """Generalised Procrustes of the matrices `samples`."""
    out = [np.eye(len(samples[0])) for _ in samples]

    def turn(i, end):
        u, sigma, vt = np.linalg.svd(sum(out[l] @ samples[l] for l in range(end) if l != i) @ samples[i].T)
        out[i] = u @ vt
        return sigma.sum()

    ascend(len(samples), turn)
    return out


def align_maps(a, group, s):
    if s is not None:
        grams = [g[np.ix_(group, group)] for g in s.key_gram]
        half = root(s.attended)
        rest = [s.rest_keys[j] for j in group]
    else:
        rows = np.array([rows_with_bias(a.k, a.bk, j) for j in group])
        z = planes(rows.transpose(0, 2, 1), a.rot)
        grams = np.einsum("jxp,lxp->pjl", z, z.conj())
        half = np.eye(a.d + 1)
        rest = [row[a.rot:] for row in rows]
    turns = np.array([phases_of(g) for g in grams])
    values = rotations_of([rows_with_bias(a.v, a.bv, j) @ half for j in group])
    rest = rotations_of(rest) if a.rot < a.dim else [None] * len(group)
    m = len(group)
    return [(real(turns[:, i], a.dim, rest[i]) / m, real(turns[:, i], a.dim, rest[i]), values[i] / m, values[i].T)
            for i in range(m)]


def costs_of_outputs(a, j):
    return sum(a.o[i].T @ a.o[i] for i in range(j * a.r, (j + 1) * a.r))


def rank_and_rest(roots, samples, keep):
    """Truncated SVD of the stack of roots[j] samples[j]: the maps in and out of the common subspace, and the error."""
    u, sigma, vt = np.linalg.svd(np.concatenate([r @ z for r, z in zip(roots, samples)]), full_matrices=False)
    vt = vt[:keep]
    pinv = np.linalg.pinv(np.concatenate(samples))  # y = vt as a combination of the samples
    size = len(samples[0])
    inner = [vt @ pinv[:, j * size:(j + 1) * size] for j in range(len(samples))]
    outer = [z @ vt.T for z in samples]
    scale = np.sqrt(sum(((r @ t) ** 2).sum() for r, t in zip(roots, outer)) / sum((r ** 2).sum() for r in roots))
    return [scale * t for t in inner], [t / scale for t in outer], (sigma[keep:] ** 2).sum()


def weighted_key_gram(a, group, s, p, sensitivity=None):
    energy = s.query_energy[:, p] * (1 if sensitivity is None else sensitivity * a.scale ** 2 / 2)
    w = energy.reshape(a.n, a.r).sum(1)[group]
    return w, np.sqrt(w)[:, None] * s.key_gram[p][np.ix_(group, group)] * np.sqrt(w)[None, :]


def unrotated_costs(a, group, s, sensitivity=None):
    weights = np.ones(a.h) if sensitivity is None else sensitivity * a.scale ** 2
    return [sum(weights[i] * s.unrotated_query_gram[i] for i in range(j * a.r, (j + 1) * a.r)) for j in group]


def svd_maps(a, group, s):
    if len(group) == 1:
        return [(np.eye(a.dim),) * 4]
    keys, queries = [], []
    for p in range(a.rot // 2):
        w, b = weighted_key_gram(a, group, s, p)
        u = np.linalg.eigh(b)[1][:, -1]
        c = u / np.sqrt(w)
        size = np.sqrt((abs(c) ** 2).mean())
        keys.append(u.conj() * np.sqrt(w) * size)
        queries.append((c / size).conj())
    keys, queries = np.array(keys).reshape(-1, len(group)), np.array(queries).reshape(-1, len(group))
    rest_in = rest_out = [None] * len(group)
    if a.rot < a.dim:
        samples = [s.rest_keys[j] for j in group]
        rest_in, rest_out, _ = rank_and_rest([root(c) for c in unrotated_costs(a, group, s)], samples, a.dim - a.rot)
        rest_out = [t.T for t in rest_out]
    samples = [rows_with_bias(a.v, a.bv, j) @ root(s.attended) for j in group]
    value_in, value_out, _ = rank_and_rest([root(costs_of_outputs(a, j)) for j in group], samples, a.dim)
    return [(real(keys[:, i], a.dim, rest_in[i]), real(queries[:, i], a.dim, rest_out[i]), value_in[i], value_out[i])
            for i in range(len(group))]


def closed_form_cost(a, group, s):
    group = list(group)
    cost = 0
    for p in range(a.rot // 2):
        cost += np.linalg.eigvalsh(weighted_key_gram(a, group, s, p, s.logit_sensitivity)[1])[:-1].sum()
    if a.rot < a.dim:
        samples = [s.rest_keys[j] for j in group]
        cost += rank_and_rest([root(c) for c in unrotated_costs(a, group, s, s.logit_sensitivity)], samples,
                              a.dim - a.rot)[2] / s.rest_keys.shape[2]
    samples = [rows_with_bias(a.v, a.bv, j) @ root(s.attended) for j in group]
    return cost + rank_and_rest([root(costs_of_outputs(a, j)) for j in group], samples, a.dim)[2]


def measured_cost(a, group, s, x):
    """The mean squared change of the layer's output when this group alone is merged."""
    group = list(group)
    queries = [i for j in group for i in range(j * a.r, (j + 1) * a.r)]
    part = lambda w, rows: None if w is None else w[rows]
    alone = Layer(len(queries), len(group), a.dim, a.rot, a.d)
    alone = alone.copy_with(a.q[queries], a.k[group], a.v[group], a.o[queries], part(a.bq, queries), part(a.bk, group),
                            part(a.bv, group))
    merged = apply(alone, [range(len(group))], [svd_maps(a, group, s)])
    merged.r = len(queries)
    return ((Seen(merged, x).output - Seen(alone, x).output) ** 2).sum(-1).mean()


def restored(a, merged, groups):
    """Every pooled matrix at the mean norm of its members."""
    for name in ("k", "v", "bk", "bv"):
        new, old = getattr(merged, name), getattr(a, name)
        if old is not None:
            for g, group in enumerate(groups):
                new[g] = new[g] * np.mean([np.linalg.norm(old[j]) for j in group]) / np.linalg.norm(new[g])
    return merged


def partitions(n, size):
    def split(left):
        if not left:
            yield []
            return
        for others in itertools.combinations(left[1:], size - 1):
            group = (left[0],) + others
            for rest in split([i for i in left if i not in group]):
                yield [list(group)] + rest
    return split(list(range(n)))


def numbers(array, digits=9):
    """Nine digits bring a float32 back exactly."""
    return [float(f"{value:.{digits}g}") for value in np.asarray(array, float).ravel()]


def record(name, shape, biases, chosen, seed):
    random = np.random.default_rng(seed)
    a = make_layer(random, *shape, biases)
    x = random.standard_normal((SEQUENCES, TOKENS, a.d))
    x[..., 1] *= 4
    x[..., 2] += 1.5
    x[:, 0] *= 2
    x = x.astype(np.float32).astype(float)
    s = Statistics(a, x)
    output = Seen(a, x).output
    out = {
        "query_heads": a.h, "kv_heads": a.n, "head_dim": a.dim, "rotary_dims": a.rot, "hidden": a.d, "tokens": TOKENS,
        "query": numbers(a.q), "key": numbers(a.k), "value": numbers(a.v),
        "output": numbers(a.o.transpose(1, 0, 2)),
        "inputs": numbers(x), "outputs": numbers(output, 7),
        "value_gram": numbers(s.value_gram, 7), "key_gram_real": numbers(s.key_gram.real, 7),
        "key_gram_imaginary": numbers(s.key_gram.imag, 7), "query_energy": numbers(s.query_energy, 7),
        "unrotated_key_gram": numbers(s.unrotated_key_gram, 7), "unrotated_query_gram": numbers(s.unrotated_query_gram, 7),
        "logit_sensitivity": numbers(s.logit_sensitivity, 7),
    }
    if biases:
        out.update(query_bias=numbers(a.bq), key_bias=numbers(a.bk), value_bias=numbers(a.bv))
    out["costs"] = []
    cost = functools.lru_cache(None)(lambda group: measured_cost(a, group, s, x))
    for size in range(2, a.n + 1):
        if a.n % size:
            continue
        for group in itertools.combinations(range(a.n), size):
            out["costs"].append({"heads": group, "closed_form": closed_form_cost(a, group, s), "measured": cost(group)})
    out["best_groups"] = [min(partitions(a.n, size), key=lambda p: sum(cost(tuple(g)) for g in p))
                          for size in range(2, a.n) if a.n % size == 0]
    methods = {
        "mean": lambda groups: apply(a, groups, [mean_maps(a, g) for g in groups]),
        "first": lambda groups: apply(a, groups, [first_maps(a, g) for g in groups]),
        "mean-norm": lambda groups: restored(a, apply(a, groups, [mean_maps(a, g) for g in groups]), groups),
        "align": lambda groups: apply(a, groups, [align_maps(a, g, s) for g in groups]),
        "align-weights": lambda groups: apply(a, groups, [align_maps(a, g, None) for g in groups]),
        "svd": lambda groups: apply(a, groups, [svd_maps(a, g, s) for g in groups]),
    }
    out["merges"] = []
    for groups in chosen:
        for method, merge in methods.items():
            merged = merge(groups)
            new = Seen(merged, x).output
            error = ((new - output) ** 2).sum() / (output ** 2).sum()
            print(f"{name:20} {method:14} {len(groups)} groups: {error:.4f}")
            out["merges"].append({"method": method, "groups": groups, "error": error,
                                  "outputs": numbers(new[0], 7)})
    return out


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent / "data/conversion")
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (name, *shape, biases, chosen) in enumerate(CASES):
        with open(folder / f"{name}.json", "w") as file:
            json.dump(record(name, shape, biases, chosen, 20 + seed), file, separators=(",", ":"))
            file.write("\n")


if __name__ == "__main__":
    main()
