//! Edits of JSON files that people write: members are set or removed, every other byte stays.

use std::path::Path;

use jsonc_parser::ast::{self, ObjectPropName};
use jsonc_parser::common::Ranged;
use jsonc_parser::cst::{CstArray, CstInputValue, CstNode, CstObject, CstRootNode};
use jsonc_parser::{CollectOptions, ParseOptions};
use serde_json::Value;

use super::ChangeError;
use crate::position::position;

#[cfg(test)]
mod tests;

const BOM: &str = "\u{feff}";

/// A JSON file that is being edited.
pub struct Document<'a> {
    path: &'a Path,
    bom: bool,
    root: CstRootNode,
    object: CstObject,
}

impl<'a> Document<'a> {
    /// Reads the file's bytes; those of no file, or of an empty one, become an empty object.
    /// Comments are understood where the file has them; nothing else beyond JSON is.
    ///
    /// # Errors
    /// [`ChangeError::Malformed`] with line and column for what is no JSON, a root that is no object, or
    /// a name that occurs twice in one object (whose value would win is the reader's choice).
    pub fn parse(path: &'a Path, bytes: &[u8]) -> Result<Self, ChangeError> {
        let malformed = |bytes: &[u8], at: usize, message: String| {
            let (line, column) = position(bytes, at);
            ChangeError::Malformed {
                path: path.to_owned(),
                line,
                column,
                message,
            }
        };
        let text = std::str::from_utf8(bytes)
            .map_err(|error| malformed(bytes, error.valid_up_to(), "this is not UTF-8".into()))?;
        let bom = text.starts_with(BOM);
        let text = text.strip_prefix(BOM).unwrap_or(text);
        let text = if text.trim().is_empty() {
            "{\n}\n"
        } else {
            text
        };
        let at = |start: usize, message: String| malformed(text.as_bytes(), start, message);
        let parsed = jsonc_parser::parse_to_ast(text, &CollectOptions::default(), &options())
            .map_err(|error| at(error.range().start, error.kind().to_string()))?;
        match &parsed.value {
            Some(ast::Value::Object(object)) => unique_names(object, &at)?,
            Some(other) => {
                return Err(at(
                    other.start(),
                    "the file must hold an object `{…}`".into(),
                ));
            }
            None => return Err(at(text.len(), "the file must hold an object `{…}`".into())),
        }
        let root = CstRootNode::parse(text, &options())
            .map_err(|error| at(error.range().start, error.kind().to_string()))?;
        let object = root.object_value_or_set();
        Ok(Self {
            path,
            bom,
            root,
            object,
        })
    }

    /// The value behind a path of names; `None` where there is none. In a list, a name is the number of
    /// an element, from 0.
    pub fn get(&self, keys: &[String]) -> Option<Value> {
        let (last, parents) = keys.split_last()?;
        self.below(parents)?
            .get(last)?
            .value()
            .as_ref()
            .and_then(CstNode::to_serde_value)
    }

    /// Sets a value, making the objects on the way; `null` removes it instead. Says how many
    /// objects had to be made.
    ///
    /// # Errors
    /// [`ChangeError::Content`] where something on the way is there and is no object.
    pub fn set(&self, keys: &[String], value: &Value) -> Result<usize, ChangeError> {
        if value.is_null() {
            self.remove(keys);
            return Ok(0);
        }
        let Some((last, parents)) = keys.split_last() else {
            return Ok(0);
        };
        let mut object = self.object.clone();
        let mut made = 0;
        let mut names = parents.iter().enumerate();
        while let Some((mut depth, name)) = names.next() {
            let next = match object.get(name).and_then(|member| member.value()) {
                None => {
                    made += 1;
                    object.object_value_or_create(name)
                }
                // A program's word for an object without members.
                Some(value) if value.as_null_keyword().is_some() => {
                    object.get(name).map(|member| member.object_value_or_set())
                }
                Some(value) => match value.as_array() {
                    Some(elements) => names.next().and_then(|(below, number)| {
                        depth = below;
                        element(&elements, number)
                    }),
                    None => value.as_object(),
                },
            };
            object = next.ok_or_else(|| ChangeError::Content {
                path: self.path.to_owned(),
                message: format!(
                    "`{}` is there, and is no object `{{…}}`",
                    keys[..=depth].join(".")
                ),
            })?;
        }
        match object.get(last) {
            Some(member)
                if member.value().and_then(|v| v.to_serde_value()).as_ref() == Some(value) => {}
            Some(member) => member.set_value(input(value)),
            None => {
                object.append(last, input(value));
            }
        }
        Ok(made)
    }

    /// The object behind a path of names; `None` where there is none.
    fn below(&self, names: &[String]) -> Option<CstObject> {
        let mut object = self.object.clone();
        let mut names = names.iter();
        while let Some(name) = names.next() {
            let value = object.get(name)?.value()?;
            object = match value.as_array() {
                Some(elements) => element(&elements, names.next()?)?,
                None => value.as_object()?,
            };
        }
        Some(object)
    }

    /// Removes a member, if it is there.
    pub fn remove(&self, keys: &[String]) {
        let Some((last, parents)) = keys.split_last() else {
            return;
        };
        if let Some(member) = self.below(parents).and_then(|object| object.get(last)) {
            member.remove();
        }
    }

    /// Whether the object behind a path is there and has no member.
    pub fn is_empty_object(&self, keys: &[String]) -> bool {
        match self.get(keys) {
            Some(Value::Object(members)) => members.is_empty(),
            _ => false,
        }
    }

    /// Whether the whole file holds no member.
    pub fn is_empty(&self) -> bool {
        self.object.properties().is_empty()
    }

    /// The file's bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        let text = self.root.to_string();
        if self.bom {
            format!("{BOM}{text}")
        } else {
            text
        }
        .into_bytes()
    }
}

/// One object of a list.
fn element(of: &CstArray, number: &str) -> Option<CstObject> {
    of.elements()
        .get(number.parse::<usize>().ok()?)?
        .as_object()
}

fn options() -> ParseOptions {
    ParseOptions {
        allow_comments: true,
        allow_loose_object_property_names: false,
        allow_trailing_commas: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    }
}

fn unique_names(
    object: &ast::Object<'_>,
    at: &impl Fn(usize, String) -> ChangeError,
) -> Result<(), ChangeError> {
    let mut seen = std::collections::HashSet::new();
    for property in &object.properties {
        let name = match &property.name {
            ObjectPropName::String(text) => text.value.as_ref(),
            ObjectPropName::Word(word) => word.value,
        };
        if !seen.insert(name) {
            return Err(at(
                property.range.start,
                format!("`{name}` occurs twice: remove one of them"),
            ));
        }
        unique_names_below(&property.value, at)?;
    }
    Ok(())
}

fn unique_names_below(
    value: &ast::Value<'_>,
    at: &impl Fn(usize, String) -> ChangeError,
) -> Result<(), ChangeError> {
    match value {
        ast::Value::Object(object) => unique_names(object, at),
        ast::Value::Array(array) => array
            .elements
            .iter()
            .try_for_each(|v| unique_names_below(v, at)),
        _ => Ok(()),
    }
}

fn input(value: &Value) -> CstInputValue {
    match value {
        Value::Null => CstInputValue::Null,
        Value::Bool(truth) => CstInputValue::Bool(*truth),
        Value::Number(number) => CstInputValue::Number(number.to_string()),
        Value::String(text) => CstInputValue::String(text.clone()),
        Value::Array(values) => CstInputValue::Array(values.iter().map(input).collect()),
        Value::Object(members) => CstInputValue::Object(
            members
                .iter()
                .map(|(name, value)| (name.clone(), input(value)))
                .collect(),
        ),
    }
}
