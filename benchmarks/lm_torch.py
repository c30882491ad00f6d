#!/usr/bin/env python3
"""The model of plumb-lm in PyTorch, on the CPU: the baseline of `scripts/bench.sh lm`.

usage: lm_torch.py [--blocks 6 --width 256 --heads 8 --context 256 --batch 8] [--threads N]
                   [--warmup N] [--steps N] [--compile] [--probe FILE]

Times forward, cross-entropy, backward and AdamW on full-length sequences and prints a JSON object:
seconds of every timed step, versions, the BLAS that is mapped into the process. With --probe it
instead loads weights, one ragged batch and gradients as tests/examples/test_lm_gradients wrote
them, and prints how far PyTorch's own loss and gradients are from them.
"""
import argparse, json, math, struct, sys, time

import torch
import torch.nn.functional as F

VOCABULARY = 256


def names(blocks, tied):
    """Parameters in the order of plumb-lm's layer table; norms as one (2, width) tensor."""
    yield "tokens"
    yield "positions"
    for b in range(blocks):
        for part in ("norm1", "attention.qkv.weight", "attention.qkv.bias",
                     "attention.proj.weight", "attention.proj.bias", "norm2", "mlp.up.weight",
                     "mlp.up.bias", "mlp.down.weight", "mlp.down.bias"):
            yield f"blocks.{b}.{part}"
    yield "norm"
    if not tied:
        yield "head.weight"


def shape_of(name, width, context):
    part = name.split(".", 2)[-1] if name.startswith("blocks.") else name
    return {"tokens": (VOCABULARY, width), "positions": (context, width),
            "head.weight": (VOCABULARY, width),
            "norm": (2, width), "norm1": (2, width), "norm2": (2, width),
            "attention.qkv.weight": (3 * width, width), "attention.qkv.bias": (3 * width,),
            "attention.proj.weight": (width, width), "attention.proj.bias": (width,),
            "mlp.up.weight": (4 * width, width), "mlp.up.bias": (4 * width,),
            "mlp.down.weight": (width, 4 * width), "mlp.down.bias": (width,)}[part]


def attend(q, k, v):
    if hasattr(F, "scaled_dot_product_attention"):
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)
    length = q.shape[-2]
    mask = torch.full((length, length), -math.inf, dtype=q.dtype).triu(1)
    scores = torch.baddbmm(mask.expand(q.shape[0] * q.shape[1], length, length), q.flatten(0, 1),
                           k.flatten(0, 1).transpose(1, 2), alpha=1 / math.sqrt(q.shape[-1]))
    return torch.bmm(scores.softmax(-1), v.flatten(0, 1)).view_as(q)


class Model(torch.nn.Module):
    def __init__(self, blocks, width, heads, context, tied=False, dtype=torch.float32):
        super().__init__()
        self.blocks, self.width, self.heads, self.tied = blocks, width, heads, tied
        self.p = torch.nn.ParameterList()
        self.order = list(names(blocks, tied))
        for name in self.order:
            value = torch.zeros(shape_of(name, width, context), dtype=dtype)
            if value.shape[0] == 2 and "norm" in name:
                value[0] = 1
            elif value.dim() == 2:
                residual = "proj" in name or "down" in name
                value.normal_(0, 0.02 / (math.sqrt(2 * blocks) if residual else 1))
            # A norm is two vectors: gain and bias.
            for v in (value[0].clone(), value[1].clone()) if "norm" in name else (value,):
                self.p.append(torch.nn.Parameter(v))

    def forward(self, tokens):
        p = iter(self.p)
        batch, length = tokens.shape
        table = next(p)
        x = F.embedding(tokens, table) + next(p)[:length]
        for _ in range(self.blocks):
            y = F.linear(F.layer_norm(x, (self.width,), next(p), next(p)), next(p), next(p))
            q, k, v = (t.view(batch, length, self.heads, -1).transpose(1, 2)
                       for t in y.split(self.width, -1))
            y = attend(q, k, v).transpose(1, 2).reshape(batch, length, self.width)
            x = x + F.linear(y, next(p), next(p))
            y = F.linear(F.layer_norm(x, (self.width,), next(p), next(p)), next(p), next(p))
            x = x + F.linear(F.gelu(y, approximate="tanh"), next(p), next(p))
        x = F.layer_norm(x, (self.width,), next(p), next(p))
        return F.linear(x, table if self.tied else next(p))


def libraries():
    found = set()
    with open("/proc/self/maps") as maps:
        for line in maps:
            path = line.split()[-1]
            if any(word in path for word in ("openblas", "mkl", "blis")):
                found.add(path.rsplit("/", 1)[-1])
    return sorted(found)


def optimizer(model):
    kind = {"lr": 1e-3, "betas": (0.9, 0.95), "eps": 1e-8}
    groups = [{"params": [p for p in model.p if p.dim() == 2], "weight_decay": 0.1},
              {"params": [p for p in model.p if p.dim() != 2], "weight_decay": 0.0}]
    for name in ("fused", "foreach"):
        try:
            opt = torch.optim.AdamW(groups, **{name: True}, **kind)
            for p in model.p:
                p.grad = torch.zeros_like(p)
            opt.step()
            return opt, name
        except (RuntimeError, TypeError):
            continue
    return torch.optim.AdamW(groups, **kind), "plain"


def measure(args):
    torch.manual_seed(1)
    model = Model(args.blocks, args.width, args.heads, args.context)
    opt, kind = optimizer(model)
    run = torch.compile(model) if args.compile else model
    tokens = torch.randint(97, 123, (args.batch, args.context))
    targets = torch.randint(97, 123, (args.batch, args.context))
    seconds = []
    for step in range(args.warmup + args.steps):
        start = time.perf_counter()
        opt.zero_grad(set_to_none=True)
        loss = F.cross_entropy(run(tokens).view(-1, VOCABULARY), targets.view(-1))
        loss.backward()
        opt.step()
        if step >= args.warmup:
            seconds.append(time.perf_counter() - start)
    return {"seconds": seconds, "loss": loss.item(), "torch": torch.__version__, "adamw": kind,
            "blas": libraries(), "sdpa": hasattr(F, "scaled_dot_product_attention"),
            "threads": torch.get_num_threads(), "compiled": args.compile}


def read_probe(path):
    """Header of nine int64, lengths, targets, then float64 loss, parameters, gradients."""
    with open(path, "rb") as f:
        data = f.read()
    blocks, width, heads, context, tied, units, rows, size, layers = struct.unpack_from("<9q", data)
    at = 72

    def take(form, n):
        nonlocal at
        values = struct.unpack_from(f"<{n}{form}", data, at)
        at += struct.calcsize(f"<{n}{form}")
        return values

    lengths, targets = take("q", units), take("i", rows)
    (loss,) = take("d", 1)
    params, grads = take("d", size), take("d", size)
    return (blocks, width, heads, context, bool(tied)), lengths, targets, loss, params, grads


def probe(path):
    shape, lengths, targets, loss, params, grads = read_probe(path)
    blocks, width, heads, context, tied = shape
    model = Model(blocks, width, heads, context, tied, torch.float64)
    at = 0
    with torch.no_grad():
        for p in model.p:
            p.copy_(torch.tensor(params[at:at + p.numel()], dtype=torch.float64).view_as(p))
            at += p.numel()
    total, at = 0.0, 0
    for n in lengths:
        want = torch.tensor([targets[at:at + n]])
        given = torch.cat([torch.zeros(1, 1, dtype=torch.long), want[:, :-1]], 1)
        logits = model(given).view(-1, VOCABULARY)
        total = total + F.cross_entropy(logits, want.view(-1), reduction="sum")
        at += n
    mean = total / at
    mean.backward()
    mine = torch.cat([p.grad.flatten() for p in model.p])
    theirs = torch.tensor(grads, dtype=torch.float64)
    return {"loss": mean.item(), "loss_difference": abs(mean.item() - loss),
            "gradient_difference": ((mine - theirs).norm() / mine.norm()).item(),
            "parameters": len(params)}


def main():
    ap = argparse.ArgumentParser(description=__doc__,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("blocks", 6), ("width", 256), ("heads", 8), ("context", 256),
                          ("batch", 8), ("threads", 0), ("warmup", 4), ("steps", 10)):
        ap.add_argument(f"--{name}", type=int, default=default)
    ap.add_argument("--compile", action="store_true")
    ap.add_argument("--probe")
    args = ap.parse_args()
    if args.probe:
        print(json.dumps(probe(args.probe)))
        return
    if args.threads:
        torch.set_num_threads(args.threads)
    print(json.dumps(measure(args)))


if __name__ == "__main__":
    sys.exit(main())
