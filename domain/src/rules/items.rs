//! The lines of a sale: each must add up on its own, because their sum overrules the till's total.
//! Does not compare the sum with that total; the caller corrects it.

use crate::json::{Field, Object, Place, Report, read_list};
use crate::money::LIMIT_CENTS;
use crate::{Item, Money, RuleCode};

use super::limits;

const ITEM_FIELDS: &[&str; 5] = &["item_id", "name", "quantity", "price_per_unit", "total_price"];

/// Reads 1 to 500 lines whose sum is an amount.
pub(super) fn read_items(field: &Field<'_, '_>, report: &mut Report) -> Option<Vec<Item>> {
    let (texts, count) = read_list(field, limits::ITEMS, report)?;
    if count == 0 {
        return report.refuse(field, RuleCode::ItemsEmpty, "Items must not be empty");
    }
    if count > limits::ITEMS {
        return report.refuse(field, RuleCode::ItemsTooMany, format!("Items must be at most {}", limits::ITEMS));
    }
    let read = |(index, text)| read_item(&Field { place: Place::Index(&field.place, index), text: Some(text) }, report);
    // Collected twice on purpose: every line reports its errors before a missing one ends it.
    let lines: Vec<Option<Item>> = texts.into_iter().enumerate().map(read).collect();
    let items: Vec<Item> = lines.into_iter().collect::<Option<_>>()?;
    let sum: Money = items.iter().map(|item| item.total_price).sum();
    if sum.cents() >= LIMIT_CENTS {
        return report.refuse(field, RuleCode::SumTooLarge, "Sum of the items must be below 1000000000");
    }
    Some(items)
}

fn read_item(field: &Field<'_, '_>, report: &mut Report) -> Option<Item> {
    let line = Object::of_field(field, ITEM_FIELDS, report)?;
    let item_id = report.text(&line.field("item_id"), limits::ITEM_ID);
    let name = report.text(&line.field("name"), limits::ITEM_NAME);
    let quantity = report.integer(&line.field("quantity"), 1..=limits::QUANTITY, "Quantity must be positive");
    let price_per_unit = report.money(&line.field("price_per_unit"), "Price per unit");
    let total_field = line.field("total_price");
    let total_price = report.money(&total_field, "Total price");
    let (quantity, price_per_unit, total_price) = (quantity?, price_per_unit?, total_price?);
    if !adds_up(quantity, price_per_unit, total_price) {
        let message = "Total price must be quantity times price per unit, up to half a cent per piece";
        return report.refuse(&total_field, RuleCode::LineTotalMismatch, message);
    }
    Some(Item { item_id: item_id?.into_owned(), name: name?.into_owned(), quantity, price_per_unit, total_price })
}

/// `|quantity * price - total| <= quantity * half a cent`, doubled so that it stays whole.
/// Fits: 10^6 pieces at 10^11 cents, doubled, are 2 * 10^17.
fn adds_up(quantity: u32, price: Money, total: Money) -> bool {
    let quantity = i64::from(quantity);
    let off = quantity * price.cents() - total.cents();
    2 * off.abs() <= quantity
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_line_that_can_be_written_does_not_overflow() {
        let (most, least) = (Money::from_cents(LIMIT_CENTS - 1), Money::from_cents(1));
        assert!(!adds_up(limits::QUANTITY, most, least));
        assert!(!adds_up(1, least, most));
    }
}
