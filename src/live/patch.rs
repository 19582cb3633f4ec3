//! JSON Merge Patch (RFC 7396): what has changed from one model to the next.
//! Does not know what the model means. A null in a patch deletes, so a model must hold none: [`without_nulls`] sees to that.

use serde_json::{Map, Value};

/// The same without members that are null, at every depth.
pub fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.into_iter().filter(|(_, member)| !member.is_null());
            Value::Object(kept.map(|(name, member)| (name, without_nulls(member))).collect())
        }
        other => other,
    }
}

/// What makes `new` out of `old`. Neither may hold a null outside of an array.
pub fn diff(old: &Value, new: &Value) -> Value {
    let (Value::Object(old), Value::Object(new)) = (old, new) else { return new.clone() };
    let gone = old.keys().filter(|name| !new.contains_key(*name)).map(|name| (name.clone(), Value::Null));
    let mut patch: Map<_, _> = gone.collect();
    for (name, member) in new {
        match old.get(name) {
            Some(known) if known == member => {}
            Some(known) if known.is_object() && member.is_object() => {
                patch.insert(name.clone(), diff(known, member));
            }
            _ => drop(patch.insert(name.clone(), member.clone())),
        }
    }
    Value::Object(patch)
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// RFC 7396, section 2, word by word.
    pub(in crate::live) fn apply(target: Value, patch: &Value) -> Value {
        let Value::Object(patch) = patch else { return patch.clone() };
        let mut target = if let Value::Object(target) = target { target } else { Map::new() };
        for (name, value) in patch {
            if value.is_null() {
                target.remove(name);
            } else {
                let member = target.remove(name).unwrap_or(Value::Null);
                target.insert(name.clone(), apply(member, value));
            }
        }
        Value::Object(target)
    }

    fn any_model() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            (0..4_i32).prop_map(Value::from),
            "[a-c]{0,2}".prop_map(Value::from),
            Just(json!([1, null])),
            Just(Value::Null),
        ];
        let tree = leaf.prop_recursive(4, 40, 4, |inner| {
            prop::collection::btree_map("[a-d]", inner, 0..4).prop_map(|members| json!(members))
        });
        prop::collection::btree_map("[a-d]", tree, 0..5).prop_map(|members| without_nulls(json!(members)))
    }

    proptest! {
        #[test]
        fn what_was_told_and_the_patch_make_what_is(old in any_model(), new in any_model()) {
            let patch = diff(&old, &new);
            prop_assert_eq!(apply(old.clone(), &patch), new.clone());
            if old == new {
                prop_assert_eq!(patch, json!({}));
            }
        }
    }

    #[test]
    fn only_what_has_changed_is_told() {
        let old = json!({"a": {"x": 1, "y": 2}, "b": "same", "c": 3, "d": [1]});
        let new = json!({"a": {"x": 1, "y": 5}, "b": "same", "d": [1, 2], "e": {"z": {}}});
        assert_eq!(diff(&old, &new), json!({"a": {"y": 5}, "c": null, "d": [1, 2], "e": {"z": {}}}));
    }

    #[test]
    fn no_null_is_left_where_it_would_delete() {
        let model = json!({"a": null, "b": {"c": null, "d": {"e": null}}, "f": [null]});
        assert_eq!(without_nulls(model), json!({"b": {"d": {}}, "f": [null]}));
    }
}
