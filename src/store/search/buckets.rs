//! Buckets of time: arithmetic on what someone who knows calendars and zones has laid out.

/// From when on the local time lies how far from UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Milliseconds since 1970.
    pub from_ms: i64,
    /// What is added to UTC, in milliseconds.
    pub offset_ms: i64,
}

/// Into which pieces local time is cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pieces {
    /// Pieces of a fixed length in milliseconds, counted from midnight; an hour that comes twice is two pieces.
    Spans(i64),
    /// Calendar days, in groups: the first day, and for each day from there on the number of its group.
    Days(i64, Box<[u32]>),
}

/// The buckets that a range of time is cut into, numbered from 0 without gaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buckets {
    stretches: Box<[Placed]>,
    pieces: Pieces,
    count: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Placed {
    stretch: Stretch,
    /// Number of the first piece of the stretch, counted from 1970.
    first: i64,
    /// Number of its bucket.
    base: u32,
}

/// The piece that was found last: what comes next often lies in it, too.
#[derive(Debug, Clone, Copy, Default)]
pub struct Near {
    from_ms: i64,
    until_ms: i64,
    bucket: u32,
}

/// Length of a day in local time.
pub const DAY_MS: i64 = 86_400_000;

impl Buckets {
    /// Lays out buckets over times from a beginning to before an end. The first stretch must begin at the beginning.
    pub fn new(stretches: &[Stretch], pieces: Pieces, end_ms: i64) -> Self {
        let mut placed = Vec::with_capacity(stretches.len());
        let mut count = 0;
        for (place, stretch) in stretches.iter().enumerate() {
            let until = stretches.get(place + 1).map_or(end_ms, |next| next.from_ms);
            let number = |ms: i64| match pieces {
                Pieces::Spans(length) => (ms + stretch.offset_ms).div_euclid(length),
                Pieces::Days(..) => 0,
            };
            let first = number(stretch.from_ms);
            placed.push(Placed {
                stretch: *stretch,
                first,
                base: count,
            });
            count += u32::try_from(number(until - 1) - first + 1).unwrap_or(0);
        }
        if let Pieces::Days(_, groups) = &pieces {
            count = groups.last().map_or(0, |last| last + 1);
        }
        Self {
            stretches: placed.into(),
            pieces,
            count,
        }
    }

    /// How many there are.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The bucket of a time within the range.
    pub fn of(&self, time_ms: u64) -> u32 {
        let ms = time_ms.cast_signed();
        let later = self.stretches.partition_point(|placed| placed.stretch.from_ms <= ms);
        let Some(placed) = self.stretches.get(later.saturating_sub(1)) else {
            return 0;
        };
        let local = ms + placed.stretch.offset_ms;
        match &self.pieces {
            Pieces::Spans(length) => {
                let since = local.div_euclid(*length) - placed.first;
                placed.base + u32::try_from(since).unwrap_or(0)
            }
            Pieces::Days(first, groups) => {
                let day = usize::try_from(local.div_euclid(DAY_MS) - first).unwrap_or(0);
                groups.get(day).copied().unwrap_or(0)
            }
        }
    }

    /// The bucket of a time within the range, found faster when it is near the one before.
    pub fn of_near(&self, time_ms: u64, near: &mut Near) -> u32 {
        let ms = time_ms.cast_signed();
        if near.from_ms <= ms && ms < near.until_ms {
            return near.bucket;
        }
        let later = self.stretches.partition_point(|placed| placed.stretch.from_ms <= ms);
        let stretch = self.stretches.get(later.saturating_sub(1)).map(|placed| placed.stretch);
        let Some(stretch) = stretch else { return 0 };
        let end_ms = self.stretches.get(later).map_or(i64::MAX, |next| next.stretch.from_ms);
        let length = match self.pieces {
            Pieces::Spans(length) => length,
            Pieces::Days(..) => DAY_MS,
        };
        let start = (ms + stretch.offset_ms).div_euclid(length) * length - stretch.offset_ms;
        *near = Near {
            from_ms: start.max(stretch.from_ms),
            until_ms: (start + length).min(end_ms),
            bucket: self.of(time_ms),
        };
        near.bucket
    }

    /// Each bucket's beginning as local time in milliseconds, and what was added to UTC for it.
    pub fn starts(&self) -> Vec<(i64, i64)> {
        match &self.pieces {
            Pieces::Spans(length) => {
                let ends = self.stretches.iter().skip(1).map(|next| next.base).chain([self.count]);
                let each = self.stretches.iter().zip(ends).flat_map(|(placed, end)| {
                    let numbers = (0..i64::from(end - placed.base)).map(|number| placed.first + number);
                    numbers.map(|number| (number * length, placed.stretch.offset_ms))
                });
                each.collect()
            }
            Pieces::Days(first, groups) => {
                let firsts = (0i64..).zip(groups).filter(|(day, group)| {
                    let before = usize::try_from(day - 1).ok().and_then(|before| groups.get(before));
                    before != Some(group)
                });
                firsts.map(|(day, _)| ((first + day) * DAY_MS, 0)).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    #[test]
    fn hours_are_cut_by_local_time_and_an_hour_that_comes_twice_is_two() {
        // Until 3:00 UTC half past five hours ahead, then an hour less.
        let stretches = [(1, 5 * HOUR + HOUR / 2), (3 * HOUR, 4 * HOUR + HOUR / 2)];
        let stretches = stretches.map(|(from_ms, offset_ms)| Stretch { from_ms, offset_ms });
        let buckets = Buckets::new(&stretches, Pieces::Spans(HOUR), 5 * HOUR);
        let mut near = Near::default();
        let mut of = |ms: i64| {
            let bucket = buckets.of(ms.cast_unsigned());
            // Asked twice: for the first time, and near the one before.
            let asked = [0; 2].map(|_| buckets.of_near(ms.cast_unsigned(), &mut near));
            assert_eq!(asked, [bucket; 2]);
            bucket
        };
        assert_eq!((of(1), of(HOUR / 2 - 1), of(HOUR / 2), of(3 * HOUR - 1)), (0, 0, 1, 3));
        assert_eq!((of(3 * HOUR), of(3 * HOUR + HOUR / 2), of(5 * HOUR - 1)), (4, 5, 6));
        let locals: Vec<i64> = buckets.starts().iter().map(|(local, _)| local / HOUR).collect();
        assert_eq!(locals, [5, 6, 7, 8, 7, 8, 9]);
        assert_eq!(buckets.count() as usize, locals.len());
    }

    #[test]
    fn days_are_grouped_as_laid_out() {
        let stretches = [Stretch {
            from_ms: DAY_MS * 10,
            offset_ms: -HOUR,
        }];
        let buckets = Buckets::new(&stretches, Pieces::Days(9, [0, 0, 1, 2].into()), DAY_MS * 13);
        let mut near = Near::default();
        let mut of = |ms: i64| {
            let bucket = buckets.of(ms.cast_unsigned());
            // Asked twice: for the first time, and near the one before.
            let asked = [0; 2].map(|_| buckets.of_near(ms.cast_unsigned(), &mut near));
            assert_eq!(asked, [bucket; 2]);
            bucket
        };
        assert_eq!(
            (
                of(DAY_MS * 10),
                of(DAY_MS * 11),
                of(DAY_MS * 11 + HOUR),
                of(DAY_MS * 13 - 1)
            ),
            (0, 0, 1, 2)
        );
        assert_eq!(buckets.starts(), [(9 * DAY_MS, 0), (11 * DAY_MS, 0), (12 * DAY_MS, 0)]);
        assert_eq!(buckets.count(), 3);
    }
}
