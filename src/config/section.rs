//! The configuration as tables. What there is to say of a key stands in one row: its name, which is
//! the field's, its type, default, kind with bounds, and comment.
//!
//! `section!` makes of it the struct with its documentation and defaults, and a [`Section`], which
//! reads itself from TOML and lists what it has. Everything else goes by that list: what is in
//! effect, written as a file; the file of defaults; which value is out of bounds.

use super::kind::Kind;
use super::list::List;
use super::table::Table;

/// Declares a section: `/// comment` and `key: Type = default, kind;` for each key.
///
/// The comment is also the one in the default file, where its backticks are left out. In place of a
/// kind may stand a [`Row`]: [`Nested`], [`Flat`], [`Tables`], [`Required`].
macro_rules! section {
    ($(#[doc = $about:literal])* $name:ident {
        $($(#[doc = $comment:literal])* $key:ident: $type:ty = $default:expr, $row:expr;)+
    }) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name { $($(#[doc = $comment])* pub $key: $type),+ }

        impl Default for $name {
            fn default() -> Self {
                Self { $($key: $default),+ }
            }
        }

        impl $crate::config::Section for $name {
            fn read(&mut self, table: &mut $crate::config::Table<'_, '_>) {
                $($crate::config::Row::read(&$row, stringify!($key), &mut self.$key, table);)+
            }

            fn list(&self, list: &mut $crate::config::List) {
                $(list.comment(&[$($comment),*]);
                $crate::config::Row::list(&$row, stringify!($key), &self.$key, list);)+
            }
        }
    };
}
pub(crate) use section;

/// A table of the configuration, or all of it.
pub(crate) trait Section: Default {
    /// Reads every key that is there; the others keep their values.
    fn read(&mut self, table: &mut Table<'_, '_>);

    /// Lists every key in its order.
    fn list(&self, list: &mut List);
}

/// What stands behind a name of a section. Every [`Kind`] is one.
pub(crate) trait Row<V> {
    /// Reads the value into its place if it is there.
    fn read(&self, key: &'static str, into: &mut V, table: &mut Table<'_, '_>);

    /// Lists the value.
    fn list(&self, key: &'static str, value: &V, list: &mut List);
}

impl<V: 'static> Row<V> for Kind<V> {
    fn read(&self, key: &'static str, into: &mut V, table: &mut Table<'_, '_>) {
        if let Some(value) = table.ask(key) {
            table.read(key, value, self, into);
        }
    }

    fn list(&self, key: &'static str, value: &V, list: &mut List) {
        list.key(key, self, value, self.example());
    }
}

/// A key that has to be there, with an example of it.
pub(crate) struct Required<V>(pub(crate) Kind<V>, pub(crate) &'static str);

impl<V: 'static> Row<V> for Required<V> {
    fn read(&self, key: &'static str, into: &mut V, table: &mut Table<'_, '_>) {
        match table.ask(key) {
            Some(value) => table.read(key, value, &self.0, into),
            None => table.miss(key, &self.0.expected(None)),
        }
    }

    fn list(&self, key: &'static str, value: &V, list: &mut List) {
        list.key(key, &self.0, value, Some(self.1));
    }
}

/// A table beneath, `[section.key]`.
pub(crate) struct Nested;

impl<S: Section> Row<S> for Nested {
    fn read(&self, key: &'static str, into: &mut S, table: &mut Table<'_, '_>) {
        table.nested(key, |table| into.read(table));
    }

    fn list(&self, key: &'static str, value: &S, list: &mut List) {
        list.table(key, |list| value.list(list));
    }
}

/// Keys that stand in this table, but are a struct of their own.
pub(crate) struct Flat;

impl<S: Section> Row<S> for Flat {
    fn read(&self, _: &'static str, into: &mut S, table: &mut Table<'_, '_>) {
        into.read(table);
    }

    fn list(&self, _: &'static str, value: &S, list: &mut List) {
        list.flat(|list| value.list(list));
    }
}

/// Tables beneath, `[[section.key]]`.
pub(crate) struct Tables;

impl<S: Section> Row<Vec<S>> for Tables {
    fn read(&self, key: &'static str, into: &mut Vec<S>, table: &mut Table<'_, '_>) {
        table.elements(key, |table| {
            let mut element = S::default();
            element.read(table);
            into.push(element);
        });
    }

    fn list(&self, key: &'static str, value: &Vec<S>, list: &mut List) {
        for (index, element) in value.iter().enumerate() {
            list.table(&format!("{key}[{index}]"), |list| element.list(list));
        }
        list.example(key, |list| S::default().list(list));
    }
}
