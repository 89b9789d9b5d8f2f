//! Every `--json` has a committed schema, and it is what the types say.

use std::path::{Path, PathBuf};

use proxy_mirror::control::{
    Applied, ConnectionHappening, ConnectionList, Demonstration, Examination, Explanation, Plan,
    Problem, ServiceView, SettingsView, Status, Undone,
};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas")
}

/// The schema of what is written: every field required.
fn schema<T: JsonSchema>() -> Value {
    let schema = SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator()
        .into_root_schema_for::<T>();
    serde_json::to_value(schema).unwrap()
}

fn all() -> Vec<(&'static str, Value)> {
    vec![
        ("status", schema::<Status>()),
        ("plan", schema::<Plan>()),
        ("apply", schema::<Applied>()),
        ("undo", schema::<Undone>()),
        ("explain", schema::<Explanation>()),
        ("doctor", schema::<Examination>()),
        ("settings", schema::<SettingsView>()),
        ("connections", schema::<ConnectionList>()),
        ("connection-event", schema::<ConnectionHappening>()),
        ("engine", schema::<ServiceView>()),
        ("demo", schema::<Demonstration>()),
        ("problem", schema::<Problem>()),
    ]
}

/// Asserts that `value` is what the committed schema `name` promises.
pub(crate) fn assert_valid(name: &str, value: &Value) {
    let text = std::fs::read_to_string(folder().join(format!("{name}.json"))).unwrap();
    let schema: Value = serde_json::from_str(&text).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{name}: {errors:#?}\n{value:#}");
}

#[test]
fn the_committed_schemas_are_those_of_the_types() {
    let rewrite = std::env::var_os("GANGWAY_WRITE_SCHEMAS").is_some();
    for (name, schema) in all() {
        let path = folder().join(format!("{name}.json"));
        let text = format!("{schema:#}\n");
        if rewrite {
            std::fs::create_dir_all(folder()).unwrap();
            std::fs::write(&path, &text).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == text,
            "{} is not what the types say: run GANGWAY_WRITE_SCHEMAS=1 cargo nextest run -p proxy-mirror schemas",
            path.display()
        );
    }
}

#[test]
fn every_field_of_every_schema_is_required() {
    fn check(name: &str, value: &Value) {
        match value {
            Value::Object(object) => {
                if let Some(Value::Object(properties)) = object.get("properties") {
                    let required = object.get("required").and_then(Value::as_array);
                    for key in properties.keys() {
                        let named = required.is_some_and(|names| names.iter().any(|n| n == key));
                        assert!(named, "{name}: `{key}` is not required");
                    }
                }
                object.values().for_each(|value| check(name, value));
            }
            Value::Array(items) => items.iter().for_each(|value| check(name, value)),
            _ => {}
        }
    }
    for (name, schema) in all() {
        check(name, &schema);
    }
}
