//! What the shop sells: two thousand products, a few of which everybody wants.

use super::dice::{Dice, mixed, one_of};
use super::world::{SHELVES, STYLES};

/// How many there are.
const PRODUCTS: u64 = 2_000;
/// How many things fit a cart.
const CART_MAX: usize = 4;

/// A product; all follows from its number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Product(pub u64);

impl Product {
    /// One of them: the low numbers far more often than the high ones.
    pub const fn wanted(dice: &mut Dice) -> Self {
        let share = dice.below(1_000) * dice.below(1_000) / 1_000;
        Self(share * PRODUCTS / 1_000)
    }

    /// Path and name of its shelf.
    pub fn shelf(self) -> (&'static str, &'static str) {
        one_of(mixed(self.0 + 11), &SHELVES)
    }

    /// The first word of its name.
    pub fn style(self) -> &'static str {
        one_of(mixed(self.0 + 23), &STYLES)
    }

    /// Its price in a currency's minor units, given what a cent is worth there in thousandths.
    pub const fn price(self, rate: u64) -> u64 {
        (490 + mixed(self.0 + 5) % 180 * 100) * rate / 1_000
    }

    /// How many are left.
    pub const fn stock(self) -> u64 {
        mixed(self.0 + 7) % 60
    }
}

/// What a visitor is about to buy.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cart {
    things: [(Product, u64); CART_MAX],
    count: usize,
}

impl Cart {
    /// Puts a product in, if there is room.
    pub fn put(&mut self, product: Product, quantity: u64) {
        if let Some(place) = self.things.get_mut(self.count) {
            *place = (product, quantity);
            self.count += 1;
        }
    }

    /// What is in it: products and how many of each.
    pub fn things(&self) -> &[(Product, u64)] {
        self.things.get(..self.count).unwrap_or_default()
    }

    /// What it costs.
    pub fn price(&self, rate: u64) -> u64 {
        let prices = self.things().iter();
        prices.map(|(product, quantity)| product.price(rate) * quantity).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_products_are_wanted_most() {
        let mut dice = Dice::new(3);
        let wanted: Vec<u64> = (0..10_000).map(|_| Product::wanted(&mut dice).0).collect();
        let low = wanted.iter().filter(|number| **number < PRODUCTS / 10).count();
        assert!(low > 2_500 && wanted.iter().all(|number| *number < PRODUCTS), "{low}");
    }

    #[test]
    fn a_cart_costs_what_is_in_it_and_holds_only_so_much() {
        let mut cart = Cart::default();
        assert_eq!(cart.price(1_000), 0);
        for quantity in 1..=9 {
            cart.put(Product(7), quantity);
        }
        assert_eq!(cart.things().len(), CART_MAX);
        assert_eq!(cart.price(1_000), Product(7).price(1_000) * (1 + 2 + 3 + 4));
    }
}
