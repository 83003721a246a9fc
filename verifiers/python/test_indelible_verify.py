"""Tests of the verifier: `python3 -m unittest` in this folder. Standard library alone.

Published vectors first (RFC 8032, RFC 6979, RFC 8785, Certificate Transparency, C2SP), then what the
verifier promises: that it accepts what the builder makes and finds every change to it.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import struct
import tempfile
import unittest
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

import indelible_verify as iv
import make_vectors
from chain_builder import (
    ChainBuilder,
    EcdsaP256Signer,
    Ed25519Signer,
    bundle_text,
    certified_key,
    consistency_path,
    der_signature,
    inclusion_path,
    root_key,
    rooted_deployment,
    sign_note,
    tree_frontier,
    tree_root,
)
from make_vectors import DEPLOYMENT, ECDSA, ED25519, ED25519_OTHER, RECEIVED, build_small_chain, small_event

#: (seed, public key, message, signature), RFC 8032 §7.1: tests 1, 2, 3 and SHA(abc).
RFC8032_VECTORS = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595b"
        "be24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb430"
        "2aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716e"
        "d28dc027beceea1ec40a",
    ),
    (
        "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643c"
        "e80e2a9ac94fa54ca49f",
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138a"
        "c17ad9bef1177331a704",
    ),
]

#: The root after each of the eight leaves of the Certificate Transparency reference tests.
CT_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]

#: RFC 8785 appendix B, but for NaN and Infinity, which are errors.
RFC8785_NUMBERS = [
    ("0000000000000000", "0"),
    ("8000000000000000", "0"),
    ("0000000000000001", "5e-324"),
    ("8000000000000001", "-5e-324"),
    ("7fefffffffffffff", "1.7976931348623157e+308"),
    ("ffefffffffffffff", "-1.7976931348623157e+308"),
    ("4340000000000000", "9007199254740992"),
    ("c340000000000000", "-9007199254740992"),
    ("4430000000000000", "295147905179352830000"),
    ("44b52d02c7e14af5", "9.999999999999997e+22"),
    ("44b52d02c7e14af6", "1e+23"),
    ("44b52d02c7e14af7", "1.0000000000000001e+23"),
    ("444b1ae4d6e2ef4e", "999999999999999700000"),
    ("444b1ae4d6e2ef4f", "999999999999999900000"),
    ("444b1ae4d6e2ef50", "1e+21"),
    ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"),
    ("3eb0c6f7a0b5ed8d", "0.000001"),
    ("41b3de4355555553", "333333333.3333332"),
    ("41b3de4355555554", "333333333.33333325"),
    ("41b3de4355555555", "333333333.3333333"),
    ("41b3de4355555556", "333333333.3333334"),
    ("41b3de4355555557", "333333333.33333343"),
    ("becbf647612f3696", "-0.0000033333333333333333"),
    ("43143ff3c1cb0959", "1424953923781206.2"),
]


class Ed25519Test(unittest.TestCase):
    def test_rfc_8032_vectors_sign_and_verify(self) -> None:
        for seed, public, message, signature in RFC8032_VECTORS:
            signer = Ed25519Signer(bytes.fromhex(seed))
            self.assertEqual(signer.public_bytes.hex(), public)
            self.assertEqual(signer.sign(bytes.fromhex(message)).hex(), signature)
            self.assertTrue(
                iv.ed25519_verify(bytes.fromhex(public), bytes.fromhex(message), bytes.fromhex(signature))
            )

    def test_every_flipped_bit_of_a_signature_is_refused(self) -> None:
        _, public, message, signature = RFC8032_VECTORS[2]
        for bit in range(0, 512, 7):
            raw = bytearray.fromhex(signature)
            raw[bit // 8] ^= 1 << bit % 8
            self.assertFalse(iv.ed25519_verify(bytes.fromhex(public), bytes.fromhex(message), bytes(raw)), bit)

    def test_s_at_or_above_l_is_refused(self) -> None:
        signature = ED25519.sign(b"m")
        s = int.from_bytes(signature[32:], "little")
        for wrong in (s + iv.ED_L, s + 2 * iv.ED_L):
            self.assertFalse(
                iv.ed25519_verify(ED25519.public_bytes, b"m", signature[:32] + wrong.to_bytes(32, "little"))
            )

    def test_encodings_that_are_not_canonical_are_not_points(self) -> None:
        for y in (iv.ED_P, iv.ED_P + 1, 2**255 - 1):
            self.assertIsNone(iv.ed_decompress(y.to_bytes(32, "little")))
        minus_zero = (1 | 1 << 255).to_bytes(32, "little")
        self.assertIsNone(iv.ed_decompress(minus_zero))
        self.assertIsNone(iv.ed_decompress(bytes(31)))

    def test_keys_of_small_order_are_refused(self) -> None:
        small = [
            (1).to_bytes(32, "little"),
            (iv.ED_P - 1).to_bytes(32, "little"),
            bytes(32),
            bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
            bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
        ]
        for key in small:
            self.assertIsNotNone(iv.ed_decompress(key))
            with self.assertRaises(iv.FormatError):
                iv.ed25519_public_point(key)
            # R = [S]B - [k]A with S = 0: for the neutral element this "verifies" for every message.
            self.assertFalse(iv.ed25519_verify(key, b"m", (1).to_bytes(32, "little") + bytes(32)))


class EcdsaTest(unittest.TestCase):
    def test_rfc_6979_vectors_sign_and_verify(self) -> None:
        """RFC 6979 §A.2.5, SHA-256."""
        signer = EcdsaP256Signer(0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721)
        self.assertEqual(
            f"{signer.point[0]:X}", "60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6"
        )
        for message, r, s in (
            (
                b"sample",
                0xEFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716,
                0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8,
            ),
            (
                b"test",
                0xF1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367,
                0x019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083,
            ),
        ):
            self.assertEqual(signer.sign_integers(message), (r, min(s, iv.P256_N - s)))
            self.assertTrue(iv.ecdsa_p256_verify(signer.point, message, signer.sign(message)))
            self.assertFalse(iv.ecdsa_p256_verify(signer.point, message + b"!", signer.sign(message)))
            low = min(s, iv.P256_N - s)
            self.assertTrue(iv.ecdsa_p256_verify(signer.point, message, der_signature(r, low)))
            self.assertFalse(iv.ecdsa_p256_verify(signer.point, message, der_signature(r, iv.P256_N - low)))

    def test_every_flipped_bit_of_a_signature_is_refused(self) -> None:
        signature = ECDSA.sign(b"m")
        for bit in range(0, 8 * len(signature), 7):
            raw = bytearray(signature)
            raw[bit // 8] ^= 1 << bit % 8
            self.assertFalse(iv.ecdsa_p256_verify(ECDSA.point, b"m", bytes(raw)), bit)

    def test_der_has_one_form(self) -> None:
        good = ECDSA.sign(b"m")
        self.assertEqual(len(iv.decode_der_signature(good)), 2)
        r_length = good[3]
        for bad in (
            b"",
            good[:-1],
            good + b"\0",
            b"\x31" + good[1:],
            bytes([0x30, 0x81, good[1]]) + good[2:],
            bytes([0x30, good[1] + 1, 2, r_length + 1, 0]) + good[4:],
            bytes([0x30, 4, 2, 1, 0x80, 2]),
            bytes.fromhex("30060201800201" + "01"),
            bytes.fromhex("3004020002" + "00"),
        ):
            with self.assertRaises(iv.FormatError):
                iv.decode_der_signature(bad)


class JsonTest(unittest.TestCase):
    def test_numbers_are_written_as_rfc_8785_has_them(self) -> None:
        for bits, text in RFC8785_NUMBERS:
            value = struct.unpack(">d", bytes.fromhex(bits))[0]
            self.assertEqual(iv.es6_number(value), text)
        for bits in ("7fffffffffffffff", "7ff0000000000000", "fff0000000000000"):
            with self.assertRaises(iv.FormatError):
                iv.es6_number(struct.unpack(">d", bytes.fromhex(bits))[0])

    def test_the_example_of_rfc_8785_section_3_2(self) -> None:
        text = (
            b'{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],'
            b'"string":"\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/","literals":[null,true,false]}'
        )
        expected = (
            '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
            '"string":"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
        )
        self.assertEqual(iv.canonical_json(iv.parse_json(text)).decode(), expected)

    def test_members_are_sorted_by_utf_16_code_units(self) -> None:
        """RFC 8785 §3.2.3."""
        names = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
        found = iv.parse_json(iv.canonical_json({name: 0 for name in names}))
        self.assertEqual(list(found), ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"])

    def test_what_is_not_strict_json_is_refused(self) -> None:
        for text in (
            b'{"a":1,"a":1}',
            b'{"a":1,"\\u0061":2}',
            b'"\\ud800"',
            b'{"\\udfff":1}',
            b"NaN",
            b"-Infinity",
            b"\xef\xbb\xbf{}",
            b'"\xff"',
            b'"\xed\xa0\x80"',
            b"01",
            b"1.",
            b".5",
            b"+1",
            b"[1,]",
            b"{}{}",
            b'"\n"',
            b"'a'",
            b"",
            b"[" * 60_000,
            b'{"a":' * 9_000,
            b"1e",
            b"nul",
            b"\x0b1",
        ):
            with self.assertRaises(iv.FormatError, msg=text[:20]):
                iv.parse_json(text)

    def test_surrogate_pairs_in_escapes_are_one_character(self) -> None:
        self.assertEqual(iv.parse_json(b'"\\ud83d\\ude00"'), "\U0001f600")


class MerkleTest(unittest.TestCase):
    def test_certificate_transparency_roots(self) -> None:
        leaves = make_vectors.CT_LEAVES
        self.assertEqual([tree_root(leaves[:n]).hex() for n in range(1, 9)], CT_ROOTS)

    def test_frontier_appends_to_the_recursive_root(self) -> None:
        leaves: List[bytes] = []
        state = iv.ChainState()
        for n in range(70):
            self.assertEqual(state.frontier, tree_frontier(leaves))
            self.assertEqual(state.root(), tree_root(leaves))
            payload = b"entry %d" % n
            leaves.append(state.prev_hash + payload)
            state.append(payload)

    def test_proofs_of_every_small_tree(self) -> None:
        leaves = [bytes([n]) for n in range(20)]
        for size in range(1, 21):
            root = tree_root(leaves[:size])
            for index in range(size):
                leaf, proof = tree_root([leaves[index]]), inclusion_path(index, leaves[:size])
                self.assertTrue(iv.verify_inclusion(leaf, index, size, proof, root))
                wrong: List[Sequence[bytes]] = [
                    proof + [bytes(32)],
                    proof[:-1] if proof else [bytes(32)],
                    proof[1:] + [leaf],
                ]
                for other in wrong:
                    self.assertFalse(iv.verify_inclusion(leaf, index, size, other, root))
                for other_index in range(size):
                    if other_index != index:
                        self.assertFalse(iv.verify_inclusion(leaf, other_index, size, proof, root))
                self.assertFalse(iv.verify_inclusion(leaf, size, size, proof, root))
            for first in range(size + 1):
                path, older = consistency_path(first, leaves[:size]), tree_root(leaves[:first])
                self.assertTrue(iv.verify_consistency(first, size, path, older, root))
                self.assertFalse(iv.verify_consistency(first, size, path + [bytes(32)], older, root))
                self.assertFalse(iv.verify_consistency(first, size, path, bytes(32), root))
                if 0 < first < size:
                    self.assertFalse(iv.verify_consistency(first, size, path[:-1], older, root))
                    self.assertFalse(iv.verify_consistency(first, size, path, older, bytes(32)))
        self.assertFalse(iv.verify_consistency(3, 2, [], tree_root(leaves[:3]), tree_root(leaves[:2])))


class VectorTest(unittest.TestCase):
    """The published vectors are what this code makes, and each says what this code finds."""

    def test_the_files_are_up_to_date(self) -> None:
        for name, data in make_vectors.build_all().items():
            self.assertEqual((make_vectors.VECTORS / name).read_bytes(), data, name)

    def test_events_are_valid_events(self) -> None:
        chains = json.loads((make_vectors.VECTORS / "chain.json").read_text("utf-8"))["chains"]
        for entry in (entry for chain in chains for entry in chain["entries"]):
            event = entry["event"]
            self.assertTrue({"action", "actor"} <= set(event))
            self.assertTrue({"type", "id"} <= set(event["actor"]) <= {"type", "id", "name"})

    def test_payload_limit_leaves_room_for_the_hash(self) -> None:
        self.assertEqual(iv.MAX_PAYLOAD_BYTES + 32, 65_535)


def write_objects(folder: str, objects: Dict[str, bytes]) -> None:
    for key, data in objects.items():
        path = Path(folder) / "worm" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def run_segments(
    segments: Sequence[Tuple[int, bytes]], keys: Optional[Sequence[iv.PublicKey]] = None
) -> iv.Findings:
    """Verify the segments of the chain "c" without a file system."""
    run = iv.ChainRun("c", DEPLOYMENT, [ED25519.public_key] if keys is None else keys)
    for number, (first, data) in enumerate(segments):
        if first > run.next_sequence:
            run.skip_to(first)
        if first < run.next_sequence:
            run.extra(first, data)
        else:
            run.segment(first, data, segments[number + 1][0] if number + 1 < len(segments) else None)
    run.finish()
    return run.findings


def small_chain(sizes: Sequence[int] = (2, 1)) -> ChainBuilder:
    return build_small_chain("c", [ED25519], sizes)


class EveryChangeTest(unittest.TestCase):
    """Each byte changed, removed or doubled must be found, wherever it is."""

    def test_every_flip_of_a_segment_is_found(self) -> None:
        chain = small_chain([1, 1])
        whole = [(item.first, item.data) for item in chain.segments]
        self.assertEqual(run_segments(whole).items, [])
        for number, (first, data) in enumerate(whole):
            for place in range(len(data)):
                for mask in (0x01,) if place % 4 else (0x01, 0x20, 0x80):
                    changed = data[:place] + bytes([data[place] ^ mask]) + data[place + 1 :]
                    found = run_segments([*whole[:number], (first, changed), *whole[number + 1 :]])
                    self.assertNotEqual(found.verdict, "intact", (first, place, mask))
                    self.assertIsNotNone(found.first_bad, (first, place, mask))
                    self.assertGreaterEqual(found.first_bad or 0, first if place else 0)

    def test_every_flip_is_found_under_ecdsa_too(self) -> None:
        chain = build_small_chain("c", [ECDSA], [1])
        data = chain.segments[0].data
        self.assertEqual(run_segments([(0, data)], [ECDSA.public_key]).items, [])
        for place in range(len(data)):
            changed = data[:place] + bytes([data[place] ^ 0x04]) + data[place + 1 :]
            self.assertNotEqual(run_segments([(0, changed)], [ECDSA.public_key]).verdict, "intact", place)

    def test_every_missing_and_every_doubled_byte_is_found(self) -> None:
        data = small_chain([2]).segments[0].data
        for place in range(len(data)):
            doubled = data[:place] + data[place : place + 1] + data[place:]
            self.assertNotEqual(run_segments([(0, data[:place] + data[place + 1 :])]).verdict, "intact", place)
            self.assertNotEqual(run_segments([(0, doubled)]).verdict, "intact", place)
            self.assertNotEqual(run_segments([(0, data[:place])]).verdict, "intact", place)

    def test_every_flip_of_a_bundle_is_found(self) -> None:
        data = small_chain([2, 2]).bundle(1, 2, 4)
        for place in range(len(data)):
            for mask in (0x01,) if place % 4 else (0x01, 0x20):
                findings = iv.Findings()
                changed = data[:place] + bytes([data[place] ^ mask]) + data[place + 1 :]
                iv.check_bundle(io.BytesIO(changed), [ED25519.public_key], findings)
                self.assertNotEqual(findings.verdict, "intact", (place, mask))

    def test_every_flip_of_a_receipt_is_found(self) -> None:
        data = json.dumps(small_chain([2, 2]).receipt(1, 4), separators=(",", ":"), ensure_ascii=False).encode()
        for place in range(len(data)):
            for mask in (0x01, 0x20):
                findings = iv.Findings()
                changed = data[:place] + bytes([data[place] ^ mask]) + data[place + 1 :]
                iv.check_receipt(changed, [ED25519.public_key], findings)
                self.assertNotEqual(findings.verdict, "intact", (place, mask))

    def test_every_flip_of_a_mark_is_found(self) -> None:
        data = small_chain().mark(3).encode()
        self.assertEqual(iv.open_mark(data, [ED25519.public_key]).checkpoint.size, 3)
        for place in range(len(data)):
            changed = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
            with self.assertRaises((iv.FormatError, iv.SignatureError), msg=str(place)):
                iv.open_mark(changed, [ED25519.public_key])

    def test_one_bad_segment_does_not_hide_that_the_next_is_good(self) -> None:
        chain = small_chain([2, 2, 1])
        whole = {item.first: item.data for item in chain.segments}
        whole[0] = whole[0].replace(b"1.5", b"9.5")
        found = run_segments(list(whole.items()))
        self.assertEqual([item.code for item in found.items], ["hash_mismatch"])
        self.assertEqual(found.first_bad, 0)
        whole[4] = whole[4].replace(b"4.5", b"9.5")
        found = run_segments(list(whole.items()))
        self.assertEqual(
            [(item.code, item.sequence) for item in found.items], [("hash_mismatch", 0), ("hash_mismatch", 4)]
        )

    def test_a_forged_time_or_end_does_not_condemn_what_follows(self) -> None:
        chain = small_chain([2, 2, 1])
        whole = {item.first: item.data for item in chain.segments}
        later = whole[0].replace(b"2026-11-23T20:52:07.123456Z", b"2126-11-23T20:52:07.123456Z")
        found = run_segments([(0, later), (2, whole[2]), (4, whole[4])])
        self.assertEqual([item.code for item in found.items], ["hash_mismatch"])
        found = run_segments([(0, whole[0]), (2, whole[4]), (4, whole[4])])
        self.assertEqual({item.sequence for item in found.items if item.effect == "tampered"}, {2})
        self.assertNotIn("fork", found.codes())

    def test_a_rewritten_prefix_does_not_join_the_signed_rest(self) -> None:
        """Segment 0 replaced by one the same key signed for other entries: the join gives it away."""
        chain, other = small_chain([2, 2]), ChainBuilder(DEPLOYMENT, "c", [ED25519])
        for n in range(2):
            other.add(small_event(n + 10), f"id-{n}", RECEIVED[n])
        found = run_segments([(0, other.commit().data), (2, chain.segments[1].data)])
        self.assertEqual([(item.code, item.sequence) for item in found.items][0], ("fork", 2))


class CommandTest(unittest.TestCase):
    """The command line: verdicts, exit codes, anchors."""

    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = holder.name
        self.chain = build_small_chain("payments", [ED25519], [3, 5, 1])
        write_objects(self.folder, self.chain.objects())
        self.key = iv.encode_base64(ED25519.public_key.spki)

    def run_command(self, *arguments: str) -> Tuple[int, Dict[str, Any]]:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = iv.main([*arguments, "--json"])
            except SystemExit as leaving:
                return int(leaving.code or 0), {"stderr": err.getvalue()}
        return code, json.loads(out.getvalue())

    def verify(self, *arguments: str) -> Tuple[int, Dict[str, Any]]:
        return self.run_command("chain", "--data-dir", self.folder, *arguments)

    def keep(self, name: str, content: Any) -> str:
        path = os.path.join(self.folder, name)
        if isinstance(content, dict):
            content = json.dumps(content)
        Path(path).write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        return path

    def segment(self, first: int, chain: str = "payments") -> Path:
        return Path(self.folder) / "worm" / iv.segment_key(chain, first)

    def codes(self, report: Dict[str, Any]) -> List[str]:
        return [item["code"] for item in report["findings"]]

    def test_an_intact_chain(self) -> None:
        code, report = self.verify("--public-key", self.key, "--check-ids")
        self.assertEqual(
            (code, report["verdict"], report["entriesChecked"], report["findings"]), (0, "intact", 9, [])
        )
        self.assertEqual(report["chains"][0]["root"], tree_root(self.chain.leaves()).hex())
        self.assertEqual(report["chains"][0]["lastEntryHash"], self.chain.entries[-1].entry_hash.hex())

    def test_a_root_vouches_for_a_delegated_key_by_its_certificate(self) -> None:
        chain = build_small_chain("sessions", [ED25519_OTHER], [3, 5, 1])
        session, last = ED25519_OTHER.public_key, chain.entries[-1].received_at
        early = ("2026-11-23T00:00:00.000000Z", "2026-11-23T20:52:08.000000Z")
        for window, ok in (((early[0], last), True), (early, False)):
            certificate = certified_key(ED25519, session, DEPLOYMENT, window)
            file = self.keep("certificate.json", certificate)
            receipt = self.keep("receipt.json", chain.receipt(8))
            code, report = self.run_command("receipt", receipt, "--public-key", self.key, "--certificate", file)
            self.assertEqual((code == 0, report["verdict"] == "intact"), (ok, ok))
            self.assertEqual(self.run_command("receipt", receipt, "--public-key", file)[0] == 0, ok)
            header, payloads, manifest = chain.bundle_parts(2, 8)
            header["publicKeys"] = [ED25519.public_key.describe(), json.loads(certificate)]
            bundle = self.keep("bundle.txt", bundle_text(header, payloads, manifest))
            self.assertEqual(self.run_command("bundle", bundle, "--public-key", self.key)[0] == 0, ok)
            self.assertEqual(self.run_command("bundle", bundle)[0] == 0, ok)
            # Without the certificate, or with another's, it is not signed by a key that counts.
            self.assertEqual(self.run_command("receipt", receipt, "--public-key", self.key)[0], 2)
            other = iv.encode_base64(ECDSA.public_key.spki)
            self.assertEqual(self.run_command("bundle", bundle, "--public-key", other)[0], 2)
            mark = self.keep("mark.txt", chain.mark(9))
            code, _ = self.run_command("checkpoint", mark, "--public-key", self.key, "--certificate", file)
            self.assertEqual(code, 2, "a delegated key signs no marks")

    def test_a_key_slipped_into_the_store_is_named(self) -> None:
        root, stray = ED25519.public_key, ECDSA.public_key
        objects = {
            "deployment.json": rooted_deployment(root, DEPLOYMENT),
            f"keys/{stray.fingerprint}.json": root_key(stray),
        }
        write_objects(self.folder, objects)
        for arguments in ((), ("--public-key", self.key)):
            code, report = self.verify(*arguments)
            self.assertEqual((code, self.codes(report)), (2, ["foreign_object"]))
            self.assertEqual(report["findings"][0]["object"], f"keys/{stray.fingerprint}.json")

    def test_keys_in_all_their_forms(self) -> None:
        spki = ED25519.public_key.spki
        pem = "-----BEGIN PUBLIC KEY-----\n" + iv.encode_base64(spki) + "\n-----END PUBLIC KEY-----\n"
        for form in (
            ED25519.public_key.vkey("example.com/audit/payments"),
            self.keep("key.pem", pem),
            self.keep("key.b64", self.key + "\n"),
            self.keep("key.vkey", ED25519.public_key.vkey("example.com/audit/payments") + "\n"),
            str(Path(self.folder) / "worm" / self.chain.key_objects()[0][0]),
        ):
            self.assertEqual(self.verify("--public-key", form)[0], 0, form)

    def test_a_vkey_speaks_for_its_own_origin_alone(self) -> None:
        code, report = self.verify("--public-key", ED25519.public_key.vkey("example.com/audit/other"))
        self.assertEqual((code, set(self.codes(report))), (2, {"signature_invalid"}))

    def test_without_a_key_those_of_the_store_are_taken_and_the_report_says_so(self) -> None:
        code, report = self.verify()
        self.assertEqual((code, report["keysFrom"]), (0, "store"))
        self.assertTrue(any("--public-key" in note for note in report["notes"]))

    def test_another_key_than_the_stores(self) -> None:
        code, report = self.verify("--public-key", iv.encode_base64(ED25519_OTHER.public_key.spki))
        self.assertEqual((code, report["verdict"]), (2, "tampered"))

    def test_no_key_at_all_is_indeterminate(self) -> None:
        os.unlink(Path(self.folder) / "worm" / self.chain.key_objects()[0][0])
        code, report = self.verify()
        self.assertEqual(
            (code, report["verdict"], set(self.codes(report))), (3, "indeterminate", {"unverified_range"})
        )

    def test_a_chain_that_is_not_there(self) -> None:
        code, report = self.verify("--chain", "nothing", "--public-key", self.key)
        self.assertEqual((code, report["verdict"]), (3, "incomplete"))

    def test_wrong_usage_is_1(self) -> None:
        for arguments in (
            ["chain"],
            ["chain", "--data-dir", os.path.join(self.folder, "none")],
            ["chain", "--data-dir", self.folder, "--public-key", "abc"],
            ["chain", "--data-dir", self.folder, "--chain", "../x"],
            ["chain", "--data-dir", self.folder, "--against", "none"],
            ["receipt", "none", "--public-key", self.key],
            ["receipt", self.keep("r", "{}")],
            ["nothing"],
            [],
        ):
            self.assertEqual(self.run_command(*arguments)[0], 1, arguments)

    def test_missing_and_foreign_objects(self) -> None:
        self.segment(3).rename(self.segment(3).with_name("kept.txt"))
        code, report = self.verify("--public-key", self.key)
        self.assertEqual((code, report["verdict"], report["firstBadSequence"]), (2, "tampered", 3))
        self.assertEqual(sorted(self.codes(report)), ["foreign_object", "missing_object"])
        self.assertEqual(report["entriesChecked"], 4)

    def test_foreign_objects_are_not_taken_for_entries(self) -> None:
        self.segment(4).write_bytes(b"debris")
        self.segment(5).write_bytes(self.segment(3).read_bytes())
        os.symlink(self.segment(3), self.segment(6))
        (Path(self.folder) / "worm" / "chains" / "No").mkdir()
        code, report = self.verify("--public-key", self.key)
        self.assertEqual((code, report["verdict"]), (2, "tampered"))
        self.assertEqual(self.codes(report), ["foreign_object"] * 4)
        self.assertEqual((report["entriesChecked"], report["firstBadSequence"]), (9, None))

    def test_debris_behind_the_head_is_not_passed_over(self) -> None:
        self.segment(9).write_bytes(b"debris")
        self.assertEqual(self.verify("--public-key", self.key)[0], 2)

    def test_an_anchor_within_what_is_missing_is_neither_met_nor_cut_off(self) -> None:
        receipt = self.keep("receipt.json", self.chain.receipt(1, 2))
        self.segment(0).unlink()
        code, report = self.verify("--public-key", self.key, "--against", receipt)
        self.assertEqual((code, report["verdict"], report["firstBadSequence"]), (2, "tampered", 0))
        self.assertEqual(set(self.codes(report)), {"missing_object", "unverified_range"})

    def test_an_unreadable_object_is_unknown_not_fine(self) -> None:
        original = iv.read_segment

        def failing(path: Path) -> bytes:
            if path == self.segment(3):
                raise OSError(5, "Input/output error")
            return original(path)

        iv.read_segment = failing
        self.addCleanup(setattr, iv, "read_segment", original)
        code, report = self.verify("--public-key", self.key)
        self.assertEqual((code, report["verdict"], self.codes(report)), (3, "incomplete", ["unverified_range"]))
        self.assertEqual(report["entriesChecked"], 4)

    def test_a_cut_tail_shows_only_against_something_kept_elsewhere(self) -> None:
        kept = {
            "receipt": self.keep("receipt.json", self.chain.receipt(8)),
            "checkpoint": self.keep("checkpoint.txt", self.chain.checkpoint()),
            "bundle": self.keep("bundle.txt", self.chain.bundle(4, 6)),
            "mark": self.keep("mark.txt", self.chain.mark(9)),
        }
        for path in kept.values():
            code, report = self.verify("--public-key", self.key, "--against", path)
            self.assertEqual((code, report["heldAgainst"][0]["size"]), (0, 9), report)
        self.segment(8).unlink()
        self.assertEqual(self.verify("--public-key", self.key)[0], 0)
        for path in kept.values():
            code, report = self.verify("--public-key", self.key, "--against", path)
            self.assertEqual((code, report["verdict"], report["firstBadSequence"]), (2, "tampered", 8), path)
            self.assertEqual(set(self.codes(report)), {"truncated_tail"})

    def test_a_chain_deleted_whole_shows_against_a_receipt(self) -> None:
        receipt = self.keep("receipt.json", self.chain.receipt(2))
        for first in (0, 3, 8):
            self.segment(first).unlink()
        self.assertEqual(self.verify("--public-key", self.key)[0], 0)
        code, report = self.verify("--public-key", self.key, "--against", receipt)
        self.assertEqual((code, report["verdict"]), (2, "tampered"))
        self.assertIn("truncated_tail", self.codes(report))

    def test_a_history_rewritten_with_the_key_shows_against_a_receipt(self) -> None:
        rewritten = ChainBuilder(DEPLOYMENT, "payments", [ED25519])
        for n in range(9):
            writer = self.chain.entries[n].writer_id
            rewritten.add(small_event(n if n != 4 else 99), f"id-{n}", RECEIVED[n], writer)
            if n in (2, 7, 8):
                rewritten.commit()
        kept = [
            self.keep("2.json", self.chain.receipt(2, 3)),
            self.keep("5.json", self.chain.receipt(5, 8)),
            self.keep("bundle.txt", self.chain.bundle(3, 5)),
        ]
        for first in (0, 3, 8):
            self.segment(first).unlink()
        write_objects(self.folder, rewritten.objects())
        self.assertEqual(self.verify("--public-key", self.key)[0], 0)
        arguments = [part for path in kept for part in ("--against", path)]
        code, report = self.verify("--public-key", self.key, *arguments)
        self.assertEqual((code, set(self.codes(report))), (2, {"checkpoint_mismatch"}))
        self.assertEqual(report["firstBadSequence"], 3)  # the receipt of 2 proves what lies before

    def test_receipts_narrow_down_where_a_segment_was_changed(self) -> None:
        self.segment(3).write_bytes(self.segment(3).read_bytes().replace(b"6.5", b"9.5"))
        code, report = self.verify("--public-key", self.key)
        self.assertEqual((code, report["firstBadSequence"]), (2, 3))
        kept = [self.keep(f"{n}.json", self.chain.receipt(n, 8)) for n in (4, 5)]
        code, report = self.verify("--public-key", self.key, "--against", kept[0], "--against", kept[1])
        self.assertEqual((code, report["firstBadSequence"]), (2, 6))

    def test_an_anchor_that_is_not_signed_makes_the_verdict_indeterminate(self) -> None:
        stranger = ChainBuilder(DEPLOYMENT, "payments", [ED25519_OTHER], self.chain.entries)
        path = self.keep("receipt.json", stranger.receipt(8))
        code, report = self.verify("--public-key", self.key, "--against", path)
        self.assertEqual((code, report["verdict"]), (3, "indeterminate"))

    def test_the_store_may_not_name_another_deployment(self) -> None:
        self.assertEqual(self.verify("--deployment", "example.com/else")[0], 2)

    def test_changed_key_and_deployment_objects(self) -> None:
        key, data = self.chain.key_objects()[0]
        write_objects(self.folder, {key: data.replace(b"2026", b"2025")})
        self.assertEqual(self.verify()[0], 0)  # nothing vouches for createdAt
        write_objects(self.folder, {key: data + b"\n"})
        self.assertEqual(self.verify()[0], 2)
        write_objects(self.folder, {key: ECDSA_OBJECT})
        self.assertEqual(self.verify()[0], 2)

    def test_shallow_leaves_out_only_the_parsing_of_payloads(self) -> None:
        chain = ChainBuilder(DEPLOYMENT, "loose", [ED25519])
        good = build_small_chain("loose", [ED25519], [1]).entries[0]
        chain.add_payload(good.payload.replace(b'"amount":0.5', b'"amount":0.50'), {}, "id-0", RECEIVED[0])
        chain.commit(writerId="writer1")
        write_objects(self.folder, chain.objects())
        self.assertEqual(self.verify("--chain", "loose")[0], 2)
        self.assertEqual(self.verify("--chain", "loose", "--shallow")[0], 0)

    def test_receipt_bundle_checkpoint_and_consistency(self) -> None:
        receipt = self.keep("receipt.json", self.chain.receipt(4, 8))
        bundle = self.keep("bundle.txt", self.chain.bundle(2, 6, 9))
        old = self.keep("old.txt", self.chain.checkpoint(3))
        new = self.keep("new.txt", self.chain.checkpoint(8))
        proof = [node.hex() for node in consistency_path(3, self.chain.leaves(8))]
        paths = [self.keep("proof.json", json.dumps(proof)), self.keep("p2.json", {"consistencyProof": proof})]
        key = ["--public-key", self.key]
        code, report = self.run_command("receipt", receipt, *key)
        self.assertEqual((code, report["verdict"], report["sequence"]), (0, "intact", 4))
        code, report = self.run_command("bundle", bundle)
        self.assertEqual((code, report["keysFrom"], report["entriesChecked"]), (0, "bundle", 5))
        self.assertEqual(self.run_command("bundle", bundle, *key)[0], 0)
        code, report = self.run_command("checkpoint", new, *key)
        self.assertEqual((code, report["size"], report["origin"]), (0, 8, "example.com/audit/payments"))
        for path in paths:
            self.assertEqual(self.run_command("consistency", old, new, "--proof", path, *key)[0], 0)
        self.assertEqual(self.run_command("consistency", old, new, *key)[0], 2)
        self.assertEqual(self.run_command("consistency", old, old, *key)[0], 0)
        other = ["--public-key", iv.encode_base64(ED25519_OTHER.public_key.spki)]
        self.assertEqual(self.run_command("receipt", receipt, *other)[0], 2)
        self.assertEqual(self.run_command("bundle", bundle, *other)[0], 2)
        self.assertEqual(self.run_command("checkpoint", new, *other)[0], 2)
        self.assertEqual(self.run_command("receipt", receipt, *key, "--deployment", "example.com/else")[0], 2)

    def test_text_for_people_holds_nothing_that_moves_the_cursor(self) -> None:
        self.segment(0).with_name("\x1b[2J\u202e.ndjson").write_bytes(b"")
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            code = iv.main(["chain", "--data-dir", self.folder, "--public-key", self.key])
        self.assertEqual(code, 2)
        self.assertIn("foreign_object", out.getvalue())
        self.assertNotIn("\x1b", out.getvalue())
        self.assertNotIn("\u202e", out.getvalue())


class LimitsTest(unittest.TestCase):
    def chain_with_payload_of(self, size: int) -> iv.Findings:
        chain = ChainBuilder(DEPLOYMENT, "c", [ED25519])
        base = {"action": "a", "actor": {"id": "i", "type": "t"}, "reason": ""}
        short = len(chain.add(base, "e", RECEIVED[0]).payload)
        chain.entries = []
        entry = chain.add({**base, "reason": "x" * (size - short)}, "e", RECEIVED[0])
        self.assertEqual(len(entry.payload), size)
        return run_segments([(0, chain.commit().data)])

    def test_payload_size(self) -> None:
        self.assertEqual(self.chain_with_payload_of(iv.MAX_PAYLOAD_BYTES).verdict, "intact")
        self.assertEqual(self.chain_with_payload_of(iv.MAX_PAYLOAD_BYTES + 1).verdict, "tampered")

    def test_a_segment_has_1_to_1000_entries(self) -> None:
        for count, verdict in ((1000, "intact"), (1001, "tampered")):
            chain = ChainBuilder(DEPLOYMENT, "c", [ED25519])
            for n in range(count):
                chain.add(small_event(n), f"id-{n}", RECEIVED[0])
            self.assertEqual(run_segments([(0, chain.commit().data)]).verdict, verdict)

    def test_times_that_do_not_exist(self) -> None:
        for text in (
            "2026-02-29T00:00:00.000000Z",
            "2026-11-23T24:00:00.000000Z",
            "2026-11-23T23:59:60.000000Z",
            "2026-11-23T23:59:59.00000Z",
            "2026-11-23t23:59:59.000000Z",
        ):
            with self.assertRaises(iv.FormatError, msg=text):
                iv.check_received_at(text)

    def test_unknown_versions_are_indeterminate(self) -> None:
        chain = small_chain([1])
        entry = chain.entries[0]
        later = ChainBuilder(DEPLOYMENT, "c", [ED25519])
        later.add_payload(entry.payload.replace(b"entry/v1", b"entry/v2"), {}, "id-0", RECEIVED[0])
        self.assertEqual(run_segments([(0, later.commit(writerId="writer1").data)]).verdict, "indeterminate")
        # A changed version in a header is a change like any other: the rest still follows this version.
        data = chain.segments[0].data.replace(b"segment/v1", b"segment/v2")
        self.assertEqual(run_segments([(0, data)]).verdict, "tampered")

    def test_a_note_may_carry_sixteen_signatures_and_more(self) -> None:
        text = small_chain([1]).checkpoint().split("\n\n")[0] + "\n"
        others = [Ed25519Signer(bytes([n]) * 32) for n in range(20)]
        data = sign_note(text, f"{DEPLOYMENT}/c", *others, ED25519).encode()
        self.assertEqual(iv.open_checkpoint(data, [ED25519.public_key]).size, 1)


ECDSA_OBJECT = build_small_chain("c", [ECDSA], [1]).key_objects()[0][1]


if __name__ == "__main__":
    unittest.main()
