#!/usr/bin/env python3
"""Verify Indelible audit chains, receipts, bundles and checkpoints.

One file, Python 3.9 or later, standard library alone. It was written from docs/format.md and shares
no code with the service, so that an agreement of the two means something. Section numbers without a
document ("§5") are those of docs/format.md.

    indelible_verify.py chain --data-dir D [--chain C] [--public-key K ...] [--against FILE ...]
    indelible_verify.py receipt FILE --public-key K
    indelible_verify.py bundle FILE [--public-key K]
    indelible_verify.py checkpoint FILE --public-key K
    indelible_verify.py consistency OLD NEW [--proof FILE] --public-key K

Exit codes: 0 intact, 1 usage or input that can't be read, 2 tampered, 3 incomplete or indeterminate.

The file is in the order of trust: hashes and signatures, notes, JSON, the tree, then the objects made
of them, and the command line last. Everything that is read is taken to be written by an attacker.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import hashlib
import json
import os
import re
import sys
import time
from array import array
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from json.encoder import encode_basestring
from pathlib import Path
from typing import Any, BinaryIO, Dict, Iterable, List, NamedTuple, NoReturn, Optional, Sequence, Tuple

# --------------------------------------------------------------------------------------------------
# Limits and names (§1, §5)
# --------------------------------------------------------------------------------------------------

MAX_SEQUENCE = 2**53 - 1
MAX_PAYLOAD_BYTES = 65_503
MAX_DEPTH = 32
MAX_SEGMENT_ENTRIES = 1_000
MAX_SEGMENT_BYTES = 8_388_608
#: Bounds on what is read into memory at once for objects whose size the format leaves open.
MAX_NOTE_BYTES = 1_048_576
MAX_NOTE_SIGNATURES = 100
MAX_JSON_FILE_BYTES = 4_194_304

ENTRY_FORMAT = "indelible/entry/v1"
SEGMENT_FORMAT = "indelible/segment/v1"
DEPLOYMENT_FORMAT = "indelible/deployment/v1"
DEPLOYMENT_FORMAT_ROOTED = "indelible/deployment/v2"
KEY_FORMAT = "indelible/key/v1"
CERTIFIED_KEY_FORMAT = "indelible/key/v2"
RECEIPT_FORMAT = "indelible/receipt/v1"
BUNDLE_FORMAT = "indelible/bundle/v1"
MANIFEST_FORMAT = "indelible/bundle-manifest/v1"
MARK_FORMAT = "indelible/verified-through/v1"

ZERO_HASH = bytes(32)

CHAIN_ID_RE = re.compile(r"(?:[a-z0-9][a-z0-9._-]{0,99}|_[a-z0-9][a-z0-9._-]{0,98})\Z")
DEPLOYMENT_RE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,199}\Z")
ENTRY_ID_RE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@=+~-]{0,127}\Z")
WRITER_ID_RE = re.compile(r"[a-z0-9]{1,32}\Z")
RECEIVED_AT_RE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z\Z")
RFC3339_RE = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})\Z"
)
DECIMAL_RE = re.compile(r"(?:0|[1-9][0-9]{0,15})\Z")
HASH_HEX_RE = re.compile(r"[0-9a-f]{64}\Z")
KEY_ID_RE = re.compile(r"[0-9a-f]{8}\Z")
SEGMENT_NAME_RE = re.compile(r"([0-9]{20})\.ndjson\Z")


class FormatError(ValueError):
    """Bytes that are not what the format says."""


class SignatureError(ValueError):
    """A note that is not signed by a key it has to be signed by."""


class UsageError(Exception):
    """The command can't be carried out as given: exit code 1."""


# --------------------------------------------------------------------------------------------------
# Base64 and hexadecimal, canonical forms only
# --------------------------------------------------------------------------------------------------


def decode_base64(text: str) -> bytes:
    """RFC 4648 §4, padded and canonical (§3.5: unused bits are zero)."""
    try:
        raw = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error, ValueError) as error:
        raise FormatError(f"not base64: {error}") from error
    if base64.b64encode(raw).decode("ascii") != text:
        raise FormatError("base64 is not canonical")
    return raw


def encode_base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def decode_hash(value: Any, label: str) -> bytes:
    if not isinstance(value, str) or not HASH_HEX_RE.match(value):
        raise FormatError(f"{label} is not 64 lowercase hexadecimal digits")
    return bytes.fromhex(value)


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


# --------------------------------------------------------------------------------------------------
# Ed25519 (RFC 8032 §5.1). Verification alone: no secret passes through, so nothing is constant-time.
# --------------------------------------------------------------------------------------------------

ED_P = 2**255 - 19
ED_L = 2**252 + 27742317777372353535851937790883648493
ED_D = -121665 * pow(121666, -1, ED_P) % ED_P
ED_SQRT_M1 = pow(2, (ED_P - 1) // 4, ED_P)

EdPoint = Tuple[int, int, int, int]
ED_IDENTITY: EdPoint = (0, 1, 1, 0)


def ed_add(a: EdPoint, b: EdPoint) -> EdPoint:
    """Addition in extended homogeneous coordinates, RFC 8032 §5.1.4."""
    x1, y1, z1, t1 = a
    x2, y2, z2, t2 = b
    aa = (y1 - x1) * (y2 - x2) % ED_P
    bb = (y1 + x1) * (y2 + x2) % ED_P
    cc = 2 * t1 * t2 * ED_D % ED_P
    dd = 2 * z1 * z2 % ED_P
    e, f, g, h = bb - aa, dd - cc, dd + cc, bb + aa
    return (e * f % ED_P, g * h % ED_P, f * g % ED_P, e * h % ED_P)


def ed_double(a: EdPoint) -> EdPoint:
    """Doubling, RFC 8032 §5.1.4."""
    x1, y1, z1, _ = a
    aa = x1 * x1 % ED_P
    bb = y1 * y1 % ED_P
    h = aa + bb
    e = h - (x1 + y1) * (x1 + y1) % ED_P
    g = aa - bb
    f = 2 * z1 * z1 % ED_P + g
    return (e * f % ED_P, g * h % ED_P, f * g % ED_P, e * h % ED_P)


def ed_negate(a: EdPoint) -> EdPoint:
    return (ED_P - a[0], a[1], a[2], ED_P - a[3])


def ed_is_identity(a: EdPoint) -> bool:
    return a[0] % ED_P == 0 and (a[1] - a[2]) % ED_P == 0


def ed_compress(a: EdPoint) -> bytes:
    """RFC 8032 §5.1.2."""
    inverse = pow(a[2], -1, ED_P)
    x, y = a[0] * inverse % ED_P, a[1] * inverse % ED_P
    return (y | ((x & 1) << 255)).to_bytes(32, "little")


def ed_decompress(data: bytes) -> Optional[EdPoint]:
    """RFC 8032 §5.1.3; None for an encoding that is not canonical or not of a curve point."""
    if len(data) != 32:
        return None
    y = int.from_bytes(data, "little")
    sign = y >> 255
    y &= (1 << 255) - 1
    if y >= ED_P:
        return None
    u = (y * y - 1) % ED_P
    v = (ED_D * y * y + 1) % ED_P
    x = u * pow(v, 3, ED_P) * pow(u * pow(v, 7, ED_P), (ED_P - 5) // 8, ED_P) % ED_P
    if v * x * x % ED_P != u:
        if v * x * x % ED_P != ED_P - u:
            return None
        x = x * ED_SQRT_M1 % ED_P
    if x == 0 and sign:
        return None
    if x & 1 != sign:
        x = ED_P - x
    return (x, y, 1, x * y % ED_P)


def ed_multiply(scalar: int, point: EdPoint) -> EdPoint:
    result = ED_IDENTITY
    for bit in bin(scalar)[2:]:
        result = ed_double(result)
        if bit == "1":
            result = ed_add(result, point)
    return result


def _ed_base() -> EdPoint:
    point = ed_decompress((4 * pow(5, -1, ED_P) % ED_P).to_bytes(32, "little"))
    assert point is not None
    return point


ED_BASE = _ed_base()


def ed25519_public_point(public_key: bytes) -> EdPoint:
    """The point of a public key. One of small order is refused: under it anything can be 'signed'."""
    point = ed_decompress(public_key)
    if point is None:
        raise FormatError("Ed25519 public key is not a canonical curve point")
    if ed_is_identity(ed_multiply(8, point)):
        raise FormatError("Ed25519 public key is of small order")
    return point


EdTable = List[List[EdPoint]]


def ed_table(point: EdPoint) -> EdTable:
    """[d * 16^i]point for each hexadecimal digit d at each place i: a product is then 64 additions.

    The same few keys check every segment of a chain, so the table pays for itself at once.
    """
    table = []
    for _ in range(64):
        row = [ED_IDENTITY]
        for _ in range(15):
            row.append(ed_add(row[-1], point))
        table.append(row)
        point = ed_add(row[-1], point)
    return table


@lru_cache(maxsize=64)
def ed_key_tables(public_key: bytes) -> Tuple[EdTable, EdTable]:
    """The tables of the base point and of the negated public key."""
    return _ed_base_table(), ed_table(ed_negate(ed25519_public_point(public_key)))


@lru_cache(maxsize=1)
def _ed_base_table() -> EdTable:
    return ed_table(ED_BASE)


def ed25519_verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """RFC 8032 §5.1.7 with the equation without the cofactor.

    R is compared as bytes with the encoding of [S]B - [k]A, so a non-canonical R never passes.
    """
    if len(signature) != 64:
        return False
    try:
        base_table, key_table = ed_key_tables(public_key)
    except FormatError:
        return False
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    if s >= ED_L:
        return False
    k = int.from_bytes(hashlib.sha512(r + public_key + message).digest(), "little") % ED_L
    result = ED_IDENTITY
    for i in range(64):
        result = ed_add(result, base_table[i][s >> 4 * i & 15])
        result = ed_add(result, key_table[i][k >> 4 * i & 15])
    return ed_compress(result) == r


# --------------------------------------------------------------------------------------------------
# ECDSA on P-256 (FIPS 186-5 §6.4.2, curve of SP 800-186)
# --------------------------------------------------------------------------------------------------

P256_P = 2**256 - 2**224 + 2**192 + 2**96 - 1
P256_N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
P256_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
P256_G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)

AffinePoint = Tuple[int, int]
JacobianPoint = Tuple[int, int, int]
P256_INFINITY: JacobianPoint = (1, 1, 0)


def p256_on_curve(point: AffinePoint) -> bool:
    x, y = point
    return 0 <= x < P256_P and 0 <= y < P256_P and (y * y - (x * x * x - 3 * x + P256_B)) % P256_P == 0


def p256_double(a: JacobianPoint) -> JacobianPoint:
    x, y, z = a
    if z == 0 or y == 0:
        return P256_INFINITY
    delta = z * z % P256_P
    gamma = y * y % P256_P
    beta = x * gamma % P256_P
    alpha = 3 * (x - delta) * (x + delta) % P256_P
    x3 = (alpha * alpha - 8 * beta) % P256_P
    z3 = ((y + z) * (y + z) - gamma - delta) % P256_P
    y3 = (alpha * (4 * beta - x3) - 8 * gamma * gamma) % P256_P
    return (x3, y3, z3)


def p256_add(a: JacobianPoint, b: JacobianPoint) -> JacobianPoint:
    if a[2] == 0:
        return b
    if b[2] == 0:
        return a
    x1, y1, z1 = a
    x2, y2, z2 = b
    z1z1, z2z2 = z1 * z1 % P256_P, z2 * z2 % P256_P
    u1, u2 = x1 * z2z2 % P256_P, x2 * z1z1 % P256_P
    s1, s2 = y1 * z2 * z2z2 % P256_P, y2 * z1 * z1z1 % P256_P
    if u1 == u2:
        return p256_double(a) if s1 == s2 else P256_INFINITY
    h, r = (u2 - u1) % P256_P, (s2 - s1) % P256_P
    hh = h * h % P256_P
    hhh = h * hh % P256_P
    v = u1 * hh % P256_P
    x3 = (r * r - hhh - 2 * v) % P256_P
    return (x3, (r * (v - x3) - s1 * hhh) % P256_P, z1 * z2 * h % P256_P)


P256Table = List[List[JacobianPoint]]


@lru_cache(maxsize=64)
def p256_table(point: AffinePoint) -> P256Table:
    """d * 16^i times the point for each hexadecimal digit d at each place i, as for Ed25519."""
    current: JacobianPoint = (point[0], point[1], 1)
    table = []
    for _ in range(64):
        row = [P256_INFINITY]
        for _ in range(15):
            row.append(p256_add(row[-1], current))
        table.append(row)
        current = p256_add(row[-1], current)
    return table


def p256_double_multiply(u1: int, a: AffinePoint, u2: int, b: AffinePoint) -> Optional[AffinePoint]:
    """u1·a + u2·b, affine; None for the point at infinity."""
    result = P256_INFINITY
    for scalar, table in ((u1, p256_table(a)), (u2, p256_table(b))):
        for i in range(64):
            result = p256_add(result, table[i][scalar >> 4 * i & 15])
    if result[2] == 0:
        return None
    inverse = pow(result[2], -1, P256_P)
    return (result[0] * inverse * inverse % P256_P, result[1] * pow(inverse, 3, P256_P) % P256_P)


def decode_der_signature(data: bytes) -> Tuple[int, int]:
    """Ecdsa-Sig-Value of RFC 3279 §2.2.3, in DER: short lengths, minimal positive integers, no rest."""

    def integer(offset: int) -> Tuple[int, int]:
        if offset + 2 > len(data) or data[offset] != 0x02:
            raise FormatError("ECDSA signature: an INTEGER is missing")
        length = data[offset + 1]
        body = data[offset + 2 : offset + 2 + length]
        if length == 0 or length > 33 or len(body) != length:
            raise FormatError("ECDSA signature: an INTEGER has a wrong length")
        if body[0] & 0x80:
            raise FormatError("ECDSA signature: an INTEGER is negative")
        if length > 1 and body[0] == 0 and not body[1] & 0x80:
            raise FormatError("ECDSA signature: an INTEGER is not minimal")
        return int.from_bytes(body, "big"), offset + 2 + length

    if len(data) < 2 or data[0] != 0x30 or data[1] & 0x80 or data[1] != len(data) - 2:
        raise FormatError("ECDSA signature is not one DER SEQUENCE")
    r, offset = integer(2)
    s, offset = integer(offset)
    if offset != len(data):
        raise FormatError("ECDSA signature: bytes after s")
    return r, s


def ecdsa_p256_verify(point: AffinePoint, message: bytes, signature: bytes) -> bool:
    """FIPS 186-5 §6.4.2 with SHA-256, and s in the lower half (§4): of s and n - s only one is a signature."""
    try:
        r, s = decode_der_signature(signature)
    except FormatError:
        return False
    if not (0 < r < P256_N and 0 < s <= P256_N // 2):
        return False
    e = int.from_bytes(sha256(message), "big")
    w = pow(s, -1, P256_N)
    sum_ = p256_double_multiply(e * w % P256_N, P256_G, r * w % P256_N, point)
    return sum_ is not None and sum_[0] % P256_N == r


# --------------------------------------------------------------------------------------------------
# Public keys (§4, §6)
# --------------------------------------------------------------------------------------------------

SPKI_ED25519_PREFIX = bytes.fromhex("302a300506032b6570032100")
SPKI_P256_PREFIX = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
VKEY_RE = re.compile(r"([^+\s]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})\Z")


@dataclass(frozen=True)
class PublicKey:
    """A verification key; `name` is set when it came as a vkey and so speaks for that origin alone."""

    algorithm: str
    spki: bytes
    name: Optional[str] = None
    #: The first and last receivedAt of segments that a delegated key may sign (§6.1).
    validity: Optional[Tuple[str, str]] = None

    @staticmethod
    def from_spki(spki: bytes, name: Optional[str] = None) -> "PublicKey":
        """A DER SubjectPublicKeyInfo: Ed25519 (RFC 8410 §4) or P-256 with an uncompressed point (RFC 5480)."""
        if len(spki) == 44 and spki.startswith(SPKI_ED25519_PREFIX):
            ed25519_public_point(spki[12:])
            return PublicKey("ed25519", spki, name)
        if len(spki) == 91 and spki.startswith(SPKI_P256_PREFIX):
            key = PublicKey("ecdsa-p256", spki, name)
            if not p256_on_curve(key._p256_point()):
                raise FormatError("P-256 public key is not on the curve")
            return key
        raise FormatError("public key is neither an Ed25519 nor a P-256 SubjectPublicKeyInfo")

    @staticmethod
    def from_vkey(vkey: str) -> "PublicKey":
        match = VKEY_RE.match(vkey)
        if match is None:
            raise FormatError("not a vkey (<name>+<key ID>+<base64>)")
        name, stated_id, material = match.group(1), match.group(2), decode_base64(match.group(3))
        if material[:1] == b"\x01" and len(material) == 33:
            key = PublicKey.from_spki(SPKI_ED25519_PREFIX + material[1:], name)
        elif material[:1] == b"\x02":
            key = PublicKey.from_spki(material[1:], name)
            if key.algorithm != "ecdsa-p256":
                raise FormatError("vkey: the key is not of the type it states")
        else:
            raise FormatError("vkey: unknown key type")
        if key.key_id(name).hex() != stated_id:
            raise FormatError("vkey: the key ID does not follow from the key")
        return key

    def _p256_point(self) -> AffinePoint:
        return (int.from_bytes(self.spki[27:59], "big"), int.from_bytes(self.spki[59:91], "big"))

    def key_id(self, name: str) -> bytes:
        if self.algorithm == "ed25519":
            return sha256(name.encode("utf-8") + b"\n\x01" + self.spki[12:])[:4]
        return sha256(self.spki)[:4]

    def vkey(self, name: str) -> str:
        material = b"\x01" + self.spki[12:] if self.algorithm == "ed25519" else b"\x02" + self.spki
        return f"{name}+{self.key_id(name).hex()}+{encode_base64(material)}"

    def verify(self, message: bytes, signature: bytes) -> bool:
        if self.algorithm == "ed25519":
            return ed25519_verify(self.spki[12:], message, signature)
        return ecdsa_p256_verify(self._p256_point(), message, signature)

    def speaks_for(self, name: str) -> bool:
        return self.name is None or self.name == name

    def describe(self) -> Dict[str, str]:
        result = {"algorithm": self.algorithm, "publicKey": encode_base64(self.spki)}
        if self.name is not None:
            result["name"] = self.name
        if self.validity is not None:
            result["notBefore"], result["notAfter"] = self.validity
        return result

    @property
    def fingerprint(self) -> str:
        return sha256(self.spki).hex()


def parse_public_keys(text: str) -> List[PublicKey]:
    """Keys written as PEM, as a key object of the store (§6), or one a line as base64 SPKI or vkey."""
    text = text.strip()
    if "-----BEGIN" in text:
        blocks = re.findall(r"-----BEGIN PUBLIC KEY-----(.*?)-----END PUBLIC KEY-----", text, re.S)
        if not blocks:
            raise FormatError("the PEM text holds no PUBLIC KEY")
        return [PublicKey.from_spki(decode_base64("".join(block.split()))) for block in blocks]
    if text.startswith("{"):
        return [parse_key_object(text.encode("utf-8"))]
    keys = []
    for line in filter(None, (line.strip() for line in text.splitlines())):
        try:
            spki: Optional[bytes] = decode_base64(line)
        except FormatError:
            spki = None
        keys.append(PublicKey.from_vkey(line) if spki is None else PublicKey.from_spki(spki))
    if not keys:
        raise FormatError("no public key")
    return keys


# --------------------------------------------------------------------------------------------------
# Strict JSON and JCS (RFC 8259, RFC 8785; §1.1)
# --------------------------------------------------------------------------------------------------


class JsonNumber(str):
    """A number as it was written. Nothing is computed with numbers, so none is ever rounded."""


def _refuse_constant(text: str) -> NoReturn:
    raise FormatError(f"{text} is not JSON")


def _object_without_duplicates(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise FormatError("an object has two members of the same name")
    return result


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object_without_duplicates,
    parse_int=JsonNumber,
    parse_float=JsonNumber,
    parse_constant=_refuse_constant,
    strict=True,
)


def parse_json(data: bytes) -> Any:
    """JSON without duplicate members, lone surrogates, byte-order mark or non-standard constants."""
    try:
        text = data.decode("utf-8")
        value = _DECODER.decode(text)
        if "\\u" in text:  # only an escape can make a lone surrogate
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except FormatError:
        raise
    except UnicodeError as error:
        raise FormatError(f"not UTF-8, or a lone surrogate: {error}") from error
    except RecursionError as error:
        raise FormatError("nested too deeply") from error
    except ValueError as error:
        raise FormatError(f"not JSON: {error}") from error
    return value


def es6_number(value: float) -> str:
    """ECMAScript's Number::toString (RFC 8785 §3.2.2.3), from the shortest digits Python's repr gives."""
    if value != value or value in (float("inf"), float("-inf")):
        raise FormatError("a number is too large for an IEEE 754 double")
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    if fraction == "0":
        fraction = ""
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    count = len(digits)
    if count <= point <= 21:
        return sign + digits + "0" * (point - count)
    if 0 < point <= 21:
        return sign + digits[:point] + "." + digits[point:]
    if -6 < point <= 0:
        return sign + "0." + "0" * -point + digits
    power = point - 1
    tail = f"e{'+' if power > 0 else '-'}{abs(power)}"
    return sign + digits[0] + ("." + digits[1:] if count > 1 else "") + tail


_PLAIN_INTEGER_RE = re.compile(r"(?:0|-?[1-9][0-9]{0,14})\Z")


def _canonical_number(text: str) -> str:
    return text if _PLAIN_INTEGER_RE.match(text) else es6_number(float(text))


def _utf16(name: str) -> bytes:
    return name.encode("utf-16-be")


def _canonical_text(value: Any, depth: int, limit: int) -> str:
    kind = type(value)
    if kind is str:
        return encode_basestring(value)  # escapes exactly what RFC 8785 §3.2.2.2 does
    if kind is JsonNumber:
        return _canonical_number(value)
    if kind is dict or kind is list:
        if depth > limit:
            raise FormatError("nested too deeply")
        if kind is list:
            return "[" + ",".join([_canonical_text(item, depth + 1, limit) for item in value]) + "]"
        names = sorted(value) if "".join(value).isascii() else sorted(value, key=_utf16)
        members = [
            f"{encode_basestring(name)}:{_canonical_text(value[name], depth + 1, limit)}" for name in names
        ]
        return "{" + ",".join(members) + "}"
    if value is None:
        return "null"
    if kind is bool:
        return "true" if value else "false"
    if kind is int:
        return str(value)
    if kind is float:
        return es6_number(value)
    raise TypeError(f"{kind.__name__} is not a JSON value")


def canonical_json(value: Any, max_depth: int = 128) -> bytes:
    """The RFC 8785 bytes of a value. Objects and arrays count as levels, the outermost as level 1."""
    try:
        return _canonical_text(value, 1, max_depth).encode("utf-8")
    except UnicodeEncodeError as error:
        raise FormatError("a string holds a lone surrogate") from error


def as_sequence(value: Any, label: str) -> int:
    if not isinstance(value, JsonNumber) or not DECIMAL_RE.match(value) or int(value) > MAX_SEQUENCE:
        raise FormatError(f"{label} is not an integer from 0 to 2^53-1")
    return int(value)


def as_text(value: Any, label: str) -> str:
    if not isinstance(value, str) or isinstance(value, JsonNumber):
        raise FormatError(f"{label} is not a string")
    return value


def as_matching(value: Any, pattern: "re.Pattern[str]", label: str) -> str:
    text = as_text(value, label)
    if not pattern.match(text):
        raise FormatError(f"{label} is not of the required form")
    return text


def as_hashes(value: Any, label: str) -> List[bytes]:
    if not isinstance(value, list):
        raise FormatError(f"{label} is not an array")
    return [decode_hash(item, label) for item in value]


def as_object(data: bytes, format_name: str, members: Sequence[str]) -> Dict[str, Any]:
    """A JSON object of the given format with exactly these members (and `format`)."""
    value = parse_json(data)
    if not isinstance(value, dict):
        raise FormatError("not a JSON object")
    check_format(value, format_name)
    expected = {"format", *members}
    if set(value) != expected:
        odd = sorted(set(value) ^ expected)
        raise FormatError(f"members are not those of {format_name}: {', '.join(map(repr, odd))}")
    return value


class UnknownVersion(FormatError):
    """An object of a version this verifier does not know: it can't be judged, which is not 'tampered'."""


def check_format(value: Dict[str, Any], format_name: str) -> None:
    stated = value.get("format")
    if stated != format_name:
        family = format_name.rpartition("/")[0]
        if isinstance(stated, str) and re.match(re.escape(family) + r"/v[0-9]+\Z", stated):
            raise UnknownVersion(f"format is {stated!r}: this verifier knows {format_name!r} only")
        raise FormatError(f"format is not {format_name!r}")


def as_canonical_object(data: bytes, format_name: str, members: Sequence[str]) -> Dict[str, Any]:
    value = as_object(data, format_name, members)
    if canonical_json(value) != data:
        raise FormatError("not canonical JSON (RFC 8785)")
    return value


@dataclass(frozen=True)
class KeyStatement:
    """A key object (§6.1): a key, and who vouches for it. Not believed until `follow_keys` has looked at it."""

    key: PublicKey
    purpose: Optional[str] = None
    certified_by: str = ""
    deployment: str = ""
    message: bytes = b""
    signature: bytes = b""


_ROOT_KEY_MEMBERS = ("algorithm", "createdAt", "publicKey")
_CERTIFIED_KEY_MEMBERS = (*_ROOT_KEY_MEMBERS, "certifiedBy", "deployment", "purpose", "signature")


def read_key_statement(data: bytes) -> KeyStatement:
    """The content of `keys/<hash>.json`, or the same within a bundle's header. Form only."""
    value = parse_json(data)
    if not isinstance(value, dict):
        raise FormatError("not a JSON object")
    if value.get("format") != CERTIFIED_KEY_FORMAT:
        value = as_canonical_object(data, KEY_FORMAT, _ROOT_KEY_MEMBERS)
        as_matching(value["createdAt"], RFC3339_RE, "createdAt")
        return KeyStatement(parse_stated_key(value))
    delegated = value.get("purpose") == "delegated"
    window = ("notAfter", "notBefore") if delegated else ()
    value = as_canonical_object(data, CERTIFIED_KEY_FORMAT, (*_CERTIFIED_KEY_MEMBERS, *window))
    as_matching(value["createdAt"], RFC3339_RE, "createdAt")
    if value["purpose"] not in ("rotation", "delegated"):
        raise FormatError("purpose is neither rotation nor delegated")
    key = parse_stated_key(value)
    if delegated:
        validity = (
            check_received_at(as_text(value["notBefore"], "notBefore")),
            check_received_at(as_text(value["notAfter"], "notAfter")),
        )
        if validity[0] > validity[1]:
            raise FormatError("notAfter is before notBefore")
        key = replace(key, validity=validity)
    signed = canonical_json({name: item for name, item in value.items() if name != "signature"})
    return KeyStatement(
        key,
        value["purpose"],
        as_matching(value["certifiedBy"], HASH_HEX_RE, "certifiedBy"),
        as_matching(value["deployment"], DEPLOYMENT_RE, "deployment"),
        CERTIFIED_KEY_FORMAT.encode("ascii") + b"\n" + signed + b"\n",
        decode_base64(as_text(value["signature"], "signature")),
    )


def follow_keys(
    deployment: str, roots: Sequence[PublicKey], statements: Sequence[KeyStatement]
) -> Tuple[List[PublicKey], Dict[str, str]]:
    """The keys that the roots lead to, roots first, and by fingerprint why others don't count."""
    trusted = {key.fingerprint: key for key in roots}
    refused: Dict[str, str] = {}
    for statement in statements:
        if statement.key.fingerprint not in trusted:
            refused[statement.key.fingerprint] = (
                "it has no certificate, and is not the root key"
                if statement.purpose is None
                else f"it is certified by {statement.certified_by}, which is no key of this log"
            )
    waiting = list(trusted.values())
    while waiting:
        certifier = waiting.pop(0)
        for statement in statements:
            fingerprint = statement.key.fingerprint
            if statement.certified_by != certifier.fingerprint or fingerprint in trusted:
                continue
            if certifier.validity is not None:
                refused[fingerprint] = f"it is certified by {certifier.fingerprint}, a delegated key"
            elif statement.deployment != deployment:
                refused[fingerprint] = f"it is certified for deployment {statement.deployment!r}"
            elif not certifier.verify(statement.message, statement.signature):
                refused[fingerprint] = f"its certificate is not signed by {certifier.fingerprint}"
            else:
                del refused[fingerprint]
                trusted[fingerprint] = statement.key
                waiting.append(statement.key)
    return list(trusted.values()), refused


def follow_for(
    origin: str, roots: Sequence[PublicKey], statements: Sequence[KeyStatement]
) -> List[PublicKey]:
    """The keys that may sign under `origin`: a vkey speaks, and vouches, for its own name alone."""
    named = [replace(key, name=None) for key in roots if key.speaks_for(origin)]
    return follow_keys(origin.rpartition("/")[0], named, statements)[0]


def parse_key_object(data: bytes) -> PublicKey:
    """A key object given from outside: trusted itself, a delegated one for its time. One without a
    certificate may have been copied by hand, white space and all."""
    value = parse_json(data)
    if isinstance(value, dict) and value.get("format") == CERTIFIED_KEY_FORMAT:
        return read_key_statement(data).key
    return parse_stated_key(as_object(data, KEY_FORMAT, _ROOT_KEY_MEMBERS))


def parse_stated_key(value: Any) -> PublicKey:
    """`{algorithm, publicKey}` as key objects and bundle headers have it."""
    if not isinstance(value, dict):
        raise FormatError("a public key is not an object")
    key = PublicKey.from_spki(decode_base64(as_text(value.get("publicKey"), "publicKey")))
    if key.algorithm != value.get("algorithm"):
        raise FormatError("a public key is not of the algorithm it states")
    return key


# --------------------------------------------------------------------------------------------------
# Merkle tree (RFC 6962 §2.1; §3)
# --------------------------------------------------------------------------------------------------


def leaf_hash(leaf_data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + leaf_data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of_frontier(frontier: Sequence[bytes]) -> bytes:
    if not frontier:
        return sha256(b"")
    result = frontier[-1]
    for subtree in reversed(frontier[:-1]):
        result = node_hash(subtree, result)
    return result


@dataclass
class ChainState:
    """All of a chain that a verifier has to remember: size, last entry hash, frontier."""

    size: int = 0
    prev_hash: bytes = ZERO_HASH
    frontier: List[bytes] = field(default_factory=list)

    def append(self, payload: bytes) -> None:
        leaf_data = self.prev_hash + payload
        self.prev_hash = sha256(leaf_data)
        subtree, size = leaf_hash(leaf_data), self.size
        while size & 1:
            subtree = node_hash(self.frontier.pop(), subtree)
            size >>= 1
        self.frontier.append(subtree)
        self.size += 1

    def root(self) -> bytes:
        return root_of_frontier(self.frontier)

    def copy(self) -> "ChainState":
        return ChainState(self.size, self.prev_hash, list(self.frontier))

    def same_start(self, other: "ChainState") -> bool:
        return (self.size, self.prev_hash, self.frontier) == (other.size, other.prev_hash, other.frontier)


def state_from(size: int, prev_hash: bytes, frontier: List[bytes]) -> ChainState:
    """A stated start. What it says is only as good as the signed root that the leaves after it lead to."""
    if len(frontier) != bin(size).count("1"):
        raise FormatError(
            f"frontier has {len(frontier)} hashes, size {size} has {bin(size).count('1')} subtrees"
        )
    if size == 0 and prev_hash != ZERO_HASH:
        raise FormatError("prevHash of entry 0 is not zero")
    return ChainState(size, prev_hash, frontier)


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """RFC 9162 §2.1.3.2."""
    if not 0 <= index < size:
        return False
    fn, sn, result = index, size - 1, leaf
    for sibling in proof:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            result = node_hash(sibling, result)
            if not fn & 1:
                while not (fn & 1 or fn == 0):
                    fn >>= 1
                    sn >>= 1
        else:
            result = node_hash(result, sibling)
        fn >>= 1
        sn >>= 1
    return sn == 0 and result == root


def verify_consistency(first: int, second: int, proof: Sequence[bytes], root1: bytes, root2: bytes) -> bool:
    """RFC 9162 §2.1.4.2; from size 0 and between equal sizes the proof is empty."""
    if not 0 <= first <= second:
        return False
    if first == 0:
        return not proof and root1 == sha256(b"") and (second > 0 or root2 == root1)
    if first == second:
        return not proof and root1 == root2
    path = list(proof)
    if not path:
        return False
    if first & (first - 1) == 0:
        path.insert(0, root1)
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn >>= 1
        sn >>= 1
    fr = sr = path[0]
    for sibling in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr = node_hash(sibling, fr)
            sr = node_hash(sibling, sr)
            if not fn & 1:
                while not (fn & 1 or fn == 0):
                    fn >>= 1
                    sn >>= 1
        else:
            sr = node_hash(sr, sibling)
        fn >>= 1
        sn >>= 1
    return sn == 0 and fr == root1 and sr == root2


# --------------------------------------------------------------------------------------------------
# Signed notes and checkpoints (c2sp.org/signed-note@v1.0.0, c2sp.org/tlog-checkpoint@v1.0.0; §4)
# --------------------------------------------------------------------------------------------------


class NoteSignature(NamedTuple):
    name: str
    key_id: bytes
    signature: bytes


class Note(NamedTuple):
    text: bytes
    signatures: List[NoteSignature]


class Checkpoint(NamedTuple):
    origin: str
    size: int
    root: bytes


_SIGNATURE_LINE_RE = re.compile("\u2014 ([^ ]+) ([A-Za-z0-9+/]+={0,2})\\Z")


def parse_note(data: bytes) -> Note:
    """Text, an empty line, signature lines. Split at the last empty line: the text may hold others."""
    if len(data) > MAX_NOTE_BYTES:
        raise FormatError("the note is too long")
    try:
        whole = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FormatError("the note is not UTF-8") from error
    if any(ch < " " and ch != "\n" for ch in whole):
        raise FormatError("the note holds a control character")
    split = whole.rfind("\n\n")
    if split <= 0:
        raise FormatError("the note has no empty line before its signatures")
    text, rest = whole[: split + 1], whole[split + 2 :]
    if not rest.endswith("\n"):
        raise FormatError("the note does not end with a line feed")
    lines = rest[:-1].split("\n")
    if len(lines) > MAX_NOTE_SIGNATURES:
        raise FormatError("the note has too many signatures")
    signatures = []
    for line in lines:
        match = _SIGNATURE_LINE_RE.match(line)
        if match is None or "+" in match.group(1) or any(ch.isspace() for ch in match.group(1)):
            raise FormatError("a line of the note is not a signature line")
        blob = decode_base64(match.group(2))
        if len(blob) < 5:
            raise FormatError("a signature of the note is too short")
        signatures.append(NoteSignature(match.group(1), blob[:4], blob[4:]))
    return Note(text.encode("utf-8"), signatures)


def verify_note(note: Note, name: str, keys: Sequence[PublicKey], only_known: bool = False) -> List[PublicKey]:
    """The keys that signed, at least one. A signature of a known key that is wrong spoils the note.

    Lines of unknown keys are ignored; with `only_known`, as in a segment (§5.3), they spoil it too,
    and so does a second line of the same key.
    """
    known: Dict[bytes, List[PublicKey]] = {}
    for candidate in keys:
        if candidate.speaks_for(name):
            known.setdefault(candidate.key_id(name), []).append(candidate)
    signers: List[PublicKey] = []
    for signature in note.signatures:
        # A key ID has 32 bits: two of many delegated keys may share one.
        candidates = known.get(signature.key_id, []) if signature.name == name else []
        if not candidates:
            if only_known:
                raise SignatureError(
                    f"signed under {signature.name!r} {signature.key_id.hex()}, not a trusted key"
                )
            continue
        key = next((key for key in candidates if key.verify(note.text, signature.signature)), None)
        if key is None:
            raise SignatureError(f"the signature of key {signature.key_id.hex()} is wrong")
        if key not in signers:
            signers.append(key)
        elif only_known:
            raise SignatureError(f"key {signature.key_id.hex()} signed twice")
    if not signers:
        raise SignatureError(f"no signature by a trusted key under the name {name}")
    return signers


def in_time(signers: Sequence[PublicKey], received_at: str) -> None:
    """A checkpoint has no time, but none that covers an entry is older than it: one of its signers has to
    have been delegated until then, or for ever."""
    if received_at and all(key.validity is not None and received_at > key.validity[1] for key in signers):
        raise SignatureError(f"the delegated key that signed was no key any more at {received_at}")


def parse_checkpoint(text: bytes) -> Checkpoint:
    """Three lines, no extension lines."""
    try:
        lines = text.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise FormatError("the checkpoint is not UTF-8") from error
    if len(lines) != 4 or lines[3] != "":
        raise FormatError("the checkpoint has not exactly three lines")
    origin, size, root = lines[0], lines[1], lines[2]
    deployment, slash, chain_id = origin.rpartition("/")
    if not slash or not DEPLOYMENT_RE.match(deployment) or not CHAIN_ID_RE.match(chain_id):
        raise FormatError("the checkpoint's origin is not <deployment>/<chainId>")
    if not DECIMAL_RE.match(size) or int(size) > MAX_SEQUENCE:
        raise FormatError("the checkpoint's size is not a plain decimal number")
    raw = decode_base64(root)
    if len(raw) != 32:
        raise FormatError("the checkpoint's root is not 32 bytes")
    if size == "0" and raw != sha256(b""):
        raise FormatError("the checkpoint of size 0 has not the root of the empty tree")
    return Checkpoint(origin, int(size), raw)


def open_checkpoint(data: bytes, keys: Sequence[PublicKey], origin: Optional[str] = None) -> Checkpoint:
    """Parse a signed checkpoint and check its signature and, where given, its origin."""
    note = parse_note(data)
    checkpoint = parse_checkpoint(note.text)
    if origin is not None and checkpoint.origin != origin:
        raise SignatureError(f"the checkpoint is of {checkpoint.origin}, not of {origin}")
    verify_note(note, checkpoint.origin, keys)
    return checkpoint


def chain_of(origin: str) -> str:
    return origin.rpartition("/")[2]


class Mark(NamedTuple):
    """A verified-through mark (§9)."""

    checkpoint: Checkpoint
    last_entry_hash: bytes
    received_at: str
    verified_at: str


def open_mark(data: bytes, keys: Sequence[PublicKey]) -> Mark:
    note = parse_note(data)
    lines = note.text.decode("utf-8").split("\n")
    if len(lines) != 8 or lines[0] != MARK_FORMAT or lines[7] != "":
        raise FormatError(f"not a mark of format {MARK_FORMAT}")
    checkpoint = parse_checkpoint("\n".join([*lines[1:4], ""]).encode("utf-8"))
    last = decode_hash(lines[4], "the mark's entry hash")
    check_received_at(lines[5])
    as_matching(lines[6], RFC3339_RE, "verifiedAt")
    # A delegated key vouches for segments alone.
    verify_note(note, checkpoint.origin, [key for key in keys if key.validity is None])
    return Mark(checkpoint, last, lines[5], lines[6])


# --------------------------------------------------------------------------------------------------
# Entries (§1)
# --------------------------------------------------------------------------------------------------


class Envelope(NamedTuple):
    chain_id: str
    entry_id: str
    received_at: str
    sequence: int
    writer_id: str


_ENVELOPE_HEAD_RE = re.compile(
    rb'\{"chainId":"([a-z0-9._-]{1,100})","entryId":"([A-Za-z0-9][A-Za-z0-9._:@=+~-]{0,127})","event":\{'
)
_ENVELOPE_TAIL_RE = re.compile(
    rb'\},"format":"indelible/entry/v1","receivedAt":"([0-9TZ:.-]{27})",'
    rb'"sequence":(0|[1-9][0-9]{0,15}),"writerId":"([a-z0-9]{1,32})"\}\Z'
)
_ENVELOPE_MEMBERS = {"chainId", "entryId", "event", "format", "receivedAt", "sequence", "writerId"}


def check_received_at(text: str) -> str:
    """27 characters with microseconds, and a time that exists (no leap second, year 1 or later)."""
    if not RECEIVED_AT_RE.match(text):
        raise FormatError("receivedAt is not YYYY-MM-DDThh:mm:ss.ssssssZ")
    try:
        datetime(
            int(text[:4]), int(text[5:7]), int(text[8:10]), int(text[11:13]), int(text[14:16]), int(text[17:19])
        )
    except ValueError as error:
        raise FormatError(f"receivedAt is not a time: {error}") from error
    return text


def read_envelope(payload: bytes) -> Envelope:
    """The members before and after the event, read off the bytes without parsing the event."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise FormatError(f"the payload has {len(payload)} bytes, more than {MAX_PAYLOAD_BYTES}")
    head = _ENVELOPE_HEAD_RE.match(payload)
    tail_from = max(0, len(payload) - 220)
    tail = _ENVELOPE_TAIL_RE.search(payload, tail_from)
    if head is None or tail is None or head.end() > tail.start() + 1:
        if b'"format":"indelible/entry/v1"' not in payload and re.search(
            rb'"format":"indelible/entry/v[0-9]+"', payload
        ):
            raise UnknownVersion("the entry is of a version this verifier does not know")
        raise FormatError("the payload is not an entry envelope")
    chain_id = head.group(1).decode("ascii")
    if not CHAIN_ID_RE.match(chain_id):
        raise FormatError("chainId is not of the required form")
    sequence = int(tail.group(2))
    if sequence > MAX_SEQUENCE:
        raise FormatError("sequence is above 2^53-1")
    received_at = check_received_at(tail.group(1).decode("ascii"))
    return Envelope(
        chain_id, head.group(2).decode("ascii"), received_at, sequence, tail.group(3).decode("ascii")
    )


def check_canonical(payload: bytes, envelope: Envelope) -> None:
    """The additional full check: strict JSON, the seven members, depth, and JCS byte for byte.

    This finds a *writer* that signed something it should have refused; hashes are always of the
    stored bytes and never of what is made here.
    """
    value = parse_json(payload)
    if not isinstance(value, dict) or set(value) != _ENVELOPE_MEMBERS or not isinstance(value["event"], dict):
        raise FormatError("the payload has not exactly the seven members of an entry")
    # The envelope is one level above the event, which is level 1.
    if canonical_json(value, max_depth=MAX_DEPTH + 1) != payload:
        raise FormatError("the payload is not canonical JSON (RFC 8785)")
    parsed = (value["chainId"], value["entryId"], value["receivedAt"], value["sequence"], value["writerId"])
    read = (
        envelope.chain_id,
        envelope.entry_id,
        envelope.received_at,
        str(envelope.sequence),
        envelope.writer_id,
    )
    if tuple(map(str, parsed)) != read:
        raise FormatError("the payload's members are not where its bytes end")


# --------------------------------------------------------------------------------------------------
# Findings and reports
# --------------------------------------------------------------------------------------------------

INTACT, TAMPERED, INCOMPLETE, INDETERMINATE = "intact", "tampered", "incomplete", "indeterminate"
EXIT_CODES = {INTACT: 0, TAMPERED: 2, INCOMPLETE: 3, INDETERMINATE: 3}
_SEVERITY = {INTACT: 0, INDETERMINATE: 1, INCOMPLETE: 2, TAMPERED: 3}

#: What a finding says about the chain unless the finding itself says otherwise. Missing entries are
#: `tampered` where a signature proves that they were there; `incomplete` is for what could not be read,
#: `indeterminate` for what could not be judged.
EFFECTS = {
    "hash_mismatch": TAMPERED,
    "link_mismatch": TAMPERED,
    "sequence_gap": TAMPERED,
    "sequence_duplicate": TAMPERED,
    "fork": TAMPERED,
    "truncated_tail": TAMPERED,
    "missing_object": TAMPERED,
    "foreign_object": TAMPERED,
    "signature_invalid": TAMPERED,
    "checkpoint_mismatch": TAMPERED,
    "clock_regression": TAMPERED,
    "unknown_format": TAMPERED,
    "unverified_range": INDETERMINATE,
}
MAX_FINDINGS = 1_000


@dataclass(frozen=True)
class Finding:
    code: str
    message: str
    effect: str
    sequence: Optional[int] = None
    to: Optional[int] = None
    object: Optional[str] = None

    def to_json(self) -> Dict[str, Any]:
        result: Dict[str, Any] = {"code": self.code, "effect": self.effect, "message": self.message}
        if self.sequence is not None:
            result["sequence"] = self.sequence
        if self.to is not None:
            result["to"] = self.to
        if self.object is not None:
            result["object"] = self.object
        return result


class Findings:
    """Findings of one chain or one file; the list is bounded, the verdict counts all of them."""

    def __init__(self) -> None:
        self.items: List[Finding] = []
        self.omitted = 0
        self.verdict = INTACT
        self.first_bad: Optional[int] = None

    def add(
        self,
        code: str,
        message: str,
        sequence: Optional[int] = None,
        to: Optional[int] = None,
        object: Optional[str] = None,
        effect: Optional[str] = None,
    ) -> None:
        effect = EFFECTS[code] if effect is None else effect
        if len(self.items) < MAX_FINDINGS:
            self.items.append(Finding(code, message, effect, sequence, to, object))
        else:
            self.omitted += 1
        if _SEVERITY[effect] > _SEVERITY[self.verdict]:
            self.verdict = effect
        if effect in (TAMPERED, INCOMPLETE) and sequence is not None:
            self.first_bad = sequence if self.first_bad is None else min(self.first_bad, sequence)

    def extend(self, other: "Findings") -> None:
        for item in other.items:
            self.add(item.code, item.message, item.sequence, item.to, item.object, item.effect)
        self.omitted += other.omitted

    def add_format(
        self, error: FormatError, sequence: Optional[int] = None, object: Optional[str] = None
    ) -> None:
        effect = INDETERMINATE if isinstance(error, UnknownVersion) else None
        self.add("unknown_format", str(error), sequence, object=object, effect=effect)

    def codes(self) -> List[str]:
        return [item.code for item in self.items]


def worst(verdicts: Iterable[str]) -> str:
    return max(verdicts, key=lambda verdict: _SEVERITY[verdict], default=INTACT)


# --------------------------------------------------------------------------------------------------
# Receipts (§7)
# --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Receipt:
    chain_id: str
    sequence: int
    entry_id: str
    received_at: str
    entry_hash: bytes
    prev_hash: bytes
    payload: bytes
    checkpoint: bytes
    inclusion_proof: List[bytes]
    unknown_members: List[str]


_RECEIPT_MEMBERS = {
    "format",
    "chainId",
    "sequence",
    "entryId",
    "receivedAt",
    "entryHash",
    "prevHash",
    "payload",
    "checkpoint",
    "inclusionProof",
}


def parse_receipt(data: bytes) -> Receipt:
    value = parse_json(data)
    if not isinstance(value, dict):
        raise FormatError("not a JSON object")
    check_format(value, RECEIPT_FORMAT)
    missing = sorted(_RECEIPT_MEMBERS - set(value))
    if missing:
        raise FormatError(f"the receipt lacks {', '.join(missing)}")
    return Receipt(
        chain_id=as_matching(value["chainId"], CHAIN_ID_RE, "chainId"),
        sequence=as_sequence(value["sequence"], "sequence"),
        entry_id=as_matching(value["entryId"], ENTRY_ID_RE, "entryId"),
        received_at=check_received_at(as_text(value["receivedAt"], "receivedAt")),
        entry_hash=decode_hash(value["entryHash"], "entryHash"),
        prev_hash=decode_hash(value["prevHash"], "prevHash"),
        payload=as_text(value["payload"], "payload").encode("utf-8"),
        checkpoint=as_text(value["checkpoint"], "checkpoint").encode("utf-8"),
        inclusion_proof=as_hashes(value["inclusionProof"], "inclusionProof"),
        unknown_members=sorted(set(value) - _RECEIPT_MEMBERS),
    )


def check_receipt(
    data: bytes,
    keys: Sequence[PublicKey],
    findings: Findings,
    deployment: Optional[str] = None,
    shallow: bool = False,
) -> Tuple[Optional[Receipt], Optional[Checkpoint]]:
    """All that §7 asks for. The receipt and checkpoint come back only as far as they could be read."""
    try:
        receipt = parse_receipt(data)
        note = parse_note(receipt.checkpoint)
        checkpoint = parse_checkpoint(note.text)
    except FormatError as error:
        findings.add_format(error)
        return None, None
    sequence = receipt.sequence
    name = checkpoint.origin if deployment is None else f"{deployment}/{receipt.chain_id}"
    try:
        if checkpoint.origin != name or chain_of(checkpoint.origin) != receipt.chain_id:
            raise SignatureError(f"the checkpoint is of {checkpoint.origin}, not of {name}")
        in_time(verify_note(note, name, keys), receipt.received_at)
    except SignatureError as error:
        findings.add("signature_invalid", str(error), sequence)
    leaf_data = receipt.prev_hash + receipt.payload
    if sha256(leaf_data) != receipt.entry_hash:
        findings.add("hash_mismatch", "entryHash is not the hash of prevHash and payload", sequence)
    try:
        envelope = read_envelope(receipt.payload)
        if not shallow:
            check_canonical(receipt.payload, envelope)
        for label, stated, inside in (
            ("chainId", receipt.chain_id, envelope.chain_id),
            ("sequence", receipt.sequence, envelope.sequence),
            ("entryId", receipt.entry_id, envelope.entry_id),
            ("receivedAt", receipt.received_at, envelope.received_at),
        ):
            if stated != inside:
                findings.add("link_mismatch", f"{label} is {stated!r}, in the payload {inside!r}", sequence)
    except FormatError as error:
        findings.add_format(error, sequence)
    if sequence >= checkpoint.size:
        findings.add(
            "checkpoint_mismatch", f"the checkpoint's size {checkpoint.size} does not cover it", sequence
        )
    elif not verify_inclusion(
        leaf_hash(leaf_data), sequence, checkpoint.size, receipt.inclusion_proof, checkpoint.root
    ):
        findings.add(
            "checkpoint_mismatch", "the inclusion proof does not lead to the checkpoint's root", sequence
        )
    if sequence == 0 and receipt.prev_hash != ZERO_HASH:
        findings.add("link_mismatch", "prevHash of entry 0 is not zero", sequence)
    return receipt, checkpoint


# --------------------------------------------------------------------------------------------------
# Bundles (§8)
# --------------------------------------------------------------------------------------------------


@dataclass
class BundleResult:
    """What a bundle proves, for a report and for holding a chain against it."""

    chain_id: str = ""
    deployment: str = ""
    first: int = 0
    to: int = -1
    entries_checked: int = 0
    checkpoint: Optional[Checkpoint] = None
    #: (size, root) before and after the range, (sequence, entry hash) of its last entry
    start_root: Optional[bytes] = None
    range_root: Optional[bytes] = None
    last_entry_hash: Optional[bytes] = None
    keys_from_bundle: bool = False
    keys: List[PublicKey] = field(default_factory=list)


_BUNDLE_MEMBERS = (
    "chainId",
    "count",
    "createdAt",
    "deployment",
    "firstSequence",
    "frontier",
    "prevHash",
    "publicKeys",
    "range",
)
_MANIFEST_MEMBERS = (
    "checkpoint",
    "consistencyProof",
    "entriesSha256",
    "headerSha256",
    "lastEntryHash",
    "rangeRoot",
)


def read_line(stream: BinaryIO, limit: int, what: str) -> bytes:
    """One line without its line feed; memory stays bounded whatever the file holds."""
    line = stream.readline(limit + 2)
    if line.endswith(b"\n") and len(line) <= limit + 1:
        return line[:-1]
    if len(line) > limit:
        raise FormatError(f"{what} is longer than {limit} bytes")
    raise EOFError(f"the file ends in {what}" if line else f"the file ends before {what}")


def check_bundle(
    stream: BinaryIO,
    trusted: Sequence[PublicKey],
    findings: Findings,
    deployment: Optional[str] = None,
    shallow: bool = False,
) -> BundleResult:
    """Stream a bundle: header, payloads, manifest. Without trusted keys those of its header are taken."""
    result = BundleResult()
    try:
        header_line = read_line(stream, MAX_JSON_FILE_BYTES, "the header")
        header = as_canonical_object(header_line, BUNDLE_FORMAT, _BUNDLE_MEMBERS)
        result.chain_id = as_matching(header["chainId"], CHAIN_ID_RE, "chainId")
        result.deployment = as_matching(header["deployment"], DEPLOYMENT_RE, "deployment")
        as_matching(header["createdAt"], RFC3339_RE, "createdAt")
        result.first = as_sequence(header["firstSequence"], "firstSequence")
        count = as_sequence(header["count"], "count")
        bounds = header["range"]
        if not isinstance(bounds, dict) or set(bounds) != {"from", "to"}:
            raise FormatError("range has not exactly the members from and to")
        start, result.to = as_sequence(bounds["from"], "range.from"), as_sequence(bounds["to"], "range.to")
        if start != result.first or count < 1 or count != result.to - start + 1:
            raise FormatError("firstSequence, count and range do not agree")
        frontier = as_hashes(header["frontier"], "frontier")
        state = state_from(result.first, decode_hash(header["prevHash"], "prevHash"), frontier)
        if not isinstance(header["publicKeys"], list):
            raise FormatError("publicKeys is not an array")
        own_keys = []
        statements: List[KeyStatement] = []
        for item in header["publicKeys"]:
            if isinstance(item, dict) and item.get("format") == CERTIFIED_KEY_FORMAT:
                statements.append(read_key_statement(canonical_json(item)))
                continue
            if not isinstance(item, dict) or set(item) != {"algorithm", "publicKey"}:
                raise FormatError("a public key has not exactly the members algorithm and publicKey")
            own_keys.append(parse_stated_key(item))
    except FormatError as error:
        findings.add_format(error)
        return result
    except EOFError as error:
        findings.add("truncated_tail", str(error), effect=INCOMPLETE)
        return result

    result.keys_from_bundle = not trusted
    origin = f"{result.deployment}/{result.chain_id}"
    result.keys = follow_for(origin, list(trusted) or own_keys, statements) or list(trusted)
    start_root = state.root()
    entries_digest = hashlib.sha256()
    last_received = ""
    try:
        for sequence in range(result.first, result.to + 1):
            payload = read_line(stream, MAX_JSON_FILE_BYTES, f"entry {sequence}")
            if payload.startswith(b'{"checkpoint":'):
                findings.add(
                    "sequence_gap", f"the entries end before {sequence}, not after {result.to}", sequence
                )
                return result
            entries_digest.update(payload + b"\n")
            last_received = check_entry(
                payload, result.chain_id, sequence, None, last_received, findings, shallow, None
            )
            state.append(payload)
            result.entries_checked += 1
        manifest_line = read_line(stream, MAX_JSON_FILE_BYTES, "the manifest")
        rest = stream.read(1)
    except FormatError as error:
        findings.add_format(error, result.first + result.entries_checked)
        return result
    except EOFError as error:
        # Only a signature proves that there was more, and that of a bundle is on its last line.
        findings.add("truncated_tail", str(error), result.first + result.entries_checked, effect=INCOMPLETE)
        return result

    if manifest_line.startswith(b'{"chainId":'):
        findings.add("sequence_gap", f"entries follow after {result.to}", result.to + 1)
        return result
    try:
        manifest = as_canonical_object(manifest_line, MANIFEST_FORMAT, _MANIFEST_MEMBERS)
        header_digest = decode_hash(manifest["headerSha256"], "headerSha256")
        stated_digest = decode_hash(manifest["entriesSha256"], "entriesSha256")
        last_entry_hash = decode_hash(manifest["lastEntryHash"], "lastEntryHash")
        range_root = decode_hash(manifest["rangeRoot"], "rangeRoot")
        proof = as_hashes(manifest["consistencyProof"], "consistencyProof")
        note = parse_note(as_text(manifest["checkpoint"], "checkpoint").encode("utf-8"))
        checkpoint = parse_checkpoint(note.text)
        if rest:
            raise FormatError("bytes follow the manifest")
    except FormatError as error:
        findings.add_format(error)
        return result

    if header_digest != sha256(header_line + b"\n"):
        findings.add("hash_mismatch", "headerSha256 is not that of the header line")
    if stated_digest != entries_digest.digest():
        findings.add("hash_mismatch", "entriesSha256 is not that of the payload lines", result.first, result.to)
    if last_entry_hash != state.prev_hash:
        findings.add(
            "hash_mismatch", "lastEntryHash is not the hash the entries lead to", result.first, result.to
        )
    if range_root != state.root():
        findings.add("hash_mismatch", "rangeRoot is not the root the entries lead to", result.first, result.to)

    name = f"{result.deployment if deployment is None else deployment}/{result.chain_id}"
    try:
        if checkpoint.origin != name or result.deployment != name.rpartition("/")[0]:
            raise SignatureError(f"the checkpoint is of {checkpoint.origin}, not of {name}")
        in_time(verify_note(note, name, result.keys), last_received)
    except SignatureError as error:
        findings.add("signature_invalid", str(error))
    if not verify_consistency(result.to + 1, checkpoint.size, proof, state.root(), checkpoint.root):
        findings.add(
            "checkpoint_mismatch",
            f"the tree of size {result.to + 1} is not shown to lie in the checkpoint of size {checkpoint.size}",
            result.first,
            result.to,
        )
    if findings.verdict == INTACT:
        result.checkpoint = checkpoint
        result.start_root, result.range_root, result.last_entry_hash = start_root, range_root, last_entry_hash
    return result


# --------------------------------------------------------------------------------------------------
# One entry at its place
# --------------------------------------------------------------------------------------------------


def check_entry(
    payload: bytes,
    chain_id: str,
    sequence: int,
    writer_id: Optional[str],
    last_received: str,
    findings: Findings,
    shallow: bool,
    ids: "Optional[EntryIds]",
    object: Optional[str] = None,
) -> str:
    """Check what a payload says of itself; the receivedAt to hold the next entry against comes back."""
    try:
        envelope = read_envelope(payload)
        if not shallow:
            check_canonical(payload, envelope)
    except FormatError as error:
        findings.add_format(error, sequence, object)
        return last_received
    if envelope.chain_id != chain_id:
        findings.add("link_mismatch", f"the entry is of chain {envelope.chain_id!r}", sequence, object=object)
    if envelope.sequence != sequence:
        code = "sequence_gap" if envelope.sequence > sequence else "sequence_duplicate"
        findings.add(code, f"the entry at {sequence} says it is {envelope.sequence}", sequence, object=object)
    if writer_id is not None and envelope.writer_id != writer_id:
        findings.add(
            "link_mismatch",
            f"writer {envelope.writer_id!r} in a segment of {writer_id!r}",
            sequence,
            object=object,
        )
    if ids is not None:
        earlier = ids.add(envelope.entry_id, sequence)
        if earlier is not None:
            findings.add(
                "sequence_duplicate",
                f"entryId {envelope.entry_id!r} is already at {earlier}",
                sequence,
                object=object,
            )
    if envelope.received_at < last_received:
        findings.add(
            "clock_regression", f"{envelope.received_at} is before {last_received}", sequence, object=object
        )
        return last_received
    return envelope.received_at


class EntryIds:
    """The ids seen so far (--check-ids), as hashes: memory grows with the chain."""

    def __init__(self) -> None:
        self._seen: Dict[bytes, int] = {}

    def add(self, entry_id: str, sequence: int) -> Optional[int]:
        digest = sha256(entry_id.encode("ascii"))
        earlier = self._seen.setdefault(digest, sequence)
        return None if earlier == sequence else earlier


# --------------------------------------------------------------------------------------------------
# Anchors: what is kept elsewhere and has to be in the chain (--against)
# --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Anchor:
    """A fact with the deployment's signature from outside the store: a root at a size, or an entry hash
    at a sequence."""

    source: str
    origin: str
    at: int  # a tree size; for an entry hash sequence + 1
    root: Optional[bytes] = None
    entry_hash: Optional[bytes] = None


def read_bounded(path: str, limit: int) -> bytes:
    with open(path, "rb") as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise FormatError(f"longer than {limit} bytes")
    return data


def read_anchors(
    path: str, keys: Sequence[PublicKey], statements: Sequence[KeyStatement] = ()
) -> List[Anchor]:
    """The anchors in a receipt, bundle, checkpoint or mark; SignatureError or FormatError if it proves nothing."""
    if not keys:
        raise SignatureError("no public key to check it with")
    with open(path, "rb") as stream:
        start = stream.read(64 * 1024)
        kind = "note"
        if start.lstrip(b" \t\r\n").startswith(b"{"):
            bundle = start.startswith(b'{"chainId":') and b"\n" in start.rstrip()
            kind = (
                "bundle" if bundle and b'"format":"indelible/bundle/v1"' in start.split(b"\n")[0] else "receipt"
            )
        if kind == "bundle":
            stream.seek(0)
            findings = Findings()
            result = check_bundle(stream, keys, findings, shallow=True)
            if findings.verdict != INTACT or result.checkpoint is None:
                raise_first(findings)
            origin = result.checkpoint.origin
            return [
                Anchor(path, origin, result.first, root=result.start_root),
                Anchor(path, origin, result.to + 1, root=result.range_root),
                Anchor(path, origin, result.to + 1, entry_hash=result.last_entry_hash),
                Anchor(path, origin, result.checkpoint.size, root=result.checkpoint.root),
            ]
    data = read_bounded(path, MAX_JSON_FILE_BYTES)
    keys = follow_for(stated_origin(data), keys, statements) or keys
    if kind == "receipt":
        findings = Findings()
        receipt, checkpoint = check_receipt(data, keys, findings, shallow=True)
        if findings.verdict != INTACT or receipt is None or checkpoint is None:
            raise_first(findings)
        return [
            Anchor(path, checkpoint.origin, receipt.sequence + 1, entry_hash=receipt.entry_hash),
            Anchor(path, checkpoint.origin, checkpoint.size, root=checkpoint.root),
        ]
    if data.startswith(MARK_FORMAT.encode("ascii") + b"\n"):
        mark = open_mark(data, keys)
        return [
            Anchor(path, mark.checkpoint.origin, mark.checkpoint.size, root=mark.checkpoint.root),
            Anchor(path, mark.checkpoint.origin, mark.checkpoint.size, entry_hash=mark.last_entry_hash),
        ]
    checkpoint = open_checkpoint(data, keys)
    return [Anchor(path, checkpoint.origin, checkpoint.size, root=checkpoint.root)]


def stated_origin(data: bytes) -> str:
    """The origin that a receipt, checkpoint or mark names: only under it, keys count."""
    text = data
    if data.lstrip(b" \t\r\n").startswith(b"{"):
        text = parse_receipt(data).checkpoint
    lines = text.split(b"\n", 2)
    origin = lines[1] if lines[0] == MARK_FORMAT.encode("ascii") and len(lines) > 1 else lines[0]
    return origin.decode("utf-8", "replace")


def raise_first(findings: Findings) -> NoReturn:
    first = findings.items[0]
    raise (SignatureError if first.code == "signature_invalid" else FormatError)(
        f"{first.code}: {first.message}"
    )


class AnchorCheck:
    """Holds the growing chain against its anchors, in order of size."""

    def __init__(self, anchors: Sequence[Anchor], findings: Findings) -> None:
        self._waiting = sorted(anchors, key=lambda anchor: anchor.at)
        self._findings = findings
        #: All entries below this sequence are proven by an anchor.
        self.proven_below = 0

    def stops(self, first: int, to: int) -> List[int]:
        """The sizes from `first` to `to` at which a state is wanted."""
        return sorted({anchor.at for anchor in self._waiting if first <= anchor.at <= to})

    def agrees(self, state: ChainState) -> bool:
        return any(
            anchor.at == state.size
            and anchor.root in (None, state.root())
            and anchor.entry_hash in (None, state.prev_hash)
            for anchor in self._waiting
        )

    def reached(self, state: ChainState, floor: int = 0) -> None:
        """`floor`: the first entry that can be at fault if the states do not agree."""
        while self._waiting and self._waiting[0].at <= state.size:
            anchor = self._waiting.pop(0)
            if anchor.at < state.size:
                message = f"{anchor.source}: size {anchor.at} was not reached, there is nothing to compare with"
                self._findings.add("unverified_range", message, max(anchor.at - 1, 0))
            elif (anchor.root is not None and anchor.root != state.root()) or (
                anchor.entry_hash is not None and anchor.entry_hash != state.prev_hash
            ):
                what = "root" if anchor.entry_hash is None else "entry hash"
                self._findings.add(
                    "checkpoint_mismatch",
                    f"{anchor.source}: the {what} signed for size {anchor.at} is not that of this chain",
                    max(self.proven_below, floor),
                    max(anchor.at - 1, 0),
                )
            else:
                self.proven_below = anchor.at

    def finish(self, size: int) -> None:
        for anchor in self._waiting:
            if anchor.at <= size:
                message = f"{anchor.source}: size {anchor.at} was not reached, there is nothing to compare with"
                self._findings.add("unverified_range", message, max(anchor.at - 1, 0))
            else:
                message = f"{anchor.source}: signed at size {anchor.at}, the chain ends at {size}"
                self._findings.add("truncated_tail", message, size, anchor.at - 1)
        self._waiting = []


# --------------------------------------------------------------------------------------------------
# Segments (§5)
# --------------------------------------------------------------------------------------------------

_SEGMENT_MEMBERS = ("chainId", "count", "firstSequence", "frontier", "prevHash", "signerKeyId", "writerId")


@dataclass(frozen=True)
class SegmentHeader:
    chain_id: str
    count: int
    first: int
    start: ChainState
    signer_key_id: str
    writer_id: str


def parse_segment_header(line: bytes) -> SegmentHeader:
    value = as_object(line, SEGMENT_FORMAT, _SEGMENT_MEMBERS)
    first = as_sequence(value["firstSequence"], "firstSequence")
    start = state_from(
        first, decode_hash(value["prevHash"], "prevHash"), as_hashes(value["frontier"], "frontier")
    )
    return SegmentHeader(
        chain_id=as_matching(value["chainId"], CHAIN_ID_RE, "chainId"),
        count=as_sequence(value["count"], "count"),
        first=first,
        start=start,
        signer_key_id=as_matching(value["signerKeyId"], KEY_ID_RE, "signerKeyId"),
        writer_id=as_matching(value["writerId"], WRITER_ID_RE, "writerId"),
    )


def build_segment_header(
    chain_id: str, start: ChainState, count: int, signer_key_id: str, writer_id: str
) -> bytes:
    return canonical_json(
        {
            "chainId": chain_id,
            "count": count,
            "firstSequence": start.size,
            "format": SEGMENT_FORMAT,
            "frontier": [subtree.hex() for subtree in start.frontier],
            "prevHash": start.prev_hash.hex(),
            "signerKeyId": signer_key_id,
            "writerId": writer_id,
        }
    )


def segment_key(chain_id: str, first: int) -> str:
    return f"chains/{chain_id}/segments/{first:020d}.ndjson"


@dataclass
class SegmentParts:
    """A segment cut at its line feeds; each part may still be anything."""

    header: bytes
    payloads: List[bytes]
    note: Optional[Note] = None
    checkpoint: Optional[Checkpoint] = None
    note_error: Optional[FormatError] = None


def split_segment(data: bytes) -> SegmentParts:
    """Payloads are never empty lines, so the first empty line ends them."""
    head, separator, note_bytes = data.partition(b"\n\n")
    lines = head.split(b"\n")
    parts = SegmentParts(lines[0], lines[1:])
    try:
        if not separator:
            raise FormatError("there is no empty line and no checkpoint")
        parts.note = parse_note(note_bytes)
        parts.checkpoint = parse_checkpoint(parts.note.text)
    except FormatError as error:
        parts.note_error = error
    return parts


class SegmentRun(NamedTuple):
    """The states before and after a segment's entries, and at the sizes that anchors ask for."""

    start: ChainState
    end: ChainState
    snapshots: List[ChainState]


def run_segment(start: ChainState, payloads: Sequence[bytes], stops: Sequence[int]) -> SegmentRun:
    state, wanted = start.copy(), set(stops)
    snapshots = [state.copy()] if state.size in wanted else []
    for payload in payloads:
        state.append(payload)
        if state.size in wanted:
            snapshots.append(state.copy())
    return SegmentRun(start, state, snapshots)


class ChainRun:
    """The verification of one chain, segment after segment.

    Each segment is held against the state the segments before it lead to. After a segment that can't
    be believed, the next one's own header is taken as a start: its signed root shows whether that
    start is a true one, so one bad segment does not hide the state of those behind it.
    """

    def __init__(
        self,
        chain_id: str,
        deployment: Optional[str],
        keys: Sequence[PublicKey],
        anchors: Sequence[Anchor] = (),
        shallow: bool = False,
        check_ids: bool = False,
    ) -> None:
        self.chain_id = chain_id
        self.deployment = deployment
        self.keys = keys
        self.shallow = shallow
        self.findings = Findings()
        self.ids = EntryIds() if check_ids else None
        self.anchors = AnchorCheck(anchors, self.findings)
        self.state = ChainState()
        #: The root signed for size `next_sequence`; None is "unknown".
        self.signed_root: Optional[bytes] = None
        #: Whether `state` is to be believed.
        self.clean = True
        self.last_received = ""
        self.next_sequence = 0
        #: An object at `next_sequence` is there but can't be read: what follows is not missing.
        self.blocked = False
        self.entries_checked = 0
        self.segments_checked = 0
        self.anchors.reached(self.state)

    @property
    def origin(self) -> Optional[str]:
        return None if self.deployment is None else f"{self.deployment}/{self.chain_id}"

    # -- what is not a segment at its place ---------------------------------------------------------

    def skip_to(self, first: int) -> None:
        """The next object on hand is not the next one of the chain."""
        if not self.blocked:
            self.findings.add(
                "missing_object",
                f"entries {self.next_sequence} to {first - 1} are not there",
                self.next_sequence,
                first - 1,
                segment_key(self.chain_id, self.next_sequence),
            )
        self.blocked = False
        self.clean, self.signed_root, self.next_sequence = False, None, first

    def extra(self, first: int, data: bytes) -> None:
        """An object whose name lies within a segment already read: a signed one is another history."""
        key = segment_key(self.chain_id, first)
        aside = ChainRun(self.chain_id, self.deployment, self.keys, (), shallow=True)
        aside.clean, aside.next_sequence = False, first
        aside.segment(first, data)
        if aside.findings.verdict == INTACT:
            self.findings.add("fork", "another signed segment over the same entries", first, object=key)
        else:
            self.findings.add("foreign_object", "not a segment of this chain", object=key)

    def unreadable(self, first: int, reason: str) -> None:
        key = segment_key(self.chain_id, first)
        self.findings.add("unverified_range", f"can't be read: {reason}", first, object=key, effect=INCOMPLETE)
        if first == self.next_sequence:
            self.clean, self.signed_root, self.blocked = False, None, True

    # -- a segment ----------------------------------------------------------------------------------

    def segment(self, first: int, data: bytes, following: Optional[int] = None) -> None:
        """Verify the bytes of the segment whose key says it starts at `first` (= next_sequence).

        `following` is where the next object there is says it starts: a hint for going on behind a
        segment that does not say reliably where it ends.
        """
        key = segment_key(self.chain_id, first)
        report = Findings()
        received_before = self.last_received
        self.segments_checked += 1
        if len(data) > MAX_SEGMENT_BYTES:
            report.add("unknown_format", f"larger than {MAX_SEGMENT_BYTES} bytes", first, object=key)
        parts = split_segment(data)
        count = len(parts.payloads)
        signed = self._check_signature(parts, first, key, report)
        header, header_error = self._read_header(parts.header, first, key, report)
        if not 1 <= count <= MAX_SEGMENT_ENTRIES:
            report.add("unknown_format", f"{count} entries, not 1 to {MAX_SEGMENT_ENTRIES}", first, object=key)

        writer_id = self._writer_of(parts)
        for index, payload in enumerate(parts.payloads):
            self.last_received = check_entry(
                payload,
                self.chain_id,
                first + index,
                writer_id,
                self.last_received,
                report,
                self.shallow,
                self.ids,
                key,
            )
        self.entries_checked += count

        run = self._hash_entries(parts, header, first, signed, key, report)
        if run is not None:
            floor = first if signed is not None and signed.root != run.end.root() else 0
            for snapshot in run.snapshots:
                self.anchors.reached(snapshot, floor)
            if header is not None and parts.note is not None:
                signer_key_id = parts.note.signatures[0].key_id.hex()
                self._check_header_bytes(parts, header, run.start, signer_key_id, writer_id, key, report)
        if header_error is not None:
            # A version this verifier does not know can't be judged; but where the entries lead to the
            # signed root by the rules of this version, it was this version, and the header was changed.
            known_version = run is not None and signed is not None and run.end.root() == signed.root
            unknown = isinstance(header_error, UnknownVersion) and not known_version
            effect = INDETERMINATE if unknown else TAMPERED
            report.add("unknown_format", f"header: {header_error}", first, object=key, effect=effect)
        self.findings.extend(report)

        self.clean = run is not None and signed is not None and signed.root == run.end.root()
        if run is not None:
            self.state = run.end
        if not self.clean:
            self.last_received = received_before  # a forged time must not condemn the entries behind it
        self.next_sequence = self._end_of(first, count, header, signed, following)
        self.signed_root = signed.root if signed is not None and signed.size == self.next_sequence else None

    def _end_of(
        self,
        first: int,
        count: int,
        header: Optional[SegmentHeader],
        signed: Optional[Checkpoint],
        following: Optional[int],
    ) -> int:
        """Where the next segment has to start."""
        sizes = [first + count]
        if header is not None:
            sizes.append(first + header.count)
        if signed is not None:
            sizes.append(signed.size)
        if len(set(sizes)) > 1 and following is not None and first < following <= first + MAX_SEGMENT_ENTRIES:
            return following
        return max(sizes[-1], first + 1)

    def _check_signature(
        self, parts: SegmentParts, first: int, key: str, report: Findings
    ) -> Optional[Checkpoint]:
        """The checkpoint if a trusted key signed it and it is of this chain."""
        if parts.note is None or parts.checkpoint is None:
            report.add("signature_invalid", str(parts.note_error), first, object=key)
            return None
        checkpoint = parts.checkpoint
        if self.deployment is None and chain_of(checkpoint.origin) == self.chain_id:
            self.deployment = checkpoint.origin.rpartition("/")[0]
        origin = self.origin or checkpoint.origin
        if checkpoint.origin != origin:
            report.add(
                "signature_invalid",
                f"the checkpoint is of {checkpoint.origin}, not of {origin}",
                first,
                object=key,
            )
            return None
        if not self.keys:
            report.add("unverified_range", "no public key to check the signature with", first, object=key)
            return checkpoint
        try:
            signers = verify_note(parts.note, origin, self.keys, only_known=True)
            self._check_window(signers, parts)
        except SignatureError as error:
            report.add("signature_invalid", str(error), first, object=key)
            return None
        if checkpoint.size != first + len(parts.payloads):
            report.add(
                "checkpoint_mismatch",
                f"the checkpoint is of size {checkpoint.size}, the entries end at {first + len(parts.payloads)}",
                first,
                object=key,
            )
        return checkpoint

    def _check_window(self, signers: Sequence[PublicKey], parts: SegmentParts) -> None:
        """§6.1: a delegated key signs what was received within its time."""
        windows = [key.validity for key in signers if key.validity is not None]
        if not windows or not parts.payloads:
            return
        try:
            received_at = read_envelope(parts.payloads[-1]).received_at
        except FormatError:
            return  # found with the entry
        for not_before, not_after in windows:
            if not not_before <= received_at <= not_after:
                raise SignatureError(
                    f"the key was delegated from {not_before} to {not_after}, the segment ends at {received_at}"
                )

    def _read_header(
        self, line: bytes, first: int, key: str, report: Findings
    ) -> Tuple[Optional[SegmentHeader], Optional[FormatError]]:
        try:
            header = parse_segment_header(line)
        except FormatError as error:
            return None, error
        if header.first != first:
            code = "sequence_gap" if header.first > first else "sequence_duplicate"
            report.add(code, f"the header says it starts at {header.first}", first, object=key)
            return None, None
        if header.chain_id != self.chain_id:
            report.add("link_mismatch", f"the header is of chain {header.chain_id!r}", first, object=key)
        return header, None

    def _writer_of(self, parts: SegmentParts) -> Optional[str]:
        try:
            return read_envelope(parts.payloads[0]).writer_id if parts.payloads else None
        except FormatError:
            return None  # found with the entry

    def _hash_entries(
        self,
        parts: SegmentParts,
        header: Optional[SegmentHeader],
        first: int,
        signed: Optional[Checkpoint],
        key: str,
        report: Findings,
    ) -> Optional[SegmentRun]:
        """Hash the stored bytes and hold them against the signed root.

        There may be two starts to try: where the segment before ended, and what the header states.
        Which of them leads to the signed root tells a damaged header from a fork.
        """
        last = first + len(parts.payloads) - 1
        known = self.state if self.state.size == first else None
        declared = header.start if header is not None else None
        starts = [
            start for start in ((known, declared) if self.clean else (declared, known)) if start is not None
        ]
        if not starts:
            report.add(
                "unverified_range", "neither the chain before nor the header can be read", first, last, key
            )
            return None
        if len(starts) == 2 and starts[0].same_start(starts[1]):
            starts.pop()
        stops = self.anchors.stops(first, last + 1)
        runs = [run_segment(start, parts.payloads, stops) for start in starts]
        if signed is None:
            return runs[0]
        run = next((run for run in runs if run.end.root() == signed.root), None)
        if run is None:
            run, low = runs[0], first
            for snapshot in run.snapshots:
                if self.clean and self.anchors.agrees(snapshot):
                    low = max(low, min(snapshot.size, last))
            report.add("hash_mismatch", "the entries do not lead to the root that was signed", low, last, key)
        elif self.clean and known is not None and not run.start.same_start(known):
            report.add(
                "fork", "signed, but it continues another history than the segment before", first, object=key
            )
        elif self.signed_root is not None and run.start.root() != self.signed_root:
            report.add(
                "link_mismatch", "it does not start from the tree that was signed before it", first, object=key
            )
        return run

    def _check_header_bytes(
        self,
        parts: SegmentParts,
        header: SegmentHeader,
        start: ChainState,
        signer_key_id: str,
        writer_id: Optional[str],
        key: str,
        report: Findings,
    ) -> None:
        """§5.1: every member follows from the rest of the chain; compute the header and compare bytes."""
        first, count = start.size, len(parts.payloads)
        writer_id = header.writer_id if writer_id is None else writer_id
        if build_segment_header(self.chain_id, start, count, signer_key_id, writer_id) == parts.header:
            return
        if not header.start.same_start(start):
            report.add("link_mismatch", "the header does not state the chain before it", first, object=key)
        elif header.count != count:
            code = "sequence_gap" if header.count > count else "sequence_duplicate"
            report.add(code, f"the header says {header.count} entries, there are {count}", first, object=key)
        else:
            report.add(
                "hash_mismatch", "the header's bytes are not those that follow from it", first, object=key
            )

    def finish(self) -> None:
        self.anchors.finish(self.next_sequence)


# --------------------------------------------------------------------------------------------------
# The store (§6) on a file system
# --------------------------------------------------------------------------------------------------


class Store(NamedTuple):
    """What a data directory says of itself. Keys found here tell what signed, not whom to trust."""

    worm: Path
    deployment: Optional[str]
    keys: List[PublicKey]
    statements: List[KeyStatement]
    findings: Findings


def open_store(data_dir: Path) -> Store:
    worm = data_dir / "worm"
    if not worm.is_dir():
        raise UsageError(f"{worm} is not a directory")
    findings = Findings()
    deployment: Optional[str] = None
    root_key: Optional[str] = None
    try:
        data = read_bounded(str(worm / "deployment.json"), MAX_JSON_FILE_BYTES)
        rooted = DEPLOYMENT_FORMAT_ROOTED.encode("ascii") in data
        value = (
            as_canonical_object(data, DEPLOYMENT_FORMAT_ROOTED, ("createdAt", "deployment", "rootKey"))
            if rooted
            else as_canonical_object(data, DEPLOYMENT_FORMAT, ("createdAt", "deployment"))
        )
        if rooted:
            root_key = as_matching(value["rootKey"], HASH_HEX_RE, "rootKey")
        as_matching(value["createdAt"], RFC3339_RE, "createdAt")
        deployment = as_matching(value["deployment"], DEPLOYMENT_RE, "deployment")
    except FileNotFoundError:
        message = "the name of the deployment is not there"
        findings.add("missing_object", message, object="deployment.json", effect=INCOMPLETE)
    except FormatError as error:
        findings.add_format(error, object="deployment.json")
    statements: List[KeyStatement] = []
    folder = worm / "keys"
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        name = f"keys/{printable_name(path.name)}"
        if not re.match(r"[0-9a-f]{64}\.json\Z", path.name) or path.is_symlink() or not path.is_file():
            findings.add("foreign_object", "not the name of a key", object=name)
            continue
        try:
            statement = read_key_statement(read_bounded(str(path), MAX_JSON_FILE_BYTES))
        except FormatError as error:
            findings.add_format(error, object=name)
            continue
        if statement.key.fingerprint != path.name[:64]:
            findings.add("hash_mismatch", "its name is not the hash of the key in it", object=name)
            continue
        statements.append(statement)
    keys: List[PublicKey] = []
    if deployment is not None:
        roots = [
            item.key
            for item in statements
            if item.purpose is None and root_key in (None, item.key.fingerprint)
        ]
        keys, refused = follow_keys(deployment, roots, statements)
        for fingerprint, reason in refused.items():
            findings.add("foreign_object", f"not a key of this log: {reason}", object=f"keys/{fingerprint}.json")
    return Store(worm, deployment, keys, statements, findings)


def printable_name(name: str) -> str:
    """A file name as text: bytes that are not UTF-8 arrive as surrogates, which nothing can encode."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def list_chains(worm: Path, findings: Findings) -> List[str]:
    """The chains that hold anything at all."""
    folder = worm / "chains"
    chains = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if not path.is_dir() or not CHAIN_ID_RE.match(path.name):
            findings.add(
                "foreign_object", "not the name of a chain", object=f"chains/{printable_name(path.name)}"
            )
        elif next((path / "segments").glob("*"), None) is not None:
            chains.append(path.name)
    return chains


def list_segments(folder: Path, findings: Findings, chain_id: str) -> "array[int]":
    """The first sequences that names in the folder state, sorted: eight bytes a segment."""
    firsts = array("Q")
    if not folder.is_dir():
        return firsts
    with os.scandir(folder) as entries:
        for entry in entries:
            match = SEGMENT_NAME_RE.match(entry.name)
            if match is None or int(match.group(1)) > MAX_SEQUENCE or not entry.is_file(follow_symlinks=False):
                name = f"chains/{chain_id}/segments/{printable_name(entry.name)}"
                findings.add("foreign_object", "not a segment by its name or kind", object=name)
                continue
            firsts.append(int(match.group(1)))
    return array("Q", sorted(firsts))


def verify_chain(
    store: Store,
    chain_id: str,
    deployment: Optional[str],
    keys: Sequence[PublicKey],
    anchors: Sequence[Anchor] = (),
    shallow: bool = False,
    check_ids: bool = False,
    progress: bool = False,
) -> ChainRun:
    """Read all segments of a chain once, in order, one at a time in memory."""
    run = ChainRun(chain_id, deployment, keys, anchors, shallow, check_ids)
    folder = store.worm / "chains" / chain_id / "segments"
    firsts = list_segments(folder, run.findings, chain_id)
    if not firsts:
        key = segment_key(chain_id, 0)
        run.findings.add("missing_object", "the chain has no segment", 0, object=key, effect=INCOMPLETE)
    shown = time.monotonic()
    for index in range(len(firsts)):
        first = firsts[index]
        if first > run.next_sequence:
            run.skip_to(first)
        try:
            data = read_segment(folder / f"{first:020d}.ndjson")
        except OSError as error:
            run.unreadable(first, error.strerror or str(error))
            continue
        if first < run.next_sequence:
            run.extra(first, data)
        else:
            run.segment(first, data, firsts[index + 1] if index + 1 < len(firsts) else None)
        if progress and time.monotonic() - shown > 2:
            shown = time.monotonic()
            print(
                f"{chain_id}: {run.entries_checked} entries, {index + 1}/{len(firsts)} segments",
                file=sys.stderr,
            )
    run.finish()
    return run


def read_segment(path: Path) -> bytes:
    with open(path, "rb") as stream:
        return stream.read(MAX_SEGMENT_BYTES + 1)


# --------------------------------------------------------------------------------------------------
# Commands
# --------------------------------------------------------------------------------------------------


KEYS_NOT_FROM_OUTSIDE = (
    "the public keys were taken from the {} itself: this shows what was signed with them, not that they are "
    "the right ones (--public-key)"
)


def load_keys(arguments: Sequence[str]) -> List[PublicKey]:
    keys: List[PublicKey] = []
    for argument in arguments:
        try:
            is_file = os.path.isfile(argument)
            text = read_bounded(argument, MAX_JSON_FILE_BYTES).decode("utf-8") if is_file else argument
            keys.extend(parse_public_keys(text))
        except (FormatError, UnicodeDecodeError, ValueError) as error:
            shown = argument if len(argument) <= 60 else argument[:57] + "..."
            raise UsageError(f"--public-key {shown}: {error}") from error
    return keys


def load_certificates(arguments: Sequence[str]) -> List[KeyStatement]:
    """Key objects as the store has them (`keys/….json`), to follow from the trusted keys on."""
    statements = []
    for path in arguments:
        try:
            statements.append(read_key_statement(read_bounded(path, MAX_JSON_FILE_BYTES).strip()))
        except FormatError as error:
            raise UsageError(f"--certificate {path}: {error}") from error
    return statements


def load_anchors(
    args: argparse.Namespace,
    deployment: Optional[str],
    keys: Sequence[PublicKey],
    statements: Sequence[KeyStatement],
    findings: Findings,
) -> Dict[str, List[Anchor]]:
    """What --against names, by chain. What can't be believed makes the verdict indeterminate: which of the
    two lies, the file or the store with its keys, is not known."""
    anchors: Dict[str, List[Anchor]] = {}
    for path in args.against:
        try:
            found = read_anchors(path, keys, statements)
        except (FormatError, SignatureError, EOFError) as error:
            code = "signature_invalid" if isinstance(error, SignatureError) else "unknown_format"
            findings.add(code, f"--against {path}: {error}", effect=INDETERMINATE)
            continue
        name, _, chain_id = found[0].origin.rpartition("/")
        if args.chain not in (None, chain_id) or args.deployment not in (None, name):
            raise UsageError(f"--against {path} is of {found[0].origin}, which is not what is to be verified")
        if name != deployment and deployment is not None:
            message = f"--against {path} is of deployment {name!r}, the store of {deployment!r}"
            findings.add("checkpoint_mismatch", message, effect=INDETERMINATE)
            continue
        anchors.setdefault(chain_id, []).extend(found)
    return anchors


def describe_chain(run: ChainRun) -> Dict[str, Any]:
    return {
        "chainId": run.chain_id,
        "verdict": run.findings.verdict,
        "entriesChecked": run.entries_checked,
        "segmentsChecked": run.segments_checked,
        "firstBadSequence": run.findings.first_bad,
        "size": run.next_sequence,
        "root": run.state.root().hex() if run.clean else None,
        "lastEntryHash": run.state.prev_hash.hex() if run.clean and run.state.size else None,
        "lastReceivedAt": run.last_received or None,
        "findings": [item.to_json() for item in run.findings.items],
        "findingsOmitted": run.findings.omitted,
    }


def command_chain(args: argparse.Namespace) -> Dict[str, Any]:
    if args.chain is not None and not CHAIN_ID_RE.match(args.chain):
        raise UsageError(f"--chain {args.chain}: not a chain id")
    store = open_store(Path(args.data_dir))
    trusted = load_keys(args.public_key)
    deployment = args.deployment or store.deployment

    def keys_of(chain_id: str) -> List[PublicKey]:
        """A vkey vouches for its own chain alone, so the keys may differ from chain to chain."""
        if not trusted or deployment is None:
            return trusted or store.keys
        return follow_for(f"{deployment}/{chain_id}", trusted, store.statements) or trusted

    if store.deployment not in (None, deployment):
        message = f"the store is of deployment {store.deployment!r}, not {deployment!r}"
        store.findings.add("link_mismatch", message, object="deployment.json")

    # Anchors before the listing: a chain that grows meanwhile is then never behind them.
    anchors = load_anchors(args, deployment, trusted or store.keys, store.statements, store.findings)
    chains = [args.chain] if args.chain is not None else list_chains(store.worm, store.findings)
    results = []
    for chain_id in sorted({*chains, *anchors}):
        run = verify_chain(
            store,
            chain_id,
            deployment,
            keys_of(chain_id),
            anchors.get(chain_id, ()),
            args.shallow,
            args.check_ids,
            args.progress,
        )
        results.append(describe_chain(run))

    findings = [item.to_json() for item in store.findings.items]
    for result in results:
        findings.extend({"chainId": result["chainId"], **item} for item in result["findings"])
    notes = []
    if not trusted:
        notes.append(KEYS_NOT_FROM_OUTSIDE.format("store"))
    if not results:
        notes.append("the store holds no chain")
    for chain_id in (result["chainId"] for result in results if result["chainId"] not in anchors):
        notes.append(
            f"{chain_id} was held against nothing from outside: a tail cut off would not show (--against)"
        )
    return {
        "command": "chain",
        "verdict": worst([store.findings.verdict, *(result["verdict"] for result in results)]),
        "entriesChecked": sum(result["entriesChecked"] for result in results),
        "firstBadSequence": results[0]["firstBadSequence"] if len(results) == 1 else None,
        "findings": findings,
        "deployment": deployment,
        "keysFrom": "arguments" if trusted else "store",
        "publicKeys": [key.describe() for key in trusted or store.keys],
        "heldAgainst": [
            {
                "source": source,
                "chainId": chain_id,
                "size": max(anchor.at for anchor in found if anchor.source == source),
            }
            for chain_id, found in sorted(anchors.items())
            for source in dict.fromkeys(anchor.source for anchor in found)
        ],
        "chains": results,
        "notes": notes,
    }


def finish_report(command: str, findings: Findings, **members: Any) -> Dict[str, Any]:
    return {
        "command": command,
        "verdict": findings.verdict,
        "firstBadSequence": findings.first_bad,
        "findings": [item.to_json() for item in findings.items],
        **members,
    }


def command_receipt(args: argparse.Namespace) -> Dict[str, Any]:
    keys, findings, notes = load_keys(args.public_key), Findings(), []
    data = read_input(args.file)
    keys = followed(data, keys, args)
    receipt, checkpoint = check_receipt(data, keys, findings, args.deployment, args.shallow)
    if receipt is not None and receipt.unknown_members:
        notes.append(f"members that nothing vouches for: {', '.join(receipt.unknown_members)}")
    members: Dict[str, Any] = {"entriesChecked": 0 if receipt is None else 1, "notes": notes}
    if receipt is not None and checkpoint is not None:
        members.update(
            chainId=receipt.chain_id,
            sequence=receipt.sequence,
            entryId=receipt.entry_id,
            receivedAt=receipt.received_at,
            entryHash=receipt.entry_hash.hex(),
            checkpoint={"origin": checkpoint.origin, "size": checkpoint.size, "root": checkpoint.root.hex()},
        )
    return finish_report("receipt", findings, **members)


def command_bundle(args: argparse.Namespace) -> Dict[str, Any]:
    keys, findings, notes = load_keys(args.public_key), Findings(), []
    with open(args.file, "rb") as stream:
        result = check_bundle(stream, keys, findings, args.deployment, args.shallow)
    if result.keys_from_bundle:
        notes.append(KEYS_NOT_FROM_OUTSIDE.format("bundle"))
    checkpoint = result.checkpoint
    return finish_report(
        "bundle",
        findings,
        entriesChecked=result.entries_checked,
        chainId=result.chain_id or None,
        deployment=result.deployment or None,
        range={"from": result.first, "to": result.to} if result.to >= 0 else None,
        keysFrom="bundle" if result.keys_from_bundle else "arguments",
        publicKeys=[key.describe() for key in result.keys],
        checkpoint=None
        if checkpoint is None
        else {"origin": checkpoint.origin, "size": checkpoint.size, "root": checkpoint.root.hex()},
        notes=notes,
    )


def read_input(path: str) -> bytes:
    try:
        return read_bounded(path, MAX_JSON_FILE_BYTES)
    except FormatError as error:
        raise UsageError(f"{path}: {error}") from error


def followed(data: bytes, keys: List[PublicKey], args: argparse.Namespace) -> List[PublicKey]:
    """The keys, and those that --certificate leads to for what this receipt, checkpoint or mark is of."""
    statements = load_certificates(args.certificate)
    try:
        return (follow_for(stated_origin(data), keys, statements) if statements else keys) or keys
    except FormatError:
        return keys  # what is wrong with it is found when it is checked


def check_note_file(
    path: str, keys: List[PublicKey], args: argparse.Namespace, findings: Findings
) -> Optional[Checkpoint]:
    """A checkpoint, or the checkpoint inside a verified-through mark."""
    data = read_input(path)
    keys, origin = followed(data, keys, args), args.origin
    try:
        if data.startswith(MARK_FORMAT.encode("ascii") + b"\n"):
            return open_mark(data, keys).checkpoint
        return open_checkpoint(data, keys, origin)
    except SignatureError as error:
        findings.add("signature_invalid", f"{path}: {error}")
    except FormatError as error:
        findings.add_format(FormatError(f"{path}: {error}"))
    return None


def command_checkpoint(args: argparse.Namespace) -> Dict[str, Any]:
    findings = Findings()
    checkpoint = check_note_file(args.file, load_keys(args.public_key), args, findings)
    members: Dict[str, Any] = {}
    if checkpoint is not None:
        members = {"origin": checkpoint.origin, "size": checkpoint.size, "root": checkpoint.root.hex()}
    return finish_report("checkpoint", findings, **members, notes=[])


def read_proof(path: Optional[str]) -> List[bytes]:
    """A JSON array of hexadecimal hashes, or an object that has one as its `consistencyProof`."""
    if path is None:
        return []
    try:
        value = parse_json(read_input(path))
        if isinstance(value, dict):
            value = value.get("consistencyProof")
        return as_hashes(value, "consistencyProof")
    except FormatError as error:
        raise UsageError(f"--proof {path}: {error}") from error


def command_consistency(args: argparse.Namespace) -> Dict[str, Any]:
    keys, findings = load_keys(args.public_key), Findings()
    older = check_note_file(args.old, keys, args, findings)
    newer = check_note_file(args.new, keys, args, findings)
    if older is not None and newer is not None:
        if older.origin != newer.origin:
            raise UsageError(f"{older.origin} and {newer.origin} are two chains")
        if older.size > newer.size:
            raise UsageError("OLD is larger than NEW")
        if not verify_consistency(older.size, newer.size, read_proof(args.proof), older.root, newer.root):
            findings.add("checkpoint_mismatch", f"size {newer.size} is not shown to continue size {older.size}")
    return finish_report("consistency", findings, notes=[])


def printable(text: str) -> str:
    """Text for a terminal: what came from a file must not move the cursor or turn the line around."""
    return "".join(ch if ch.isprintable() else ch.encode("unicode_escape").decode("ascii") for ch in text)


def report_lines(report: Dict[str, Any]) -> List[str]:
    lines = [f"verdict: {report['verdict']}"]
    if "entriesChecked" in report:
        lines.append(f"entries checked: {report['entriesChecked']}")
    if report["firstBadSequence"] is not None:
        lines.append(f"first bad sequence: {report['firstBadSequence']}")
    for chain in report.get("chains", []):
        root = chain["root"] or "unknown"
        lines.append(f"chain {chain['chainId']}: {chain['verdict']}, size {chain['size']}, root {root}")
    for finding in report["findings"]:
        place = (
            [finding["object"]] if "object" in finding else [finding["chainId"]] if "chainId" in finding else []
        )
        if "sequence" in finding:
            place.append(f"#{finding['sequence']}" + (f"-{finding['to']}" if "to" in finding else ""))
        where = " ".join(place) + ": " if place else ""
        lines.append(f"  {finding['code']} ({finding['effect']}) {where}{finding['message']}")
    for held in report.get("heldAgainst", []):
        lines.append(f"held against: {held['source']} ({held['chainId']}, size {held['size']})")
    return lines + [f"note: {note}" for note in report.get("notes", [])]


class Parser(argparse.ArgumentParser):
    """argparse leaves with 2 on wrong usage; here 2 means tampered."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(1, f"{self.prog}: {message}\n")


def build_parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="indelible_verify.py", description="Verify Indelible audit chains and what is kept of them."
    )
    commands = parser.add_subparsers(dest="command", required=True, parser_class=Parser)
    key_help = (
        "trusted key: base64 SPKI, vkey, or a file with PEM, key object, or one of these a line; repeatable"
    )

    def add(name: str, run: Any, help: str, key_required: bool = True) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=help, description=help)
        command.set_defaults(run=run)
        command.add_argument(
            "--public-key", action="append", default=[], metavar="KEY", required=key_required, help=key_help
        )
        command.add_argument("--json", action="store_true", help="print the report as JSON")
        return command

    chain = add("chain", command_chain, "verify chains in a data directory", key_required=False)
    chain.add_argument("--data-dir", required=True, metavar="D", help="the directory that holds worm/")
    chain.add_argument("--chain", metavar="C", help="one chain; without it all that are there")
    chain.add_argument("--deployment", metavar="NAME", help="what the deployment must be called")
    chain.add_argument(
        "--against",
        action="append",
        default=[],
        metavar="FILE",
        help="a receipt, checkpoint, bundle or verified-through mark kept elsewhere; repeatable",
    )
    chain.add_argument(
        "--check-ids", action="store_true", help="entryIds are unique (memory grows with the chain)"
    )
    chain.add_argument(
        "--shallow", action="store_true", help="leave out parsing each payload as canonical JSON"
    )
    chain.add_argument("--progress", action="store_true", help="say on stderr how far it is")

    for name, run, help in (
        ("receipt", command_receipt, "verify a receipt"),
        ("bundle", command_bundle, "verify an exported bundle"),
    ):
        command = add(name, run, help, key_required=name == "receipt")
        command.add_argument("file", metavar="FILE")
        command.add_argument("--deployment", metavar="NAME", help="what the deployment must be called")
        command.add_argument(
            "--shallow", action="store_true", help="leave out parsing payloads as canonical JSON"
        )

    checkpoint = add("checkpoint", command_checkpoint, "verify a signed checkpoint or verified-through mark")
    checkpoint.add_argument("file", metavar="FILE")
    consistency = add("consistency", command_consistency, "verify that one checkpoint continues another")
    consistency.add_argument("old", metavar="OLD")
    consistency.add_argument("new", metavar="NEW")
    consistency.add_argument(
        "--proof", metavar="FILE", help="JSON array of hashes, or an object with consistencyProof"
    )
    for command in (commands.choices["receipt"], checkpoint, consistency):
        command.add_argument(
            "--certificate",
            action="append",
            default=[],
            metavar="FILE",
            help="a key object of the store, to follow from the trusted keys on; repeatable",
        )
    for command in (checkpoint, consistency):
        command.add_argument("--origin", metavar="NAME", help="the origin it must have")
    return parser


def main(argv: Optional[Sequence[str]] = None) -> int:
    args = build_parser().parse_args(argv)
    try:
        report = args.run(args)
    except (UsageError, OSError) as error:
        if args.json:
            print(json.dumps({"command": args.command, "error": str(error)}))
        print(f"indelible_verify.py: {error}", file=sys.stderr)
        return 1
    if args.json:
        print(json.dumps(report, indent=2))
    else:
        print("\n".join(printable(line) for line in report_lines(report)))
    return EXIT_CODES[report["verdict"]]


if __name__ == "__main__":
    sys.exit(main())
