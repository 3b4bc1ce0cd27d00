//! Repeats, bounds and time.

use std::time::Duration;

use super::super::scope::{Address, Scope};
use super::*;

const ORGANIZATION: OrganizationId = OrganizationId(1);

fn at(ms: u64) -> Instant {
    Instant::from_millis(ms)
}

fn ttl() -> u64 {
    IDEMPOTENCY_TTL.as_millis() as u64
}

fn of(organization: OrganizationId, key: &[u8]) -> PublishKey {
    let address = Address::Organization;
    let scope = Scope {
        organization,
        address,
    };
    PublishKey::of(key, &scope, &[])
}

fn key(key: &[u8]) -> PublishKey {
    of(ORGANIZATION, key)
}

fn keys<W>() -> Idempotency<W> {
    Idempotency::new(1, IDEMPOTENCY_KEYS_MAX)
}

fn held(of: Whose, retry_after: u32) -> Begin {
    Begin::Refused(Refusal::KeysHeld { of, retry_after })
}

#[test]
fn a_repeat_waits_and_then_gets_the_first_answer() {
    let mut keys = keys();
    let other = of(OrganizationId(2), b"k");
    assert_eq!(keys.begin(at(0), &key(b"k"), 1), Begin::Fresh);
    assert_eq!(keys.begin(at(0), &key(b"k"), 2), Begin::Waiting);
    assert_eq!(keys.begin(at(0), &other, 3), Begin::Fresh);
    let waiters = keys.complete(at(1), &key(b"k"), Answer::Done);
    assert_eq!(waiters, [1, 2]);
    let done = Begin::Done(Answer::Done);
    assert_eq!(keys.begin(at(2), &key(b"k"), 4), done);
    let again = Answer::Refused(Refusal::Busy);
    assert!(keys.complete(at(3), &key(b"k"), again).is_empty());
    assert_eq!(keys.begin(at(ttl()), &key(b"k"), 4), done);
    assert_eq!(keys.begin(at(ttl() + 1), &key(b"k"), 5), Begin::Fresh);
}

#[test]
fn another_body_is_refused_as_long_as_the_key_is_remembered() {
    let mut keys = keys();
    let mut other = key(b"k");
    other.body[0] ^= 1;
    let reused = Begin::Refused(Refusal::KeyReused);
    assert_eq!(keys.begin(at(0), &key(b"k"), 1), Begin::Fresh);
    assert_eq!(keys.begin(at(0), &other, 2), reused, "while under way");
    assert_eq!(keys.complete(at(0), &key(b"k"), Answer::Done), [1]);
    assert_eq!(keys.begin(at(1), &other, 2), reused);
    let done = Begin::Done(Answer::Done);
    assert_eq!(keys.begin(at(1), &key(b"k"), 3), done);
    assert_eq!(keys.begin(at(ttl()), &other, 4), Begin::Fresh);
}

#[test]
fn a_refusal_is_handed_out_but_not_remembered() {
    let mut keys = keys();
    keys.begin(at(0), &key(b"k"), 1);
    keys.begin(at(0), &key(b"k"), 2);
    let refused = Answer::Refused(Refusal::Busy);
    let waiters = keys.complete(at(0), &key(b"k"), refused);
    assert_eq!(waiters, [1, 2]);
    assert!(keys.is_empty());
    let mut other = key(b"k");
    other.body[0] ^= 1;
    assert_eq!(keys.begin(at(0), &other, 3), Begin::Fresh);
}

fn fill(keys: &mut Idempotency<usize>, organization: OrganizationId, ms: u64, count: usize) {
    for i in 0..count {
        let key = of(organization, &i.to_le_bytes());
        assert_eq!(keys.begin(at(ms), &key, i), Begin::Fresh, "key {i}");
        assert_eq!(keys.complete(at(ms), &key, Answer::Done), [i]);
    }
}

#[test]
fn bounds_refuse_and_time_frees() {
    let mut keys = keys();
    fill(&mut keys, ORGANIZATION, 0, IDEMPOTENCY_KEYS_MAX - 1);
    fill(&mut keys, OrganizationId(2), 1_000, 1);
    let one_more = of(OrganizationId(2), b"one more");
    assert_eq!(
        keys.begin(at(1_001), &one_more, 0),
        held(Whose::Everyone, 299)
    );
    let first = key(&0usize.to_le_bytes());
    let done = Begin::Done(Answer::Done);
    assert_eq!(keys.begin(at(1_001), &first, 0), done);
    // One call forgets a few; an expired key that is not forgotten yet is fresh all the same.
    let last = key(&(IDEMPOTENCY_KEYS_MAX - 2).to_le_bytes());
    assert_eq!(keys.begin(at(ttl()), &last, 0), Begin::Fresh);
    assert!(keys.len() > IDEMPOTENCY_KEYS_MAX / 2);
    keys.expire(at(ttl()), usize::MAX);
    assert_eq!(keys.len(), 2, "the one under way and the younger one");
    assert_eq!(keys.complete(at(ttl()), &last, Answer::Done), [0]);
}

#[test]
fn an_organization_that_holds_its_share_is_told_when_its_oldest_key_expires() {
    let mut keys = Idempotency::new(1, 3);
    fill(&mut keys, ORGANIZATION, 5_000, 2);
    assert_eq!(keys.begin(at(6_000), &key(b"under way"), 7), Begin::Fresh);
    let one_more = |keys: &mut Idempotency<usize>, ms| keys.begin(at(ms), &key(b"more"), 0);
    assert_eq!(one_more(&mut keys, 5_000), held(Whose::Organization, 300));
    assert_eq!(one_more(&mut keys, 6_001), held(Whose::Organization, 299));
    let late = 5_000 + ttl() - 1;
    assert_eq!(one_more(&mut keys, late), held(Whose::Organization, 1));
    let other = of(OrganizationId(2), b"k");
    assert_eq!(keys.begin(at(6_001), &other, 0), Begin::Fresh, "others may");
    // The reported time is exact.
    assert_eq!(one_more(&mut keys, late + 1), Begin::Fresh);
    keys.expire(at(late + 1), usize::MAX);
    assert_eq!(keys.len(), 3);
}

#[test]
fn what_is_only_under_way_is_worth_a_moment() {
    let mut keys = Idempotency::new(1, 1);
    assert_eq!(keys.begin(at(0), &key(b"k"), 0), Begin::Fresh);
    assert_eq!(
        keys.begin(at(0), &key(b"l"), 0),
        held(Whose::Organization, 1)
    );
    let refused = Answer::Refused(Refusal::Busy);
    assert_eq!(keys.complete(at(0), &key(b"k"), refused), [0]);
    assert_eq!(keys.begin(at(0), &key(b"l"), 0), Begin::Fresh);
}

#[test]
fn waiters_are_bounded() {
    let mut keys = keys();
    keys.begin(at(0), &key(b"k"), 0);
    for i in 1..=IDEMPOTENCY_WAITERS_MAX {
        assert_eq!(keys.begin(at(0), &key(b"k"), i), Begin::Waiting);
    }
    let busy = Begin::Refused(Refusal::Busy);
    assert_eq!(keys.begin(at(0), &key(b"k"), 0), busy);
    let expected: Vec<_> = (0..=IDEMPOTENCY_WAITERS_MAX).collect();
    let waiters = keys.complete(at(0), &key(b"k"), Answer::Done);
    assert_eq!(waiters, expected);
}

#[test]
fn a_stale_place_in_the_queue_spares_its_successor() {
    let mut keys = keys();
    let mut publish = |ms: u64, name: &[u8]| {
        let begin = keys.begin(at(ms), &key(name), ());
        if begin == Begin::Fresh {
            assert_eq!(keys.complete(at(ms), &key(name), Answer::Done).len(), 1);
        }
        begin
    };
    // More keys than one call forgets, so that the last is found expired before its turn.
    for i in 0..=EXPIRED_PER_CALL {
        assert_eq!(publish(0, &[i as u8]), Begin::Fresh);
    }
    let last = [EXPIRED_PER_CALL as u8];
    assert_eq!(publish(ttl(), &last), Begin::Fresh);
    let later = ttl() + Duration::from_secs(1).as_millis() as u64;
    assert_eq!(publish(later, b"other"), Begin::Fresh);
    assert_eq!(publish(later, &last), Begin::Done(Answer::Done));
}
