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

/// The path as it is written.
pub fn render(path: &FieldPath) -> String {
    let mut text = String::new();
    for segment in path {
        match segment {
            PathSegment::Key(key) if text.is_empty() => text.push_str(key),
            PathSegment::Key(key) => text.push_str(&format!(".{key}")),
            PathSegment::Index(index) => text.push_str(&format!("[{index}]")),
        }
    }
    text
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

    #[test]
    fn paths() {
        let check = |text: &str, segments: Option<usize>| {
            let path = parse(text).ok();
            assert_eq!(path.as_ref().map(Vec::len), segments, "{text}");
            assert!(path.is_none_or(|path| render(&path) == text), "{text}");
        };
        check("model", Some(1));
        check("location.lat", Some(2));
        check("location[0]", Some(2));
        check("a[1][2].b", Some(4));
        check("", None);
        check("a..b", None);
        check("[0]", None);
        check("a[x]", None);
        check("a[0", None);
        check("a[0]b", None);
    }
}
