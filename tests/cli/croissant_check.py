"""mlcroissant takes the metadata of an export without an error, and loads the records as they are.

usage: croissant_check.py croissant.json RECORDS.jsonl      exit 77: mlcroissant is not installed
"""
import json
import logging
import sys

try:
    import mlcroissant
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)


class Loud(logging.Handler):
    """What the library warns about is a fault here."""

    def emit(self, record):
        raise AssertionError(record.getMessage())


def text(value):
    return value.decode() if isinstance(value, bytes) else value


def main():
    logging.getLogger("absl").addHandler(Loud(level=logging.WARNING))
    dataset = mlcroissant.Dataset(jsonld=sys.argv[1])
    assert not dataset.metadata.ctx.issues.errors, dataset.metadata.ctx.issues.report()
    with open(sys.argv[2], encoding="utf-8") as lines:
        expected = [json.loads(line) for line in lines]
    n = 0
    for loaded, record in zip(dataset.records("records"), expected):
        for name in ("id", "text", "label", "domain"):
            assert text(loaded[f"records/{name}"]) == record[name], (loaded, record)
        assert [text(a) for a in loaded["records/annotators"]] == record["annotators"], loaded
        gave = [text(a) for a in loaded["records/label_annotators"]]
        assert gave == record["label_annotators"], loaded
        n += 1
    assert n == len(expected), (n, len(expected))
    with open(sys.argv[1], encoding="utf-8") as file:
        fields = json.load(file)["recordSet"][0]["field"]
    label, = [f for f in fields if f["@id"] == "records/label"]
    assert label["annotation"]["equivalentProperty"] == "prov:wasAttributedTo"
    assert label["annotation"]["source"]["extract"]["column"] == "label_annotators"
    print(n)


main()
