//! Visits folded by country: what a write, a frame and a commit carry instead of single visits.

use crate::event::{COUNTRIES, Country};

/// Counts by country; made once a worker and used again for every write.
#[derive(Debug)]
pub struct Fold {
    counts: Box<[u64]>,
    touched: Vec<Country>,
}

impl Default for Fold {
    fn default() -> Self {
        Self {
            counts: vec![0; COUNTRIES].into(),
            touched: Vec::new(),
        }
    }
}

impl Fold {
    /// Counts visits.
    pub fn add(&mut self, country: Country, visits: u64) {
        if let Some(count) = self.counts.get_mut(country.index()) {
            if *count == 0 {
                self.touched.push(country);
            }
            *count += visits;
        }
    }

    /// Each country that has visits and how many, in the order they came.
    pub fn iter(&self) -> impl Iterator<Item = (Country, u64)> {
        self.touched
            .iter()
            .map(|&country| (country, self.counts.get(country.index()).copied().unwrap_or_default()))
    }

    /// Replaces each count by what `change` makes of it.
    pub fn replace(&mut self, mut change: impl FnMut(Country, u64) -> u64) {
        for &country in &self.touched {
            if let Some(count) = self.counts.get_mut(country.index()) {
                *count = change(country, *count);
            }
        }
    }

    /// Raises a country's count by one and returns it.
    pub fn next(&mut self, country: Country) -> u64 {
        self.counts.get_mut(country.index()).map_or(0, |count| {
            *count += 1;
            *count
        })
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        for country in self.touched.drain(..) {
            if let Some(count) = self.counts.get_mut(country.index()) {
                *count = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visits_are_counted_by_country_and_forgotten() {
        let [gb, cy] = [b"gb", b"cy"].map(|code| Country::parse(code).unwrap());
        let mut fold = Fold::default();
        for country in [gb, cy, gb] {
            fold.add(country, 1);
        }
        assert_eq!(fold.iter().collect::<Vec<_>>(), [(gb, 2), (cy, 1)]);
        fold.clear();
        assert_eq!(fold.iter().count(), 0);
        fold.add(gb, 1);
        assert_eq!(fold.iter().collect::<Vec<_>>(), [(gb, 1)]);
    }
}
