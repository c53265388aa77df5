"""Answers questions about packages with tools/verify.py, one JSON line each, so that tests import it once and ask it often."""
import importlib.util
import json
import os
import sys

TOOL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "verify.py")
spec = importlib.util.spec_from_file_location("verify", TOOL)
verify = importlib.util.module_from_spec(spec)
sys.dont_write_bytecode = True
spec.loader.exec_module(verify)


def options(asked):
    expect = asked.get("expect")
    return verify.Options(
        signers=None if asked.get("signers") is None else verify.parse_signers(asked["signers"].encode()),
        revoked=verify.parse_revoked("\n".join(asked.get("revoked", [])).encode()),
        anchors=[verify.parse_checkpoint(text) for text in asked.get("anchors", [])],
        expect=None if expect is None else (bytes.fromhex(expect[0]), expect[1]),
        expect_size=asked.get("expect_size"),
        expect_root=None if asked.get("expect_root") is None else bytes.fromhex(asked["expect_root"]),
        times=asked.get("times"), policy=None if asked.get("policy") is None else bytes.fromhex(asked["policy"]),
        against=None if asked.get("against") is None else (bytes.fromhex(asked["against"][0]), [bytes.fromhex(leaf) for leaf in asked["against"][1]]),
        tsa_ca=asked.get("tsa_ca"), at=asked.get("at"), run=asked.get("run"))


def header(asked):
    try:
        verify.Entry(asked["seq"], bytes.fromhex(asked["hex"]))
        return {"good": True}
    except verify.Malformed as error:
        return {"good": False, "why": str(error)}


def signers(asked):
    try:
        return {"signers": [[s.principal, s.namespaces, s.after, s.before, s.key.hex()] for s in verify.parse_signers(bytes.fromhex(asked["hex"]))]}
    except verify.Fault as fault:
        return {"signers": None, "why": fault.why}


def signature(asked):
    try:
        return {"key": verify.check_signature(bytes.fromhex(asked["hex"]), asked["namespace"], bytes.fromhex(asked["message"])).hex()}
    except verify.Refused as error:
        return {"key": None, "why": str(error)}


def statement(asked):
    try:
        return {"kind": verify.Statement(bytes.fromhex(asked["hex"])).kind}
    except verify.WrongType:
        return {"kind": None, "word": "WRONG-TYPE"}
    except verify.Malformed as error:
        return {"kind": None, "word": "MALFORMED", "why": str(error)}


def toml(asked):
    try:
        return {"small": verify.Toml(asked["text"]).read()}
    except (ValueError, RecursionError):
        return {"small": None}


def archive(asked):
    """The structure alone: names, sizes and offsets of the files, or the word."""
    with open(asked["path"], "rb") as file:
        try:
            return {"records": [[r.name, r.size, r.offset] for r in verify.scan_zip(file, os.fstat(file.fileno()).st_size)]}
        except verify.Fault as fault:
            return {"word": fault.word}


def zip_bytes(asked):
    """The bytes of an archive's records: of one file, or those at the end."""
    if "count" in asked:
        return {"end": verify.end_records(asked["count"], asked["start"], asked["length"]).hex()}
    record = verify.Record(asked["name"], asked["size"], asked["crc"], asked["offset"])
    return {"local": record.local().hex(), "central": record.central().hex()}


def package(asked):
    try:
        return verify.verify(asked["path"], options(asked)).as_dict()
    except verify.Unreadable as error:
        return {"unreadable": str(error)}


def flips(asked):
    """Each byte of the archive and of the two files beside it, flipped in place and put back; which flips went unnoticed."""
    chosen, tried, missed = options(asked), 0, []
    for suffix in ("", ".sha256", ".sig"):
        with open(asked["path"] + suffix, "r+b", buffering=0) as file:
            for at, byte in enumerate(file.read()):
                file.seek(at)
                file.write(bytes([byte ^ 1 << at % 8]))
                if verify.verify(asked["path"], chosen).fault is None:
                    missed.append(f"{suffix} byte {at}")
                file.seek(at)
                file.write(bytes([byte]))
                tried += 1
    return {"tried": tried, "missed": missed}


QUESTIONS = {"package": package, "flips": flips, "header": header, "signers": signers, "signature": signature, "statement": statement, "toml": toml,
             "zip": archive, "zip_bytes": zip_bytes}
for line in sys.stdin:
    asked = json.loads(line)
    print(json.dumps(QUESTIONS[asked["ask"]](asked)), flush=True)
