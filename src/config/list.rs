//! A configuration as a list of its tables and their keys.

use super::kind::Kind;

/// A comment as it stands in the source, line by line.
pub(super) type Comment = &'static [&'static str];

/// One key of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name within the table.
    pub key: &'static str,
    /// The form of a value, in words.
    pub kind: String,
    /// The bounds of a value, in words; empty if it has none.
    pub bounds: String,
    /// The value as TOML; `None` if the key is left out.
    pub value: Option<String>,
    /// Of this and the keys that follow, then of this alone.
    pub(super) comments: [Comment; 2],
    pub(super) example: Option<&'static str>,
    pub(super) problem: Option<String>,
}

/// One table, `[path]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListedTable {
    /// The dotted path; an element of an array has its index, as in `organizations[0]`.
    pub path: String,
    /// The keys in their order.
    pub entries: Vec<Entry>,
    pub(super) comment: Comment,
    /// Whether it is not there, but could be.
    pub(super) is_example: bool,
}

/// The tables of a configuration, in the order in which they are written.
pub(crate) struct List {
    tables: Vec<ListedTable>,
    /// The table that keys are added to.
    current: usize,
    /// The comment of the next row.
    comment: Comment,
    /// The comment of the rows of a struct in the same table.
    lead: Comment,
    /// Whether tables that are not there are listed, too.
    with_examples: bool,
}

impl List {
    /// An empty list.
    pub(super) fn new(with_examples: bool) -> Self {
        Self {
            tables: vec![ListedTable::default()],
            current: 0,
            comment: &[],
            lead: &[],
            with_examples,
        }
    }

    /// The tables. The outermost has no keys of its own.
    pub(super) fn into_tables(mut self) -> Vec<ListedTable> {
        self.tables.retain(|table| !table.path.is_empty());
        self.tables
    }

    /// Sets the comment of the row that is listed next.
    pub(crate) fn comment(&mut self, comment: Comment) {
        self.comment = comment;
    }

    /// Adds a key with its value.
    pub(crate) fn key<V: 'static>(
        &mut self,
        key: &'static str,
        kind: &Kind<V>,
        value: &V,
        example: Option<&'static str>,
    ) {
        let table = &mut self.tables[self.current];
        table.entries.push(Entry {
            key,
            kind: kind.expected(None),
            bounds: kind.bounds().to_owned(),
            value: kind.write(value),
            comments: [std::mem::take(&mut self.lead), self.comment],
            example,
            problem: kind.check(value).err(),
        });
    }

    /// Adds the keys of a struct that stand in the same table.
    pub(crate) fn flat(&mut self, list: impl FnOnce(&mut Self)) {
        self.lead = self.comment;
        list(self);
    }

    /// Adds a table and what is in it.
    pub(crate) fn table(&mut self, key: &str, list: impl FnOnce(&mut Self)) {
        let ListedTable {
            path, is_example, ..
        } = &self.tables[self.current];
        let path = if path.is_empty() {
            key.to_owned()
        } else {
            format!("{path}.{key}")
        };
        let table = ListedTable {
            path,
            entries: Vec::new(),
            comment: self.comment,
            is_example: *is_example,
        };
        let outer = std::mem::replace(&mut self.current, self.tables.len());
        self.tables.push(table);
        list(self);
        self.current = outer;
    }

    /// Adds the example of an element of an array of tables, if examples are wanted.
    pub(crate) fn example(&mut self, key: &str, list: impl FnOnce(&mut Self)) {
        if self.with_examples {
            self.table(&format!("{key}[0]"), |inner| {
                inner.tables[inner.current].is_example = true;
                list(inner);
            });
        }
    }
}
