#!/usr/bin/env python3
"""Writes test/vectors/{chain,receipt,bundle,merkle,note}.json and bundle.txt; the same bytes every time.

    python3 verifiers/python/make_vectors.py            # write
    python3 verifiers/python/make_vectors.py --check    # exit 1 if the files are not what it would write

Shapes are described in test/vectors/README.md.
"""

from __future__ import annotations

import io
import json
import sys
import tempfile
from pathlib import Path
from typing import Any, Callable, Dict, List, Sequence, Tuple

import indelible_verify as iv
from chain_builder import (
    ChainBuilder,
    EcdsaP256Signer,
    Ed25519Signer,
    Signer,
    bundle_text,
    certified_key,
    checkpoint_text,
    consistency_path,
    der_signature,
    inclusion_path,
    root_key,
    rooted_deployment,
    sign_note,
    signature_line,
    tree_frontier,
    tree_root,
)

FORMAT = "indelible/test-vectors/v1"
VECTORS = Path(__file__).resolve().parents[2] / "test" / "vectors"
DEPLOYMENT = "example.com/audit"

ED25519 = Ed25519Signer(iv.sha256(b"indelible test vectors: ed25519 seed"))
ED25519_OTHER = Ed25519Signer(iv.sha256(b"indelible test vectors: another ed25519 seed"))
ECDSA = EcdsaP256Signer(
    int.from_bytes(iv.sha256(b"indelible test vectors: ecdsa p-256 scalar"), "big") % iv.P256_N
)

EVENTS: List[Dict[str, Any]] = [
    {"action": "user.login", "actor": {"id": "u-1", "type": "user"}, "outcome": "success"},
    {
        "action": "document.update",
        "actor": {"id": "u-2", "name": "Zo\u00eb \u201cZ\u201d M\u00fcller", "type": "user"},
        "category": "user",
        "changes": [{"after": "caf\u00e9\u2028\u20ac", "before": None, "field": "title"}],
        "context": {"ip": "2001:db8::1", "requestId": "r-1", "userAgent": "curl/8.5.0"},
        "occurredAt": "2026-11-23T20:52:07Z",
        "outcome": "success",
        "targets": [{"id": "d-9", "type": "document"}],
    },
    {
        "action": "strings",
        "actor": {"id": "s", "type": "system"},
        "metadata": {
            "controls": "\x00\x07\b\t\n\x0b\f\r\x1b\x1f\x7f\x80",
            "escapes": "\"\\/<>&'",
            "noncharacter": "\ufffe\uffff",
            "emoji": "\U0001f600",
            "combining": "e\u0301",
        },
    },
    {
        # Sorted by UTF-16 code units: U+1F600 (d83d de00) comes before U+FB33.
        "action": "names",
        "actor": {"id": "s", "type": "system"},
        "metadata": {
            "\ufb33": 1,
            "\U0001f600": 2,
            "\u20ac": 3,
            "\r": 4,
            "1": 5,
            "10": 6,
            "9": 7,
            "": 8,
            "__proto__": {"a": 9},
            "constructor": 10,
            "a": 11,
            "A": 12,
            "\x80": 13,
            "\u00f6": 14,
        },
    },
    {
        "action": "numbers",
        "actor": {"id": "s", "type": "system"},
        "metadata": {
            "values": [
                0,
                1,
                -1,
                1.5,
                -0.1,
                1e21,
                1e20,
                123456789012345680000.0,
                1e-6,
                1e-7,
                5e-324,
                1.7976931348623157e308,
                9007199254740991,
                9007199254740992,
                333333333.33333325,
                4.35,
                1e23,
                0.000001234,
                2.2250738585072014e-308,
            ]
        },
    },
    {
        "action": "empty",
        "actor": {"id": "s", "type": "system"},
        "metadata": {"array": [], "false": False, "null": None, "object": {}, "true": True},
    },
    {
        "action": "payment.refund",
        "actor": {"id": "svc-7", "type": "service"},
        "category": "financial",
        "outcome": "denied",
        "reason": "limit",
    },
    {"action": "deepest", "actor": {"id": "s", "type": "system"}, "metadata": {}},
    {"action": "user.logout", "actor": {"id": "u-1", "type": "user"}, "schemaVersion": "1"},
]


def _deepest() -> Dict[str, Any]:
    """31 levels, which with the event make the 32 that are allowed."""
    value: Dict[str, Any] = {}
    for _ in range(30):
        value = {"d": value}
    return value


EVENTS[7]["metadata"] = _deepest()

RECEIVED = [
    "2026-11-23T20:52:07.000001Z",
    "2026-11-23T20:52:07.123456Z",
    "2026-11-23T20:52:07.123456Z",
    "2026-11-23T20:52:08.000000Z",
    "2026-11-23T20:52:08.000001Z",
    "2026-11-23T20:52:59.999999Z",
    "2026-11-23T23:59:59.999999Z",
    "2026-11-24T00:00:00.000000Z",
    "2026-11-24T00:00:00.000000Z",
]
IDS = [
    "0193c0de-0000-7000-8000-000000000000",
    "order:4711@shop=eu+1~2",
    "A",
    "0193c0de-0000-7000-8000-000000000003",
    "x" * 127 + "~",
    "0193c0de-0000-7000-8000-000000000005",
    "refund-1",
    "0193c0de-0000-7000-8000-000000000007",
    "0193c0de-0000-7000-8000-000000000008",
]
#: Three segments, the first two those that "chain.json" is mostly about.
SEGMENT_SIZES = [3, 5, 1]


def build_chain(chain_id: str, signers: List[Signer], sizes: List[int] = SEGMENT_SIZES) -> ChainBuilder:
    chain = ChainBuilder(DEPLOYMENT, chain_id, signers)
    for number, size in enumerate(sizes):
        for _ in range(size):
            n = len(chain.entries)
            chain.add(EVENTS[n], IDS[n], RECEIVED[n], f"writer{number + 1}")
        chain.commit()
    return chain


def small_event(n: int) -> Dict[str, Any]:
    return {"action": "refund", "actor": {"id": f"u-{n}", "type": "user"}, "metadata": {"amount": n + 0.5}}


def build_small_chain(
    chain_id: str, signers: List[Signer], sizes: Sequence[int] = SEGMENT_SIZES
) -> ChainBuilder:
    """Short entries, for vectors that repeat them often."""
    chain = ChainBuilder(DEPLOYMENT, chain_id, signers)
    for number, size in enumerate(sizes):
        for _ in range(size):
            n = len(chain.entries)
            chain.add(small_event(n), f"id-{n}", RECEIVED[n], f"writer{number + 1}")
        chain.commit()
    return chain


def key_json(signer: Signer, name: str) -> Dict[str, Any]:
    key = signer.public_key
    secret = (
        {"seed": signer.seed.hex()}
        if isinstance(signer, Ed25519Signer)
        else {"scalar": f"{signer.private:064x}"}
    )
    return {
        "algorithm": key.algorithm,
        **secret,
        "publicKey": iv.encode_base64(key.spki),
        "keyId": key.key_id(name).hex(),
        "vkey": key.vkey(name),
    }


def hexes(values: List[bytes]) -> List[str]:
    return [value.hex() for value in values]


# -- what the verifier of this folder says of the wrong ones -----------------------------------------


def judge_store(objects: Dict[str, bytes], keys: List[iv.PublicKey]) -> Tuple[str, List[str], Any]:
    with tempfile.TemporaryDirectory() as folder:
        for key, data in objects.items():
            path = Path(folder) / "worm" / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        store = iv.open_store(Path(folder))
        chain_id = next(key.split("/")[1] for key in objects if key.startswith("chains/"))
        run = iv.verify_chain(store, chain_id, DEPLOYMENT, keys, check_ids=True)
        return run.findings.verdict, sorted(set(run.findings.codes())), run.findings.first_bad


def judge_bundle(data: bytes) -> Tuple[str, List[str]]:
    findings = iv.Findings()
    iv.check_bundle(io.BytesIO(data), [ED25519.public_key], findings)
    return findings.verdict, sorted(set(findings.codes()))


# -- keys.json ---------------------------------------------------------------------------------------

WINDOW = ("2026-11-23T20:50:00.000000Z", "2026-11-24T01:00:00.000000Z")


def key_vectors() -> Dict[str, Any]:
    """Stores whose first segment the root (ECDSA) signed, the second a rotated key, the third a delegated one."""
    root, second, session = ECDSA.public_key, ED25519.public_key, ED25519_OTHER.public_key
    chain = ChainBuilder(DEPLOYMENT, "refunds", [ECDSA])
    for number, signer in enumerate((ECDSA, ED25519, ED25519_OTHER)):
        chain.signers = [signer]
        for _ in range(2):
            n = len(chain.entries)
            chain.add(small_event(n), f"id-{n}", RECEIVED[n], f"writer{number + 1}")
        chain.commit()

    def name(key: iv.PublicKey) -> str:
        return f"keys/{key.fingerprint}.json"

    segments = [(item.key, item.data) for item in chain.segments]
    own = [("deployment.json", rooted_deployment(root, DEPLOYMENT)), (name(root), root_key(root))]
    rotation = (name(second), certified_key(ECDSA, second, DEPLOYMENT))
    delegation = (name(session), certified_key(ED25519, session, DEPLOYMENT, WINDOW))
    received = chain.entries[5].received_at

    def delegated(window: Tuple[str, str]) -> Tuple[str, bytes]:
        return (name(session), certified_key(ED25519, session, DEPLOYMENT, window))

    changed = delegation[1].replace(b"01:00:00.000000Z", b"01:00:00.000001Z")
    cases = [
        ("rotation-and-delegation", [rotation, delegation], ""),
        ("window-of-one-moment", [rotation, delegated((received, received))], "both ends are within"),
        ("no-certificate", [rotation, (name(session), root_key(session))], "deployment.json names another root"),
        ("key-missing", [rotation], "the delegated key is not stated"),
        ("window-over", [rotation, delegated((WINDOW[0], "2026-11-23T20:52:59.999998Z"))], "by a microsecond"),
        ("window-not-begun", [rotation, delegated(("2026-11-24T00:00:00.000001Z", WINDOW[1]))], ""),
        ("window-changed", [rotation, (name(session), changed)], "no certificate for this window"),
        (
            "certified-by-delegated",
            [
                (name(second), certified_key(ECDSA, second, DEPLOYMENT, WINDOW)),
                (name(session), certified_key(ED25519, session, DEPLOYMENT)),
            ],
            "a delegated key certifies nothing",
        ),
        (
            "other-deployment",
            [rotation, (name(session), certified_key(ED25519, session, "elsewhere.example", WINDOW))],
            "",
        ),
        (
            "signed-by-another",
            [
                rotation,
                (name(session), certified_key(ED25519, session, DEPLOYMENT, WINDOW, certified_by=root.fingerprint)),
            ],
            "it names a certifier that did not sign it",
        ),
        (
            "circle",
            [
                (name(second), certified_key(ED25519_OTHER, second, DEPLOYMENT)),
                (name(session), certified_key(ED25519, session, DEPLOYMENT)),
            ],
            "two keys that vouch for each other",
        ),
    ]
    result = []
    for case_name, keys, why in cases:
        objects = dict([*own, *keys, *segments])
        with tempfile.TemporaryDirectory() as folder:
            for key, data in objects.items():
                path = Path(folder) / "worm" / key
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
            store = iv.open_store(Path(folder))
            pinned = iv.follow_for(chain.origin, [root], store.statements)
            run = iv.verify_chain(store, chain.chain_id, DEPLOYMENT, pinned)
        assert [key.spki for key in pinned] == [key.spki for key in store.keys], case_name
        result.append(
            {
                "name": case_name,
                "why": why,
                "objects": [{"key": key, "text": data.decode("utf-8")} for key, data in [*own, *keys]],
                "trusted": [key.fingerprint for key in pinned],
                "foreign": sorted(item.object for item in store.findings.items if item.code == "foreign_object"),
                "verdict": run.findings.verdict,
                "firstBadSequence": run.findings.first_bad,
            }
        )
    assert [item["verdict"] for item in result] == ["intact"] * 2 + ["tampered"] * (len(result) - 2)
    return {
        "format": FORMAT,
        "deployment": DEPLOYMENT,
        "chainId": chain.chain_id,
        "root": iv.encode_base64(root.spki),
        "segments": [{"key": key, "text": data.decode("utf-8")} for key, data in segments],
        "stores": result,
    }


# -- chain.json --------------------------------------------------------------------------------------


def chain_json(chain: ChainBuilder) -> Dict[str, Any]:
    entries = []
    for entry in chain.entries:
        after = chain.leaves(entry.sequence + 1)
        entries.append(
            {
                "sequence": entry.sequence,
                "entryId": entry.entry_id,
                "receivedAt": entry.received_at,
                "writerId": entry.writer_id,
                "event": entry.event,
                "payload": entry.payload.decode("utf-8"),
                "prevHash": entry.prev_hash.hex(),
                "entryHash": entry.entry_hash.hex(),
                "leafHash": tree_root([entry.leaf_data]).hex(),
                "frontier": hexes(tree_frontier(after)),
                "root": tree_root(after).hex(),
            }
        )
    deployment_key, deployment = chain.deployment_object()
    return {
        "deployment": chain.deployment,
        "chainId": chain.chain_id,
        "origin": chain.origin,
        "keys": [key_json(signer, chain.origin) for signer in chain.signers],
        "objects": [
            {"key": deployment_key, "text": deployment.decode("utf-8")},
            *({"key": key, "text": data.decode("utf-8")} for key, data in chain.key_objects()),
        ],
        "entries": entries,
        "segments": [
            {
                "key": segment.key,
                "firstSequence": segment.first,
                "count": segment.count,
                "text": segment.data.decode("utf-8"),
                "sha256": iv.sha256(segment.data).hex(),
            }
            for segment in chain.segments
        ],
        "mark": chain.mark(len(chain.entries)),
    }


def invalid_chains() -> Dict[str, Any]:
    good = build_small_chain("payments", [ED25519], [2, 2, 1])
    first, second, third = good.segments
    whole = {item.key: item.data for item in good.segments}
    assert judge_store(whole, [ED25519.public_key])[0] == "intact"
    result: List[Dict[str, Any]] = []

    def case(name: str, why: str, objects: Dict[str, bytes]) -> None:
        verdict, codes, bad = judge_store(objects, [ED25519.public_key])
        assert verdict != "intact", name
        segments = [
            {"key": key} if whole.get(key) == data else {"key": key, "text": data.decode("utf-8")}
            for key, data in sorted(objects.items())
        ]
        result.append(
            {
                "name": name,
                "why": why,
                "segments": segments,
                "verdict": verdict,
                "findings": codes,
                "firstBadSequence": bad,
            }
        )

    def altered(name: str, why: str, segment: Any, old: bytes, new: bytes) -> None:
        assert segment.data.count(old) >= 1, name
        case(name, why, {**whole, segment.key: segment.data.replace(old, new, 1)})

    def built(name: str, why: str, build: Callable[[ChainBuilder], Any]) -> None:
        chain = ChainBuilder(DEPLOYMENT, "payments", [ED25519])
        build(chain)
        case(name, why, {item.key: item.data for item in chain.segments})

    altered("payload-changed", "a number of entry 1 reads otherwise", first, b"1.5", b"2.5")
    altered(
        "header-prev-hash",
        "prevHash of the header is another",
        second,
        good.entries[2].prev_hash.hex().encode(),
        b"00" * 32,
    )
    altered("header-not-canonical", "a space in the header", second, b'"count":2', b'"count": 2')
    altered(
        "header-writer",
        "writerId of the header is not that of the entries",
        second,
        b'"writerId":"writer2"}\n{',
        b'"writerId":"writer3"}\n{',
    )
    altered(
        "signature-flipped",
        "the checkpoint's signature is another",
        second,
        second.checkpoint[-20:].encode(),
        second.checkpoint[-20:].swapcase().encode(),
    )
    altered("last-newline", "the last line feed is missing", third, third.data[-10:], third.data[-10:-1])
    altered(
        "entries-swapped",
        "two payload lines have changed places",
        first,
        good.entries[0].payload + b"\n" + good.entries[1].payload,
        good.entries[1].payload + b"\n" + good.entries[0].payload,
    )
    altered("entry-removed", "a payload line is missing", first, good.entries[1].payload + b"\n", b"")

    def signed_by(*signers: Signer) -> bytes:
        text = checkpoint_text(good.origin, 4, tree_root(good.leaves(4)))
        head = second.data[: -len(second.checkpoint.encode("utf-8"))]
        return head + sign_note(text, good.origin, *signers).encode("utf-8")

    case(
        "unknown-second-signature",
        "a signature line by a key that is not trusted",
        {**whole, second.key: signed_by(ED25519, ED25519_OTHER)},
    )
    case("repeated-signature", "the same key signs twice", {**whole, second.key: signed_by(ED25519, ED25519)})
    case(
        "foreign-signature",
        "signed by a key that is not trusted",
        {**whole, second.key: signed_by(ED25519_OTHER)},
    )
    case("missing-segment", "the middle segment is not there", {first.key: first.data, third.key: third.data})
    case("missing-first", "the first segment is not there", {second.key: second.data, third.key: third.data})

    other = ChainBuilder(DEPLOYMENT, "payments", [ED25519])
    for n in range(4):
        other.add(small_event(n + 1 if n < 2 else n), f"id-{n}", RECEIVED[n], f"writer{n // 2 + 1}")
        if n % 2:
            other.commit()
    case(
        "fork", "a signed segment that continues another history", {**whole, second.key: other.segments[1].data}
    )
    case(
        "fork-overlap",
        "a second signed segment over entries that are already there",
        {**whole, iv.segment_key("payments", 1): _overlap().data},
    )

    def clock(chain: ChainBuilder) -> None:
        chain.add(small_event(0), "id-0", RECEIVED[1])
        chain.add(small_event(1), "id-1", RECEIVED[0])
        chain.commit()

    built("clock-regression", "signed, but receivedAt of entry 1 is before that of entry 0", clock)

    def duplicate(chain: ChainBuilder) -> None:
        chain.add(small_event(0), "id-0", RECEIVED[0])
        chain.add(small_event(1), "id-0", RECEIVED[1])
        chain.commit()

    built("duplicate-entry-id", "signed, but two entries have the same entryId", duplicate)

    def writers(chain: ChainBuilder) -> None:
        chain.add(small_event(0), "id-0", RECEIVED[0], "w1")
        chain.add(small_event(1), "id-1", RECEIVED[1], "w2")
        chain.commit()

    built("two-writers", "signed, but the entries of one segment have two writers", writers)

    def signed_payload(old: bytes, new: bytes) -> Callable[[ChainBuilder], None]:
        def build(chain: ChainBuilder) -> None:
            payload = good.entries[0].payload.replace(old, new)
            assert payload != good.entries[0].payload
            chain.add_payload(payload, {}, "id-0", RECEIVED[0], "writer1")
            chain.commit()

        return build

    built(
        "payload-not-canonical",
        "signed, but the payload holds a space",
        signed_payload(b'"amount":0.5', b'"amount": 0.5'),
    )
    built(
        "payload-duplicate-member",
        "signed, but the event has two members of the same name",
        signed_payload(b'"amount":0.5', b'"amount":0.25,"amount":0.5'),
    )
    built(
        "payload-inexact-number",
        "signed, but a number is not an IEEE double",
        signed_payload(b'"amount":0.5', b'"amount":9007199254740993'),
    )
    built(
        "payload-lone-surrogate",
        "signed, but a string holds half a surrogate pair",
        signed_payload(b'"amount":0.5', b'"amount":"\\ud800"'),
    )
    built(
        "payload-negative-zero",
        "signed, but a number is negative zero",
        signed_payload(b'"amount":0.5', b'"amount":-0'),
    )
    built(
        "payload-sequence",
        "signed, but the entry at 0 says it is 1",
        signed_payload(b'"sequence":0', b'"sequence":1'),
    )
    built(
        "payload-other-chain",
        "signed, but the entry is of another chain",
        signed_payload(b'"chainId":"payments"', b'"chainId":"payment5"'),
    )

    def too_deep(chain: ChainBuilder) -> None:
        chain.add({**EVENTS[7], "metadata": {"d": EVENTS[7]["metadata"]}}, "id-0", RECEIVED[0])
        chain.commit()

    built("payload-too-deep", "signed, but the event is nested 33 levels deep", too_deep)
    return {
        "keys": [key_json(ED25519, good.origin)],
        "base": [{"key": key, "text": data.decode("utf-8")} for key, data in sorted(whole.items())],
        "cases": result,
    }


def _overlap() -> Any:
    """Another cut of the same beginning: a segment of one entry, then one that starts at 1."""
    chain = ChainBuilder(DEPLOYMENT, "payments", [ED25519])
    for n in range(2):
        chain.add(small_event(n), f"id-{n}", RECEIVED[n], "writer9")
        chain.commit()
    return chain.segments[1]


# -- receipt.json ------------------------------------------------------------------------------------


def receipt_vectors(chain: ChainBuilder, ecdsa: ChainBuilder) -> Dict[str, Any]:
    def text(receipt: Dict[str, Any], **changes: Any) -> str:
        return json.dumps({**receipt, **changes}, ensure_ascii=False)

    valid: List[Dict[str, Any]] = []
    for name, source, sequence, size in (
        ("first-alone", chain, 0, 1),
        ("first-of-three", chain, 0, 3),
        ("middle", chain, 4, 8),
        ("last", chain, 8, 9),
        ("old-entry-new-checkpoint", chain, 1, 9),
        ("ecdsa", ecdsa, 2, 3),
    ):
        valid.append(
            {
                "name": name,
                "keys": [signer.public_key.vkey(source.origin) for signer in source.signers],
                "text": text(source.receipt(sequence, size)),
            }
        )
    base = chain.receipt(4, 8)
    spaced = json.dumps(chain.receipt(4, 8), indent="\t").replace('"sequence"', '"\\u0073equence"') + "\r\n"
    valid.append({"name": "white-space-and-escapes", "keys": valid[2]["keys"], "text": spaced})

    proof = base["inclusionProof"]
    other = ChainBuilder(DEPLOYMENT, chain.chain_id, [ED25519_OTHER], chain.entries, chain.segments)
    elsewhere = ChainBuilder("example.com/other", chain.chain_id, [ED25519], chain.entries)
    foreign_chain = ChainBuilder(DEPLOYMENT, "payment5", [ED25519], chain.entries)
    own_line = chain.checkpoint(8).split("\n\n")[1]
    wrong = [
        (
            "payload-changed",
            "the payload reads otherwise",
            text(base, payload=base["payload"].replace("4.5", "4.6")),
        ),
        ("entry-hash", "entryHash is another", text(base, entryHash="00" * 32)),
        ("prev-hash", "prevHash is another", text(base, prevHash="00" * 32)),
        ("sequence", "sequence is not that of the payload", text(base, sequence=5)),
        ("sequence-as-text", "sequence is a string", text(base, sequence="4")),
        (
            "sequence-with-fraction",
            "sequence is written 4.0",
            text(base).replace('"sequence": 4', '"sequence": 4.0'),
        ),
        ("entry-id", "entryId is not that of the payload", text(base, entryId="another")),
        ("received-at", "receivedAt is not that of the payload", text(base, receivedAt=RECEIVED[5])),
        ("proof-short", "the last hash of the proof is missing", text(base, inclusionProof=proof[:-1])),
        ("proof-long", "a hash too many in the proof", text(base, inclusionProof=proof + ["00" * 32])),
        (
            "proof-swapped",
            "two hashes of the proof have changed places",
            text(base, inclusionProof=[proof[1], proof[0], *proof[2:]]),
        ),
        ("proof-upper-case", "a hash in upper case", text(base, inclusionProof=[proof[0].upper(), *proof[1:]])),
        (
            "checkpoint-too-small",
            "the checkpoint's size does not cover the entry",
            text(base, checkpoint=chain.checkpoint(4)),
        ),
        (
            "checkpoint-of-other-size",
            "the checkpoint is signed, but the proof is for another size",
            text(base, checkpoint=chain.checkpoint(9)),
        ),
        ("untrusted-key", "signed by another key", text(base, checkpoint=other.checkpoint(8))),
        (
            "other-deployment",
            "the right key under another deployment's name",
            text(base, checkpoint=elsewhere.checkpoint(8)),
        ),
        (
            "other-chain",
            "the right key under another chain's name",
            text(base, checkpoint=foreign_chain.checkpoint(8)),
        ),
        (
            "root-changed",
            "the checkpoint's root is another and so the signature wrong",
            text(base, checkpoint=checkpoint_text(chain.origin, 8, tree_root([])) + "\n" + own_line),
        ),
        (
            "duplicate-member",
            "two members of the same name",
            text(base).replace('"sequence": 4', '"sequence": 5, "sequence": 4'),
        ),
        (
            "member-missing",
            "inclusionProof is missing",
            json.dumps(
                {key: value for key, value in base.items() if key != "inclusionProof"}, ensure_ascii=False
            ),
        ),
        ("unknown-version", "a format this page does not describe", text(base, format="indelible/receipt/v2")),
    ]
    keys = [ED25519.public_key.vkey(chain.origin)]
    invalid = []
    for name, why, body in wrong:
        findings = iv.Findings()
        iv.check_receipt(body.encode("utf-8"), [ED25519.public_key], findings, DEPLOYMENT)
        assert findings.verdict != "intact", name
        invalid.append(
            {
                "name": name,
                "why": why,
                "text": body,
                "verdict": findings.verdict,
                "findings": sorted(set(findings.codes())),
            }
        )
    for item in valid:
        known = [iv.PublicKey.from_vkey(vkey) for vkey in item["keys"]]
        findings = iv.Findings()
        iv.check_receipt(item["text"].encode("utf-8"), known, findings, DEPLOYMENT)
        assert findings.verdict == "intact", (item["name"], findings.codes())
    return {
        "format": FORMAT,
        "deployment": DEPLOYMENT,
        "chainId": chain.chain_id,
        "keys": keys,
        "valid": valid,
        "invalid": invalid,
    }


# -- bundle.json -------------------------------------------------------------------------------------


def bundle_vectors(chain: ChainBuilder) -> Dict[str, Any]:
    valid = []
    for name, first, to, size in (
        ("middle", 2, 5, 9),
        ("whole", 0, 8, 9),
        ("first-entry", 0, 0, 9),
        ("last-entry", 8, 8, 9),
        ("to-the-checkpoint", 3, 7, 8),
    ):
        data = chain.bundle(first, to, size)
        assert judge_bundle(data) == ("intact", []), name
        valid.append(
            {"name": name, "from": first, "to": to, "checkpointSize": size, "text": data.decode("utf-8")}
        )

    def parts() -> Tuple[Dict[str, Any], List[bytes], Dict[str, Any]]:
        return chain.bundle_parts(6, 7, 9)

    cases: List[Tuple[str, str, bytes]] = []
    header, payloads, manifest = parts()
    good = bundle_text(header, payloads, manifest)
    assert judge_bundle(good) == ("intact", [])
    changed = [payloads[0].replace(b"6.5", b"9.5"), *payloads[1:]]
    digests = {"entriesSha256": iv.sha256(b"".join(p + b"\n" for p in payloads)).hex()}
    cases.append(
        (
            "payload-changed",
            "an entry reads otherwise, the manifest is the old one",
            bundle_text(header, changed, {**manifest, **digests}),
        )
    )

    def all_renewed() -> bytes:
        """Everything renewed that can be without the key: only the consistency proof gives it away."""
        forged = ChainBuilder(DEPLOYMENT, chain.chain_id, [ED25519])
        for entry in chain.entries:
            payload = entry.payload.replace(b"6.5", b"9.5")
            forged.add_payload(payload, entry.event, entry.entry_id, entry.received_at, entry.writer_id)
        forged_header, forged_payloads, forged_manifest = forged.bundle_parts(6, 7, 9)
        return bundle_text(
            forged_header, forged_payloads, {**forged_manifest, "checkpoint": manifest["checkpoint"]}
        )

    cases.append(
        ("payload-changed-all-renewed", "an entry reads otherwise and all hashes with it", all_renewed())
    )
    cases.append(("entry-removed", "a payload line is missing", good.replace(payloads[1] + b"\n", b"")))
    cases.append(
        (
            "entry-added",
            "a payload line too many",
            good.replace(payloads[1] + b"\n", payloads[1] + b"\n" + payloads[1] + b"\n"),
        )
    )
    cases.append(("cut-short", "the file ends within the entries", good[: good.index(payloads[1]) + 10]))
    cases.append(("manifest-missing", "the file ends after the entries", good[: good.index(b'{"checkpoint"')]))
    cases.append(("header-changed", "createdAt reads otherwise", good.replace(b"08:00:00", b"08:00:01", 1)))
    cases.append(
        (
            "frontier-changed",
            "the header's frontier is another",
            bundle_text({**header, "frontier": ["00" * 32, *header["frontier"][1:]]}, payloads, manifest),
        )
    )
    cases.append(
        (
            "frontier-short",
            "the header's frontier has a hash too few",
            bundle_text({**header, "frontier": header["frontier"][1:]}, payloads, manifest),
        )
    )
    cases.append(
        (
            "prev-hash-changed",
            "prevHash is another",
            bundle_text({**header, "prevHash": "00" * 32}, payloads, manifest),
        )
    )
    cases.append(
        (
            "count-wrong",
            "count is not that of the range",
            bundle_text({**header, "count": 3}, payloads, manifest),
        )
    )
    cases.append(
        (
            "last-entry-hash",
            "lastEntryHash is another",
            bundle_text(header, payloads, {**manifest, "lastEntryHash": "00" * 32}),
        )
    )
    cases.append(
        (
            "consistency-proof",
            "a hash too many in the consistency proof",
            bundle_text(
                header, payloads, {**manifest, "consistencyProof": [*manifest["consistencyProof"], "00" * 32]}
            ),
        )
    )
    header5, payloads5, manifest5 = chain.bundle_parts(4, 5, 9)
    cases.append(
        (
            "consistency-proof-short",
            "the consistency proof has a hash too few",
            bundle_text(
                header5, payloads5, {**manifest5, "consistencyProof": manifest5["consistencyProof"][:-1]}
            ),
        )
    )
    cases.append(
        (
            "checkpoint-too-small",
            "the checkpoint does not cover the range",
            bundle_text(
                header, payloads, {**manifest, "checkpoint": chain.checkpoint(7), "consistencyProof": []}
            ),
        )
    )
    other = ChainBuilder(DEPLOYMENT, chain.chain_id, [ED25519_OTHER], chain.entries)
    cases.append(("untrusted-key", "signed by another key, which the header names", other.bundle(6, 7, 9)))
    cases.append(
        (
            "other-deployment",
            "the header is of another deployment than the checkpoint",
            bundle_text({**header, "deployment": "example.com/other"}, payloads, manifest),
        )
    )
    cases.append(
        (
            "not-canonical",
            "a space in the manifest",
            good.replace(b'"format":"indelible/bundle-manifest', b'"format": "indelible/bundle-manifest'),
        )
    )
    cases.append(("after-the-manifest", "a byte after the end", good + b"\n"))
    cases.append(("last-newline", "the last line feed is missing", good[:-1]))
    invalid = []
    for name, why, data in cases:
        verdict, codes = judge_bundle(data)
        assert verdict != "intact", name
        invalid.append(
            {"name": name, "why": why, "text": data.decode("utf-8"), "verdict": verdict, "findings": codes}
        )
    return {
        "format": FORMAT,
        "deployment": chain.deployment,
        "chainId": chain.chain_id,
        "keys": [key_json(signer, chain.origin) for signer in chain.signers],
        "valid": valid,
        "invalid": invalid,
    }


# -- merkle.json -------------------------------------------------------------------------------------

#: The leaves of the Certificate Transparency reference tests.
CT_LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]


def merkle_vectors() -> Dict[str, Any]:
    leaves = CT_LEAVES + [f"leaf {n}".encode() for n in range(len(CT_LEAVES), 11)]
    sizes = range(len(leaves) + 1)
    return {
        "format": FORMAT,
        "leaves": hexes(leaves),
        "leafHashes": hexes([tree_root([leaf]) for leaf in leaves]),
        "roots": hexes([tree_root(leaves[:size]) for size in sizes]),
        "frontiers": [hexes(tree_frontier(leaves[:size])) for size in sizes],
        "inclusion": [
            {"size": size, "index": index, "proof": hexes(inclusion_path(index, leaves[:size]))}
            for size in sizes
            for index in range(size)
        ],
        "consistency": [
            {"from": first, "to": second, "proof": hexes(consistency_path(first, leaves[:second]))}
            for second in sizes
            for first in range(second + 1)
        ],
    }


# -- note.json ---------------------------------------------------------------------------------------

C2SP_VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
C2SP_NOTE = (
    "This is an example message.\n\n\u2014 example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ER"
    "YNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)


def note_vectors() -> Dict[str, Any]:
    name = f"{DEPLOYMENT}/payments"
    text = checkpoint_text(name, 3, iv.sha256(b"a root"))
    raw = text.encode("utf-8")
    ed, other, ec = ED25519.public_key, ED25519_OTHER.public_key, ECDSA.public_key
    ed_id, ec_id = ed.key_id(name), ec.key_id(name)
    ed_sig, (r, s) = ED25519.sign(raw), ECDSA.sign_integers(raw)
    ed_line, ec_line = signature_line(name, ed_id, ed_sig), signature_line(name, ec_id, der_signature(r, s))
    other_line = signature_line(name, other.key_id(name), ED25519_OTHER.sign(raw))
    elsewhere_line = signature_line(
        "witness.example", ED25519_OTHER.public_key.key_id("witness.example"), bytes(72)
    )
    ed_vkey, ec_vkey, other_vkey = ed.vkey(name), ec.vkey(name), other.vkey(name)
    wrong_sig = ed_sig[:5] + bytes([ed_sig[5] ^ 1]) + ed_sig[6:]
    bad_ed_line = signature_line(name, ed_id, wrong_sig)
    s_plus_l = ed_sig[:32] + (int.from_bytes(ed_sig[32:], "little") + iv.ED_L).to_bytes(32, "little")

    def der(r_bytes: bytes, s_bytes: bytes, after: bytes = b"") -> bytes:
        body = bytes([2, len(r_bytes)]) + r_bytes + bytes([2, len(s_bytes)]) + s_bytes
        return bytes([0x30, len(body)]) + body + after

    def minimal(value: int) -> bytes:
        return value.to_bytes(value.bit_length() // 8 + 1, "big")

    good_der = der_signature(r, s)
    long_form = bytes([0x30, 0x81, good_der[1]]) + good_der[2:]
    cases: List[Tuple[str, List[str], str, List[str], str]] = [
        ("c2sp", [C2SP_VKEY], C2SP_NOTE, [C2SP_VKEY], "the example of c2sp.org/signed-note"),
        ("ed25519", [ed_vkey], text + "\n" + ed_line, [ed_vkey], ""),
        ("ecdsa", [ec_vkey], text + "\n" + ec_line, [ec_vkey], "RFC 6979 nonce"),
        (
            "ecdsa-other-half",
            [ec_vkey],
            text + "\n" + signature_line(name, ec_id, der_signature(r, iv.P256_N - s)),
            [],
            "n - s in place of s: whoever sees a signature can make it, so only the lower half counts",
        ),
        ("both", [ed_vkey, ec_vkey], text + "\n" + ed_line + ec_line, [ed_vkey, ec_vkey], ""),
        (
            "both-one-known",
            [ec_vkey],
            text + "\n" + ed_line + ec_line,
            [ec_vkey],
            "the unknown line is ignored",
        ),
        (
            "unknown-lines",
            [ed_vkey],
            text + "\n" + elsewhere_line + other_line + ed_line,
            [ed_vkey],
            "lines of others are ignored",
        ),
        (
            "text-with-empty-line",
            [ed_vkey],
            sign_note("a\n\nb\n", name, ED25519),
            [ed_vkey],
            "the split is at the last empty line; not a checkpoint",
        ),
        ("no-known-key", [other_vkey], text + "\n" + ed_line, [], "no line by a known key"),
        ("flipped", [ed_vkey], text + "\n" + bad_ed_line, [], "a bit of R is another"),
        (
            "ecdsa-flipped",
            [ec_vkey],
            text + "\n" + signature_line(name, ec_id, der_signature(r, s ^ 1)),
            [],
            "",
        ),
        (
            "one-good-one-bad",
            [ed_vkey, ec_vkey],
            text + "\n" + bad_ed_line + ec_line,
            [],
            "a wrong signature of a known key spoils the note",
        ),
        ("text-changed", [ed_vkey], text.replace("\n3\n", "\n4\n") + "\n" + ed_line, [], ""),
        (
            "other-name",
            [ed_vkey],
            text + "\n" + ed_line.replace("payments", "payment5"),
            [],
            "the right key ID under another name is an unknown key",
        ),
        (
            "ed25519-s-plus-l",
            [ed_vkey],
            text + "\n" + signature_line(name, ed_id, s_plus_l),
            [],
            "RFC 8032: S has to be below L",
        ),
        ("ed25519-short", [ed_vkey], text + "\n" + signature_line(name, ed_id, ed_sig[:63]), [], "63 bytes"),
        ("ed25519-long", [ed_vkey], text + "\n" + signature_line(name, ed_id, ed_sig + b"\0"), [], "65 bytes"),
        (
            "ecdsa-der-trailing",
            [ec_vkey],
            text + "\n" + signature_line(name, ec_id, good_der + b"\0"),
            [],
            "a byte after the SEQUENCE",
        ),
        (
            "ecdsa-der-not-minimal",
            [ec_vkey],
            text + "\n" + signature_line(name, ec_id, der(b"\0" + minimal(r), minimal(s))),
            [],
            "a zero byte too many",
        ),
        (
            "ecdsa-der-long-length",
            [ec_vkey],
            text + "\n" + signature_line(name, ec_id, long_form),
            [],
            "the length of the SEQUENCE in the long form",
        ),
        (
            "ecdsa-raw",
            [ec_vkey],
            text + "\n" + signature_line(name, ec_id, r.to_bytes(32, "big") + s.to_bytes(32, "big")),
            [],
            "r and s without DER",
        ),
        (
            "ecdsa-r-zero",
            [ec_vkey],
            text + "\n" + signature_line(name, ec_id, der_signature(0, s)),
            [],
            "r is 0",
        ),
        (
            "ecdsa-s-plus-n",
            [ec_vkey],
            text + "\n" + signature_line(name, ec_id, der_signature(r, s + iv.P256_N)),
            [],
            "s is not below n",
        ),
        ("no-last-newline", [ed_vkey], (text + "\n" + ed_line)[:-1], [], ""),
        ("no-signature", [ed_vkey], text + "\n", [], "the empty line and nothing after it"),
        ("no-empty-line", [ed_vkey], text + ed_line, [], ""),
        (
            "hyphen",
            [ed_vkey],
            text + "\n" + ed_line.replace("\u2014", "-"),
            [],
            "a hyphen in place of the em dash",
        ),
        (
            "base64-not-canonical",
            [ed_vkey],
            text + "\n" + _loose_base64(ed_line),
            [],
            "unused bits of the last base64 digit are not zero",
        ),
        ("base64-no-padding", [ed_vkey], text + "\n" + ed_line.replace("=", ""), [], "padding is missing"),
        ("carriage-return", [ed_vkey], text + "\n" + ed_line.replace("\n", "\r\n"), [], "a control character"),
        ("two-spaces", [ed_vkey], text + "\n" + ed_line.replace("\u2014 ", "\u2014  "), [], ""),
        (
            "byte-order-mark",
            [ed_vkey],
            "\ufeff" + text + "\n" + ed_line,
            [],
            "it is part of the text, so the signature is wrong",
        ),
        ("line-after", [ed_vkey], text + "\n" + ed_line + "x\n", [], "a line that is not a signature"),
    ]
    notes = []
    for case_name, known, note, signers, why in cases:
        notes.append(
            {
                "name": case_name,
                "why": why,
                "keyName": "example.com/foo" if case_name == "c2sp" else name,
                "vkeys": known,
                "note": note,
                "valid": bool(signers),
                "signedBy": signers,
            }
        )
        assert _signers(notes[-1]) == signers, case_name

    root = iv.encode_base64(iv.sha256(b"a root"))
    empty = iv.encode_base64(iv.sha256(b""))
    bodies: List[Tuple[str, str, Any]] = [
        ("plain", f"{name}\n3\n{root}\n", {"origin": name, "size": 3, "root": iv.sha256(b"a root").hex()}),
        ("empty-tree", f"{name}\n0\n{empty}\n", {"origin": name, "size": 0, "root": iv.sha256(b"").hex()}),
        (
            "largest-size",
            f"{name}\n9007199254740991\n{root}\n",
            {"origin": name, "size": 2**53 - 1, "root": iv.sha256(b"a root").hex()},
        ),
        (
            "own-chain",
            f"{DEPLOYMENT}/_access\n3\n{root}\n",
            {"origin": f"{DEPLOYMENT}/_access", "size": 3, "root": iv.sha256(b"a root").hex()},
        ),
        ("size-leading-zero", f"{name}\n03\n{root}\n", None),
        ("size-sign", f"{name}\n+3\n{root}\n", None),
        ("size-too-large", f"{name}\n9007199254740992\n{root}\n", None),
        ("size-fullwidth-digit", f"{name}\n\uff13\n{root}\n", None),
        ("size-empty", f"{name}\n\n{root}\n", None),
        ("empty-tree-other-root", f"{name}\n0\n{root}\n", None),
        ("root-31-bytes", f"{name}\n3\n{iv.encode_base64(bytes(31))}\n", None),
        ("root-33-bytes", f"{name}\n3\n{iv.encode_base64(bytes(33))}\n", None),
        ("root-hex", f"{name}\n3\n{iv.sha256(b'a root').hex()}\n", None),
        (
            "root-url-alphabet",
            f"{name}\n3\n{iv.encode_base64(bytes([251] * 32)).replace('+', '-').replace('/', '_')}\n",
            None,
        ),
        ("root-not-canonical", f"{name}\n3\n{'A' * 42}B=\n", None),
        ("extension-line", f"{name}\n3\n{root}\nextension\n", None),
        ("two-lines", f"{name}\n3\n", None),
        ("origin-no-slash", f"payments\n3\n{root}\n", None),
        ("origin-upper-case-chain", f"{DEPLOYMENT}/Payments\n3\n{root}\n", None),
        ("space-after-size", f"{name}\n3 \n{root}\n", None),
    ]
    checkpoints = []
    for case_name, body, expected in bodies:
        try:
            found = iv.parse_checkpoint(body.encode("utf-8"))
            assert expected == {"origin": found.origin, "size": found.size, "root": found.root.hex()}, case_name
        except iv.FormatError:
            assert expected is None, case_name
        item = {"name": case_name, "text": body, "valid": expected is not None}
        if expected is not None:
            item["checkpoint"] = expected
        checkpoints.append(item)

    vkeys: List[Dict[str, Any]] = []
    small = (1).to_bytes(32, "little")  # the neutral element
    beyond = (iv.ED_P + 3).to_bytes(32, "little")
    no_point = next(
        n.to_bytes(32, "little") for n in range(2, 99) if iv.ed_decompress(n.to_bytes(32, "little")) is None
    )

    def ed_vkey_of(key: bytes, type_byte: bytes = b"\x01") -> str:
        key_id = iv.sha256(name.encode() + b"\n" + type_byte + key)[:4]
        return f"{name}+{key_id.hex()}+{iv.encode_base64(type_byte + key)}"

    off_curve = ec.spki[:-1] + bytes([ec.spki[-1] ^ 1])
    for case_name, vkey, why in (
        ("ed25519", ed_vkey, ""),
        ("ecdsa", ec_vkey, ""),
        ("c2sp", C2SP_VKEY, ""),
        ("key-id-wrong", ed_vkey.replace(ed_id.hex(), "00000000"), "the key ID does not follow from the key"),
        (
            "key-id-upper-case",
            ed_vkey.replace(ed_id.hex(), ed_id.hex().upper()),
            "hexadecimal digits are lower case",
        ),
        ("name-changed", ed_vkey.replace("payments", "payment5"), "the name is part of an Ed25519 key ID"),
        ("unknown-type", ed_vkey_of(ED25519.public_bytes, b"\x04"), "type 0x04"),
        ("short", ed_vkey_of(ED25519.public_bytes[:31]), "31 bytes of key"),
        ("small-order", ed_vkey_of(small), "the neutral element: anything can be signed under it"),
        ("not-canonical-point", ed_vkey_of(beyond), "y is not below p"),
        ("not-a-point", ed_vkey_of(no_point), "no x for this y"),
        (
            "ecdsa-off-curve",
            f"{name}+{iv.sha256(off_curve)[:4].hex()}+{iv.encode_base64(b'' + bytes([2]) + off_curve)}",
            "the point is not on the curve",
        ),
    ):
        try:
            key = iv.PublicKey.from_vkey(vkey)
            item = {
                "name": case_name,
                "why": why,
                "vkey": vkey,
                "valid": True,
                "algorithm": key.algorithm,
                "keyName": vkey.split("+")[0],
                "publicKey": iv.encode_base64(key.spki),
            }
        except iv.FormatError:
            item = {"name": case_name, "why": why, "vkey": vkey, "valid": False}
        vkeys.append(item)
    return {
        "format": FORMAT,
        "keys": [key_json(ED25519, name), key_json(ED25519_OTHER, name), key_json(ECDSA, name)],
        "notes": notes,
        "checkpoints": checkpoints,
        "vkeys": vkeys,
    }


def _loose_base64(line: str) -> str:
    """The same bytes with a bit set in the last digit that nothing uses."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    body = line.rstrip("=\n")
    padding = line[len(body) :]
    assert padding.startswith("="), "needs a padded signature"
    return body[:-1] + alphabet[alphabet.index(body[-1]) + 1] + padding


def _signers(case: Dict[str, Any]) -> List[str]:
    keys = [iv.PublicKey.from_vkey(vkey) for vkey in case["vkeys"]]
    try:
        signers = iv.verify_note(iv.parse_note(case["note"].encode("utf-8")), case["keyName"], keys)
    except (iv.FormatError, iv.SignatureError):
        return []
    return [key.vkey(case["keyName"]) for key in signers]


# -- all ---------------------------------------------------------------------------------------------


def build_all() -> Dict[str, bytes]:
    chain = build_chain("payments", [ED25519])
    ecdsa = build_small_chain("ledger.eu-1", [ECDSA], [2, 1])
    both = build_small_chain("_rollover", [ED25519, ECDSA], [1, 2])
    for item in (chain, ecdsa, both):
        keys = [signer.public_key for signer in item.signers]
        verdict, codes, _ = judge_store({segment.key: segment.data for segment in item.segments}, keys)
        assert verdict == "intact", (item.chain_id, codes)
    small = build_small_chain("payments", [ED25519])
    small_ecdsa = build_small_chain("ledger.eu-1", [ECDSA])
    bundles = bundle_vectors(small)

    def dump(value: Any) -> bytes:
        return (
            json.dumps(value, ensure_ascii=True, indent=None, separators=(",", ":")).replace('},{"', '},\n{"')
            + "\n"
        ).encode("ascii")

    return {
        "chain.json": dump(
            {
                "format": FORMAT,
                "chains": [chain_json(item) for item in (chain, ecdsa, both)],
                "invalid": invalid_chains(),
            }
        ),
        "receipt.json": dump(receipt_vectors(small, small_ecdsa)),
        "bundle.json": dump(bundles),
        "bundle.txt": bundles["valid"][0]["text"].encode("utf-8"),
        "merkle.json": dump(merkle_vectors()),
        "note.json": dump(note_vectors()),
        "keys.json": dump(key_vectors()),
    }


def main() -> int:
    files = build_all()
    if "--check" in sys.argv[1:]:
        stale = [
            name
            for name, data in files.items()
            if not (VECTORS / name).is_file() or (VECTORS / name).read_bytes() != data
        ]
        for name in stale:
            print(f"test/vectors/{name} is not what make_vectors.py writes", file=sys.stderr)
        return 1 if stale else 0
    VECTORS.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (VECTORS / name).write_bytes(data)
    return 0


if __name__ == "__main__":
    sys.exit(main())
