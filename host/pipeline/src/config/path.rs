//! Paths into a message as they are written in the configuration: `location.lat`, `location[0]`.

use millstream_model::schema::{FieldPath, PathSegment};

/// Parses a path. Keys are separated by dots, elements of arrays stand in brackets, from 0.
pub fn parse(text: &str) -> Result<FieldPath, String> {
    let mut path = Vec::new();
    for part in text.split('.') {
        let (key, indices) = part.split_at(part.find('[').unwrap_or(part.len()));
        if key.is_empty() {
            return Err(format!("`{text}` is not a path; write it as `location.lat` or `location[0]`"));
        }
        path.push(PathSegment::Key(key.to_owned()));
        path.extend(
            parse_indices(indices)
                .ok_or_else(|| format!("`{indices}` in `{text}` is not an index such as `[0]`"))?,
        );
    }
    Ok(path)
}

fn parse_indices(mut text: &str) -> Option<Vec<PathSegment>> {
    let mut indices = Vec::new();
    while !text.is_empty() {
        let (index, rest) = text.strip_prefix('[')?.split_once(']')?;
        indices.push(PathSegment::Index(index.parse().ok()?));
        text = rest;
    }
    Some(indices)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(path: &FieldPath) -> String {
        path.iter()
            .map(|segment| match segment {
                PathSegment::Key(key) => format!("/{key}"),
                PathSegment::Index(index) => format!("#{index}"),
            })
            .collect()
    }

    #[test]
    fn paths() {
        let check = |text: &str, expect: Option<&str>| {
            assert_eq!(parse(text).ok().as_ref().map(render).as_deref(), expect, "{text}");
        };
        check("model", Some("/model"));
        check("location.lat", Some("/location/lat"));
        check("location[0]", Some("/location#0"));
        check("a[1][2].b", Some("/a#1#2/b"));
        check("", None);
        check("a..b", None);
        check("[0]", None);
        check("a[x]", None);
        check("a[0", None);
        check("a[0]b", None);
    }
}
