//! Money in an answer: a JSON number with exactly two decimals.
//! Does not pass through a float.

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use tillstream_domain::Money;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// An amount as `2.58`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amount(pub Money);

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = RawValue::from_string(self.0.to_string()).map_err(serde::ser::Error::custom)?;
        text.serialize(serializer)
    }
}

impl PartialSchema for Amount {
    fn schema() -> RefOr<Schema> {
        let number = ObjectBuilder::new().schema_type(Type::Number);
        number.description(Some("An amount with two decimals")).examples([serde_json::json!(2.58)]).into()
    }
}

impl ToSchema for Amount {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_a_number_with_exactly_two_decimals() {
        let written = |cents| serde_json::to_string(&Amount(Money::from_cents(cents))).unwrap();
        assert_eq!(written(258), "2.58");
        assert_eq!(written(200), "2.00");
        assert_eq!(written(0), "0.00");
        assert_eq!(written(-5), "-0.05");
        assert_eq!(written(9_007_199_254_740_993), "90071992547409.93");
    }
}
