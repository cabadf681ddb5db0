//! Between JSON and the values of jq, which can be more than JSON is: numbers that are none, bytes, keys of any kind.

use jaq_json::{Num, Val};
use serde_json::{Map, Number, Value};

/// How deep a result may be nested.
const DEPTH_MAX: usize = 128;

/// JSON as a value of jq.
pub(crate) fn from_json(json: Value) -> Val {
    serde_json::from_value(json).unwrap_or_default()
}

/// A value of jq as JSON; where it is none, why.
pub(crate) fn to_json(value: &Val) -> Result<Value, String> {
    convert(value, 0)
}

fn convert(value: &Val, depth: usize) -> Result<Value, String> {
    if depth > DEPTH_MAX {
        return Err(format!("it is nested more than {DEPTH_MAX} deep"));
    }
    Ok(match value {
        Val::Null => Value::Null,
        Val::Bool(truth) => Value::Bool(*truth),
        Val::Num(number) => to_number(number),
        Val::TStr(text) => Value::String(to_text(text)),
        Val::BStr(bytes) => {
            return Err(format!(
                "it holds {} bytes that are no text: @base64 makes text of them",
                bytes.len()
            ));
        }
        Val::Arr(items) => {
            let items = items.iter().map(|item| convert(item, depth + 1));
            Value::Array(items.collect::<Result<_, _>>()?)
        }
        Val::Obj(entries) => {
            let mut object = Map::with_capacity(entries.len());
            for (key, value) in entries.iter() {
                let Val::TStr(key) = key else {
                    return Err(format!(
                        "an object in it has the key {key}, and a key is text: write ({key} | tostring)"
                    ));
                };
                object.insert(to_text(key), convert(value, depth + 1)?);
            }
            Value::Object(object)
        }
    })
}

/// Texts are UTF-8 as a rule; what is not shows as `�`.
fn to_text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A number as JSON has it. What is no number is null, as jq writes it.
fn to_number(number: &Num) -> Value {
    let read = |text: &str| text.parse().map_or(Value::Null, Value::Number);
    match number {
        Num::Int(int) => Value::from(i64::try_from(*int).unwrap_or_default()),
        Num::BigInt(int) => read(&int.to_string()),
        Num::Dec(text) => read(text),
        Num::Float(float) => Number::from_f64(*float).map_or(Value::Null, whole_if_exact),
    }
}

/// A float without a fraction as the integer that it is: `4 / 2` is 2, and not 2.0.
fn whole_if_exact(number: Number) -> Value {
    /// Past this, floats no longer tell integers apart.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    match number.as_f64() {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "it has no fraction and is within the range of an i64"
        )]
        Some(float) if float.fract() == 0.0 && float.abs() <= EXACT_MAX => {
            Value::from(float as i64)
        }
        _ => Value::Number(number),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_comes_back_as_it_went() {
        for json in [
            json!(null),
            json!(true),
            json!("é\n"),
            json!(-7),
            json!(u64::MAX),
            json!(i64::MIN),
            json!(1.5),
            json!({"b": [1, {"a": null}], "a": {}}),
        ] {
            assert_eq!(to_json(&from_json(json.clone())), Ok(json));
        }
    }

    #[test]
    fn what_is_no_number_is_null_and_a_float_without_a_fraction_is_whole() {
        let float = |float| to_number(&Num::Float(float));
        assert_eq!(float(f64::NAN), json!(null));
        assert_eq!(float(f64::INFINITY), json!(null));
        assert_eq!(float(2.0), json!(2));
        assert_eq!(float(-0.5), json!(-0.5));
        assert_eq!(float(1e300), json!(1e300));
    }

    #[test]
    fn what_json_cannot_say_is_refused_with_the_way_out() {
        let bytes = to_json(&Val::byte_str(vec![0xff]));
        assert_eq!(
            bytes,
            Err("it holds 1 bytes that are no text: @base64 makes text of them".to_owned())
        );
        let odd = Val::obj([(Val::from(1_isize), Val::Null)].into_iter().collect());
        assert_eq!(
            to_json(&odd),
            Err(
                "an object in it has the key 1, and a key is text: write (1 | tostring)".to_owned()
            )
        );
    }

    #[test]
    fn what_is_nested_too_deep_is_refused() {
        let mut deep = Val::Null;
        for _ in 0..200 {
            deep = [deep].into_iter().collect();
        }
        assert_eq!(
            to_json(&deep),
            Err("it is nested more than 128 deep".to_owned())
        );
    }
}
