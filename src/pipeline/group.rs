//! The visits of one worker that wait for the same write.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::intake::Receipt;
use crate::config::Durability;
use crate::event::Country;
use crate::outcome::Reason;

/// Visits that are written, answered or refused together.
#[derive(Debug, Default)]
pub struct Group {
    inner: RefCell<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    countries: Vec<Country>,
    wakers: Vec<Option<Waker>>,
    end: Option<Result<End, Reason>>,
}

/// How a group ended well.
#[derive(Debug)]
pub struct End {
    /// The total that each visit raised its country to, in the order they joined.
    pub totals: Vec<u64>,
    /// How far they were kept.
    pub kept: Durability,
    /// Whether the totals include what the other gateways have counted up to now.
    pub current: bool,
}

/// A visit's place in a group; resolves when the group ends.
#[derive(Debug)]
pub struct Place {
    group: Rc<Group>,
    index: usize,
    country: Country,
}

impl Group {
    /// Room for about as many visits as the last group had.
    pub fn with_capacity(visits: usize) -> Self {
        let inner = Inner {
            countries: Vec::with_capacity(visits),
            wakers: Vec::with_capacity(visits),
            end: None,
        };
        Self {
            inner: RefCell::new(inner),
        }
    }

    /// Adds a visit.
    pub fn join(self: &Rc<Self>, country: Country) -> Place {
        let mut inner = self.inner.borrow_mut();
        inner.countries.push(country);
        inner.wakers.push(None);
        Place {
            group: self.clone(),
            index: inner.countries.len() - 1,
            country,
        }
    }

    /// Number of visits.
    pub fn len(&self) -> usize {
        self.inner.borrow().countries.len()
    }

    /// The visits' countries, in the order they joined.
    pub fn countries(&self) -> Vec<Country> {
        std::mem::take(&mut self.inner.borrow_mut().countries)
    }

    /// Tells every visit how it ended.
    pub fn end(&self, end: Result<End, Reason>) {
        let wakers = {
            let mut inner = self.inner.borrow_mut();
            inner.end = Some(end);
            std::mem::take(&mut inner.wakers)
        };
        wakers.into_iter().flatten().for_each(Waker::wake);
    }
}

impl Future for Place {
    type Output = Result<Receipt, Reason>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut inner = self.group.inner.borrow_mut();
        match &inner.end {
            Some(Ok(end)) => Poll::Ready(Ok(Receipt {
                country: self.country,
                total: end.totals.get(self.index).copied().unwrap_or_default(),
                kept: end.kept,
                current: end.current,
            })),
            Some(Err(reason)) => Poll::Ready(Err(*reason)),
            None => {
                if let Some(waker) = inner.wakers.get_mut(self.index) {
                    *waker = Some(context.waker().clone());
                }
                Poll::Pending
            }
        }
    }
}
