//! Definitions in files: JSON or YAML, each value with its place, so that what is wrong can be pointed at.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

use millwork_core::pointer::Pointer;
use saphyr::{LoadableYamlNode as _, MarkedYaml, Scalar, ScanError, YamlData};
use serde_json::{Map, Value};

/// How deep a document may nest: about as deep as a definition that is sent may.
const DEPTH_MAX: usize = 100;

/// A place in a file: line and column, from one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

/// A document of a file.
#[derive(Clone, Debug)]
pub struct Document {
    /// The file.
    pub path: PathBuf,
    /// What it says.
    pub value: Value,
    places: HashMap<String, Place>,
}

/// Why a file cannot be read as documents.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}:{place}: {message}", path = .path.display())]
pub struct Unreadable {
    /// The file.
    pub path: PathBuf,
    /// Where reading ended.
    pub place: Place,
    /// What is wrong there.
    pub message: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

impl Document {
    /// Reads the documents of a file: one where its name ends in `.json`; else YAML, of which a file can hold several.
    ///
    /// # Errors
    /// What cannot be read, with its place.
    pub fn read_all(path: &Path, text: &str) -> Result<Vec<Self>, Unreadable> {
        let is_json = path
            .extension()
            .is_some_and(|extension| extension == "json");
        match is_json {
            true => Self::read_json(path, text).map(|document| vec![document]),
            false => Self::read_yaml(path, text),
        }
    }

    fn read_json(path: &Path, text: &str) -> Result<Self, Unreadable> {
        let value: Value = serde_json::from_str(text).map_err(|error| {
            let message = error.to_string();
            let message = message.split(" at line ").next().unwrap_or_default();
            Unreadable {
                path: path.to_owned(),
                place: Place {
                    line: error.line().max(1),
                    column: error.column().max(1),
                },
                message: format!("this is not JSON: {message}"),
            }
        })?;
        // JSON is YAML, so the same reader knows the places. Where it does not agree they are missed, and nothing else is.
        let read = Self::read_yaml(path, text).ok();
        let places = read.and_then(|mut documents| documents.pop());
        Ok(Self {
            path: path.to_owned(),
            value,
            places: places.map(|document| document.places).unwrap_or_default(),
        })
    }

    fn read_yaml(path: &Path, text: &str) -> Result<Vec<Self>, Unreadable> {
        let unreadable = |Wrong { place, message }| Unreadable {
            path: path.to_owned(),
            place,
            message,
        };
        let nodes = MarkedYaml::load_from_str(text);
        let nodes = nodes.map_err(|error| unreadable(Wrong::of(&error)))?;
        let mut documents = Vec::new();
        for node in &nodes {
            let mut places = HashMap::new();
            let value = read(node, Pointer::Root(""), 0, &mut places).map_err(unreadable)?;
            places.insert(String::new(), place_of(node));
            // What stands between two `---` may be nothing.
            if !value.is_null() {
                documents.push(Self {
                    path: path.to_owned(),
                    value,
                    places,
                });
            }
        }
        Ok(documents)
    }

    /// Where a JSON Pointer points: at an item, at the name of a member; where there is no such thing, at what it would stand in.
    #[must_use]
    pub fn place(&self, pointer: &str) -> Place {
        let mut pointer = pointer;
        loop {
            if let Some(place) = self.places.get(pointer) {
                return *place;
            }
            match pointer.rfind('/') {
                Some(slash) => pointer = &pointer[..slash],
                None => return Place { line: 1, column: 1 },
            }
        }
    }

    /// A sentence about a place of the document, as compilers write them.
    #[must_use]
    pub fn point_at(&self, pointer: &str, message: &str) -> String {
        let (path, place) = (self.path.display(), self.place(pointer));
        match pointer {
            "" => format!("{path}:{place}: {message}"),
            pointer => format!("{path}:{place}: {pointer}: {message}"),
        }
    }
}

struct Wrong {
    place: Place,
    message: String,
}

impl Wrong {
    fn of(error: &ScanError) -> Self {
        let at = error.marker();
        Self {
            place: Place {
                line: at.line().max(1),
                column: at.col() + 1,
            },
            message: format!("this is not YAML: {}", error.info()),
        }
    }
}

fn place_of(node: &MarkedYaml<'_>) -> Place {
    let at = node.span.start;
    Place {
        line: at.line().max(1),
        column: at.col() + 1,
    }
}

/// Makes JSON of a node, and notes where each part of it stands.
fn read(
    node: &MarkedYaml<'_>,
    pointer: Pointer<'_>,
    depth: usize,
    places: &mut HashMap<String, Place>,
) -> Result<Value, Wrong> {
    let wrong = |message: String| Wrong {
        place: place_of(node),
        message,
    };
    if depth > DEPTH_MAX {
        return Err(wrong(format!("nests deeper than {DEPTH_MAX} levels")));
    }
    match &node.data {
        YamlData::Value(scalar) => read_scalar(scalar).map_err(wrong),
        YamlData::Sequence(nodes) => {
            let mut items = Vec::with_capacity(nodes.len());
            for (index, item) in nodes.iter().enumerate() {
                let here = pointer.item(index);
                places.insert(here.to_string(), place_of(item));
                items.push(read(item, here, depth + 1, places)?);
            }
            Ok(Value::Array(items))
        }
        YamlData::Mapping(nodes) => {
            let mut members = Map::with_capacity(nodes.len());
            for (key, value) in nodes {
                let name = read_key(key)?;
                let here = pointer.member(&name);
                places.insert(here.to_string(), place_of(key));
                let value = read(value, here, depth + 1, places)?;
                members.insert(name, value);
            }
            Ok(Value::Object(members))
        }
        YamlData::Tagged(tag, _) => Err(wrong(format!(
            "has the tag {}{}, which means nothing here: leave it out",
            tag.handle, tag.suffix
        ))),
        YamlData::Representation(..) | YamlData::Alias(_) | YamlData::BadValue => {
            let message =
                "cannot be read: it refers to what is not there, or is not what its tag says";
            Err(wrong(message.to_owned()))
        }
    }
}

fn read_scalar(scalar: &Scalar<'_>) -> Result<Value, String> {
    match scalar {
        Scalar::Null => Ok(Value::Null),
        Scalar::Boolean(value) => Ok((*value).into()),
        Scalar::Integer(value) => Ok((*value).into()),
        Scalar::FloatingPoint(value) => {
            let number = serde_json::Number::from_f64(value.into_inner());
            let number = number.map(Value::Number);
            number.ok_or_else(|| format!("{value} is no number that JSON can hold"))
        }
        Scalar::String(text) => Ok(text.as_ref().into()),
    }
}

/// Members of JSON objects have texts for names. What YAML reads as something else is taken as it is meant.
fn read_key(key: &MarkedYaml<'_>) -> Result<String, Wrong> {
    let name = match &key.data {
        YamlData::Value(Scalar::String(text)) => Some(text.to_string()),
        YamlData::Value(Scalar::Integer(number)) => Some(number.to_string()),
        YamlData::Value(Scalar::Boolean(value)) => Some(value.to_string()),
        _ => None,
    };
    name.ok_or_else(|| Wrong {
        place: place_of(key),
        message: "is no name of a field: put it in quotes".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn yaml(text: &str) -> Result<Vec<Document>, String> {
        Document::read_all(Path::new("o.yaml"), text).map_err(|error| error.to_string())
    }

    const ORDER: &str = "# What happens to an order.
name: order
steps:
  - name: fetch
    type: webhook
    config: {url: \"https://shop.example/${payload.id}\", body: {n: 1.5, on: yes}}
  - name: nap
    type: delay
    config:
      duration: 1h
";

    #[test]
    fn what_is_read_is_json_and_every_part_has_its_place() {
        let documents = yaml(ORDER).expect("it is YAML");
        let [order] = &documents[..] else {
            panic!("{documents:?}")
        };
        assert_eq!(
            order.value,
            json!({"name": "order", "steps": [
                {"name": "fetch", "type": "webhook", "config": {"url": "https://shop.example/${payload.id}", "body": {"n": 1.5, "on": "yes"}}},
                {"name": "nap", "type": "delay", "config": {"duration": "1h"}},
            ]})
        );
        let places = [
            "",
            "/name",
            "/steps/0",
            "/steps/0/config/url",
            "/steps/1/config/duration",
            // What is not there stands where it would.
            "/steps/1/needs",
            "/steps/7/x",
            "/nothing",
        ];
        let places = places.map(|pointer| order.place(pointer).to_string());
        assert_eq!(
            places,
            ["2:1", "2:1", "4:5", "6:14", "10:7", "7:5", "3:1", "2:1"]
        );
        assert_eq!(
            order.point_at("/steps/1/needs", "is wrong"),
            "o.yaml:7:5: /steps/1/needs: is wrong"
        );
    }

    #[test]
    fn json_has_places_too() {
        let text = "{\n  \"name\": \"n\",\n\t\"steps\": [ {\"a/b\": 1.10} ]\n}";
        let documents = Document::read_all(Path::new("o.json"), text).expect("it is JSON");
        let place = |pointer| documents[0].place(pointer).to_string();
        assert_eq!(documents[0].value["steps"][0]["a/b"], 1.1);
        assert_eq!(
            (place("/name"), place("/steps/0/a~1b")),
            ("2:3".to_owned(), "3:14".to_owned())
        );
        let refused = Document::read_all(Path::new("o.json"), "{\n \"a\": 1,\n}");
        assert_eq!(
            refused.expect_err("it is none").to_string(),
            "o.json:3:1: this is not JSON: trailing comma"
        );
    }

    #[test]
    fn a_file_can_hold_several_documents() {
        let documents = yaml("---\nname: a\n---\nname: b\n---\n").expect("it is YAML");
        let names: Vec<_> = documents.iter().map(|d| d.value["name"].clone()).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(documents[1].place("/name").to_string(), "4:1");
        assert!(yaml("").expect("it is YAML").is_empty());
    }

    #[test]
    fn names_and_anchors_are_what_people_expect() {
        let text = "base: &base {url: x}\nsteps: [*base, *base]\n8080: port\ntrue: 1";
        let documents = yaml(text).expect("it is YAML");
        assert_eq!(
            documents[0].value,
            json!({"base": {"url": "x"}, "steps": [{"url": "x"}, {"url": "x"}], "8080": "port", "true": 1})
        );
    }

    #[test]
    fn what_cannot_be_read_is_pointed_at() {
        let deep = format!("a: {}{}", "[".repeat(150), "]".repeat(150));
        let laughs = (0..10).fold("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned(), |text, n| {
            let alias = format!("*a{n},").repeat(10);
            format!("{text}a{}: &a{} [{alias}]\n", n + 1, n + 1)
        });
        let refused = [
            "a: 1\na: 2\n",
            "a: [1,\n",
            "a: !thing x\n",
            "a: .nan\n",
            "? [1]\n: x\n",
            "a: *nothing\n",
            &deep,
            &laughs,
        ];
        for text in refused {
            let refused = yaml(text).expect_err(text);
            assert!(refused.starts_with("o.yaml:"), "{refused}");
        }
    }
}
