"""RFC 6962 trees over SHA-256, C2SP signed notes and checkpoints."""
import base64
import hashlib
import re
from dataclasses import dataclass

from . import ed25519
from .strict import Refused, base64_exact, need

NOTE_NAME = re.compile(r"[\x21-\x2a\x2c-\x7e]{1,255}\Z")


def sha256(data):
    return hashlib.sha256(data).digest()


def leaf_hash(data):
    return sha256(b"\0" + data)


def node_hash(left, right):
    return sha256(b"\1" + left + right)


def root(leaves):
    """The leaf hashes' tree; the left part of an odd split is the largest power of two."""
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256(b"")
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return node_hash(root(leaves[:half]), root(leaves[half:]))


def note_key_hash(name, kind, key):
    return sha256(name.encode() + b"\n" + bytes([kind]) + key)[:4]


@dataclass
class Note:
    """A checkpoint: `text` is what is signed, `lines` are (name, key hash, rest of the blob)."""
    text: bytes
    origin: str
    size: int
    root: bytes
    statement: bytes = None
    lines: list = None


def _head(text, what):
    lines = text.decode().split("\n")
    need(len(lines) in (4, 5) and lines[-1] == "", f"{what}: a tree head has 3 or 4 lines")
    need(NOTE_NAME.match(lines[0]) and re.match("(0|[1-9][0-9]{0,19})\\Z", lines[1], re.ASCII)
         and int(lines[1]) < 1 << 64, f"{what}: is no tree head")
    head = base64_exact(lines[2], what)
    need(len(head) == 32, f"{what}: its root has {len(head)} bytes")
    statement = None
    if len(lines) == 5:
        match = re.match("plumbline statement sha256 ([0-9a-f]{64})\\Z", lines[3])
        need(match, f"{what}: line 4 names no statement")
        statement = bytes.fromhex(match.group(1))
    return Note(text, lines[0], int(lines[1]), head, statement)


def parse_note(data, what):
    try:
        data.decode()
    except UnicodeDecodeError:
        raise Refused(f"{what}: is not UTF-8") from None
    text, blank, tail = data.partition(b"\n\n")
    need(len(data) <= 1 << 16 and blank and tail.endswith(b"\n"), f"{what}: is no signed note")
    out = _head(text + b"\n", what)
    out.lines = []
    for line in tail[:-1].decode().split("\n"):
        match = re.match(r"\u2014 ([^\s+\x00-\x20\x7f]+) ([^ ]+)\Z", line)
        need(match, f"{what}: has a line that is no signature")
        blob = base64_exact(match.group(2), what)
        need(len(blob) > 4, f"{what}: a signature is too short")
        out.lines.append((match.group(1), blob[:4], blob[4:]))
    need(len(out.lines) <= 64, f"{what}: has {len(out.lines)} signature lines")
    return out


def line_names(line, name, kind, key):
    return line[0] == name and line[1] == note_key_hash(name, kind, key)


def cosigned_at(note, line, key):
    """The time of a witness's line (tlog-cosignature), or None where it does not hold."""
    at = int.from_bytes(line[2][:8], "big")
    message = b"cosignature/v1\ntime %d\n" % at + note.text
    held = 0 < at < 1 << 63 and ed25519.verify(key, message, line[2][8:])
    return at if held else None


def write_head(origin, size, head, statement=None):
    extra = f"plumbline statement sha256 {statement.hex()}\n" if statement else ""
    return f"{origin}\n{size}\n{base64.b64encode(head).decode()}\n{extra}".encode()


def write_line(name, kind, key, blob):
    line = base64.b64encode(note_key_hash(name, kind, key) + blob).decode()
    return f"\u2014 {name} {line}\n".encode()
