"""DSSE 1.0.2 in the one form of manifest.md section 4."""
import base64
import re

from . import ed25519
from .strict import base64_exact, need

STATEMENT = "application/vnd.in-toto+json"
PLAIN = rb"[\x20-\x21\x23-\x5b\x5d-\x7e]"  # printable ASCII without quote and backslash
FORM = re.compile(rb'\{"payload":"([^"\\]*)","payloadType":"(' + PLAIN + rb'{0,127})"'
                  rb',"signatures":\[(.*)\]\}\n\Z', re.DOTALL)
SIGNATURE = re.compile(rb'\{(?:"keyid":"(' + PLAIN + rb'{1,64})",)?"sig":"([^"\\]*)"\}')


def pae(kind, payload):
    kind = kind.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def parse(data, what):
    """(payload type, payload, [(keyid or None, signature)])"""
    form = FORM.match(data)
    need(form, f"{what}: is not in the one form of an envelope")
    signatures, at, body = [], 0, form.group(3)
    while at < len(body):
        one = SIGNATURE.match(body, at)
        need(one, f"{what}: signature {len(signatures) + 1} is not in the one form")
        keyid, sig = one.groups()
        signature = base64_exact(sig.decode("latin-1"), what)
        need(len(signature) == 64, f"{what}: a signature has {len(signature)} bytes")
        signatures.append((keyid.decode() if keyid else None, signature))
        at = one.end()
        if at < len(body):
            need(body[at:at + 1] == b"," and at + 1 < len(body), f"{what}: not in the one form")
            at += 1
    need(1 <= len(signatures) <= 64, f"{what}: has {len(signatures)} signatures")
    payload = base64_exact(form.group(1).decode("latin-1"), what)
    return form.group(2).decode(), payload, signatures


def write(kind, payload, signatures):
    def one(keyid, signature):
        hint = f'"keyid":"{keyid}",' if keyid else ""
        return '{%s"sig":"%s"}' % (hint, base64.b64encode(signature).decode())
    listed = ",".join(one(*pair) for pair in signatures)
    text = '{"payload":"%s","payloadType":"%s","signatures":[%s]}\n'
    return (text % (base64.b64encode(payload).decode(), kind, listed)).encode()


def makers(kind, payload, signatures, keys, what, code=5):
    """Which of `keys` made each signature; None for a stranger's. A hint that names a key must be
    that key's, and a known key must not go by another name."""
    message, found = pae(kind, payload), []
    by_id = {ed25519.key_id(key): key for key in keys}
    for number, (keyid, signature) in enumerate(signatures, 1):
        if keyid in by_id:
            need(ed25519.verify(by_id[keyid], message, signature),
                 f"{what}: signature {number} does not hold", code)
            found.append(by_id[keyid])
            continue
        maker = next((key for key in keys if ed25519.verify(key, message, signature)), None)
        need(maker is None or keyid is None, f"{what}: signature {number} names another key", code)
        found.append(maker)
    return found
