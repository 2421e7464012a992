//! Takes personal data out of a stream: columns that the configuration names are dropped, replaced by a
//! keyed hash, or masked but for their last characters. Works on any stream.
//!
//! The hash is HMAC-SHA-256, the first 16 bytes as hex: equal values stay equal, so rows can still be
//! counted and joined, and without the key nobody can try out values. Nulls stay null.

use hmac::{Hmac, Mac as _};
use millstream_sdk::columnar::{Batch, Columnar, Rewrite, Stream};
use millstream_sdk::plan::ConfigProblem;
use millstream_sdk::{About, Error};
use serde::Deserialize;
use sha2::Sha256;

/// The configuration.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Columns that are taken out.
    #[serde(default)]
    drop: Vec<String>,
    /// Text columns that are hashed.
    #[serde(default)]
    hash: Vec<String>,
    /// Key of the hash, needed if there is one.
    #[serde(default)]
    key: String,
    /// Text columns that are masked.
    #[serde(default)]
    mask: Vec<Mask>,
}

/// A column of which little can be seen.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mask {
    column: String,
    /// How many characters at the end stay as they are.
    #[serde(default)]
    keep: usize,
}

/// A text column.
type Text = Rewrite<Option<String>>;

/// The plugin.
pub struct Redact {
    hash: Vec<Text>,
    hmac: Hmac<Sha256>,
    mask: Vec<(Text, usize)>,
}

impl Columnar for Redact {
    type Config = Config;

    const ABOUT: About = About {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        config_schema: Some(include_str!("../config.schema.json")),
        example_config: include_str!("../config.example.json"),
    };

    fn configure(config: Config, stream: &mut Stream<'_>) -> Result<Self, Vec<ConfigProblem>> {
        stream.keeps_every_row();
        config.drop.iter().for_each(|column| stream.drop_column(column));
        if !config.hash.is_empty() && config.key.len() < 16 {
            return Err(vec![ConfigProblem::new("key", "a hash needs a key of at least 16 bytes")]);
        }
        let hash = config.hash.iter().map(|column| stream.rewrite(column)).collect();
        let mask = config.mask.iter().map(|mask| (stream.rewrite(&mask.column), mask.keep)).collect();
        let hmac = Hmac::new_from_slice(config.key.as_bytes()).expect("HMAC takes keys of any length");
        Ok(Self { hash, hmac, mask })
    }

    fn process(&mut self, batch: &mut Batch<'_>) -> Result<(), Error> {
        for Text { before, after } in &self.hash {
            let texts = batch.read(*before);
            batch.write_each(*after, texts.iter().map(|text| text.map(|text| hashed(&self.hmac, text))));
        }
        for (Text { before, after }, keep) in &self.mask {
            let texts = batch.read(*before);
            batch.write_each(*after, texts.iter().map(|text| text.map(|text| masked(text, *keep))));
        }
        Ok(())
    }
}

millstream_sdk::export!(Redact);

fn hashed(hmac: &Hmac<Sha256>, text: &str) -> String {
    let digest = hmac.clone().chain_update(text).finalize().into_bytes();
    digest[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn masked(text: &str, keep: usize) -> String {
    let hidden = text.chars().count().saturating_sub(keep);
    text.chars().enumerate().map(|(place, letter)| if place < hidden { '*' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use millstream_sdk::testing::{Values, run};

    use super::*;

    #[test]
    fn equal_values_have_equal_hashes() {
        let columns = [("plate", Values::of([Some("AB12CDE"), None, Some("AB12CDE"), Some("AB12CDF")]))];
        let hashes = |key: &str| {
            let config = format!(r#"{{"hash": ["plate"], "key": "{key}"}}"#);
            run::<Redact, _>(&config, &columns).unwrap().written["plate"].clone()
        };
        let known = |key: &str| {
            let hmac = Hmac::new_from_slice(key.as_bytes()).unwrap();
            let [same, other] = ["AB12CDE", "AB12CDF"].map(|plate| Some(hashed(&hmac, plate)));
            assert_ne!(same, other);
            Values::of([same.clone(), None, same, other])
        };
        assert_eq!(hashes("a key of a hash."), known("a key of a hash."));
        assert_ne!(hashes("a key of a hash."), hashes("another, of more"));
    }

    /// RFC 4231, test case 2.
    #[test]
    fn the_hash_is_hmac_sha_256() {
        let hmac = Hmac::new_from_slice(b"Jefe").unwrap();
        assert_eq!(hashed(&hmac, "what do ya want for nothing?"), "5bdcc146bf60754e6a042426089575c7");
    }

    #[test]
    fn a_mask_counts_characters() {
        let check = |text: &str, keep, expect: &str| assert_eq!(masked(text, keep), expect);
        check("AB12CDE", 3, "****CDE");
        check("Zoë Ü", 1, "****Ü");
        check("ab", 5, "ab");
        check("ab", 0, "**");
        check("", 2, "");
    }
}
