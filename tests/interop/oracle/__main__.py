"""python -m oracle NAME.plumb.json trust.json [audience]: exit codes as plumb manifest verify."""
import json
import sys

from . import manifest, trust
from .strict import Refused


def main():
    try:
        store = trust.open_store(sys.argv[2])
        found = manifest.verify(sys.argv[1], store, audience=(sys.argv + [None])[3])
    except Refused as refused:
        print(refused, file=sys.stderr)
        return refused.code
    for record in found.records:
        print(json.dumps({"id": record.id, **vars(record.terms), "from": record.origin}))
    return 0


sys.exit(main())
