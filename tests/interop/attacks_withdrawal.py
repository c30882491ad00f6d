"""What may be wrong with withdrawals."""
import hashlib
import json

from case_list import case
from maker import ACME, ACME2, OTHER, entry, seal
from oracle import envelope, tree
from oracle.strict import CONTENT, INPUT, TRUST, dump_json


def withdrawal(made, sequence, before, numbers, **changes):
    """(payload, line) of a withdrawal of the records with these numbers."""
    statement = made.statement()
    p = statement["predicate"]
    listed = [{"index": i, "leaf": tree.leaf_hash(made.lines[i]).hex(),
               "id": json.loads(made.lines[i])["id"]} for i in numbers]
    signers = changes.pop("signers", [ACME])
    body = {**{name: p[name] for name in ("vendor", "dataset", "version")},
            "root": p["records"]["root"], "issued": "2026-01-05T00:00:00Z", "reason": "consent",
            "sequence": sequence, "records": listed, **changes}
    if before is not None:
        body["previous"] = hashlib.blake2b(before, digest_size=32).hexdigest()
    payload = dump_json({**statement, "predicate": body,
                         "predicateType": "urn:plumbline:statement:withdrawal:v1"})
    return payload, seal(envelope.STATEMENT, payload, signers)


def chained(made, *lines):
    files = made.files()
    files["records.withdrawals"] = b"".join(lines)
    return files


def two_lines(made, **changes):
    first, one = withdrawal(made, 1, None, [1])
    return one, withdrawal(made, 2, first, [0, 2], issued="2026-01-06T00:00:00Z", **changes)[1]


@case(0, "three records withdrawn by two statements")
def withdrawals(made):
    return chained(made, *two_lines(made))


@case(0, "a withdrawal outlives its key")
def withdrawal_key_retired(made):
    made.acme()["keys"] = [entry(ACME, revoked_at="2026-01-10", reason="retired"), entry(ACME2)]
    made.signers, made.note_signer = [ACME2], ACME2
    return chained(made, *two_lines(made))


@case(TRUST, "a withdrawal by a compromised key")
def withdrawal_key_compromised(made):
    made.acme()["keys"] = [entry(ACME, revoked_at="2999-01-10", reason="compromised"), entry(ACME2)]
    made.signers, made.note_signer = [ACME2], ACME2
    return chained(made, *two_lines(made))


@case(TRUST, "a withdrawal by another vendor")
def withdrawal_stranger(made):
    return chained(made, *two_lines(made, signers=[OTHER]))


@case(CONTENT, "the first withdrawal was cut out")
def withdrawal_missing(made):
    return chained(made, two_lines(made)[1])


@case(CONTENT, "a withdrawal twice")
def withdrawal_twice(made):
    return chained(made, *two_lines(made)[:1] * 2)


@case(CONTENT, "a withdrawal behind another first one")
def withdrawal_other_chain(made):
    other = withdrawal(made, 1, None, [1], reason="error")[1]
    return chained(made, other, two_lines(made)[1])


@case(CONTENT, "the withdrawal of another record's leaf")
def withdrawal_leaf(made):
    line = withdrawal(made, 1, None, [0], records=[{"index": 0, "leaf": "00" * 32}])[1]
    return chained(made, line)


@case(CONTENT, "a record withdrawn twice")
def withdrawal_again(made):
    first, one = withdrawal(made, 1, None, [1])
    return chained(made, one, withdrawal(made, 2, first, [1])[1])


@case(CONTENT, "a withdrawal from another version")
def withdrawal_other_version(made):
    return chained(made, withdrawal(made, 1, None, [1], version=2)[1])


@case(INPUT, "a withdrawal with a reason that there is not")
def withdrawal_reason(made):
    return chained(made, withdrawal(made, 1, None, [1], reason="whim")[1])


@case(INPUT, "a withdrawal issued before the one it follows")
def withdrawal_backwards(made):
    first, one = withdrawal(made, 1, None, [1])
    return chained(made, one, withdrawal(made, 2, first, [0], issued="2026-01-04T00:00:00Z")[1])


@case(INPUT, "a withdrawal from the future")
def withdrawal_future(made):
    return chained(made, withdrawal(made, 1, None, [1], issued="2998-12-31T00:00:00Z")[1])


@case(INPUT, "withdrawals cut short")
def withdrawal_cut(made):
    return chained(made, *two_lines(made)[:1], b"{")
