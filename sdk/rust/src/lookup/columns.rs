//! The columns that a struct reads: serde tells a deserializer the names of a struct's fields before it reads any.

use std::fmt;

use serde::de::{DeserializeOwned, Deserializer, Visitor};

/// The fields of `T` as serde names them; none if it is no struct.
pub(super) fn columns<T: DeserializeOwned>() -> Option<&'static [&'static str]> {
    match T::deserialize(Fields) {
        Err(Told(fields)) => fields,
        Ok(_) => None,
    }
}

/// Reads nothing, and fails with the fields that it was told.
struct Fields;

#[derive(Debug)]
struct Told(Option<&'static [&'static str]>);

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fields {:?}", self.0)
    }
}

impl std::error::Error for Told {}

impl serde::de::Error for Told {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self(None)
    }
}

impl<'de> Deserializer<'de> for Fields {
    type Error = Told;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Told> {
        Err(Told(None))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Told> {
        Err(Told(Some(fields)))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_struct_names_its_columns() {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        #[allow(dead_code)]
        struct Car {
            owner: Option<String>,
            #[serde(rename = "no_of_wheels")]
            wheels: i32,
            first_seen: i64,
        }
        assert_eq!(columns::<Car>(), Some(&["owner", "no_of_wheels", "firstSeen"][..]));
        assert_eq!(columns::<Vec<i32>>(), None);
        assert_eq!(columns::<()>(), None);
    }
}
