"""What an import wrote against the raw file, by a reader of its own: Python's csv module for the
table, hashlib for digests and pseudonyms, numpy for agreement and consensus.

usage: import_check.py wmt|convabuse RAW RECORDS.jsonl KEY [REPORT.json]
"""
import collections
import csv
import hashlib
import json
import sys

SCALE = {"1": "not abusive", "0": "ambiguous", "-1": "mild", "-2": "strong", "-3": "very strong"}
ORDER = list(SCALE.values())
WORSE = ["No-error", "Neutral", "Minor", "Major"]


def pseudonym(name, key):
    return "a-" + hashlib.blake2b(name.encode(), key=key, digest_size=32).hexdigest()[:16]


def spans(text, offset):
    """The text without markers, and the byte ranges they marked."""
    out, found, start = "", [], None
    while text:
        if text.startswith("<v>"):
            start, text = len(out.encode()), text[3:]
        elif text.startswith("</v>"):
            found.append([offset + start, offset + len(out.encode())])
            start, text = None, text[4:]
        else:
            out, text = out + text[0], text[1:]
    if start is not None:
        found.append([offset + start, offset + len(out.encode())])
    return out, [f for f in found if f[1] > f[0]]


def raw_wmt(path, key):
    items = {}
    with open(path, encoding="utf-8", newline="\n") as lines:
        header = next(lines).rstrip("\n").split("\t")
        for line in lines:
            row = dict(zip(header, line.rstrip("\n").split("\t")))
            source, marked = spans(row["source"], 0)
            target, more = spans(row["target"], len(source.encode()) + 1)
            item = items.setdefault(f"wmt:{row['doc']}:{row['seg_id']}:{row['system']}",
                                    {"text": source + "\t" + target, "said": []})
            said = {"annotator": pseudonym(row["rater"], key), "category": row["category"],
                    "severity": row["severity"]}
            if marked + more:
                said["bytes"] = marked + more
            item["said"].append(said)
    return items


def raw_convabuse(path, key):
    items = {}
    with open(path, encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            group = [row[c] for c in ("conv_id", "prev_agent", "prev_user", "agent", "user", "bot")]
            text = json.dumps(group, separators=(",", ":"), ensure_ascii=False).encode()
            digest = hashlib.blake2b(text, digest_size=32).hexdigest()[:16]
            item = items.setdefault(f"convabuse:{row['conv_id']}:{digest}",
                                    {"text": "\n".join(group[1:5]), "said": []})
            grade, = [c[9:] for c in row if c.startswith("is_abuse.") and row[c] == "1"]
            said = {"annotator": pseudonym(row["annotator_id"], key), "example": row["example_no"],
                    "label": SCALE[grade], "severity": grade}
            for field, prefix in (("category", "type."), ("target", "target."),
                                  ("direction", "direction.")):
                some = [c[len(prefix):] for c in row if c.startswith(prefix) and row[c] == "1"]
                if some:
                    said[field] = some
            item["said"].append(said)
    return items


def supporters(record):
    """Who gave the label: by the first grade, or by the worst of several errors."""
    own = {}
    for said in record["annotations"]:
        who = said["annotator"]
        if "label" in said:
            own.setdefault(who, said["label"])
        else:
            own[who] = max(own.get(who, said["severity"]), said["severity"], key=WORSE.index)
    return [who for who in own if own[who] == record["label"]]


def compare(items, records):
    assert len(records) == len(items), (len(records), len(items))
    for record in records:
        item = items[record["id"]]
        content = item["text"].encode()
        assert record["text"] == item["text"], record["id"]
        assert record["content"] == {"sha256": hashlib.sha256(content).hexdigest(),
                                     "bytes": len(content)}, record["id"]
        assert record["annotations"] == item["said"], (record["id"], record["annotations"])
        raters = list(dict.fromkeys(s["annotator"] for s in item["said"]))
        assert record["annotators"] == raters
        assert record["agreement"]["raters"] == len(raters)
        assert record["label_annotators"] == supporters(record), record["id"]
        marked = {b for s in item["said"] for f, t in s.get("bytes", []) for b in range(f, t)}
        parts = [s["bytes"] for s in record.get("segments", [])]
        assert marked == {b for f, t in parts for b in range(f, t)}, record["id"]
        assert parts == sorted(parts) and all(a[1] <= b[0] for a, b in zip(parts, parts[1:]))


def first_judgements(records):
    """(items, annotators) of places on the scale, -1 where there is none."""
    import numpy
    names = sorted({a for r in records for a in r["annotators"]})
    table = numpy.full((len(records), len(names)), -1)
    for i, record in enumerate(records):
        for said in reversed(record["annotations"]):
            table[i, names.index(said["annotator"])] = ORDER.index(said["label"])
    return names, table


def dawid_skene(table, rounds):
    import numpy
    values = len(ORDER)
    said = (table[:, :, None] == numpy.arange(values)).astype(float)
    post = said.sum(axis=1)
    post /= post.sum(axis=1, keepdims=True)
    for _ in range(rounds):
        prior = (post.sum(axis=0) + 0.01) / (len(table) + values * 0.01)
        confusion = numpy.einsum("iv,ikl->kvl", post, said) + 0.01
        confusion /= confusion.sum(axis=2, keepdims=True)
        score = numpy.log(prior) + numpy.einsum("ikl,kvl->iv", said, numpy.log(confusion))
        post = numpy.exp(score - score.max(axis=1, keepdims=True))
        post /= post.sum(axis=1, keepdims=True)
    return post, prior, confusion


def check_consensus(records, report):
    import numpy
    names, table = first_judgements(records)
    post, prior, confusion = dawid_skene(table, report["consensus"]["rounds"])
    not_given = 0
    for record, row, said in zip(records, post, table):
        best = max((int(v) for v in set(said) if v >= 0), key=lambda v: row[v])
        assert record["label"] == ORDER[best], record["id"]
        assert abs(record["quality"] - row[best]) < 1e-6, (record["id"], row)
        not_given += int(row.argmax()) != best
    assert report["consensus"]["not_given"] == not_given > 0
    for one in report["annotators"]:
        k = names.index(one["annotator"])
        assert one["items"] == int((table[:, k] >= 0).sum())
        assert abs(one["reliability"] - float(prior @ numpy.diag(confusion[k]))) < 1e-6
        for v, row in one["confusion"].items():
            for label, p in row.items():
                assert abs(p - confusion[k][ORDER.index(v)][ORDER.index(label)]) < 1e-6
    return table


def check_alpha(table, report):
    try:
        import krippendorff
        import numpy
    except ImportError:
        print("alpha not compared: the package krippendorff is not installed")
        return
    data = numpy.where(table < 0, numpy.nan, table.astype(float)).T
    alpha = krippendorff.alpha(reliability_data=data, level_of_measurement="ordinal",
                               value_domain=list(range(len(ORDER))))
    assert abs(alpha - report["agreement"]["alpha"]) < 1e-9, (alpha, report["agreement"])


def main():
    kind, raw, path, key = sys.argv[1:5]
    with open(key, "rb") as file:
        key = file.read()
    with open(path, encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    items = (raw_wmt if kind == "wmt" else raw_convabuse)(raw, key)
    compare(items, records)
    said = collections.Counter(len(r["annotations"]) for r in records)
    if len(sys.argv) > 5:
        with open(sys.argv[5], encoding="utf-8") as file:
            report = json.load(file)
        check_alpha(check_consensus(records, report), report)
    print(len(records), sum(n * k for n, k in said.items()))


main()
