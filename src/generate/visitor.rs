//! Who visits: people that come once or again, each with a device, a country and habits of its own.

use super::dice::{Dice, mixed, one_of, weighted, within};
use super::world::{ACTIVITY, DEVICES, Device, LANDS, Land};

/// Visitors that may come back; with more, the place of an earlier one is taken.
const KNOWN_MAX: usize = 1 << 17;
/// How many of a hundred sessions are of somebody who was there before.
const RETURNING_PERCENT: u64 = 40;
/// How many of a hundred visitors have an account, or open one when they buy.
const CUSTOMERS_PERCENT: u64 = 22;

/// One visitor. All but the country follows from the number.
#[derive(Debug, Clone, Copy)]
pub struct Visitor {
    /// Which visitor of this seed it is, from 1.
    pub number: u64,
    /// A number without pattern, always the same for this visitor.
    pub mark: u64,
    /// Where it lives.
    pub land: &'static Land,
    /// What it uses.
    pub device: &'static Device,
}

impl Visitor {
    fn new(seed: u64, number: u64, land: &'static Land) -> Option<Self> {
        let mark = mixed(seed ^ mixed(number));
        let device = weighted(mixed(mark ^ 1), DEVICES, |device| device.weight)?;
        Some(Self {
            number,
            mark,
            land,
            device,
        })
    }

    /// One of a list, always the same for this visitor; `what` tells lists apart.
    pub fn habit<T: Copy + Default>(&self, what: u64, list: &[T]) -> T {
        one_of(mixed(self.mark ^ (what << 8)), list)
    }

    /// Whether it has an account with the shop.
    pub fn is_customer(&self) -> bool {
        !self.device.is_bot() && within(mixed(self.mark ^ 2), 100) < CUSTOMERS_PERCENT
    }
}

/// Everybody who was there.
#[derive(Debug)]
pub struct Visitors {
    seed: u64,
    count: u64,
    known: Vec<Visitor>,
}

impl Visitors {
    /// Nobody yet.
    pub const fn new(seed: u64) -> Self {
        Self {
            seed,
            count: 0,
            known: Vec::new(),
        }
    }

    /// Who comes at an hour of the day (UTC), and whether this visitor was there before.
    pub fn comes(&mut self, dice: &mut Dice, hour: u64) -> Option<(Visitor, bool)> {
        if dice.percent(RETURNING_PERCENT)
            && let Some(visitor) = self.returns(dice, hour)
        {
            return Some((visitor, true));
        }
        let land = weighted(dice.roll(), LANDS, |land| land.weight * activity(land, hour))?;
        self.count += 1;
        let visitor = Visitor::new(self.seed, self.count, land)?;
        if self.known.len() < KNOWN_MAX {
            self.known.push(visitor);
        } else if let Some(place) = self.known.get_mut(place(dice, KNOWN_MAX)) {
            *place = visitor;
        }
        Some((visitor, false))
    }

    /// Somebody who is awake; after a few tries, anybody.
    fn returns(&self, dice: &mut Dice, hour: u64) -> Option<Visitor> {
        let busiest = ACTIVITY.iter().max().copied().unwrap_or(1);
        let mut found = None;
        for _ in 0..4 {
            let visitor = self.known.get(place(dice, self.known.len()))?;
            found = Some(*visitor);
            if dice.below(busiest) < activity(visitor.land, hour) {
                break;
            }
        }
        found
    }
}

fn place(dice: &mut Dice, length: usize) -> usize {
    usize::try_from(dice.below(length as u64)).unwrap_or(0)
}

/// How busy a country is at an hour of the day (UTC).
fn activity(land: &Land, hour: u64) -> u64 {
    let local = (hour + land.ahead_hours) % 24;
    let busy = usize::try_from(local).ok().and_then(|hour| ACTIVITY.get(hour));
    busy.copied().unwrap_or(1)
}

/// How busy the shop is in each hour of the day (UTC): a mean hour is 1,024.
pub fn rhythm() -> [u64; 24] {
    let mut hours = [0; 24];
    for (hour, busy) in (0..).zip(&mut hours) {
        *busy = LANDS.iter().map(|land| land.weight * activity(land, hour)).sum();
    }
    let sum: u64 = hours.iter().sum();
    hours.map(|busy| (busy * 24 * 1_024 / sum.max(1)).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evenings_of_europe_are_busier_than_its_nights_and_a_mean_hour_is_1024() {
        let hours = rhythm();
        assert!(hours[19] > 2 * hours[3], "{hours:?}");
        let mean = hours.iter().sum::<u64>() / 24;
        assert!((1_020..=1_024).contains(&mean), "{mean}");
    }

    #[test]
    fn who_comes_back_is_the_same_as_before() {
        let (mut visitors, mut dice) = (Visitors::new(5), Dice::new(6));
        let mut seen = std::collections::HashMap::new();
        let mut returned = 0;
        for _ in 0..5_000 {
            let (visitor, returning) = visitors.comes(&mut dice, 12).unwrap();
            let is = (
                visitor.mark,
                visitor.land.code,
                visitor.device.user_agent,
                visitor.is_customer(),
            );
            match seen.insert(visitor.number, is) {
                Some(before) => assert_eq!((before, returning), (is, true)),
                None => assert!(!returning),
            }
            returned += u32::from(returning);
        }
        assert!((1_700..2_300).contains(&returned), "{returned}");
    }

    #[test]
    fn who_is_remembered_is_bounded() {
        let (mut visitors, mut dice) = (Visitors::new(5), Dice::new(6));
        for _ in 0..3 * KNOWN_MAX {
            visitors.comes(&mut dice, 12).unwrap();
        }
        assert_eq!(visitors.known.len(), KNOWN_MAX);
        assert!(visitors.known.iter().any(|visitor| visitor.number > 1 << 17));
    }
}
