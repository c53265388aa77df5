#!/usr/bin/env python3
"""Verify an evidence package, its unpacked folder, a ledger, or one entry's proof. Python 3.9 or later, standard library only.

    python3 -I verify.py PACKAGE.zip allowed_signers [--revoked-keys FILE] [--anchor CHECKPOINT ...] [--tsa-ca FILE]

This is the second verifier of the format that docs/format.md describes; it shares no code with the first, `ledger verify`, and says the same
words. Take it from a release of the tool, never from the package under verification. `allowed_signers` is your own file: who may sign
for what is your decision, and the only trust root. Without it the most that can be said is INTEGRITY-ONLY.

Exit code: 0 no fault (read the decision as well: APPROVED, DENIED, ...), 20 a fault or an allowed_signers of another form, 2 not looked at.

How to read this file: it follows one verification from the bytes up. A check that fails raises `Fault`, whose word is the verdict; the eight
stages of `Verification` at the end run in order, and the first fault ends them.

    bytes and hashes -> strict JSON -> headers of entries -> Ed25519, SSHSIG, allowed_signers -> statements -> policy
    -> zip structure -> the three things that can be verified (archive, folder, ledger) -> the stages -> the decision -> command line
"""
from __future__ import annotations

import argparse
import base64
import datetime
import hashlib
import json
import os
import re
import shutil
import sqlite3
import struct
import subprocess
import sys
import tempfile
import urllib.parse
import zlib

PIECE = 1 << 18  # bytes read at a time
SMALL = 64 << 20  # files that are read whole have at most this many bytes
POLICY_MAX = 1 << 20  # longest ledger.toml: reading TOML takes many times its size in memory
U64 = 2**64 - 1


class Fault(Exception):
    """What does not hold: the word that is the verdict, and one sentence for a person."""

    def __init__(self, word, why):
        super().__init__(f"{word}: {why}")
        self.word, self.why = word, why


class Unreadable(Exception):
    """The thing could not be looked at: nothing is said about the evidence."""


# ---------------------------------------------------------------------------------------------------------------- bytes and hashes

def tag(name):
    return name.encode().ljust(32, b"\0")


def sha256(*pieces):
    return hashlib.sha256(b"".join(pieces)).digest()


def genesis(ledger_id):
    return sha256(tag("ledger/genesis/v1"), ledger_id)


def leaf_hash(ledger_id, seq, prev, header):
    """The RFC 6962 leaf hash of an entry, and the next entry's prev."""
    return sha256(b"\0", tag("ledger/entry/v1"), ledger_id, struct.pack(">Q", seq), prev, struct.pack(">I", len(header)), header)


def commitment(salt, pieces):
    """The commitment to a part, and the part's size."""
    hasher, size = hashlib.sha256(tag("ledger/part/v1") + salt), 0
    for piece in pieces:
        hasher.update(piece)
        size += len(piece)
    hasher.update(struct.pack(">Q", size))
    return hasher.digest(), size


class Tree:
    """The RFC 6962 tree over the leaves: levels[k][i] is the hash of leaves i*2^k to (i+1)*2^k - 1."""

    def __init__(self):
        self.levels = [[]]

    @property
    def size(self):
        return len(self.levels[0])

    def push(self, leaf):
        level = 0
        self.levels[0].append(leaf)
        while len(self.levels[level]) % 2 == 0:
            if level + 1 == len(self.levels):
                self.levels.append([])
            left, right = self.levels[level][-2:]
            self.levels[level + 1].append(sha256(b"\1", left, right))
            level += 1

    def root_at(self, size):
        """The root of the first `size` leaves; None of no leaves and beyond the tree."""
        if not 1 <= size <= self.size:
            return None
        peaks, start = [], 0
        for level in reversed(range(len(self.levels))):
            if size >> level & 1:
                peaks.append(self.levels[level][start >> level])
                start += 1 << level
        root = peaks.pop()
        while peaks:
            root = sha256(b"\1", peaks.pop(), root)
        return root


def checkpoint_text(ledger_id, size, root):
    return f"ledger.invalid/{ledger_id.hex()}\n{size}\n{base64.b64encode(root).decode()}\n"


def parse_checkpoint(text):
    """(ledger_id, size, root) of a checkpoint's text, or None: there is one spelling only."""
    found = re.fullmatch(r"ledger\.invalid/([0-9a-f]{32})\n([1-9][0-9]{0,19})\n([A-Za-z0-9+/]{43}=)\n", text)
    if not found or int(found[2]) > U64:
        return None
    read = bytes.fromhex(found[1]), int(found[2]), base64.b64decode(found[3])
    return read if checkpoint_text(*read) == text else None


def is_hex(value, digits):
    return type(value) is str and re.fullmatch(r"[0-9a-f]{%d}" % digits, value) is not None


# --------------------------------------------------------------------------------------------------------------------- strict JSON

HEADER_MAX = 60 * 1024
STATEMENT_MAX = 1024 * 1024
INT_MAX = 2**53 - 1
HEADER_KEY = re.compile(r"[a-z0-9_]+")
STATEMENT_KEY = re.compile(r"[A-Za-z0-9_]+")
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class Malformed(ValueError):
    """Bytes that are not in the profile, or not of the shape that is demanded."""


def demand(condition, why):
    if not condition:
        raise Malformed(why)


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def read_json(raw, longest, key):
    """Reads one object in the profile: its bytes must be what canonical form makes of the value, so a value has one spelling."""
    def integer(digits):
        demand(len(digits) <= 17 and abs(int(digits)) <= INT_MAX, "integer of more than 53 bits")
        return int(digits)

    def refuse(_):
        raise Malformed("not an integer")

    def walk(value, depth):
        if type(value) in (dict, list):
            demand(depth <= 16, "nested too deeply")
        if type(value) is dict:
            for name, member in value.items():
                demand(key.fullmatch(name), "a character that keys do not have")
                walk(member, depth + 1)
        elif type(value) is list:
            for member in value:
                walk(member, depth + 1)
        elif type(value) is str:
            demand(not CONTROL.search(value.replace("\n", "").replace("\t", "")), "control character")
        else:
            demand(value is not None, "null: an absent value is omitted")

    demand(len(raw) <= longest, "too long")
    try:
        value = json.loads(raw.decode("utf-8"), parse_int=integer, parse_float=refuse, parse_constant=refuse)
        demand(type(value) is dict, "not an object")
        walk(value, 1)
        demand(canonical(value) == raw, "not in canonical form")
    except (ValueError, RecursionError) as error:  # Malformed, UnicodeError and JSONDecodeError are ValueErrors
        raise Malformed(str(error)) from None
    return value


def is_natural(value):
    return type(value) is int and value >= 0  # type(True) is bool


def is_text(value):
    return type(value) is str and value != ""


# -------------------------------------------------------------------------------------------------------------- headers of entries

# Entry types whose meaning is a signed statement, and the statement's kind.
STATEMENT_KIND = {"attestation": "attestation", "waiver": "waiver", "part.redacted": "redaction", "key.added": "keys",
                  "key.revoked": "keys", "decision": "signoff"}
TYPES = {"ledger.opened", "run.opened", "task.started", "task.result", "note", "published", "run.closed", "ledger.restored", *STATEMENT_KIND}
NEEDS_RUN = {"run.opened", "task.started", "task.result", "published", "waiver", "decision", "run.closed"}
ALWAYS = {"v", "type", "ts", "actor", "host", "tool", "body"}
SOMETIMES = {"run", "task", "attempt", "target", "parts", "refs"}


class Part:
    """A payload that an entry commits to."""

    def __init__(self, entry, member):
        self.entry, self.seq, self.name, self.size = entry, entry.seq, member["name"], member["size"]
        self.commit, self.path = bytes.fromhex(member["commit"]), member.get("path")

    @property
    def default_path(self):
        return f"evidence/{self.seq}-{self.name}"


class Entry:
    """What later stages need of one entry. Raises Malformed where its header is not what the format allows at place `seq`."""

    def __init__(self, seq, raw):
        header = read_json(raw, HEADER_MAX, HEADER_KEY)
        demand(ALWAYS <= set(header) <= ALWAYS | SOMETIMES, "a member is missing or unknown")
        demand(type(header["v"]) is int and header["v"] == 1, "unknown version")
        demand(type(header["type"]) is str and header["type"] in TYPES, "unknown type")
        demand(is_timestamp(header["ts"]), "ts is not YYYY-MM-DDTHH:MM:SS.ffffffZ")
        demand(all(is_text(header[name]) for name in ("actor", "host", "task") if name in header), "actor, host or task is not a text")
        run, attempt = header.get("run"), header.get("attempt")
        demand(run is None or (is_text(run) and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", run)), "run is not a name")
        demand(attempt is None or (is_natural(attempt) and 1 <= attempt < 2**32), "attempt is not a positive number")
        demand(type(header.get("target", {})) is dict and type(header["body"]) is dict, "body or target is not an object")
        tool = header["tool"]
        demand(type(tool) is dict and set(tool) == {"name", "version", "sha256"} and is_text(tool["name"]) and is_text(tool["version"])
               and is_hex(tool["sha256"], 64), "tool is not {name, sha256, version}")
        refs = header.get("refs", [0])
        demand(type(refs) is list and refs and all(is_natural(ref) and ref < max(seq, 1) for ref in refs) and ("refs" not in header or seq > 0),
               "refs name earlier entries")
        self.seq, self.kind, self.ts, self.actor, self.body = seq, header["type"], header["ts"], header["actor"], header["body"]
        self.run, self.task, self.attempt = run, header.get("task"), attempt
        self.parts = [Part(self, member) for member in checked_parts(seq, self.kind, header["parts"])] if "parts" in header else []
        self.check_type(header)

    def check_type(self, header):
        seq, kind, body = self.seq, self.kind, self.body
        demand((seq == 0) == (kind == "ledger.opened"), "entry 0, and only entry 0, is ledger.opened")
        demand(kind not in NEEDS_RUN or self.run is not None, f"{kind} names no run")
        size, root_given = body.get("size"), is_hex(body.get("root"), 64)
        lacking = {
            "ledger.opened": lambda: self.run is None and is_hex(body.get("ledger_id"), 32),
            "run.opened": lambda: "target" in header,
            "task.started": lambda: self.task is not None and self.attempt is not None,
            "task.result": lambda: self.task is not None and self.attempt is not None and "refs" in header and "outcome" in body,
            "published": lambda: is_natural(size) and 1 <= size <= seq and root_given,
            "part.redacted": lambda: is_natural(body.get("seq")) and body["seq"] < seq and type(body.get("part")) is str,
            "run.closed": lambda: type(body.get("verdict")) is str,
            "key.added": lambda: self.run is None,  # a package holds the parts of its run and of no run: no revocation may be left out
            "key.revoked": lambda: self.run is None,
            "ledger.restored": lambda: is_natural(size) and root_given,
        }.get(kind, lambda: True)
        demand(lacking(), f"{kind} lacks what its type demands")

    @property
    def statement_kind(self):
        return STATEMENT_KIND.get(self.kind)

    @property
    def published(self):
        """(size, root) of a published entry."""
        return (self.body["size"], bytes.fromhex(self.body["root"])) if self.kind == "published" else None

    @property
    def verdict(self):
        verdict = self.body.get("verdict") if self.kind in ("published", "run.closed") else None
        return verdict if type(verdict) is str else None


def is_timestamp(text):
    """`YYYY-MM-DDTHH:MM:SS.ffffffZ`, a real calendar time of the years 0001 to 9999."""
    if type(text) is not str or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z", text):
        return False
    return moment(text) is not None


def moment(ts):
    try:
        return datetime.datetime.strptime(ts, "%Y-%m-%dT%H:%M:%S.%fZ")
    except ValueError:
        return None


def to_microseconds(time):
    """A time with any number of decimals as `ts` spells it, so that the two compare as texts."""
    seconds, _, fraction = time.rstrip("Z").partition(".")
    return f"{seconds}.{fraction[:6].ljust(6, '0')}Z"


def checked_parts(seq, kind, parts):
    demand(type(parts) is list and parts, "parts is not a list with elements")
    names, paths = set(), set()
    for part in parts:
        demand(type(part) is dict and {"name", "media", "size", "commit"} <= set(part) <= {"name", "media", "size", "commit", "path"},
               "a part is not {name, media, size, commit, path}")
        name, path = part["name"], part.get("path")
        demand(type(name) is str and re.fullmatch(r"[a-z0-9][a-z0-9._-]*\.[a-z0-9]+", name) and len(name) <= 100, "a part's name")
        demand(is_text(part["media"]) and is_natural(part["size"]) and is_hex(part["commit"], 64), "a part's media, size or commit")
        demand(name not in names, f"two parts named {name}")
        names.add(name)
        statement = {"statement.json": ".json", "statement.sig": ".sig"}.get(name) if kind in STATEMENT_KIND else None
        wanted = f"sig/{seq}-{STATEMENT_KIND[kind]}{statement}" if statement else None
        if path is None:
            demand(wanted is None, "a statement lies under sig/")
            continue
        demand(type(path) is str and re.fullmatch(r"(queries|trust|report|sig)/[A-Za-z0-9][A-Za-z0-9._-]{0,99}", path), "a part's path")
        demand(path.lower() not in paths, "two parts on one path")
        paths.add(path.lower())
        folder = path.split("/")[0]
        allowed = {"run.opened": ("queries", "trust"), "published": ("report",)}.get(kind, ("sig",) if kind in STATEMENT_KIND else ())
        demand(folder in allowed, f"a part of {kind} does not lie under {folder}/")
        demand(folder != "sig" or path == wanted, "a part under sig/ is a statement or its signature")
    return parts


# ------------------------------------------------------------------------------------------------------------------------- Ed25519

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_1 = pow(2, (P - 1) // 4, P)
NEUTRAL = (0, 1, 1, 0)


def add(a, b):
    """Point addition in extended coordinates (RFC 8032, 5.1.4)."""
    e, f = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    g, h = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    x, y, z, t = f - e, h - g, h + g, f + e
    return x * y % P, z * t % P, y * z % P, x * t % P


def multiply(n, point):
    out = NEUTRAL
    while n:
        if n & 1:
            out = add(out, point)
        point = add(point, point)
        n >>= 1
    return out


def equal(a, b):
    return (a[0] * b[2] - b[0] * a[2]) % P == 0 and (a[1] * b[2] - b[1] * a[2]) % P == 0


def decompress(raw):
    """The point that 32 bytes encode, or None: y is below p, and x exists (RFC 8032, 5.1.3)."""
    y = int.from_bytes(raw, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_1 % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


BASE = decompress((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def ed25519_verify(key, signature, message):
    """Strict: S < L, neither A nor R of small order, no cofactor."""
    a, r, s = decompress(key), decompress(signature[:32]), int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= L or equal(multiply(8, a), NEUTRAL) or equal(multiply(8, r), NEUTRAL):
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % L
    return equal(multiply(s, BASE), add(r, multiply(k, a)))


# --------------------------------------------------------------------------------------------------------- SSHSIG, allowed_signers

NAMESPACES = [f"{role}@ledger" for role in ("task", "checkpoint", "attestation", "waiver", "redaction", "keys", "signoff", "package")]


class Refused(ValueError):
    """A signature or key that is not of the one form."""


def ssh_string(data):
    return struct.pack(">I", len(data)) + data


def key_blob(key):
    return ssh_string(b"ssh-ed25519") + ssh_string(key)


def key_id(key):
    return sha256(key_blob(key)).hex()[:16]


def fingerprint(key):
    return "SHA256:" + base64.b64encode(sha256(key_blob(key))).decode().rstrip("=")


def parse_key(text):
    """The 32 bytes of an ssh-ed25519 key from its one base64 spelling, or None."""
    try:
        blob = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    key = blob[-32:]
    return key if len(blob) == 51 and key_blob(key) == blob and base64.b64encode(blob).decode() == text else None


def armored(key, namespace, signature):
    """The one form of a signature (OpenSSH PROTOCOL.sshsig)."""
    fields = [key_blob(key), namespace.encode(), b"", b"sha512", ssh_string(b"ssh-ed25519") + ssh_string(signature)]
    text = base64.b64encode(b"SSHSIG" + struct.pack(">I", 1) + b"".join(map(ssh_string, fields))).decode()
    lines = [text[i:i + 70] + "\n" for i in range(0, len(text), 70)]
    return ("-----BEGIN SSH SIGNATURE-----\n" + "".join(lines) + "-----END SSH SIGNATURE-----\n").encode()


def parse_signature(raw):
    """(key, namespace, signature): taken apart, put together again, and refused if that gives other bytes."""
    inner = re.fullmatch(rb"-----BEGIN SSH SIGNATURE-----\n([A-Za-z0-9+/=\n]*)-----END SSH SIGNATURE-----\n", raw)
    if len(raw) > 4096 or not inner:
        raise Refused("no SSH SIGNATURE armour")
    try:
        blob = base64.b64decode(inner[1].replace(b"\n", b""), validate=True)
        magic, at = blob[:10], 10
        fields = []
        for _ in range(5):
            (length,) = struct.unpack_from(">I", blob, at)
            fields.append(blob[at + 4:at + 4 + length])
            at += 4 + length
    except (ValueError, struct.error):
        raise Refused("cut short or not base64") from None
    blob_of_key, namespace, _reserved, _hash, signed = fields
    key, namespace, signature = blob_of_key[-32:], namespace.decode("latin-1"), signed[-64:]
    if magic != b"SSHSIG\0\0\0\1" or namespace not in NAMESPACES or len(key) != 32 or len(signature) != 64:
        raise Refused("not SSHSIG version 1 with ssh-ed25519 under a namespace of the format")
    if armored(key, namespace, signature) != raw:
        raise Refused("not the one form: ssh-ed25519, sha512, empty reserved, 70 columns, LF")
    return key, namespace, signature


def check_signature(raw, namespace, message):
    """The key that made a signature over a message under a namespace."""
    key, found, signature = parse_signature(raw)
    if found != namespace:
        raise Refused("a signature for another purpose")
    data = b"SSHSIG" + b"".join(map(ssh_string, [namespace.encode(), b"", b"sha512", hashlib.sha512(message).digest()]))
    if not ed25519_verify(key, signature, data):
        raise Refused("the signature does not match")
    return key


SIGNER = re.compile(r'([a-z0-9._-]+@[a-z0-9.-]+) namespaces="([^"]*)"(?:,valid-after="([0-9]{14})Z")?(?:,valid-before="([0-9]{14})Z")?'
                    r' ssh-ed25519 ([^ ]*)(?: .*)?')


class Signer:
    def __init__(self, principal, namespaces, after, before, key):
        self.principal, self.namespaces, self.after, self.before, self.key = principal, namespaces, after, before, key

    def __eq__(self, other):
        return vars(self) == vars(other)


def parse_signers(raw):
    """allowed_signers in its one form, or Fault MALFORMED-SIGNERS: stock tools accept a line without namespaces for every role."""
    def bad(number, why):
        return Fault("MALFORMED-SIGNERS", f"allowed_signers line {number}: {why}")

    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise bad(1, "not UTF-8") from None
    if len(raw) > 1 << 20:
        raise bad(1, "too long")
    signers, keys = [], set()
    for number, line in enumerate(text.split("\n"), 1):
        if CONTROL.search(line):
            raise bad(number, "control character")
        if line == "" or line.startswith("#"):
            continue
        found = SIGNER.fullmatch(line)
        if not found:
            raise bad(number, 'not: principal namespaces="..." ssh-ed25519 KEY')
        namespaces = found[2].split(",")
        if len(set(namespaces)) < len(namespaces) or not set(namespaces) <= set(NAMESPACES):
            raise bad(number, "an unknown namespace, or one twice")
        for time in (found[3], found[4]):
            if time and not is_timestamp(f"{time[:4]}-{time[4:6]}-{time[6:8]}T{time[8:10]}:{time[10:12]}:{time[12:]}.000000Z"):
                raise bad(number, "a time is YYYYMMDDhhmmssZ")
        key = parse_key(found[5])
        if key is None:
            raise bad(number, "not an ssh-ed25519 key")
        if key in keys:
            raise bad(number, "a key that another line has")
        keys.add(key)
        signers.append(Signer(found[1], namespaces, found[3], found[4], key))
    return signers


def parse_revoked(raw):
    """Keys that the verifier no longer accepts: one public key a line, as `ssh-keygen -Y verify -r` reads."""
    if len(raw) > 1 << 20 or not is_utf8(raw):
        raise Unreadable("the list of revoked keys is too long or not UTF-8")
    *lines, last = raw.decode("utf-8").split("\n")
    keys = set()
    for line in [line[:-1] if line.endswith("\r") else line for line in lines] + [last]:
        if line and not line.startswith("#"):
            fields = line.split(" ")
            key = parse_key(fields[1]) if fields[0] == "ssh-ed25519" and len(fields) > 1 else None
            if key is None:
                raise Unreadable("the list of revoked keys has a line that is not `ssh-ed25519 BASE64`")
            keys.add(key)
    return keys


# ---------------------------------------------------------------------------------------------------------------------- statements

class WrongType(Malformed):
    """A statement of a predicateType that the format does not know."""


class Statement:
    """What people sign: an in-toto Statement over a checkpoint. Nothing may be in its bytes that this reading does not see."""

    def __init__(self, raw):
        top = read_json(raw, STATEMENT_MAX, STATEMENT_KEY)
        kind = re.fullmatch(r"https://ledger\.invalid/([a-z]+)/v1", top["predicateType"]) if type(top.get("predicateType")) is str else None
        if not kind or f"{kind[1]}@ledger" not in NAMESPACES:
            raise WrongType("unknown predicateType")
        demand(set(top) == {"_type", "predicate", "predicateType", "subject"} and top["_type"] == "https://in-toto.io/Statement/v1",
               "members that a statement does not have")
        subjects, predicate = top["subject"], top["predicate"]
        demand(type(subjects) is list and subjects and type(predicate) is dict, "no subject or no predicate")
        for subject in subjects:
            demand(type(subject) is dict and set(subject) == {"name", "digest"} and type(subject["name"]) is str
                   and type(subject["digest"]) is dict and set(subject["digest"]) == {"sha256"} and is_hex(subject["digest"]["sha256"], 64),
                   "a subject is not {name, digest.sha256}")
        pairs = [(subject["name"], bytes.fromhex(subject["digest"]["sha256"])) for subject in subjects]
        demand(pairs[0][0] == "checkpoint", "the first subject is not the checkpoint")
        demand(is_hex(predicate.get("ledger_id"), 32) and is_natural(predicate.get("size")) and type(predicate.get("principal")) is str
               and type(predicate.get("reason")) is str and type(predicate.get("run", "")) is str,
               "the predicate lacks ledger_id, size, principal or reason")
        self.kind, self.checkpoint, self.subjects, self.predicate = kind[1], pairs[0][1], pairs[1:], predicate
        self.ledger_id, self.size = bytes.fromhex(predicate["ledger_id"]), predicate["size"]
        self.principal, self.run = predicate["principal"], predicate.get("run")

    def text(self, name):
        value = self.predicate.get(name)
        return value if type(value) is str else None


# -------------------------------------------------------------------------------------------------------------------------- policy

class Toml:
    """Reads TOML 1.1, because Python has no reader before 3.11. Fractions, dates and times are kept as their text."""

    STRINGS = re.compile(r'"""\n?((?:[^\\"]|\\(?:.|\n)|"{1,2}(?!"))*"{0,2})"""|\'\'\'\n?((?:[^\']|\'{1,2}(?!\'))*\'{0,2})\'\'\''
                         r'|"((?:[^\\"\n]|\\.)*)"|\'([^\'\n]*)\'')
    ESCAPE = re.compile(r'\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|[ \t]*\n[ \t\n]*|(.))')
    PLAIN = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", "e": "\x1b", '"': '"', "\\": "\\"}
    CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
    SPACE, SPACE_LINES = re.compile(r"[ \t]*"), re.compile(r"(?:[ \t\n]|#[^\n]*)*")
    BARE_KEY, END = re.compile(r"[A-Za-z0-9_-]+"), re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|$)")
    SCALAR = re.compile(r"[A-Za-z0-9_+.:-]+(?: [0-9]{2}:[0-9:.Zz+-]+)?")
    DIGITS = r"(?:0|[1-9](?:_?[0-9])*)"
    INTEGER = re.compile(rf"[+-]?{DIGITS}|0x[0-9a-fA-F](?:_?[0-9a-fA-F])*|0o[0-7](?:_?[0-7])*|0b[01](?:_?[01])*")
    FRACTION = re.compile(rf"[+-]?(?:inf|nan|{DIGITS}(?=[.eE])(?:\.[0-9](?:_?[0-9])*)?(?:[eE][+-]?[0-9](?:_?[0-9])*)?)")
    DATE = re.compile(r"([0-9]{4})(-[0-9]{2}-[0-9]{2})")
    TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9](:([0-5][0-9]|60)(\.[0-9]+)?)?")
    OFFSET = re.compile(r"[Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9]")

    def __init__(self, text):
        self.text, self.at, self.top = text.removeprefix("\ufeff").replace("\r\n", "\n"), 0, {}
        # By id: tables that a [header] or a dotted key made, which no other header may open; values, which nothing adds to; lists of [[rows]].
        self.headed, self.dotted, self.closed, self.rows = set(), set(), set(), set()
        self.need(not self.CONTROL.search(self.text))

    def fail(self):
        raise ValueError(f"not TOML at character {self.at}")

    def match(self, pattern):
        found = pattern.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return found

    def take(self, literal):
        there = self.text.startswith(literal, self.at)
        self.at += len(literal) if there else 0
        return there

    def need(self, found):
        return found or self.fail()

    def string(self):
        found = self.match(self.STRINGS)
        if not found:
            return None
        basic = found[1] if found[1] is not None else found[3]
        if basic is None:
            return found[2] if found[2] is not None else found[4]
        return self.ESCAPE.sub(self.escape, basic)

    def escape(self, found):
        code, letter = found[1] or found[2] or found[3], found[4]
        if code:
            point = int(code, 16)
            self.need(point <= 0x10FFFF and not 0xD800 <= point <= 0xDFFF)
            return chr(point)
        return self.PLAIN.get(letter) or self.fail() if letter else ""

    def key(self):
        names = []
        while True:
            self.match(self.SPACE)
            bare = self.match(self.BARE_KEY)
            self.need(bare or not self.text.startswith(('"""', "'''"), self.at))
            name = bare[0] if bare else self.string()
            names.append(name if name is not None else self.fail())
            self.match(self.SPACE)
            if not self.take("."):
                return names

    def folder(self, names):
        """The table that a header's names lead to, but for the last: of rows, the newest."""
        table = self.top
        for name in names:
            table = table.setdefault(name, {})
            table = table[-1] if id(table) in self.rows else table
            self.need(type(table) is dict and id(table) not in self.closed)
        return table

    def header(self):
        *names, name = self.key()
        folder = self.folder(names)
        table = folder.setdefault(name, {})
        self.need(type(table) is dict and id(table) not in self.headed | self.dotted | self.closed)
        self.headed.add(id(table))
        return table

    def row(self):
        *names, name = self.key()
        folder = self.folder(names)
        if name not in folder:
            folder[name] = []
            self.rows.add(id(folder[name]))
        self.need(id(folder[name]) in self.rows)
        folder[name].append({})
        self.headed.add(id(folder[name][-1]))
        return folder[name][-1]

    def pair(self, table, space=SPACE):
        *names, name = self.key()
        self.match(space)
        self.need(self.take("="))
        self.match(space)
        value = self.value()
        for each in names:
            # A dotted key adds to what dotted keys made, and to nothing else.
            if each not in table:
                table[each] = {}
                self.dotted.add(id(table[each]))
            table = table[each]
            self.need(id(table) in self.dotted and id(table) not in self.closed)
        self.need(name not in table)
        table[name] = value

    def close(self, value):
        """Marks a value, and what is in it, as one that nothing adds to."""
        self.closed.add(id(value))
        for inner in value.values() if type(value) is dict else value:
            if type(inner) in (dict, list) and id(inner) not in self.closed:
                self.close(inner)
        return value

    def value(self):
        text = self.string()
        if text is not None:
            return text
        if self.take("["):
            items = []
            while True:
                self.match(self.SPACE_LINES)
                if self.take("]"):
                    return self.close(items)
                items.append(self.value())
                self.match(self.SPACE_LINES)
                self.need(self.take(",") or self.text.startswith("]", self.at))
        if self.take("{"):
            table = {}
            while True:
                self.match(self.SPACE_LINES)
                if self.take("}"):
                    return self.close(table)
                self.pair(table, self.SPACE_LINES)
                self.match(self.SPACE_LINES)
                self.need(self.take(",") or self.text.startswith("}", self.at))
        scalar = self.need(self.match(self.SCALAR))[0]
        if scalar in ("true", "false"):
            return scalar == "true"
        if self.INTEGER.fullmatch(scalar):
            number = int(scalar, 0)
            return self.need(-2**63 <= number < 2**63) and number
        return self.need(self.FRACTION.fullmatch(scalar) or self.is_moment(scalar)) and scalar

    def is_moment(self, text):
        """A date, a time, or both, and perhaps an offset."""
        date = self.DATE.match(text)
        rest = text[date.end():] if date else text
        if date:
            try:
                datetime.date.fromisoformat(("2000" if date[1] == "0000" else date[1]) + date[2])
            except ValueError:
                return False
            if not rest:
                return True
            if rest[0] not in "Tt ":
                return False
            rest = rest[1:]
        time = self.TIME.match(rest)
        return time is not None and (time.end() == len(rest) or date is not None and self.OFFSET.fullmatch(rest, time.end()) is not None)

    def read(self):
        table = self.top
        while True:
            self.match(self.SPACE_LINES)
            if self.at == len(self.text):
                return self.top
            if self.take("[["):
                table = self.row()
                self.need(self.take("]]"))
            elif self.take("["):
                table = self.header()
                self.need(self.take("]"))
            else:
                self.pair(table)
            self.need(self.match(self.END))


# ------------------------------------------------------------------------------------------------------------------- zip structure

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")
FULL32 = 0xFFFFFFFF


def is_name(name):
    return len(name) <= 255 and NAME.fullmatch(name) is not None


def malformed_archive(reason):
    return Fault(f"MALFORMED-ARCHIVE({reason})", f"the archive is not of the one form that packages have: {reason}")


class Record:
    """One stored file, and the two records that stand for it: the only bytes that they may have."""

    def __init__(self, name, size, crc, offset):
        self.name, self.size, self.crc, self.offset = name, size, crc, offset

    def common(self, extra):
        # Version needed, flags 0, method stored, time 0, 1980-01-01, CRC, sizes, lengths.
        size = min(self.size, FULL32)
        return struct.pack("<HHHHHIIIHH", 45 if extra else 10, 0, 0, 0, 0x21, self.crc, size, size, len(self.name), len(extra))

    def local(self):
        extra = struct.pack("<HHQQ", 1, 16, self.size, self.size) if self.size >= FULL32 else b""
        return b"PK\3\4" + self.common(extra) + self.name.encode() + extra

    def central(self):
        wide = struct.pack("<QQ", self.size, self.size) if self.size >= FULL32 else b""
        wide += struct.pack("<Q", self.offset) if self.offset >= FULL32 else b""
        extra = struct.pack("<HH", 1, len(wide)) + wide if wide else b""
        # Made by Unix 3.0; no comment, disk 0, no internal attributes; a regular file of mode 0644.
        return (b"PK\1\2" + struct.pack("<H", 0x031E) + self.common(extra) + struct.pack("<HHH", 0, 0, 0)
                + struct.pack("<II", 0o100644 << 16, min(self.offset, FULL32)) + self.name.encode() + extra)


def end_records(count, start, length):
    out = b""
    if count >= 0xFFFF or start >= FULL32 or length >= FULL32:
        out += b"PK\6\6" + struct.pack("<QHHIIQQQQ", 44, 0x031E, 45, 0, 0, count, count, length, start)
        out += b"PK\6\7" + struct.pack("<IQI", 0, (start + length) & U64, 1)
    low = min(count, 0xFFFF)
    return out + b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, low, low, min(length, FULL32), min(start, FULL32), 0)


def scan_zip(file, total):
    """The records of an archive, or Fault. First the end record, then the directory, then each local header, gaplessly from byte 0: whatever
    another reader looks at, it sees the same files. Contents are not read and nothing is extracted."""
    def read(at, n):
        file.seek(at)
        data = file.read(n)
        if len(data) != n:
            raise malformed_archive("cut short")
        return data

    count, start, length = zip_directory(read, total)
    records = zip_records(read(start, length), count)
    at, last, folded, folders = 0, None, set(), set()
    for record in records:
        if last is not None and last == record.name:
            raise malformed_archive("duplicate name")
        if last is not None and last > record.name:  # names are ASCII: text order is byte order
            raise malformed_archive("order")
        lower = record.name.lower()
        if lower in folded:
            raise malformed_archive("names that differ in case only")
        folded.add(lower)
        parts = lower.split("/")
        folders.update("/".join(parts[:i]) for i in range(1, len(parts)))
        if record.offset != at:
            raise malformed_archive("overlap" if record.offset < at else "prefix" if at == 0 else "hidden bytes")
        local = record.local()
        if start - at - len(local) < record.size:
            raise malformed_archive("lying size")
        if read(at, len(local)) != local:
            raise malformed_archive("local header differs from central")
        at, last = at + len(local) + record.size, record.name
    if at != start:
        raise malformed_archive("hidden bytes")
    for record in records:
        if record.name.lower() in folders:
            raise malformed_archive(f"{record.name} is a file and a folder")
    return records


def zip_directory(read, total):
    """Count, start and length of the central directory, by the end record that the file must end with."""
    if total < 22:
        raise malformed_archive("not a zip archive")
    tail = read(total - 22, 22)
    if tail[:4] != b"PK\5\6":
        raise malformed_archive("no end record at the end: trailing bytes, a comment, or not a zip archive")
    count, length, start = struct.unpack_from("<HII", tail, 10)
    end = total - 22
    if (count == 0xFFFF or length == FULL32 or start == FULL32) and total >= 22 + 76:
        wide = read(total - 22 - 76, 76)
        if wide[:4] == b"PK\6\6":
            count, length, start = struct.unpack_from("<QQQ", wide, 32)
            end -= 76
    if start + length != end:
        raise malformed_archive("prefix or a second archive" if start + length < end else "lying end record")
    if length > 64 << 20:
        raise malformed_archive("central directory too large")
    if read(end, total - end) != end_records(count, start, length):
        raise malformed_archive("end record")
    return count, start, length


def zip_records(central, count):
    records, at = [], 0
    while at < len(central):
        if len(central) - at < 46 or central[at:at + 4] != b"PK\1\2":
            raise malformed_archive("central directory")
        flags, method = struct.unpack_from("<HH", central, at + 8)
        crc, _, size, name, extra, comment = struct.unpack_from("<IIIHHH", central, at + 16)
        mode, offset = struct.unpack_from("<II", central, at + 38)
        this = central[at:at + 46 + name + extra + comment]
        if len(this) < 46 + name + extra + comment:
            raise malformed_archive("central directory")
        text, wide = this[46:46 + name].decode("latin-1"), this[46 + name + 4:]
        if flags or method:
            if is_utf8(this[46:46 + name]):
                raise malformed_archive("compressed" if method else "flags")
            raise malformed_archive("name")
        if size == FULL32 and len(wide) >= 16:
            (size,), wide = struct.unpack_from("<Q", wide), wide[16:]
        if offset == FULL32 and len(wide) >= 8:
            (offset,) = struct.unpack_from("<Q", wide)
        if not is_name(text):
            raise malformed_archive("name")
        record = Record(text, size, crc, offset)
        if record.central() != this:
            raise malformed_archive("not a regular file" if mode >> 16 & 0o170000 != 0o100000 else "central record")
        records.append(record)
        at += len(this)
    if len(records) != count:
        raise malformed_archive("count")
    return records


def is_whole(text):
    """Whether a text that was read with surrogates for what is not UTF-8 has none."""
    try:
        text.encode("utf-8")
        return True
    except UnicodeEncodeError:
        return False


def is_utf8(raw):
    try:
        raw.decode("utf-8")
        return True
    except UnicodeDecodeError:
        return False


# ------------------------------------------------------------------------------------------------------- what can be verified: three

def pieces_of(file, left=None):
    while left is None or left > 0:
        piece = file.read(PIECE if left is None else min(PIECE, left))
        if not piece:
            if left is not None:
                raise malformed_archive("cut short")
            return
        left = None if left is None else left - len(piece)
        yield piece


def digest_of(pieces):
    hasher = hashlib.sha256()
    for piece in pieces:
        hasher.update(piece)
    return hasher.digest()


def not_longer(part, path, most):
    """A part that is read as a whole has a longest length, and its header says how long it is."""
    if part.size > most:
        raise Fault(f"MALFORMED({part.seq})", f"{path} is too long for what it says it is")


class Package:
    """Files by name, out of an archive or an unpacked folder. Subclasses set `names` (sorted) and `pieces(name)`, which gives None for
    a file that is not there."""

    what = "package"

    def close(self):
        pass

    def small(self, name):
        pieces = self.pieces(name)
        if pieces is None:
            return None
        held, size = [], 0
        for piece in pieces:
            size += len(piece)
            if size <= SMALL:
                held.append(piece)
        if size > SMALL:
            raise malformed_archive(f"{name} is too long")
        return b"".join(held)

    def text(self, name):
        raw = self.small(name)
        if raw is None:
            raise Fault(f"MISSING({name})", f"the package has no {name}")
        if not is_utf8(raw):
            raise Fault(f"EDITED({name})", f"{name} is not a text")
        return raw.decode("utf-8")

    def rows(self):
        """(seq, header bytes, prev, leaf) of each entry, nothing believed yet."""
        name = "ledger/entries.jsonl"
        pieces = self.pieces(name)
        if pieces is None:
            raise Fault(f"MISSING({name})", f"the package has no {name}")
        n, rest = 0, b""
        for piece in pieces:
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                yield self.row(n, line)
                n += 1
            if len(rest) > HEADER_MAX + 512:
                self.row(n, rest)
        if rest:
            raise Fault(f"MALFORMED({n})", f"{name} ends inside a line")

    ROW = re.compile(rb'\{"seq":(0|[1-9][0-9]{0,18}),"prev":"([0-9a-f]{64})","leaf":"([0-9a-f]{64})","header":(.*)\}', re.DOTALL)

    def row(self, n, line):
        found = self.ROW.fullmatch(line) if len(line) <= HEADER_MAX + 512 else None
        if not found:
            raise Fault(f"MALFORMED({n})", f"line {n + 1} of ledger/entries.jsonl is not an entry")
        return int(found[1]), found[4], bytes.fromhex(found[2].decode()), bytes.fromhex(found[3].decode())

    def part_state(self, part, path, salts, withheld):
        """HOLDS, DIFFERS, WITHHELD or ABSENT."""
        key = part.seq, part.name
        if key not in salts:
            return "WITHHELD" if key in withheld and path.startswith(("evidence/", "queries/")) else "ABSENT"
        pieces = self.pieces(path)
        if pieces is None:
            return "ABSENT"
        return "HOLDS" if commitment(salts[key], pieces) == (part.commit, part.size) else "DIFFERS"

    def part_bytes(self, part, path, most):
        not_longer(part, path, most)
        return self.small(path)

    def part_digest(self, part, path):
        pieces = self.pieces(path)
        return None if pieces is None else digest_of(pieces)

    def signatures(self):
        """(file, kind, number, key id, bytes) of each signature beside the chain."""
        for name in self.names:
            found = signature_name(name)
            if found:
                yield (name, *found, self.small(name))

    def stamps(self):
        """(file, size, reply) of each time stamp of a head."""
        for name in self.names:
            size = stamped_size(name)
            if size is not None:
                yield name, size, self.small(name)


def stamped_size(file):
    found = re.fullmatch(r"ledger/anchors/(0|[1-9][0-9]{0,19})-rfc3161-.*\.tsr", file, re.DOTALL)
    return int(found[1]) if found and int(found[1]) <= U64 else None


def stamped_at(data, reply, authorities):
    """(time, None) that a reply (RFC 3161) over some bytes vouches for, or (None, why it does not hold). Cryptography of certificates is not in
    Python's standard library: `openssl ts` judges, the authority's certificate at the time of stamping."""
    if shutil.which("openssl") is None:
        raise Unreadable("--tsa-ca needs openssl in PATH; without --tsa-ca, time stamps are not examined and the rest is")
    with tempfile.TemporaryDirectory(prefix="ledger-read-") as folder:
        names = [os.path.join(folder, name) for name in ("data", "reply.tsr")]
        for name, content in zip(names, (data, reply)):
            with open(name, "wb") as file:
                file.write(content)

        def openssl(*args):
            done = subprocess.run(["openssl", "ts", *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  env={**os.environ, "LC_ALL": "C"})
            return done.returncode == 0, done.stdout.decode("utf-8", "replace")

        found = re.search(r"^Time stamp: ([A-Z][a-z]{2} +[0-9]+ [0-9:]{8})(?:\.[0-9]+)? ([0-9]{4}) GMT\s*$",
                          openssl("-reply", "-text", "-in", names[1])[1], re.MULTILINE)
        try:
            time = datetime.datetime.strptime(" ".join(f"{found[1]} {found[2]}".split()), "%b %d %H:%M:%S %Y") if found else None
        except ValueError:
            time = None
        if time is None:
            return None, "it is no reply that says a time"
        seconds = int(time.replace(tzinfo=datetime.timezone.utc).timestamp())
        held, said = openssl("-verify", "-attime", str(seconds), "-data", names[0], "-in", names[1], "-CAfile", authorities)
        why = next((line for line in said.splitlines() if "error" in line or "FAILED" in line), "openssl ts refuses it")
        return (time.strftime("%Y-%m-%dT%H:%M:%SZ"), None) if held else (None, why)


def signature_name(name):
    found = re.fullmatch(r"sig/(task|checkpoint)\.(0|[1-9][0-9]{0,19})\.([0-9a-f]{16})\.sig", name)
    return (found[1], int(found[2]), found[3]) if found and int(found[2]) <= U64 else None


class Archive(Package):
    """A zip archive with the two files beside it. Making one checks the archive's structure and its digest."""

    def __init__(self, path):
        self.file, self.name = open(path, "rb"), os.path.basename(path)
        records = scan_zip(self.file, os.fstat(self.file.fileno()).st_size)
        self.records = {record.name: record for record in records}
        self.names = [record.name for record in records]
        self.sha256 = beside(path, ".sha256")
        if self.sha256 is None:
            raise Fault(f"MISSING({self.name}.sha256)", "the file that names the archive's digest is not beside it")
        hasher = hashlib.sha256()
        self.file.seek(0)
        for piece in pieces_of(self.file):
            hasher.update(piece)
        if self.sha256 != f"{hasher.hexdigest()}  {self.name}\n".encode("utf-8", "surrogateescape"):
            raise Fault(f"EDITED({self.name})", f"the archive is not the one that {self.name}.sha256 names")
        self.sig = beside(path, ".sig")

    def close(self):
        self.file.close()

    def pieces(self, name):
        record = self.records.get(name)
        return None if record is None else self.checked(record)

    def checked(self, record):
        crc = 0
        self.file.seek(record.offset + len(record.local()))
        for piece in pieces_of(self.file, record.size):
            crc = zlib.crc32(piece, crc)
            at = self.file.tell()
            yield piece
            self.file.seek(at)
        if crc != record.crc:
            raise malformed_archive(f"CRC of {record.name}")


def beside(path, suffix):
    try:
        with open(path + suffix, "rb") as file:
            return file.read(1 << 16)
    except FileNotFoundError:
        return None


class Folder(Package):
    """An unpacked package: regular files and folders with names of the format, and nothing else."""

    def __init__(self, path):
        self.path, self.names = path, []
        self.walk("")
        self.names.sort()

    def walk(self, prefix):
        for entry in sorted(os.scandir(os.path.join(self.path, prefix)), key=lambda entry: os.fsencode(entry.name)):
            name = prefix + entry.name
            if not is_name(name):
                raise malformed_archive("name")
            if entry.is_dir(follow_symlinks=False):
                self.walk(name + "/")
            elif entry.is_file(follow_symlinks=False):
                self.names.append(name)
            else:
                raise malformed_archive("not a regular file")

    def pieces(self, name):
        try:
            file = open(os.path.join(self.path, name), "rb")
        except (FileNotFoundError, NotADirectoryError):
            return None
        return self.closing(file)

    def closing(self, file):
        with file:
            yield from pieces_of(file)


class Ledger:
    """ledger.db, opened so that nothing in it or beside it changes."""

    what = "ledger"
    names = ()
    TABLES = {
        "entry": "seq INTEGER, header BLOB, prev BLOB, leaf BLOB", "part": "seq INTEGER, name TEXT, salt BLOB, spool BLOB",
        "chunk": "spool BLOB, n INTEGER, bytes BLOB", "signature": "kind TEXT, n INTEGER, key TEXT, bytes BLOB",
        "anchor": "size INTEGER, name TEXT, bytes BLOB", "node": "level INTEGER, idx INTEGER, hash BLOB",
    }

    def __init__(self, path):
        self.copy = None
        path = os.path.realpath(path)
        folder_writable = os.access(os.path.dirname(path), os.W_OK)
        if not folder_writable and os.path.exists(path + "-wal"):
            # SQLite needs to write beside a write-ahead log: work on a copy.
            self.copy = tempfile.TemporaryDirectory(prefix="ledger-read-")
            for suffix in ("", "-wal"):
                shutil.copyfile(path + suffix, os.path.join(self.copy.name, "ledger.db" + suffix))
            path, folder_writable = os.path.join(self.copy.name, "ledger.db"), True
        query = "mode=ro" if folder_writable else "mode=ro&immutable=1"
        self.db = sqlite3.connect(f"file:{urllib.parse.quote(path)}?{query}", uri=True, isolation_level=None)
        self.db.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
        try:
            self.check_is_ledger()
        except BaseException:
            self.close()
            raise

    def check_is_ledger(self):
        for setting in ("trusted_schema = OFF", "cell_size_check = ON"):
            self.query(f"PRAGMA {setting}")
        if self.query("PRAGMA application_id") != [(0x6C656467,)] or self.query("PRAGMA user_version") != [(1,)]:
            raise Unreadable("not a ledger of format 1")
        there = self.query("SELECT type, name FROM sqlite_master WHERE type IN ('table', 'view') LIMIT 200")
        columns = {name: ", ".join(f"{row[1]} {row[2]}" for row in self.query(f"PRAGMA table_info({name})")) for name in self.TABLES}
        if sorted(there) != [("table", name) for name in sorted(self.TABLES)] or columns != self.TABLES:
            raise Fault("MALFORMED-LEDGER", "its tables are not those of the format")

    def close(self):
        self.db.close()
        if self.copy:
            self.copy.cleanup()

    def query(self, sql, *values):
        return list(self.walk(sql, None, *values))

    def walk(self, sql, kinds, *values):
        """Rows whose values are of these kinds, a letter for each column: i(nteger), b(ytes), t(ext), o(ptional bytes). SQLite keeps what it is
        given, and the file's owner may have given it something else."""
        allowed = {"i": {int}, "b": {bytes}, "t": {str}, "o": {bytes, type(None)}}
        try:
            for row in self.db.execute(sql, values):
                for kind, value in zip(kinds or "", row):
                    if type(value) not in allowed[kind] or (kind == "t" and not value.isascii() and not is_whole(value)):
                        raise Fault("MALFORMED-LEDGER", "a column holds a value of another type than the format's")
                yield row
        except UnicodeDecodeError:  # by sqlite3, of SQLite's own message about a schema that is no text
            raise Fault("MALFORMED-LEDGER", "SQLite: a schema that is no text") from None
        except sqlite3.DatabaseError as error:
            operational = isinstance(error, sqlite3.OperationalError) and not re.search("malformed|no such", str(error))
            if operational or "not a database" in str(error):
                raise Unreadable(f"SQLite: {error}") from None
            raise Fault("MALFORMED-LEDGER", f"SQLite: {error}") from None

    def rows(self):
        hash_of = lambda blob: blob if len(blob) == 32 else bytes(32)
        for seq, header, prev, leaf in self.walk(
                "SELECT seq, CASE WHEN length(header) <= 61440 THEN header ELSE x'' END, prev, leaf FROM entry ORDER BY seq", "ibbb"):
            yield seq if seq >= 0 else U64, header, hash_of(prev), hash_of(leaf)

    def part_state(self, part, path, salts, withheld):
        pieces = self.part_pieces(part)
        try:
            return "ABSENT" if pieces is None else "HOLDS" if commitment(*pieces) == (part.commit, part.size) else "DIFFERS"
        except Malformed:
            return "DIFFERS"

    def part_bytes(self, part, path, most):
        not_longer(part, path, most)
        pieces = self.part_pieces(part)
        return None if pieces is None else b"".join(pieces[1])

    def part_digest(self, part, path):
        pieces = self.part_pieces(part)
        return None if pieces is None else digest_of(pieces[1])

    def part_pieces(self, part):
        """(salt, pieces) of a payload; None when it was erased or never there."""
        row = list(self.walk("SELECT salt, spool FROM part WHERE seq = ? AND name = ? LIMIT 1", "oo", part.seq, part.name))
        if not row or row[0] == (None, None):
            return None
        salt, spool = row[0]
        good = type(salt) is bytes and len(salt) == 32 and spool is not None
        return salt if good else b"", self.chunks(spool if good else b"", part.size)

    def chunks(self, spool, size):
        taken = 0
        chunks = self.walk("SELECT n, bytes FROM chunk WHERE spool = ? AND length(bytes) <= 1048576 ORDER BY n", "ib", spool)
        for wanted, (n, data) in enumerate(chunks):
            taken += len(data)
            demand(n == wanted and taken <= size, "chunks out of place")
            yield data

    def signatures(self):
        for kind, n, key, data in self.walk("SELECT kind, n, key, bytes FROM signature WHERE length(bytes) <= 65536 AND"
                                            " (kind = 'checkpoint' OR (kind = 'task' AND n < 9223372036854775807)) ORDER BY kind, n, key", "titb"):
            n = n if n >= 0 else U64
            yield f"sig/{kind}.{n}.{key}.sig", kind, n, key, data

    def stamps(self):
        for size, name, reply in self.walk("SELECT size, name, bytes FROM anchor WHERE length(bytes) <= 1048576 ORDER BY size, name", "itb"):
            file = f"ledger/anchors/{size if size >= 0 else U64}-{name}"
            if stamped_size(file) is not None:
                yield file, stamped_size(file), reply


def open_held(path):
    """What lies at a path: an archive, an unpacked folder, or a ledger."""
    if os.path.isdir(path):
        return Folder(path)
    with open(path, "rb") as file:
        magic = file.read(16)
    return Ledger(path) if magic == b"SQLite format 3\0" else Archive(path)


# ---------------------------------------------------------------------------------------------------------------------- the stages

class Options:
    """What the verifier brings along. Nothing of it comes from what is verified."""

    def __init__(self, signers=None, revoked=(), anchors=(), expect=None, expect_size=None, expect_root=None, at=None, run=None,
                 against=None, times=None, policy=None, tsa_ca=None):
        self.signers = signers  # list of Signer; None: INTEGRITY-ONLY at most
        self.revoked = revoked  # keys that are no longer accepted
        self.anchors = anchors  # (ledger_id, size, root) that somebody else held
        self.expect = expect  # (ledger_id, run or None) that this must be
        self.expect_size, self.expect_root = expect_size, expect_root
        self.at = at or datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        self.times = times or {}  # file of a signature -> when a time stamp proves it was made
        self.policy = policy  # the bytes of the ledger.toml that the run must have been opened with
        self.tsa_ca = tsa_ca  # a file of certificates of the authorities whose time stamps count; without it, time stamps are not examined
        self.against = against  # (ledger_id, leaves) of another copy of the ledger
        self.run = run  # of a ledger: the run whose decision is judged


def cut(entries, run):
    """N(run): the entries that reports and sign-offs are over. 0: no such run."""
    return max((e.seq + 1 for e in entries if e.run == run and e.kind not in ("published", "decision", "part.redacted")), default=0)


def end(entries, run):
    """T(run): the entries that a package of the run holds."""
    return max((e.seq + 1 for e in entries if e.run == run), default=0)


class Verification:
    STAGES = ("archive", "files", "entries", "head", "anchors", "parts", "signatures", "decision")

    def __init__(self, path, options):
        self.options, self.path, self.held, self.what = options, path, None, "package"
        self.id, self.run, self.entries, self.tree = None, None, [], Tree()
        self.placed = []  # (path, part), in entry order
        self.placed_in, self.published_at = {}, {}  # the same by entry, and those of reports by the size that they were published at
        self.absent, self.findings, self.facts, self.signoffs = [], [], [], []
        self.stamps = []  # (file, size, time) of time stamps that hold
        self.salts, self.withheld = {}, set()
        self.workers, self.worker_keys = set(), set()
        self.signed, self.revoked = [], {}  # (role, principal, key) for this run; key -> the entry that took it away
        self.decision = None
        self.results, self.fault, self.verdict = {stage: "not-reached" for stage in self.STAGES}, None, None

    def judge(self):
        for stage in self.STAGES:
            try:
                getattr(self, "check_" + stage)()
                self.results[stage] = "holds"
            except Fault as fault:
                self.results[stage], self.fault = "fault", fault
                break
        self.verdict = self.fault.word if self.fault else "INTEGRITY-ONLY" if self.options.signers is None else "VERIFIED"

    @property
    def is_package(self):
        return self.what == "package"

    # -- archive: one way to read it, and the digest beside it

    def check_archive(self):
        with open(self.path, "rb") if not os.path.isdir(self.path) else os.scandir(self.path) as file:
            if not os.path.isdir(self.path) and file.read(16) == b"SQLite format 3\0":
                self.what = "ledger"
        self.held = open_held(self.path)

    # -- files: exactly those that SHA256SUMS lists, each with its digest

    def check_files(self):
        if not self.is_package:
            return
        sums = self.parse_sums(self.held.text("SHA256SUMS"))
        for name in self.held.names:
            if name != "SHA256SUMS" and name not in sums:
                raise Fault(f"EXTRA({name})", f"{name} is in no list of this package")
        there = set(self.held.names)
        for name in sums:
            if name not in there:
                raise Fault(f"MISSING({name})", f"{name} is listed in SHA256SUMS and is not here")
        for name, digest in sums.items():
            hasher = hashlib.sha256()
            for piece in self.held.pieces(name) or ():
                hasher.update(piece)
            if hasher.hexdigest() != digest:
                raise Fault(f"EDITED({name})", f"{name} is not what SHA256SUMS lists")

    @staticmethod
    def parse_sums(text):
        sums, last = {}, ""
        for line in lines_of(text, "SHA256SUMS"):
            found = re.fullmatch(r"([0-9a-f]{64})  (.*)", line)
            if not found or not is_name(found[2]) or found[2] <= last:
                raise Fault("EDITED(SHA256SUMS)", "SHA256SUMS is not of its one form")
            last = found[2]
            sums[last] = found[1]
        return sums

    # -- entries: grammar, place and hash of each, in this order

    def check_entries(self):
        entries, tree, ledger_id, prev = [], Tree(), None, None
        runs, attempts, last_ts, findings = set(), {}, "", []
        for n, (seq, raw, its_prev, its_leaf) in enumerate(self.held.rows()):
            entry = self.read_entry(n, seq, raw)
            if seq != n:
                raise Fault(f"GAP({n})", f"entry {seq} stands where entry {n} belongs")
            if n == 0:
                ledger_id = bytes.fromhex(entry.body["ledger_id"])
                prev = genesis(ledger_id)
            if its_prev != prev:
                raise Fault(f"GAP({n})", f"entry {n} does not follow the entry before it")
            if leaf_hash(ledger_id, n, prev, raw) != its_leaf:
                raise Fault(f"EDITED({n})", f"entry {n} is not what was hashed")
            prev = its_leaf
            tree.push(its_leaf)
            if entry.ts < last_ts:
                findings.append(f"CLOCK({n}): entry {n} is dated before the entry it follows")
            last_ts = entry.ts
            if entry.run is not None:
                if (entry.kind == "run.opened") != (entry.run not in runs):
                    raise Fault(f"MALFORMED({n})", f"run {entry.run} is opened by its first entry, once")
                runs.add(entry.run)
            if entry.kind == "task.started":
                wanted = attempts.get((entry.run, entry.task), 0) + 1
                if entry.attempt != wanted:
                    raise Fault(f"ATTEMPT-GAP({entry.task})", f"entry {n} is no attempt {wanted} of {entry.task}")
                attempts[entry.run, entry.task] = wanted
            entries.append(entry)
        if not entries:
            raise Fault("MALFORMED(0)", "no entry")
        self.id, self.entries, self.tree = ledger_id, entries, tree
        self.findings += findings

    @staticmethod
    def read_entry(n, seq, raw):
        try:
            return Entry(n, raw)
        except Malformed as error:
            if seq != n:
                try:
                    # Shape depends on the place (entry 0 is ledger.opened): a removed first entry is a gap, not bad grammar.
                    Entry(seq, raw)
                    raise Fault(f"GAP({n})", f"entry {seq} stands where entry {n} belongs")
                except Malformed:
                    pass
            raise Fault(f"MALFORMED({n})", f"header of entry {n}: {error}") from None

    # -- head: size and root as the package's own files say

    def check_head(self):
        if self.is_package:
            self.check_manifest()
            for name in self.held.names:
                if name.startswith("ledger/checkpoints/"):
                    checkpoint = parse_checkpoint(self.held.text(name))
                    if checkpoint is None or name != f"ledger/checkpoints/{checkpoint[1]}":
                        raise Fault(f"EDITED({name})", f"{name} is not a checkpoint of its size")
                    self.check_on_this_history(name, checkpoint)
        else:
            opened = [entry.run for entry in self.entries if entry.kind == "run.opened"]
            self.run = self.options.run if self.options.run is not None else opened[-1] if opened else None
            if self.options.run is not None and end(self.entries, self.run) == 0:
                raise Fault("WRONG-LEDGER", f"this ledger has no run {self.run}")
        if self.options.expect:
            ledger_id, run = self.options.expect
            if ledger_id != self.id or (run is not None and (end(self.entries, run) == 0 or (self.is_package and run != self.run))):
                raise Fault("WRONG-LEDGER", "this is not the ledger or run that you expect")
        self.placed = self.place()
        for item in self.placed:
            self.placed_in.setdefault(item[1].seq, []).append(item)
            if item[1].entry.published:
                self.published_at.setdefault(item[1].entry.published[0], []).append(item)

    def check_manifest(self):
        raw = self.held.small("manifest.json")
        try:
            manifest = read_json(raw if raw is not None else b"", HEADER_MAX, HEADER_KEY)
            demand(set(manifest) == {"cut", "ledger_id", "root", "run", "size", "v"} and type(manifest["v"]) is int and manifest["v"] == 1
                   and type(manifest["cut"]) is dict and set(manifest["cut"]) == {"root", "size"}, "its members")
            sizes, roots = (manifest["size"], manifest["cut"]["size"]), (manifest["root"], manifest["cut"]["root"])
            demand(all(map(is_natural, sizes)) and all(is_hex(root, 64) for root in roots) and type(manifest["run"]) is str
                   and is_hex(manifest["ledger_id"], 32), "its values")
        except Malformed:
            raise Fault("EDITED(manifest.json)", "manifest.json is missing or not of its one form") from None
        self.run = manifest["run"] or None
        here, (t, n) = self.tree.size, sizes
        if manifest["ledger_id"] != self.id.hex():
            raise Fault("WRONG-LEDGER", "the manifest is another ledger's")
        if t > here:
            raise Fault("TRUNCATED", f"the manifest speaks of {t} entries; {here} are here")
        if cut(self.entries, self.run) == 0 or self.run is None:
            raise Fault("WRONG-LEDGER", f"the entries have no run {manifest['run']}")
        if (n, t) != (cut(self.entries, self.run), end(self.entries, self.run)) or t != here:
            raise Fault("EDITED(manifest.json)", "the manifest gives the run another state or another last entry")
        if (self.tree.root_at(t).hex(), self.tree.root_at(n).hex()) != roots:
            raise Fault("REWRITTEN", "the entries have another root than the manifest says")

    def check_on_this_history(self, what, checkpoint):
        ledger_id, size, root = checkpoint
        if ledger_id != self.id:
            raise Fault("WRONG-LEDGER", f"{what} is another ledger's")
        here = self.tree.root_at(size)
        if here is None:
            raise Fault("TRUNCATED", f"{what} knows {size} entries; {self.tree.size} are here")
        if here != root:
            raise Fault("REWRITTEN", f"{what} holds another root of the first {size} entries")

    def place(self):
        """Where each part lies: in a package those of this run or of no run. Where several name one path, the newest entry's lie there and
        older ones at their default path. A ledger holds all parts, under the names that they would have."""
        entries = [e for e in self.entries if not self.is_package or e.run is None or e.run == self.run]
        newest = {part.path.lower(): entry.seq for entry in entries for part in entry.parts if part.path}
        return [(part.path if part.path and (not self.is_package or newest[part.path.lower()] == part.seq) else part.default_path, part)
                for entry in entries for part in entry.parts]

    # -- anchors: heads that others held

    def check_anchors(self):
        for checkpoint in self.options.anchors:
            self.check_on_this_history("an anchor", checkpoint)
        size, root = self.options.expect_size, self.options.expect_root
        if size is not None or root is not None:
            size = self.tree.size if size is None else size
            self.check_on_this_history("your expectation", (self.id, size, self.tree.root_at(size) if root is None else root))
        if self.options.against is not None:
            ledger_id, leaves = self.options.against
            if ledger_id != self.id:
                raise Fault("WRONG-LEDGER", "what this is compared with is another ledger")
            for seq, (here, there) in enumerate(zip(self.tree.levels[0], leaves)):
                if here != there:
                    raise Fault(f"FORKED({seq})", f"the other copy has another entry {seq}: two histories of one ledger")
        self.check_stamps()

    def check_stamps(self):
        """Time stamps of heads that lie in here, by authorities that the verifier trusts."""
        stamps = list(self.held.stamps())
        if self.options.tsa_ca is None:
            if stamps:
                self.findings.append(f"time stamps kept: {len(stamps)}, not examined without certificates of their authorities (--tsa-ca)")
            return
        for file, size, reply in stamps:
            root = self.tree.root_at(size)
            if root is None:
                raise Fault("TRUNCATED", f"{file} stamps a head of {size} entries; {self.tree.size} are here")
            time, why = stamped_at(checkpoint_text(self.id, size, root).encode(), reply, self.options.tsa_ca)
            if time is None:
                raise Fault(f"BAD-TIMESTAMP({file})", f"by the certificates that you gave, {file} does not hold: {why}")
            self.stamps.append((file, size, time))
        if not self.stamps:
            self.findings.append("no time stamp is kept here")

    def stamped(self, seq):
        """When entry `seq` was there at the latest: the earliest time stamp of a head that covers it, where that is before the verifier's time."""
        earliest = min((time for _, size, time in self.stamps if size > seq), default=None)
        return earliest if earliest and to_microseconds(earliest) < to_microseconds(self.options.at) else None

    # -- parts: every file is explained by an entry, and every payload is what its entry commits to

    def check_parts(self):
        if self.is_package:
            self.read_lists()
            self.check_names()
        redacted = {(e.body["seq"], e.body["part"]) for e in self.entries if e.kind == "part.redacted" and self.is_ours(e)}
        for path, part in self.placed:
            state = self.held.part_state(part, path, self.salts, self.withheld)
            if state == "DIFFERS" and path.startswith("report/"):
                raise Fault(f"REPORT-MISMATCH({path})", f"{path} is not the report that entry {part.seq} published")
            if state == "DIFFERS":
                raise Fault(f"EDITED({path})", f"{path} is not what entry {part.seq} commits to")
            if state == "ABSENT" and (part.seq, part.name) in redacted:
                state = "REDACTED"
            if state in ("WITHHELD", "REDACTED"):
                self.absent.append((path, state))
            elif state == "ABSENT" and path.startswith("sig/"):
                raise Fault(f"UNSIGNED({part.seq})", f"{path} is gone")
            elif state == "ABSENT":
                raise Fault(f"MISSING({path})", f"entry {part.seq} names {path}, which is not here")
        for entry in self.entries:
            if entry.published and self.tree.root_at(entry.published[0]) != entry.published[1]:
                raise Fault(f"REPORT-MISMATCH({entry.seq})", "a report was published over another history")
        self.compare_signers()

    def is_ours(self, entry):
        return not self.is_package or entry.run is None or entry.run == self.run

    def read_lists(self):
        """ledger/salts and ledger/withheld: parts of this package, each at most once, in entry order."""
        order = {(part.seq, part.name): i for i, (_, part) in enumerate(self.placed)}
        for file, pattern in (("ledger/salts", r"(0|[1-9][0-9]*) ([^ ]+) ([0-9a-f]{64})"), ("ledger/withheld", r"(0|[1-9][0-9]*) ([^ ]+)")):
            last = -1
            for line in lines_of(self.held.text(file), file):
                found = re.fullmatch(pattern, line)
                place = order.get((int(found[1]), found[2]), -1) if found and len(found[1]) <= 20 else -1
                if place <= last:
                    raise Fault(f"EDITED({file})", f"{file} does not list this run's parts in entry order")
                last = place
                if file == "ledger/salts":
                    self.salts[int(found[1]), found[2]] = bytes.fromhex(found[3])
                else:
                    self.withheld.add((int(found[1]), found[2]))
        both = self.withheld & set(self.salts)
        if both:
            raise Fault("EDITED(ledger/withheld)", f"{sorted(both)[0]} is both there and withheld")

    def check_names(self):
        fixed = ["VERIFY.md", "manifest.json", "SHA256SUMS", "ledger/entries.jsonl", "ledger/salts", "ledger/withheld"]
        parts = {path for path, part in self.placed if (part.seq, part.name) in self.salts}
        for name in self.held.names:
            known = name in fixed or name in parts or name == "tools/verify.py" or name.startswith(("ledger/checkpoints/", "ledger/anchors/"))
            if not known and not signature_name(name):
                raise Fault(f"EXTRA({name})", f"no entry names {name}")
        there = set(self.held.names)
        for name in [*fixed, f"ledger/checkpoints/{self.tree.size}"]:
            if name not in there:
                raise Fault(f"MISSING({name})", f"the package has no {name}")

    def compare_signers(self):
        """Whether the run was opened with the verifier's policy, where one was brought; and whether with other signers than the verifier
        trusts, which is to be known and no fault."""
        if self.options.policy is not None:
            own = [item for item in self.placed if item[1].path == "trust/ledger.toml" and item[1].entry.run == self.run]
            same_size = own and own[0][1].size == len(self.options.policy)
            if not same_size or self.held.part_bytes(own[0][1], own[0][0], own[0][1].size) != self.options.policy:
                raise Fault("POLICY-MISMATCH", f"run {self.run} was opened with another ledger.toml than yours")
        if self.options.signers is None:
            return
        theirs = [item for item in self.placed if item[1].path == "trust/allowed_signers.UNTRUSTED"]
        if theirs:
            path, part = theirs[-1]
            raw = self.held.part_bytes(part, path, SMALL) if part.size <= SMALL else None
            try:
                same = raw is not None and parse_signers(raw) == self.options.signers
            except Fault:
                same = False
            if not same:
                self.findings.append("SIGNERS-DIFFER: the run was opened with other allowed_signers than yours")

    # -- signatures: statements in entry order, then those beside the chain, then the package's own

    def check_signatures(self):
        for entry in self.entries:
            if entry.statement_kind and self.is_ours(entry):
                self.check_statement(entry)
        opened = next((e.seq for e in self.entries if e.run == self.run), None) if self.run else None
        for file, kind, number, its_key, raw in self.held.signatures():
            if kind == "task":
                if number >= len(self.entries) or self.entries[number].kind != "task.result":
                    raise Fault(f"BAD-SIGNATURE({file})", "it is over an entry that is no task's result")
                message = f"ledger/task/v1\n{self.id.hex()}\n{number}\n{self.tree.levels[0][number].hex()}\n"
            else:
                root = self.tree.root_at(number)
                if root is None:
                    raise Fault("TRUNCATED", f"{file} signs a head of {number} entries; {self.tree.size} are here")
                message = checkpoint_text(self.id, number, root)
            key = self.signed_by(file, raw, f"{kind}@ledger", message.encode())
            if key_id(key) != its_key:
                raise Fault(f"BAD-SIGNATURE({file})", "its name is another key's")
            principal = self.trust(file, key, f"{kind}@ledger", number)
            if self.entries[number].run == self.run if kind == "task" else opened is not None and opened < number:
                self.signed.append((kind, principal, key))
            self.worked(principal, key)
        if isinstance(self.held, Archive):
            file = f"{self.held.name}.sig"
            if self.held.sig is None:
                raise Fault(f"UNSIGNED({self.held.name})", f"there is no {file}")
            key = self.signed_by(file, self.held.sig, "package@ledger", self.held.sha256)
            self.worked(self.trust(file, key, "package@ledger", self.tree.size), key)

    def check_statement(self, entry):
        seq, kind = entry.seq, entry.statement_kind
        held = {part.name: (path, part) for path, part in self.placed_in.get(seq, ())}
        if "statement.json" not in held or "statement.sig" not in held:
            raise Fault(f"UNSIGNED({seq})", f"the {kind} in entry {seq} carries no signed statement")
        (file, part), (sig_file, sig_part) = held["statement.json"], held["statement.sig"]
        raw, signature = self.held.part_bytes(part, file, STATEMENT_MAX), self.held.part_bytes(sig_part, sig_file, STATEMENT_MAX)
        if raw is None or signature is None:
            raise Fault(f"UNSIGNED({seq})", f"the statement of entry {seq}, or its signature, is gone")
        try:
            statement = Statement(raw)
        except WrongType as error:
            raise Fault(f"WRONG-TYPE({file})", str(error)) from None
        except Malformed as error:
            raise Fault(f"MALFORMED({seq})", f"{file}: {error}") from None
        if statement.kind != kind:
            raise Fault(f"WRONG-TYPE({file})", f"a {statement.kind} stands where a {kind} belongs")
        if statement.ledger_id != self.id or (entry.run is not None and statement.run != entry.run):
            raise Fault("WRONG-LEDGER", f"{file} speaks of another ledger or run")
        # Signed before its entry was appended, so over at most the entries before it.
        root = self.tree.root_at(statement.size) if statement.size <= seq else None
        if root is None:
            raise Fault(f"MALFORMED({seq})", f"{file} is over {statement.size} entries, but is itself entry {seq}")
        if sha256(checkpoint_text(self.id, statement.size, root).encode()) != statement.checkpoint:
            raise Fault("REWRITTEN", f"{file} was signed over another history of {statement.size} entries")
        try:
            namespace = parse_signature(signature)[1]
        except Refused as error:
            raise Fault(f"BAD-SIGNATURE({sig_file})", str(error)) from None
        if namespace != f"{kind}@ledger":
            raise Fault(f"WRONG-ROLE({statement.principal})", f"{sig_file} is signed under {namespace}")
        key = self.signed_by(sig_file, signature, namespace, raw)
        self.check_subjects(statement, file)
        erases = statement.predicate.get("seq"), statement.predicate.get("part")
        if entry.kind == "part.redacted" and (not is_natural(erases[0]) or erases != (entry.body["seq"], entry.body["part"])):
            raise Fault(f"MALFORMED({seq})", f"{file} is signed over another part than entry {seq} says it erases")
        line = (statement.text("key") or "").split(" ")
        changed = parse_key(line[1]) if line[0] == "ssh-ed25519" and len(line) > 1 else None
        if kind == "keys" and (changed is None or f"key.{statement.text('change')}" != entry.kind):
            raise Fault(f"MALFORMED({seq})", f"{file} does not say which key a {entry.kind} is about")
        principal = self.trust(sig_file, key, namespace, seq, self.stamped(seq))
        if principal is not None and principal != statement.principal:
            raise Fault(f"WRONG-ROLE({statement.principal})", f"{sig_file} is signed with the key of another principal")
        if statement.run == self.run:
            self.signed.append((kind, principal, key))
        if entry.kind == "key.revoked" and principal is not None:
            self.revoked.setdefault(changed, seq)
        if entry.kind == "decision" and entry.run == self.run:
            if statement.text("decision") not in ("go", "no-go"):
                raise Fault(f"MALFORMED({seq})", f"{file} decides neither go nor no-go")
            if "valid_until" in statement.predicate and not is_timestamp(statement.predicate["valid_until"]):
                raise Fault(f"MALFORMED({seq})", f"the valid_until of {file} is no time of the format")
            self.signoffs.append(Signoff(seq, statement, key))

    def check_subjects(self, statement, file):
        """The files that a statement names besides the checkpoint are report files published over the same state; a sign-off names all."""
        published = self.published_at.get(statement.size, ())
        for name, digest in statement.subjects:
            found = [item for item in published if item[1].path == name]
            if not found:
                raise Fault(f"REPORT-MISMATCH({name})", f"{file} is over a report that was not published at {statement.size}")
            path, part = found[-1]
            if self.held.part_digest(part, path) not in (None, digest):
                raise Fault(f"REPORT-MISMATCH({name})", f"{file} was signed over another {name}")
        if statement.kind == "signoff":
            named = {name for name, _ in statement.subjects}
            for path, part in published:
                if part.entry.run == self.run and part.path not in named:
                    raise Fault(f"REPORT-MISMATCH({path})", f"{file} leaves {path} out of what it signs")

    @staticmethod
    def signed_by(file, raw, namespace, message):
        try:
            return check_signature(raw, namespace, message)
        except Refused as error:
            raise Fault(f"BAD-SIGNATURE({file})", str(error)) from None

    def trust(self, file, key, namespace, place=0, stamped=None):
        """The principal by the verifier's own file, or a fault; None when no file was given. The signature was made when the ledger had at
        least `place` entries, so that a revocation before it counts; and at the latest at `stamped`, where a time stamp covers it."""
        principal = None
        if self.options.signers is not None:
            if key in self.options.revoked:
                raise Fault(f"KEY-REVOKED({file})", f"the key {fingerprint(key)} is on your list of revoked keys")
            signer = next((signer for signer in self.options.signers if signer.key == key), None)
            if signer is None:
                raise Fault(f"UNTRUSTED-KEY({file})", f"your allowed_signers does not know {fingerprint(key)}")
            if namespace not in signer.namespaces:
                raise Fault(f"WRONG-ROLE({signer.principal})", f"{file}: this key may not sign under {namespace}")
            time = self.options.times.get(file, stamped or self.options.at)
            at = re.sub(r"[^0-9]", "", time[:19])
            if (signer.after and at < signer.after) or (signer.before and at > signer.before):
                raise Fault(f"KEY-EXPIRED({file})", f"the key of {signer.principal} is not valid at {time}")
            if self.revoked.get(key, place) < place:
                raise Fault(f"KEY-REVOKED({file})", f"entry {self.revoked[key]} took the key {fingerprint(key)} away")
            principal = signer.principal
        self.facts.append((file, namespace, fingerprint(key), principal))
        return principal

    def worked(self, principal, key):
        self.workers |= {principal} - {None}
        self.worker_keys.add(key)

    # -- decision: no fault, but the word that matters

    def check_decision(self):
        if self.run is None:
            return
        acted = ("run.opened", "task.started", "task.result", "note")
        self.workers |= {entry.actor for entry in self.entries if entry.run == self.run and entry.kind in acted}
        if self.options.signers is None:
            return
        rules = self.policy()
        if rules is None:
            self.decision = "MISSING(policy)"
            return
        for signoff in self.signoffs:
            self.limit_age(signoff, rules)
        for role, principal, key in self.signed:
            if role in rules.apart_from:
                self.worked(principal, key)
        signed = lambda role: len({principal for its, principal, _ in self.signed if its == role and principal is not None})
        missing = next((role for role, wanted in sorted(rules.required.items()) if signed(role) < wanted), None)
        self.decision = self.weigh(rules.sign_offs, missing)

    def policy(self):
        """The rules of the run's own ledger.toml: they can only add. None where that was erased: nobody can say what the policy was."""
        for path, part in self.placed:
            if part.path == "trust/ledger.toml" and part.entry.run == self.run:
                raw = self.held.part_bytes(part, path, POLICY_MAX)
                if raw is None:
                    return None
                try:
                    policy = Toml(raw.decode("utf-8")).read().get("policy", {})
                except (ValueError, RecursionError):
                    raise Fault(f"MALFORMED({part.seq})", f"{path} is not TOML") from None
                return Rules(policy)
        return Rules({})

    def limit_age(self, signoff, rules):
        """A sign-off made when the evidence it is over was older than the policy allows has expired; so has one that is itself too old."""
        def after(ts, hours):
            try:
                return moment(ts) + datetime.timedelta(hours=hours) if hours > 0 else None
            except OverflowError:
                return None

        last = [entry.ts for entry in self.entries if entry.run == self.run and entry.seq < signoff.size]
        decided = self.entries[signoff.seq].ts
        stale = after(last[-1], rules.evidence_max_age) if last else None
        for limit in (stale if stale is not None and moment(decided) > stale else None, after(decided, rules.decision_max_age)):
            if limit is not None:
                limit = limit.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
                signoff.valid_until = min(signoff.valid_until or limit, limit)

    def weigh(self, needed, missing):
        n = cut(self.entries, self.run)
        over_n = [signoff for signoff in self.signoffs if signoff.size == n]
        if any(not signoff.go for signoff in over_n):
            return "DENIED"

        def violation(signoff):
            if signoff.principal in self.workers:
                return f"SOD-VIOLATION({signoff.principal} took part in the work)"
            if signoff.key in self.worker_keys:
                return f"SOD-VIOLATION(the key of {signoff.principal} signed for the work)"
            return None

        now = to_microseconds(self.options.at)
        expired = [s for s in over_n if s.valid_until is not None and s.valid_until < now]
        counted = [s for s in over_n if not violation(s) and s not in expired]
        if min(len({s.principal for s in counted}), len({s.key for s in counted})) >= needed:
            return "APPROVED" if missing is None else f"MISSING({missing})"
        violations = [violation(s) for s in over_n if violation(s)]
        if violations:
            return violations[0]
        if expired:
            return "EXPIRED"
        return "STALE" if self.signoffs and not over_n else "MISSING(signoff)"

    # -- what was found

    def as_dict(self):
        """The same members as `ledger verify --message-format json`, but for the stages' notes."""
        found = self.tree.size > 0
        n = cut(self.entries, self.run) if self.run else 0
        recorded = [entry.verdict for entry in self.entries if entry.run == self.run and entry.verdict is not None] if self.run else []
        return {
            "schema": "ledger.verification/1", "path": self.path, "what": self.what, "verdict": self.verdict,
            "fault": {"word": self.fault.word, "why": self.fault.why} if self.fault else None,
            "ledger_id": self.id.hex() if found else None, "run": self.run, "size": self.tree.size,
            "root": self.tree.root_at(self.tree.size).hex() if found else None, "cut": n or None,
            "recorded_verdict": recorded[-1] if recorded else None, "decision": self.decision,
            "stages": [{"stage": stage, "result": result} for stage, result in self.results.items()],
            "signatures": [dict(zip(("file", "namespace", "fingerprint", "principal"), fact)) for fact in self.facts],
            "stamps": [dict(zip(("file", "size", "time"), stamp)) for stamp in self.stamps],
            "absent": [{"path": path, "word": word} for path, word in self.absent], "findings": self.findings,
        }


class Proof(Verification):
    """One entry without the rest, as `ledger prove` writes it: canonical JSON {checkpoint, header, ledger_id, path, prev, seq, v[, signature]}."""

    STAGES = ("entry", "anchors", "signatures")

    def __init__(self, path, options):
        super().__init__(path, options)
        self.what, self.vouched, self.checkpoint = "proof", False, None

    def check_entry(self):
        with open(self.path, "rb") as file:
            raw = file.read(STATEMENT_MAX + 2)
        try:
            proof = read_json(raw, STATEMENT_MAX, STATEMENT_KEY)
            members = {"checkpoint", "header", "ledger_id", "path", "prev", "seq", "v"}
            demand(members <= set(proof) <= members | {"signature"} and type(proof["v"]) is int and proof["v"] == 1, "its members")
            demand(is_hex(proof["ledger_id"], 32) and is_natural(proof["seq"]) and is_hex(proof["prev"], 64) and type(proof["path"]) is list
                   and all(is_hex(step, 64) for step in proof["path"]), "its values")
            texts = [proof["header"], proof["checkpoint"], proof.get("signature", "")]
            demand(all(type(text) is str for text in texts), "its texts")
            checkpoint = parse_checkpoint(proof["checkpoint"])
            demand(checkpoint is not None, "its checkpoint")
        except Malformed:
            raise Fault("MALFORMED-PROOF", "not a proof of an entry in its one form") from None
        seq, ledger_id, raw = proof["seq"], bytes.fromhex(proof["ledger_id"]), proof["header"].encode()
        try:
            entry = Entry(seq, raw)
        except Malformed as error:
            raise Fault(f"MALFORMED({seq})", f"header of entry {seq}: {error}") from None
        if checkpoint[0] != ledger_id:
            raise Fault("WRONG-LEDGER", "the checkpoint is another ledger's")
        if seq == 0 and entry.body["ledger_id"] != ledger_id.hex():
            raise Fault("WRONG-LEDGER", "entry 0 opens another ledger")
        leaf = leaf_hash(ledger_id, seq, bytes.fromhex(proof["prev"]), raw)
        if root_by_path(leaf, seq, checkpoint[1], [bytes.fromhex(step) for step in proof["path"]]) != checkpoint[2]:
            raise Fault(f"EDITED({seq})", f"entry {seq} is not what the checkpoint's root was made of")
        self.id, self.run, self.checkpoint, self.signature = ledger_id, entry.run, checkpoint, proof.get("signature")

    def check_anchors(self):
        ledger_id, size, root = self.checkpoint
        if self.options.expect and (self.options.expect[0] != ledger_id or self.options.expect[1] not in (None, self.run)):
            raise Fault("WRONG-LEDGER", "this is not the ledger or run that you expect")
        for its_id, its_size, its_root in self.options.anchors:
            if its_id != ledger_id:
                raise Fault("WRONG-LEDGER", "an anchor is another ledger's")
            if its_size == size and its_root != root:
                raise Fault("REWRITTEN", f"an anchor holds another root of the first {size} entries")
            self.vouched |= its_size == size
            if its_size != size:
                self.findings.append(f"an anchor over {its_size} entries says nothing about a proof over {size}")
        wanted, head = self.options.expect_size, self.options.expect_root
        if wanted not in (None, size) or head not in (None, root):
            raise Fault("REWRITTEN", "you expect another size or root than the checkpoint's")
        self.vouched |= head is not None

    def check_signatures(self):
        if self.signature is None:
            if self.options.signers is not None and not self.vouched:
                raise Fault("UNSIGNED(checkpoint)", "nobody signed the checkpoint, and no anchor of its size was given")
            return
        key = self.signed_by("checkpoint", self.signature.encode(), "checkpoint@ledger", checkpoint_text(*self.checkpoint).encode())
        self.vouched |= self.trust("checkpoint", key, "checkpoint@ledger") is not None

    def judge(self):
        super().judge()
        if self.fault is None:
            self.verdict = "VERIFIED" if self.vouched else "INTEGRITY-ONLY"

    def as_dict(self):
        _, size, root = self.checkpoint or (None, 0, None)
        head = {"ledger_id": self.id and self.id.hex(), "size": size, "root": root and root.hex()}
        return {**super().as_dict(), **head}


def root_by_path(leaf, index, size, path):
    """The root that an inclusion proof leads to (RFC 9162, 2.1.3.2), or None."""
    first, last, root = index, size - 1, leaf
    if index >= size:
        return None
    for step in path:
        if last == 0:
            return None
        if first & 1 or first == last:
            root = sha256(b"\1", step, root)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            root = sha256(b"\1", root, step)
        first, last = first >> 1, last >> 1
    return root if last == 0 else None


class Chain(Verification):
    """A package or ledger as far as its entries: what a comparison needs."""

    STAGES = ("archive", "entries")


def leaves_of(path):
    found = verify(path, Options(), Chain)
    if found.what == "proof":
        raise Unreadable(f"{path} is one entry's proof: give a package or a ledger")
    if found.fault:
        raise Unreadable(f"{path} cannot be compared with: {found.fault}")
    return found.id, found.tree.levels[0]


def is_proof(path):
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        return file.read(2) == b'{"'


class Rules:
    """[policy] of ledger.toml, as far as the decision goes. What is of another type is not there."""

    def __init__(self, table):
        table = table if type(table) is dict else {}
        number = lambda name, default: table[name] if type(table.get(name)) is int else default
        count = lambda n: n if 0 <= n < 2**32 else 2**32
        self.sign_offs = max(1, count(number("sign-offs", 1)))
        self.evidence_max_age, self.decision_max_age = number("evidence-max-age-hours", 0), number("decision-max-age-hours", 0)
        required, apart = table.get("required"), table.get("apart-from")
        self.required = {role: count(n) for role, n in (required if type(required) is dict else {}).items() if type(n) is int}
        self.apart_from = {role for role in (apart if type(apart) is list else []) if type(role) is str}


class Signoff:
    def __init__(self, seq, statement, key):
        self.seq, self.principal, self.key, self.size = seq, statement.principal, key, statement.size
        self.go, self.valid_until = statement.text("decision") == "go", statement.text("valid_until")


def lines_of(text, file):
    """The lines of a text that is empty or ends with a newline."""
    if text and not text.endswith("\n"):
        raise Fault(f"EDITED({file})", f"{file} does not end with a newline")
    return text.split("\n")[:-1]


# -------------------------------------------------------------------------------------------------------------------- command line

def verify(path, options, kind=Verification):
    """Verifies what lies at a path. Raises Unreadable when it could not be looked at."""
    try:
        found = (Proof if is_proof(path) else kind)(path, options)
    except OSError as error:
        raise Unreadable(str(error)) from None
    try:
        found.judge()
    except OSError as error:
        raise Unreadable(str(error)) from None
    finally:
        if found.held:
            found.held.close()
    return found


def human(found):
    """A text for people. Nothing in it can move a terminal's cursor or turn its text around."""
    told = found.as_dict()
    lines = [f"{found.verdict}  {found.what} {found.path}"]
    lines += [f"{label:>12}  {value}" for label, value in [
        ("fault", found.fault.why if found.fault else None), ("ledger", told["ledger_id"]), ("entries", told["size"] or None),
        ("root", told["root"]), ("run", found.run),
        ("verdict", told["recorded_verdict"] and f"{told['recorded_verdict']}, as the run recorded it"), ("decision", found.decision),
    ] if value is not None]
    lines += [f"{stage:>12}  {found.fault.word if result == 'fault' else result.replace('-', ' ')}" for stage, result in found.results.items()]
    lines += [f"{'signed':>12}  {file} under {namespace} by {principal or 'somebody whom no file of yours vouches for'}, key {key}"
              for file, namespace, key, principal in found.facts]
    lines += [f"{'stamped':>12}  the head of {size} entries existed at {time} ({file})" for file, size, time in found.stamps]
    lines += [f"{'absent':>12}  {path}: {word}" for path, word in found.absent] + [f"{'note':>12}  {finding}" for finding in found.findings]
    if not found.options.anchors and found.options.expect_root is None and not found.fault:
        lines.append(f"{'note':>12}  a chain alone cannot show that nothing was cut off its end: compare size and root with a head that others hold")
    return "\n".join("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line) for line in lines)


def natural(text):
    if not re.fullmatch(r"\+?[0-9]{1,20}", text) or int(text) > U64:
        raise ValueError(text)
    return int(text)


def arguments(argv):
    parser = argparse.ArgumentParser(prog="verify.py", description="Verify an evidence package (.zip or unpacked), a ledger, or one entry's proof.")
    parser.add_argument("path", help="a package, its unpacked folder, ledger.db, or a proof")
    parser.add_argument("allowed_signers", nargs="?", help="your own file of who may sign what")
    parser.add_argument("--revoked-keys", metavar="FILE", help="public keys that you no longer accept, one a line")
    parser.add_argument("--anchor", metavar="FILE", nargs="+", action="extend", default=[], help="checkpoints that somebody else held")
    parser.add_argument("--expect", metavar="ID[/RUN]", help="the ledger, and the run, that this must be")
    parser.add_argument("--expect-root", metavar="HEX", help="the root that the entries must have")
    parser.add_argument("--expect-size", metavar="N", type=natural, help="the number of entries that --expect-root is over")
    parser.add_argument("--against", metavar="OTHER", help="another copy, or a package of it: the two must be one history")
    parser.add_argument("--tsa-ca", metavar="FILE", help="certificates (PEM) of the time-stamp authorities that you trust; needs openssl in PATH")
    parser.add_argument("--policy", metavar="FILE", help="the ledger.toml that the run must have been opened with, byte for byte")
    parser.add_argument("--time", metavar="FILE=TIME", nargs="+", action="extend", default=[],
                        help="when a signature was made, where a time stamp proves it")
    parser.add_argument("--at", metavar="TIME", help="when keys and decisions are judged, YYYY-MM-DDTHH:MM:SSZ [default: now]")
    parser.add_argument("--run", metavar="RUN", help="of a ledger: the run whose decision is judged [default: the newest]")
    parser.add_argument("--json", action="store_true", help="print what was found as JSON")
    return parser.parse_args(argv)


def is_time(text):
    """YYYY-MM-DDTHH:MM:SSZ, a real time, with at most nine decimals."""
    return re.fullmatch(r"[^.]{19}(\.[0-9]{1,9})?Z", text) is not None and is_timestamp(to_microseconds(text))


def options_of(args):
    """Options from the command line; Unreadable for files and values that are not what they should be."""
    def read(path):
        try:
            with open(path, "rb") as file:
                return file.read()
        except OSError as error:
            raise Unreadable(str(error)) from None

    anchors = []
    for path in args.anchor:
        raw = read(path)
        anchor = parse_checkpoint(raw.decode("utf-8")) if is_utf8(raw) else None
        if anchor is None:
            raise Unreadable(f"{path} is not a checkpoint")
        anchors.append(anchor)
    expect = None
    if args.expect is not None:
        ledger_id, _, run = args.expect.partition("/")
        if not is_hex(ledger_id, 32):
            raise Unreadable("--expect is the ledger's id, 32 hex digits, and perhaps /RUN")
        expect = bytes.fromhex(ledger_id), run if "/" in args.expect else None
    if args.expect_root is not None and not is_hex(args.expect_root, 64):
        raise Unreadable("--expect-root is the whole root, 64 lower-case hex digits")
    times = dict(given.split("=", 1) for given in args.time if "=" in given)
    if len(times) != len(args.time) or not all(map(is_time, times.values())):
        raise Unreadable("--time is FILE=YYYY-MM-DDTHH:MM:SSZ, once for a file")
    if args.at is not None and not is_time(args.at):
        raise Unreadable("--at is YYYY-MM-DDTHH:MM:SSZ")
    return Options(
        signers=parse_signers(read(args.allowed_signers)) if args.allowed_signers else None,
        revoked=parse_revoked(read(args.revoked_keys)) if args.revoked_keys else (),
        anchors=anchors, expect=expect, expect_size=args.expect_size,
        expect_root=bytes.fromhex(args.expect_root) if args.expect_root else None, at=args.at, run=args.run,
        times=times, tsa_ca=args.tsa_ca if args.tsa_ca and read(args.tsa_ca) is not None else None,
        policy=read(args.policy) if args.policy else None, against=leaves_of(args.against) if args.against else None)


def main(argv):
    args = arguments(argv)
    try:
        options = options_of(args)
        found = verify(args.path, options)
    except Unreadable as error:
        print(f"verify.py: {error}", file=sys.stderr)
        return 2
    except Fault as fault:  # of allowed_signers: nothing was looked at, and nothing may be trusted
        print(json.dumps({"verdict": fault.word, "fault": {"word": fault.word, "why": fault.why}}) if args.json else str(fault))
        return 20
    print(json.dumps(found.as_dict()) if args.json else human(found))
    return 20 if found.fault else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
