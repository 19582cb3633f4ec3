//! Tills as they are: sales in disorder, ahead of time, far too late, sent again, and two of them with one id.
//! Says nothing about what becomes of their sales.

use bytes::Bytes;
use chrono::DateTime;
use tillstream_domain::Sale;

use crate::random::Random;
use crate::sales::sale_at;
use crate::world::World;

pub struct Tills {
    pub random: Random,
    next_id: u128,
    /// Sales that will be sent again although they were accepted.
    again: Vec<(i64, Sale)>,
    /// Whether some send documents that are no sales, and ids that others have used.
    pub criminal: bool,
}

// === impl Tills ===

impl Tills {
    pub fn new(seed: u64) -> Self {
        let random = Random::seeded(seed);
        Self { random, next_id: u128::from(seed) << 32, again: Vec::new(), criminal: false }
    }

    /// What all tills do in half a second.
    pub fn sell(&mut self, world: &mut World) {
        for _ in 0..self.random.below(6) {
            let sale = self.next_sale(world);
            world.put(sale);
            if self.random.percent(15) {
                let delay = self.random.one_of([500, 5_000, 60_000, 120_000]);
                self.again.push((world.now_ms + delay, sale));
            }
            if self.criminal {
                self.misbehave(world, sale);
            }
        }
        self.send_again(world, false);
    }

    pub fn next_sale(&mut self, world: &World) -> Sale {
        self.next_id += 1;
        let random = &mut self.random;
        let store = 1 + random.below(3) as u32;
        let delayed = random.percent(40);
        let lag = if delayed { random.one_of([0, 300, 2_000, 8_000, 20_000, 50_000, 200_000]) } else { 0 };
        let ahead = if store == 2 && random.percent(25) { 59_000 } else { 0 };
        let cents = 1 + random.below(999) as i64;
        sale_at(self.next_id, store, world.now_ms - lag + ahead, world.now_ms, cents)
    }

    fn misbehave(&mut self, world: &mut World, sale: Sale) {
        if self.random.percent(4) {
            let (store, cents) = self.random.one_of([(1, 0), (2, 0), (3, 0), (1, 7), (3, 7)]);
            let times = (sale.timestamp.timestamp_millis(), world.now_ms);
            let other = sale_at(sale.id.uuid().as_u128(), store, times.0, times.1, sale.amount.cents() + cents);
            world.put(other);
        }
        if self.random.percent(2) {
            world.put_document(Bytes::from(format!("{{{}", self.next_id)));
        }
    }

    pub fn send_again(&mut self, world: &mut World, all: bool) {
        let now = world.now_ms;
        for (_, sale) in self.again.extract_if(.., |(at, _)| all || *at <= now).collect::<Vec<_>>() {
            world.put(Sale { accepted_at: DateTime::from_timestamp_millis(now).unwrap(), ..sale });
        }
    }
}
