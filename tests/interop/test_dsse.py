"""Aim: the envelope is DSSE and the payload an in-toto Statement for other people's libraries, not
only for Plumbline.
Method: securesystemslib parses and verifies plumb's envelope and makes one that plumb accepts (its
own JSON form is refused until it is rewritten, as manifest.md says); in-toto-attestation parses and
validates the Statement."""
import base64
import json
import os

import cases
from cases import equal, plumb

cases.require("cryptography", "securesystemslib")
from cryptography.hazmat.primitives.serialization import load_pem_public_key  # noqa: E402
from maker import ACME, Case  # noqa: E402
from securesystemslib.dsse import Envelope  # noqa: E402
from securesystemslib.exceptions import VerificationError  # noqa: E402
from securesystemslib.signer import CryptoSigner, SSlibKey  # noqa: E402
import test_openssl  # noqa: E402


def their_key(signer):
    return SSlibKey(signer.id, "ed25519", "ed25519", {"public": signer.key.hex()})


def verified(directory, code=0):
    return plumb("manifest", "verify", "records.plumb.json", "--trust", "trust.json",
                 cwd=directory, code=code)


def their_form(envelope):
    """The one form of manifest.md from any DSSE JSON: parse, and write again."""
    signatures = ",".join('{"keyid":"%s","sig":"%s"}' % (s["keyid"], s["sig"])
                          for s in envelope["signatures"])
    return ('{"payload":"%s","payloadType":"%s","signatures":[%s]}\n' % (
        envelope["payload"], envelope["payloadType"], signatures)).encode()


def securesystemslib_verifies():
    files = Case().files()
    envelope = Envelope.from_dict(json.loads(files["records.plumb.json"]))
    accepted = envelope.verify([their_key(ACME)], 1)
    equal(list(accepted), [ACME.id], "the key that it names")
    envelope.payload += b" "
    try:
        envelope.verify([their_key(ACME)], 1)
    except VerificationError:
        return
    raise AssertionError("a changed payload was accepted")


def plumb_verifies_theirs():
    with cases.folder() as directory:
        made = Case()
        files = made.files()
        payload = base64.b64decode(json.loads(files["records.plumb.json"])["payload"])
        envelope = Envelope(payload, "application/vnd.in-toto+json", {})
        envelope.sign(CryptoSigner(ACME.private, their_key(ACME)))
        theirs = envelope.to_dict()
        files["records.plumb.json"] = json.dumps(theirs, indent=1).encode()
        cases.write(directory, files)
        said = verified(directory, 3).stderr.decode()
        assert "does not end in a line end" in said or "one-line form" in said, said
        cases.write(directory, {"records.plumb.json": their_form(theirs)})
        verified(directory)


def as_in_toto(payload):
    """Parses and validates the Statement with in-toto's own classes; returns what they read."""
    cases.package("in_toto_attestation", "in-toto-attestation")
    from google.protobuf.json_format import MessageToDict, ParseDict
    from in_toto_attestation.v1 import statement_pb2
    from in_toto_attestation.v1.statement import Statement
    parsed = ParseDict(json.loads(payload), statement_pb2.Statement())
    Statement.copy_from_pb(parsed).validate()
    return MessageToDict(parsed)


def statement_is_in_toto():
    payload = json.loads(Case().files()["records.plumb.json"])["payload"]
    payload = base64.b64decode(payload)
    equal(as_in_toto(payload), json.loads(payload), "nothing was lost")


def statement_of_plumb():
    """The same for a statement that plumb wrote itself."""
    directory = test_openssl.prepared().name
    envelope = Envelope.from_dict(test_openssl.envelope_of(directory))
    with open(os.path.join(directory, "acme.pub"), "rb") as file:
        key = load_pem_public_key(file.read())
    keyid = next(iter(envelope.signatures))
    envelope.verify([SSlibKey.from_crypto(key, keyid=keyid)], 1)
    as_in_toto(envelope.payload)


if __name__ == "__main__":
    cases.main(securesystemslib_verifies, plumb_verifies_theirs, statement_is_in_toto,
               statement_of_plumb)
