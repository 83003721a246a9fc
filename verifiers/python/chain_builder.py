"""Builds small chains, receipts and bundles for the tests and the published vectors.

The keys here are public and the arithmetic is not constant-time: nothing of this file may ever sign
anything that matters. Trees and proofs follow the recursive definitions of RFC 6962 §2.1 word for
word, not the algorithms of indelible_verify.py, so that the two check each other.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

import indelible_verify as iv

# -- signers ---------------------------------------------------------------------------------------


class Ed25519Signer:
    """RFC 8032 §5.1.5 and §5.1.6."""

    algorithm = "ed25519"

    def __init__(self, seed: bytes) -> None:
        self.seed = seed
        digest = hashlib.sha512(seed).digest()
        scalar = int.from_bytes(digest[:32], "little")
        self._scalar = (scalar & ((1 << 254) - 8)) | (1 << 254)
        self._prefix = digest[32:]
        self.public_bytes = iv.ed_compress(iv.ed_multiply(self._scalar, iv.ED_BASE))
        self.public_key = iv.PublicKey.from_spki(iv.SPKI_ED25519_PREFIX + self.public_bytes)

    def sign(self, message: bytes) -> bytes:
        r = int.from_bytes(hashlib.sha512(self._prefix + message).digest(), "little") % iv.ED_L
        encoded = iv.ed_compress(iv.ed_multiply(r, iv.ED_BASE))
        k = int.from_bytes(hashlib.sha512(encoded + self.public_bytes + message).digest(), "little") % iv.ED_L
        return encoded + ((r + k * self._scalar) % iv.ED_L).to_bytes(32, "little")


def der_integer(value: int) -> bytes:
    body = value.to_bytes(value.bit_length() // 8 + 1, "big")
    return bytes([0x02, len(body)]) + body


def der_signature(r: int, s: int) -> bytes:
    body = der_integer(r) + der_integer(s)
    return bytes([0x30, len(body)]) + body


class EcdsaP256Signer:
    """ECDSA on P-256 with SHA-256 and the deterministic k of RFC 6979 §3.2."""

    algorithm = "ecdsa-p256"

    def __init__(self, private: int) -> None:
        self.private = private
        point = iv.p256_double_multiply(private, iv.P256_G, 0, iv.P256_G)
        assert point is not None
        self.point = point
        raw = point[0].to_bytes(32, "big") + point[1].to_bytes(32, "big")
        self.public_key = iv.PublicKey.from_spki(iv.SPKI_P256_PREFIX + raw)

    def _nonce(self, digest: bytes) -> int:
        x = self.private.to_bytes(32, "big")
        h = (int.from_bytes(digest, "big") % iv.P256_N).to_bytes(32, "big")
        v, k = b"\x01" * 32, b"\x00" * 32

        def mac(key: bytes, data: bytes) -> bytes:
            return hmac.new(key, data, hashlib.sha256).digest()

        k = mac(k, v + b"\x00" + x + h)
        v = mac(k, v)
        k = mac(k, v + b"\x01" + x + h)
        v = mac(k, v)
        while True:
            v = mac(k, v)
            candidate = int.from_bytes(v, "big")
            if 0 < candidate < iv.P256_N:
                return candidate
            k = mac(k, v + b"\x00")
            v = mac(k, v)

    def sign_integers(self, message: bytes) -> Tuple[int, int]:
        digest = iv.sha256(message)
        k = self._nonce(digest)
        point = iv.p256_double_multiply(k, iv.P256_G, 0, iv.P256_G)
        assert point is not None
        r = point[0] % iv.P256_N
        s = pow(k, -1, iv.P256_N) * (int.from_bytes(digest, "big") + r * self.private) % iv.P256_N
        return r, min(s, iv.P256_N - s)  # format.md §4: the lower half

    def sign(self, message: bytes) -> bytes:
        return der_signature(*self.sign_integers(message))


Signer = Union[Ed25519Signer, EcdsaP256Signer]

CREATED_AT = "2026-11-23T20:00:00.000000Z"


def certified_key(
    by: Signer,
    key: iv.PublicKey,
    deployment: str,
    window: Optional[Tuple[str, str]] = None,
    certified_by: Optional[str] = None,
) -> bytes:
    """A key object with a certificate (§6.1): with a window a delegated key, else one of a rotation."""
    value = {
        "algorithm": key.algorithm,
        "certifiedBy": by.public_key.fingerprint if certified_by is None else certified_by,
        "createdAt": CREATED_AT,
        "deployment": deployment,
        "format": iv.CERTIFIED_KEY_FORMAT,
        "publicKey": iv.encode_base64(key.spki),
        "purpose": "rotation" if window is None else "delegated",
    }
    if window is not None:
        value["notBefore"], value["notAfter"] = window
    signature = by.sign(b"indelible/key/v2\n" + iv.canonical_json(value) + b"\n")
    return iv.canonical_json({**value, "signature": iv.encode_base64(signature)})


def root_key(key: iv.PublicKey) -> bytes:
    value = {
        "algorithm": key.algorithm,
        "createdAt": CREATED_AT,
        "format": iv.KEY_FORMAT,
        "publicKey": iv.encode_base64(key.spki),
    }
    return iv.canonical_json(value)


def rooted_deployment(root: iv.PublicKey, deployment: str) -> bytes:
    value = {
        "createdAt": CREATED_AT,
        "deployment": deployment,
        "format": iv.DEPLOYMENT_FORMAT_ROOTED,
        "rootKey": root.fingerprint,
    }
    return iv.canonical_json(value)


def signature_line(name: str, key_id: bytes, signature: bytes) -> str:
    return f"\u2014 {name} {iv.encode_base64(key_id + signature)}\n"


def sign_note(text: str, name: str, *signers: Signer) -> str:
    raw = text.encode("utf-8")
    lines = (signature_line(name, signer.public_key.key_id(name), signer.sign(raw)) for signer in signers)
    return text + "\n" + "".join(lines)


def checkpoint_text(origin: str, size: int, root: bytes) -> str:
    return f"{origin}\n{size}\n{iv.encode_base64(root)}\n"


# -- RFC 6962 §2.1, by its recursive definitions ---------------------------------------------------


def _split(size: int) -> int:
    """The largest power of two smaller than size."""
    return 1 << ((size - 1).bit_length() - 1)


def tree_root(leaves: Sequence[bytes]) -> bytes:
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = _split(len(leaves))
    return hashlib.sha256(b"\x01" + tree_root(leaves[:k]) + tree_root(leaves[k:])).digest()


def inclusion_path(index: int, leaves: Sequence[bytes]) -> List[bytes]:
    if len(leaves) == 1:
        return []
    k = _split(len(leaves))
    if index < k:
        return inclusion_path(index, leaves[:k]) + [tree_root(leaves[k:])]
    return inclusion_path(index - k, leaves[k:]) + [tree_root(leaves[:k])]


def consistency_path(first: int, leaves: Sequence[bytes]) -> List[bytes]:
    if first == 0 or first == len(leaves):
        return []

    def subproof(m: int, part: Sequence[bytes], whole: bool) -> List[bytes]:
        if m == len(part):
            return [] if whole else [tree_root(part)]
        k = _split(len(part))
        if m <= k:
            return subproof(m, part[:k], whole) + [tree_root(part[k:])]
        return subproof(m - k, part[k:], False) + [tree_root(part[:k])]

    return subproof(first, leaves, True)


def tree_frontier(leaves: Sequence[bytes]) -> List[bytes]:
    """The roots of the perfect subtrees, largest first (docs/format.md §3)."""
    result, offset = [], 0
    for bit in range(len(leaves).bit_length() - 1, -1, -1):
        width = 1 << bit
        if len(leaves) & width:
            result.append(tree_root(leaves[offset : offset + width]))
            offset += width
    return result


# -- chains ----------------------------------------------------------------------------------------


@dataclass
class Entry:
    sequence: int
    entry_id: str
    received_at: str
    writer_id: str
    event: Dict[str, Any]
    payload: bytes
    prev_hash: bytes

    @property
    def leaf_data(self) -> bytes:
        return self.prev_hash + self.payload

    @property
    def entry_hash(self) -> bytes:
        return hashlib.sha256(self.leaf_data).digest()


@dataclass
class Segment:
    key: str
    first: int
    count: int
    header: bytes
    data: bytes
    checkpoint: str


@dataclass
class ChainBuilder:
    """A chain in memory. The signers sign each segment, the first of them is its signerKeyId."""

    deployment: str
    chain_id: str
    signers: Sequence[Signer]
    entries: List[Entry] = field(default_factory=list)
    segments: List[Segment] = field(default_factory=list)

    @property
    def origin(self) -> str:
        return f"{self.deployment}/{self.chain_id}"

    def leaves(self, size: Optional[int] = None) -> List[bytes]:
        return [entry.leaf_data for entry in self.entries[:size]]

    def add(self, event: Dict[str, Any], entry_id: str, received_at: str, writer_id: str = "w1") -> Entry:
        """Append one entry; `commit` writes what was added since the last one as a segment."""
        sequence = len(self.entries)
        payload = iv.canonical_json(
            {
                "chainId": self.chain_id,
                "entryId": entry_id,
                "event": event,
                "format": iv.ENTRY_FORMAT,
                "receivedAt": received_at,
                "sequence": sequence,
                "writerId": writer_id,
            }
        )
        return self.add_payload(payload, event, entry_id, received_at, writer_id)

    def add_payload(
        self, payload: bytes, event: Dict[str, Any], entry_id: str, received_at: str, writer_id: str = "w1"
    ) -> Entry:
        """Append these very bytes, whatever they are: for chains a writer should not have written."""
        prev_hash = self.entries[-1].entry_hash if self.entries else iv.ZERO_HASH
        entry = Entry(len(self.entries), entry_id, received_at, writer_id, event, payload, prev_hash)
        self.entries.append(entry)
        return entry

    def commit(self, **header_members: Any) -> Segment:
        """Write the pending entries as one segment. `header_members` overrides, to build wrong ones."""
        first = sum(segment.count for segment in self.segments)
        pending = self.entries[first:]
        header = iv.canonical_json(
            {
                "chainId": self.chain_id,
                "count": len(pending),
                "firstSequence": first,
                "format": iv.SEGMENT_FORMAT,
                "frontier": [subtree.hex() for subtree in tree_frontier(self.leaves(first))],
                "prevHash": pending[0].prev_hash.hex(),
                "signerKeyId": self.signers[0].public_key.key_id(self.origin).hex(),
                "writerId": pending[0].writer_id,
                **header_members,
            }
        )
        checkpoint = self.checkpoint()
        lines = [header, *(entry.payload for entry in pending), b""]
        data = b"\n".join(lines) + b"\n" + checkpoint.encode("utf-8")
        segment = Segment(iv.segment_key(self.chain_id, first), first, len(pending), header, data, checkpoint)
        self.segments.append(segment)
        return segment

    def checkpoint(self, size: Optional[int] = None) -> str:
        size = len(self.entries) if size is None else size
        return sign_note(
            checkpoint_text(self.origin, size, tree_root(self.leaves(size))), self.origin, *self.signers
        )

    def receipt(self, sequence: int, size: Optional[int] = None) -> Dict[str, Any]:
        size = len(self.entries) if size is None else size
        entry = self.entries[sequence]
        return {
            "format": iv.RECEIPT_FORMAT,
            "chainId": self.chain_id,
            "sequence": sequence,
            "entryId": entry.entry_id,
            "receivedAt": entry.received_at,
            "entryHash": entry.entry_hash.hex(),
            "prevHash": entry.prev_hash.hex(),
            "payload": entry.payload.decode("utf-8"),
            "checkpoint": self.checkpoint(size),
            "inclusionProof": [sibling.hex() for sibling in inclusion_path(sequence, self.leaves(size))],
        }

    def bundle_parts(
        self, first: int, to: int, size: Optional[int] = None, created_at: str = "2026-11-24T08:00:00.000000Z"
    ) -> Tuple[Dict[str, Any], List[bytes], Dict[str, Any]]:
        """Header, payloads and manifest, before the digests: `bundle_text` makes those."""
        size = len(self.entries) if size is None else size
        header = {
            "chainId": self.chain_id,
            "count": to - first + 1,
            "createdAt": created_at,
            "deployment": self.deployment,
            "firstSequence": first,
            "format": iv.BUNDLE_FORMAT,
            "frontier": [subtree.hex() for subtree in tree_frontier(self.leaves(first))],
            "prevHash": self.entries[first].prev_hash.hex(),
            "publicKeys": [signer.public_key.describe() for signer in self.signers],
            "range": {"from": first, "to": to},
        }
        manifest = {
            "checkpoint": self.checkpoint(size),
            "consistencyProof": [node.hex() for node in consistency_path(to + 1, self.leaves(size))],
            "format": iv.MANIFEST_FORMAT,
            "lastEntryHash": self.entries[to].entry_hash.hex(),
            "rangeRoot": tree_root(self.leaves(to + 1)).hex(),
        }
        return header, [entry.payload for entry in self.entries[first : to + 1]], manifest

    def bundle(self, first: int, to: int, size: Optional[int] = None) -> bytes:
        return bundle_text(*self.bundle_parts(first, to, size))

    def mark(self, size: int, verified_at: str = "2026-11-24T09:00:00Z") -> str:
        last = self.entries[size - 1]
        text = (
            f"{iv.MARK_FORMAT}\n{checkpoint_text(self.origin, size, tree_root(self.leaves(size)))}"
            f"{last.entry_hash.hex()}\n{last.received_at}\n{verified_at}\n"
        )
        return sign_note(text, self.origin, *self.signers)

    def deployment_object(self, created_at: str = "2026-11-23T20:00:00.000000Z") -> Tuple[str, bytes]:
        value = {"createdAt": created_at, "deployment": self.deployment, "format": iv.DEPLOYMENT_FORMAT}
        return "deployment.json", iv.canonical_json(value)

    def key_objects(self, created_at: str = "2026-11-23T20:00:00.000000Z") -> List[Tuple[str, bytes]]:
        result = []
        for signer in self.signers:
            key = signer.public_key
            value = {**key.describe(), "createdAt": created_at, "format": iv.KEY_FORMAT}
            result.append((f"keys/{iv.sha256(key.spki).hex()}.json", iv.canonical_json(value)))
        return result

    def objects(self) -> Dict[str, bytes]:
        """All objects of a store that holds this chain alone."""
        return dict(
            [self.deployment_object(), *self.key_objects(), *((item.key, item.data) for item in self.segments)]
        )


def bundle_text(header: Dict[str, Any], payloads: Sequence[bytes], manifest: Dict[str, Any]) -> bytes:
    """Put a bundle together; digests not given in the manifest are those of its lines."""
    header_line = iv.canonical_json(header) + b"\n"
    body = b"".join(payload + b"\n" for payload in payloads)
    digests = {"entriesSha256": iv.sha256(body).hex(), "headerSha256": iv.sha256(header_line).hex()}
    return header_line + body + iv.canonical_json({**digests, **manifest}) + b"\n"
