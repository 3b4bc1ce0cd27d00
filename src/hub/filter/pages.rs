//! Growing without pausing: a vector in pages, and a pool of slots over it.
//!
//! A `Vec` of a million items copies them all when it grows by one. These never move more than a
//! page.

use std::ops::{Index, IndexMut};

use crate::limits::FILTER_PAGE_ITEMS;

/// A vector in pages. The first page grows like any vector, so a small one is small.
#[derive(Debug)]
pub(super) struct Paged<T> {
    pages: Vec<Vec<T>>,
}

impl<T> Default for Paged<T> {
    fn default() -> Self {
        Self { pages: Vec::new() }
    }
}

impl<T> Paged<T> {
    pub(super) fn len(&self) -> usize {
        match self.pages.last() {
            Some(last) => (self.pages.len() - 1) * FILTER_PAGE_ITEMS + last.len(),
            None => 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    pub(super) fn push(&mut self, item: T) {
        match self.pages.last_mut() {
            Some(last) if last.len() < FILTER_PAGE_ITEMS => last.push(item),
            Some(_) => {
                let mut page = Vec::with_capacity(FILTER_PAGE_ITEMS);
                page.push(item);
                self.pages.push(page);
            }
            None => self.pages.push(vec![item]),
        }
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        let last = self.pages.last_mut()?;
        let item = last.pop();
        if last.is_empty() {
            self.pages.pop();
        }
        item
    }

    /// Removes an item and puts the last one in its place.
    pub(super) fn swap_remove(&mut self, at: usize) -> T {
        let last = self.pop().expect("an item to remove");
        if at == self.len() {
            last
        } else {
            std::mem::replace(&mut self[at], last)
        }
    }

    /// The items, a page at a time.
    pub(super) fn pages(&self) -> impl Iterator<Item = &[T]> {
        self.pages.iter().map(Vec::as_slice)
    }
}

impl<T> Index<usize> for Paged<T> {
    type Output = T;

    #[inline]
    fn index(&self, at: usize) -> &T {
        &self.pages[at / FILTER_PAGE_ITEMS][at % FILTER_PAGE_ITEMS]
    }
}

impl<T> IndexMut<usize> for Paged<T> {
    #[inline]
    fn index_mut(&mut self, at: usize) -> &mut T {
        &mut self.pages[at / FILTER_PAGE_ITEMS][at % FILTER_PAGE_ITEMS]
    }
}

/// Slots with small numbers; a freed slot is reused first.
#[derive(Debug)]
pub(super) struct Pool<T> {
    items: Paged<T>,
    free: Paged<u32>,
}

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self {
            items: Paged::default(),
            free: Paged::default(),
        }
    }
}

impl<T: Default> Pool<T> {
    /// Slots in use.
    pub(super) fn len(&self) -> usize {
        self.items.len() - self.free.len()
    }

    /// Slots in use or free: one more than the largest number.
    pub(super) fn slots(&self) -> u32 {
        self.items.len() as u32
    }

    pub(super) fn insert(&mut self, item: T) -> u32 {
        if let Some(at) = self.free.pop() {
            self.items[at as usize] = item;
            at
        } else {
            self.items.push(item);
            (self.items.len() - 1) as u32
        }
    }

    /// Empties a slot that is in use.
    pub(super) fn remove(&mut self, at: u32) -> T {
        self.free.push(at);
        std::mem::take(&mut self.items[at as usize])
    }
}

impl<T> Index<u32> for Pool<T> {
    type Output = T;

    #[inline]
    fn index(&self, at: u32) -> &T {
        &self.items[at as usize]
    }
}

impl<T> IndexMut<u32> for Pool<T> {
    #[inline]
    fn index_mut(&mut self, at: u32) -> &mut T {
        &mut self.items[at as usize]
    }
}

/// The set of numbers seen since the last [`Stamps::restart`], in pages made when needed.
#[derive(Debug, Default)]
pub(super) struct Stamps {
    pages: Vec<Option<Box<[u32; FILTER_PAGE_ITEMS]>>>,
    now: u32,
}

impl Stamps {
    /// Makes room for a number.
    pub(super) fn admit(&mut self, number: u32) {
        let page = number as usize / FILTER_PAGE_ITEMS;
        if self.pages.len() <= page {
            self.pages.resize_with(page + 1, || None);
        }
        self.pages[page].get_or_insert_with(|| Box::new([0; FILTER_PAGE_ITEMS]));
    }

    /// Forgets the numbers seen. Returns a number that differs from the last.
    pub(super) fn restart(&mut self) -> u32 {
        self.now = self.now.wrapping_add(1);
        if self.now == 0 {
            for page in self.pages.iter_mut().flatten() {
                page.fill(0);
            }
            self.now = 1;
        }
        self.now
    }

    /// Marks an admitted number. Returns whether it was new.
    #[inline]
    pub(super) fn first(&mut self, number: u32) -> bool {
        let page = self.pages[number as usize / FILTER_PAGE_ITEMS].as_mut();
        let stamp = &mut page.expect("admitted")[number as usize % FILTER_PAGE_ITEMS];
        std::mem::replace(stamp, self.now) != self.now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_keep_their_places_across_pages() {
        let mut paged = Paged::default();
        let count = 3 * FILTER_PAGE_ITEMS + 5;
        (0..count).for_each(|i| paged.push(i));
        assert_eq!(paged.len(), count);
        assert!((0..count).all(|i| paged[i] == i));
        assert_eq!(paged.swap_remove(7), 7);
        assert_eq!(paged[7], count - 1);
        assert_eq!(paged.swap_remove(count - 2), count - 2);
        assert_eq!(paged.pages().flatten().count(), count - 2);
        while paged.pop().is_some() {}
        assert!(paged.is_empty());
    }

    #[test]
    fn stamps_forget_also_when_they_wrap() {
        let mut stamps = Stamps::default();
        stamps.admit(5);
        stamps.admit(u32::from(u16::MAX));
        stamps.restart();
        assert!(stamps.first(5) && !stamps.first(5) && stamps.first(4));
        stamps.now = u32::MAX;
        stamps.restart();
        assert!(stamps.first(5) && !stamps.first(5) && stamps.first(0));
    }
}
