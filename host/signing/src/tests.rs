//! Every way in which a signature can be wrong, made by the signing half of the same library.

use minisign::KeyPair;

use crate::{PublicKey, SignatureError, Signatures, trusted_comment};

const BYTES: &[u8] = b"\0asm and so on";

fn pair() -> KeyPair {
    KeyPair::generate_unencrypted_keypair().unwrap()
}

fn public(pair: &KeyPair) -> PublicKey {
    pair.pk.to_base64().parse().unwrap()
}

fn signed(pair: &KeyPair, bytes: &[u8], comment: &str) -> String {
    minisign::sign(None, &pair.sk, bytes, Some(comment), None).unwrap().into_string()
}

fn pinned(pattern: &str, pair: &KeyPair) -> Signatures {
    let mut signatures = Signatures::new(false);
    signatures.pin(pattern, vec![public(pair)]).unwrap();
    signatures
}

#[test]
fn only_what_was_signed_for_this_name_by_this_key_is_taken() {
    let (own, other) = (pair(), pair());
    let pins = pinned("adjust", &own);
    let plugin = || "adjust".to_owned();
    let good = signed(&own, BYTES, &trusted_comment("adjust", 1));
    let check = |bytes: &[u8], signature: Option<&str>, expected: Result<(), SignatureError>| {
        assert_eq!(pins.check("adjust", bytes, signature), expected, "{signature:?}");
    };
    check(BYTES, Some(&good), Ok(()));
    check(BYTES, None, Err(SignatureError::Unsigned { plugin: plugin() }));
    check(BYTES, Some(""), Err(SignatureError::Malformed { plugin: plugin() }));
    check(BYTES, Some("untrusted comment: x\nRWQ\n"), Err(SignatureError::Malformed { plugin: plugin() }));
    check(b"\0asm and so on.", Some(&good), Err(SignatureError::Altered { plugin: plugin() }));
    check(
        BYTES,
        Some(&good.replace("timestamp:1", "timestamp:2")),
        Err(SignatureError::Altered { plugin: plugin() }),
    );
    let others = signed(&other, BYTES, &trusted_comment("adjust", 1));
    check(BYTES, Some(&others), Err(SignatureError::AnotherKey { plugin: plugin() }));
    let for_another = signed(&own, BYTES, &trusted_comment("cleanse", 1));
    let signed_as =
        |signed: &str| Err(SignatureError::AnotherName { plugin: plugin(), signed: signed.to_owned() });
    check(BYTES, Some(&for_another), signed_as("cleanse.wasm"));
    check(BYTES, Some(&signed(&own, BYTES, "file:adjust")), signed_as("adjust"));
    let nameless =
        [signed(&own, BYTES, "released"), signed(&own, BYTES, "file:adjust.wasm\tfile:adjust.wasm")];
    for signature in &nameless {
        check(BYTES, Some(signature), Err(SignatureError::NoName { plugin: plugin() }));
    }
    // Bytes 45 64 (`Ed`) in place of 45 44 (`ED`): the form that signs the bytes themselves.
    let legacy = good.replacen("\nRU", "\nRW", 1);
    assert_ne!(legacy, good);
    check(BYTES, Some(&legacy), Err(SignatureError::Legacy { plugin: plugin() }));
}

#[test]
fn the_closest_pattern_counts() {
    let (short, long, whole) = (pair(), pair(), pair());
    let mut pins = pinned("cleanse-*", &short);
    pins.pin("cleanse-gps*", vec![public(&long)]).unwrap();
    pins.pin("cleanse-gps", vec![public(&whole), public(&long)]).unwrap();
    let check = |name: &str, by: &KeyPair, expected: bool| {
        let signature = signed(by, BYTES, &trusted_comment(name, 1));
        assert_eq!(pins.check(name, BYTES, Some(&signature)).is_ok(), expected, "{name}");
    };
    check("cleanse-vehicle", &short, true);
    check("cleanse-vehicle", &long, false);
    check("cleanse-gps-2", &long, true);
    check("cleanse-gps-2", &short, false);
    check("cleanse-gps", &whole, true);
    check("cleanse-gps", &long, true);
    check("cleanse-gps", &short, false);
    assert_eq!(pins.check("adjust", BYTES, None), Ok(()), "no pin, and none is required");
    assert!(pins.demand("cleanse-gps") && !pins.demand("adjust"));
}

#[test]
fn a_name_without_a_pin_is_refused_where_signatures_are_required() {
    let error = Signatures::new(true).check("adjust", BYTES, None).unwrap_err();
    assert_eq!(error, SignatureError::NoKey { plugin: "adjust".to_owned() });
    assert!(error.to_string().contains("[plugins.keys]"), "{error}");
}

#[test]
fn keys_and_patterns() {
    let key = pair();
    let file = key.pk.to_box().unwrap().into_string();
    assert_eq!(file.parse(), Ok(public(&key)));
    for text in ["", "RWQ", "untrusted comment: x", &key.pk.to_base64()[1..]] {
        assert!(text.parse::<PublicKey>().is_err(), "{text}");
    }
    let pin = |pattern: &str| Signatures::new(false).pin(pattern, vec![public(&key)]).is_ok();
    assert!(pin("*") && pin("a") && pin("a-*"));
    assert!(!pin("") && !pin("*a") && !pin("a**") && !pin("a.b"));
    assert!(Signatures::new(false).pin("a", Vec::new()).is_err());
}
