//! Keeps a share of a stream, decided by a key: all rows of a key stay or none does, and the same keys stay on
//! every worker, after every restart and in every stream with the same seed, so that samples can be joined. A
//! larger rate keeps the keys of a smaller one, and more.

use millstream_sdk::columnar::{Batch, Columnar, Read, Stream};
use millstream_sdk::plan::{ConfigProblem, DataType};
use millstream_sdk::{About, Error};
use serde::Deserialize;
use siphasher::sip::SipHasher24;

/// The configuration.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// A column of text, bytes or whole numbers; `_key` is the message's own.
    key: String,
    /// The share of keys that stay, from 0 to 1.
    rate: f64,
    /// Another seed keeps other keys.
    #[serde(default)]
    seed: u64,
}

/// The column of the key.
enum Key {
    Text(Read<Option<String>>),
    Bytes(Read<Option<Vec<u8>>>),
    Number(Read<Option<i64>>),
}

/// The plugin.
pub struct Sample {
    key: Key,
    rate: f64,
    hasher: SipHasher24,
}

impl Columnar for Sample {
    type Config = Config;

    const ABOUT: About = About {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        config_schema: Some(include_str!("../config.schema.json")),
        example_config: include_str!("../config.example.json"),
    };

    fn configure(config: Config, stream: &mut Stream<'_>) -> Result<Self, Vec<ConfigProblem>> {
        if !(0.0..=1.0).contains(&config.rate) {
            return Err(vec![ConfigProblem::new("rate", "a share is between 0 and 1")]);
        }
        let key = match stream.column(&config.key).map(|column| &column.ty) {
            Some(DataType::Binary) => Key::Bytes(stream.read(&config.key)),
            Some(DataType::Int64 | DataType::Int32) => Key::Number(stream.read(&config.key)),
            _ => Key::Text(stream.read(&config.key)),
        };
        Ok(Self { key, rate: config.rate, hasher: SipHasher24::new_with_keys(config.seed, 0) })
    }

    fn process(&mut self, batch: &mut Batch<'_>) -> Result<(), Error> {
        let dropped: Vec<usize> = match &self.key {
            Key::Text(key) => {
                let keys = batch.read(*key);
                self.dropped(keys.iter().map(|key| self.keeps(key.unwrap_or_default().as_bytes())))
            }
            Key::Bytes(key) => {
                let keys = batch.read(*key);
                self.dropped(keys.iter().map(|key| self.keeps(key.unwrap_or_default())))
            }
            Key::Number(key) => {
                let keys = batch.read(*key);
                self.dropped(keys.iter().map(|key| {
                    // As its digits: a key stays the same if it becomes a text.
                    self.keeps(key.map(|key| key.to_string()).unwrap_or_default().as_bytes())
                }))
            }
        };
        dropped.into_iter().for_each(|row| batch.drop_row(row));
        Ok(())
    }
}

millstream_sdk::export!(Sample);

impl Sample {
    /// Rows without a key have an empty one.
    fn keeps(&self, key: &[u8]) -> bool {
        // The upper 53 bits, as a number from 0 to 1.
        let share = (self.hasher.hash(key) >> 11) as f64 / (1_u64 << 53) as f64;
        share < self.rate
    }

    fn dropped(&self, keeps: impl Iterator<Item = bool>) -> Vec<usize> {
        keeps.enumerate().filter(|(_, keeps)| !keeps).map(|(row, _)| row).collect()
    }
}

#[cfg(test)]
mod tests {
    use millstream_sdk::testing::{Values, run};

    use super::*;

    fn kept(rate: f64, seed: u64, keys: Values) -> Vec<usize> {
        let config = format!(r#"{{"key": "id", "rate": {rate}, "seed": {seed}}}"#);
        run::<Sample, _>(&config, &[("id", keys)]).unwrap().kept
    }

    fn texts() -> Values {
        Values::of((0..10_000).map(|key| key.to_string()))
    }

    #[test]
    fn a_share_of_the_keys_stays() {
        let tenth = kept(0.1, 0, texts());
        assert!((900..1100).contains(&tenth.len()), "{}", tenth.len());
        assert!(kept(0.0, 0, texts()).is_empty());
        assert_eq!(kept(1.0, 0, texts()).len(), 10_000);
        let fifth = kept(0.2, 0, texts());
        assert!(tenth.iter().all(|row| fifth.contains(row)), "a larger sample contains the smaller one");
        assert_ne!(kept(0.1, 1, texts()), tenth);
    }

    /// As they were in the first version: nobody's sample may change.
    #[test]
    fn the_same_keys_stay_for_ever() {
        assert_eq!(kept(0.5, 7, Values::of(["a", "b", "c", "d", "e", "f"])), [3, 4]);
    }

    #[test]
    fn a_key_is_the_same_in_every_type() {
        let numbers = Values::of(0..10_000_i64);
        let bytes = Values::of((0..10_000).map(|key| key.to_string().into_bytes()));
        let expect = kept(0.1, 3, texts());
        assert_eq!(kept(0.1, 3, numbers), expect);
        assert_eq!(kept(0.1, 3, bytes), expect);
    }
}
