//! The bounds that a till's text must keep, in one place for the rules and for the schema that we serve.
//! Does not hold what a chain may set itself; those bounds are in `Rules`.

use std::ops::RangeInclusive;

/// Lines of one sale.
pub(crate) const ITEMS: usize = 500;
/// Pieces of one line.
pub(crate) const QUANTITY: u32 = 1_000_000;
/// Loyalty points of one sale.
pub(crate) const POINTS: u32 = 1_000_000_000;
/// Characters of an article's id.
pub(crate) const ITEM_ID: usize = 64;
/// Characters of an article's name.
pub(crate) const ITEM_NAME: usize = 200;
/// Characters of what a receipt prints.
pub(crate) const RECEIPT_TEXT: usize = 64;
/// The years in which tills exist.
pub(crate) const YEARS: RangeInclusive<i32> = 2000..=2200;
/// The years in which windows of such a sale begin and end: no window is longer than a year.
pub(crate) const WINDOW_YEARS: RangeInclusive<i32> = 1999..=2201;
