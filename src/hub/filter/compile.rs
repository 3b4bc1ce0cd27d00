//! From a subscription to clauses of atoms.
//!
//! A program is a conjunction of clauses, a clause a set of alternative atoms. Here names and
//! values are put in a canonical form, so that equivalent subscriptions share a program.

use super::atom::{Atom, Kind};
use super::atoms::Atoms;
use super::properties::Properties;
use crate::hub::scope::OrganizationId;
use crate::hub::subscription::{NamePattern, Names, PropertyFilter, Subscription, ValueFilter};

/// Alternatives, in order and each once.
pub(super) type Clause = Vec<Atom>;

/// Compiles names and properties: the clauses in order and each once, with a reference to each of
/// their atoms. `None` if no event can match.
pub(super) fn compile(
    wanted: &Subscription,
    properties: &mut Properties,
    atoms: &mut Atoms,
) -> Option<Vec<Clause>> {
    let no_names = matches!(&wanted.names, Names::Any(names) if names.is_empty());
    if no_names || wanted.properties.iter().any(|p| p.values.is_empty()) {
        return None;
    }
    let mut clauses = Vec::with_capacity(1 + wanted.properties.len());
    let organization = wanted.scope.organization;
    clauses.extend(names(&wanted.names, organization, atoms));
    for filter in &wanted.properties {
        clauses.push(property(filter, properties, atoms));
    }
    for clause in &mut clauses {
        clause.sort_unstable();
        clause.dedup_by(|a, b| a == b && forget(*a, properties, atoms));
    }
    clauses.sort_unstable();
    clauses.dedup_by(|a, b| {
        a == b && {
            release(a, properties, atoms);
            true
        }
    });
    Some(clauses)
}

/// Gives up the references of a clause.
pub(super) fn release(clause: &[Atom], properties: &mut Properties, atoms: &mut Atoms) {
    for &atom in clause {
        forget(atom, properties, atoms);
    }
}

fn forget(atom: Atom, properties: &mut Properties, atoms: &mut Atoms) -> bool {
    let (kind, property, was_last) = atoms.release(atom);
    if !matches!(kind, Kind::Name | Kind::Wild) {
        properties.release(property, kind, was_last);
    }
    true
}

/// Compiles names to a clause; none if every name will do.
fn names(names: &Names, organization: OrganizationId, atoms: &mut Atoms) -> Option<Clause> {
    let Names::Any(patterns) = names else {
        return None;
    };
    let is_every =
        |p: &NamePattern| matches!(p, NamePattern::Wild(text) if text.bytes().all(|b| b == b'*'));
    if patterns.iter().any(is_every) {
        return None;
    }
    let atom = |pattern: &NamePattern| match pattern {
        NamePattern::Wild(text) if text.contains('*') => {
            atoms.acquire(Kind::Wild, organization.0, text)
        }
        NamePattern::Exact(text) | NamePattern::Wild(text) => atoms.acquire(Kind::Name, 0, text),
    };
    Some(patterns.iter().map(atom).collect())
}

fn property(filter: &PropertyFilter, properties: &mut Properties, atoms: &mut Atoms) -> Clause {
    let number = properties.number(&filter.property);
    let mut clause = Clause::with_capacity(filter.values.len());
    let mut add = |kind, text: &str| {
        let atom = atoms.acquire(kind, number, text);
        properties.acquire(number, kind, atom);
        clause.push(atom);
    };
    // `Present` includes every text and literal.
    let is_present = filter.values.contains(&ValueFilter::Present);
    for value in &filter.values {
        match value {
            ValueFilter::Null => add(Kind::Null, ""),
            ValueFilter::Present => add(Kind::Present, ""),
            ValueFilter::Text(_) | ValueFilter::Literal(_) if is_present => {}
            ValueFilter::Literal(text) => add(Kind::Literal, text),
            ValueFilter::Text(text) => add(Kind::Text, text),
        }
    }
    clause
}
