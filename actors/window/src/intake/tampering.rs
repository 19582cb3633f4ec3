//! Miscounts one sale on purpose, so that a test can see the ledger turn red: lost, counted twice, or a cent dearer.
//! Does nothing unless it was ordered through the switch of fault injection, and then once.

use tillstream_domain::{Money, Sale, SaleTag, TransactionId};
use tillstream_messages::Tampering;
use uuid::Uuid;

use super::Intake;
use crate::messages::{ToldSale, delivery_tag};

impl Intake {
    /// Carries the order out on the first sale that was not delivered before; without one it stands.
    pub(super) fn miscount(&mut self, sales: &mut Vec<ToldSale>) {
        let Some(position) = sales.iter().position(|told| !told.redelivered) else { return };
        let Some(tampering) = self.tamper.take() else { return };
        let told = &mut sales[position];
        let (id, store) = (told.sale.id, told.sale.store);
        tracing::warn!(store.id = %store, transaction.id = %id, ?tampering, "sale `{id}` is miscounted on purpose");
        match tampering {
            Tampering::Lose => {
                let lost = sales.remove(position);
                self.lose(lost.tag);
            }
            Tampering::Double => {
                let double = ToldSale { sale: under_another_id(&told.sale), ..*told };
                sales.push(double);
            }
            Tampering::Misprice => {
                told.sale.amount = Money::from_cents(told.sale.amount.cents() + 1);
                self.unsettled.keep(told);
            }
        }
    }

    /// Acknowledged as if it were counted: a sale that the queue still held would come again and be counted in the end.
    fn lose(&mut self, tag: SaleTag) {
        self.unsettled.settle(tag);
        self.acknowledge(vec![delivery_tag(tag)]);
    }
}

fn under_another_id(sale: &Sale) -> Sale {
    Sale { id: TransactionId::new(Uuid::from_u128(!sale.id.uuid().as_u128())), ..*sale }
}
