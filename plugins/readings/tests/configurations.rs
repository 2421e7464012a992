//! The files that say how each plugin is configured agree with each other.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

fn plugins() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let folders = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    folders.filter(|folder| folder.join("config.schema.json").exists()).collect()
}

fn read(path: &Path) -> Map<String, Value> {
    let text = std::fs::read_to_string(path).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn examples_have_every_key_of_the_schema() {
    let plugins = plugins();
    assert!(plugins.len() >= 13, "{plugins:?}");
    for plugin in plugins {
        let schema = read(&plugin.join("config.schema.json"));
        let example = read(&plugin.join("config.example.json"));
        let properties = schema["properties"].as_object().unwrap();
        let keys = |object: &Map<String, Value>| object.keys().cloned().collect::<BTreeSet<_>>();
        let name = plugin.file_name().unwrap().to_str().unwrap();
        assert_eq!(keys(properties), keys(&example), "{name}");
        assert_eq!(schema["title"], name);
        assert_eq!(schema["additionalProperties"], false, "{name}");
        let required = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
        for (key, property) in properties {
            let described = property["description"].as_str().is_some_and(|text| !text.is_empty());
            let is_required = required.iter().any(|required| required == key.as_str());
            assert!(described && is_required != property.get("default").is_some(), "{name}: {key}");
        }
    }
}
