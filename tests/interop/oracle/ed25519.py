"""Ed25519: the group arithmetic that the checks of keys.md want, and verification."""
import base64
import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from .strict import Refused, base64_exact, need

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)
SPKI = bytes.fromhex("302a300506032b6570032100")
IDENTITY = (0, 1, 1, 0)


def decode(data):
    """The point in extended coordinates; None when it is none, or not in canonical form."""
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & ((1 << 255) - 1)
    if y >= P:
        return None
    u, v = (y * y - 1) % P, (D * y * y + 1) % P
    x = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    if v * x * x % P == -u % P:
        x = x * ROOT % P
    if v * x * x % P != u or (x == 0 and sign):
        return None
    x = x if x & 1 == sign else P - x
    return (x, y, 1, x * y % P)


def add(a, b):
    e = (a[1] - a[0]) * (b[1] - b[0]) % P
    f = (a[1] + a[0]) * (b[1] + b[0]) % P
    g, h = 2 * D * a[3] * b[3] % P, 2 * a[2] * b[2] % P
    i, j, k, m = f - e, h - g, h + g, f + e
    return (i * j % P, k * m % P, j * k % P, i * m % P)


def multiply(point, n):
    out = IDENTITY
    for bit in bin(n)[2:]:
        out = add(out, out)
        if bit == "1":
            out = add(out, point)
    return out


def is_identity(point):
    return point[0] % P == 0 and (point[1] - point[2]) % P == 0


def key_valid(key):
    point = decode(key) if len(key) == 32 else None
    return point is not None and not is_identity(point) and is_identity(multiply(point, L))


_valid = {}


def verify(key, message, signature):
    if key not in _valid:
        _valid[key] = key_valid(key)
    if not _valid[key] or len(signature) != 64:
        return False
    if int.from_bytes(signature[32:], "little") >= L:
        return False
    r = decode(signature[:32])
    if r is None or is_identity(multiply(r, 8)):
        return False
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def spki_parse(text, what):
    """A key as it stands inside JSON: the base64 line of the PEM form."""
    try:
        der = base64_exact(text, what)
    except Refused as refused:
        raise Refused(str(refused), 5) from None
    need(len(der) == 44 and der[:12] == SPKI and key_valid(der[12:]),
         f"{what}: is no Ed25519 key of prime order", 5)
    return der[12:]


def spki_text(key):
    return base64.b64encode(SPKI + key).decode()


def pem_parse(data, what):
    text = data if data.endswith(b"\n") else data + b"\n"
    begin, end = b"-----BEGIN PUBLIC KEY-----\n", b"\n-----END PUBLIC KEY-----\n"
    need(text.startswith(begin) and text.endswith(end) and len(text) == len(begin + end) + 60,
         f"{what}: is no public key in PEM", 5)
    return spki_parse(text[len(begin):-len(end)].decode("latin-1"), what)


def key_id(key):
    return hashlib.sha256(SPKI + key).hexdigest()
