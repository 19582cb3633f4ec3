//! What a body can do wrong and what the service may correct, as values with a stable code.
//! Does not decide which of them apply; `rules` does.

use std::borrow::Cow;

use crate::Money;

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleError {
    /// Where, as a reader writes it: `items[0].quantity`; empty for the body as a whole.
    pub path: String,
    /// Where, as an RFC 6901 pointer: `/items/0/quantity`.
    pub pointer: String,
    /// Stable, low cardinality, such as `money_too_precise`; the label of `pos_rejections_total`.
    pub code: &'static str,
    /// For a person; never echoes more than a short piece of the input.
    pub message: Cow<'static, str>,
}

impl RuleError {
    /// Whether the only thing wrong is that the sale lies in the future: then it may be our clock that is wrong.
    pub fn only_in_future(errors: &[Self]) -> bool {
        matches!(errors, [only] if only.code == RuleCode::TimestampInFuture.as_str())
    }
}

/// Something that the service changed in an accepted transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Correction {
    /// Such as `total_amount`.
    pub field: &'static str,
    /// What the till sent.
    pub sent: Money,
    /// What was recorded.
    pub recorded: Money,
}

macro_rules! rule_codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// The closed list of rules that a body can break.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum RuleCode {
            $($(#[$doc])* $name,)*
        }

        impl RuleCode {
            /// Its stable text, as in [`RuleError::code`].
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }

        /// Every text that [`RuleError::code`] can have: the label values of `pos_rejections_total`.
        pub const RULE_CODES: &[&str] = &[$($text,)*];
    };
}

rule_codes! {
    /// The body is not UTF-8.
    BodyNotUtf8 = "body_not_utf8",
    /// The body is not one JSON document (`NaN` and trailing bytes included).
    BodyNotJson = "body_not_json",
    /// The body is JSON, but not an object.
    BodyNotObject = "body_not_object",
    /// A field that we read is there twice: nobody can say which one the till meant.
    DuplicateKey = "duplicate_key",
    /// An unknown field nests deeper than anything a till has to say.
    TooDeep = "too_deep",
    /// A field is missing.
    FieldMissing = "field_missing",
    /// A field is `null`.
    FieldNull = "field_null",
    /// A field has another JSON type than it must have, such as a number in a string.
    WrongType = "wrong_type",
    /// A string holds half of a surrogate pair.
    TextInvalid = "text_invalid",
    /// A string is too long.
    TextTooLong = "text_too_long",
    /// An identifier has characters or a length that no topic level may have.
    IdentifierInvalid = "identifier_invalid",
    /// Not a UUID.
    UuidInvalid = "uuid_invalid",
    /// Not RFC 3339 with an offset.
    TimestampInvalid = "timestamp_invalid",
    /// Outside the years in which tills exist.
    TimestampOutOfRange = "timestamp_out_of_range",
    /// Further ahead of our clock than the settings allow.
    TimestampInFuture = "timestamp_in_future",
    /// Not `STORE_<n>` of this chain.
    StoreInvalid = "store_invalid",
    /// Not `CASHIER_<n>` of this chain.
    CashierInvalid = "cashier_invalid",
    /// A number with a fraction or an exponent where a count is needed.
    IntegerNotWhole = "integer_not_whole",
    /// A count below its minimum.
    IntegerTooSmall = "integer_too_small",
    /// A count above its maximum.
    IntegerTooLarge = "integer_too_large",
    /// An amount with an exponent.
    MoneyNotPlain = "money_not_plain",
    /// An amount of zero or less.
    MoneyNotPositive = "money_not_positive",
    /// An amount of 10^9 or more.
    MoneyTooLarge = "money_too_large",
    /// An amount with more than two significant decimals.
    MoneyTooPrecise = "money_too_precise",
    /// Not one of the payment methods.
    PaymentMethodInvalid = "payment_method_invalid",
    /// Not one of the payment statuses.
    PaymentStatusInvalid = "payment_status_invalid",
    /// A sale without items.
    ItemsEmpty = "items_empty",
    /// More items than one sale may have.
    ItemsTooMany = "items_too_many",
    /// A line's total is not quantity times price.
    LineTotalMismatch = "line_total_mismatch",
    /// The lines add up to 10^9 or more.
    SumTooLarge = "sum_too_large",
    /// An event id that its content does not have.
    EventIdMismatch = "event_id_mismatch",
    /// A window that ends before it starts, or whose sales lie outside.
    WindowInvalid = "window_invalid",
    /// Not three capital letters.
    CurrencyInvalid = "currency_invalid",
}
