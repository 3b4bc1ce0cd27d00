//! `hub::Hub` against a naive hub.

use std::collections::HashMap;

use bytes::Bytes;
use fanfare::hub::{
    Address, Answer, Command, Hub, HubConfig, Log, News, OrganizationId, Placement, ReaderId,
    SessionKey, ShardId,
};
use fanfare::time::Now;
use proptest::prelude::*;

use crate::calls::{Op, at, configs, ops};
use crate::naive_hub::{NaiveHub, NaiveSession};
use crate::naive_tree::LISTENED;

/// The hub, the naive hub, and the readers as their connections know them.
struct Pair {
    hub: Hub,
    naive: NaiveHub,
    readers: HashMap<u32, ReaderId>,
    placement: Placement,
}

impl Pair {
    fn new(config: HubConfig) -> Self {
        // Of two shards, so that there are effects; which commands come here is not the hub's say.
        let placement = Placement::new(7, 2);
        let mut hub = Hub::new(config.clone(), placement.clone(), ShardId(0), [7; 32]);
        hub.set_listener(OrganizationId(LISTENED), ShardId(1), true);
        Self {
            hub,
            naive: NaiveHub::new(config),
            readers: HashMap::new(),
            placement,
        }
    }

    fn execute(&mut self, now: Now, command: &Command) -> Result<(), TestCaseError> {
        let actual = self.hub.execute(now, command.clone());
        self.naive.woken_any_order |= self.hub.is_broadcasting();
        let expected = self.naive.execute(now, command, &actual);
        prop_assert_eq!(&actual, &expected);
        let mut effects = Vec::new();
        self.hub.take_news(&mut effects);
        let is_learned = |effect: &News| matches!(effect, News::Learn { .. });
        let (learned, events): (Vec<_>, Vec<_>) = effects.into_iter().partition(is_learned);
        prop_assert_eq!(learned, std::mem::take(&mut self.naive.effects));
        self.check_events(now, command, &actual, &events)
    }

    /// What goes to other shards is what was accepted, with what stands above it now.
    fn check_events(
        &self,
        now: Now,
        command: &Command,
        actual: &Answer,
        effects: &[News],
    ) -> Result<(), TestCaseError> {
        let (Command::Publish { scope, drafts, .. }, Answer::Published { id, .. }) =
            (command, actual)
        else {
            let server_events = usize::from(*actual == Answer::Done);
            prop_assert!(effects.len() <= server_events, "{:?}", effects);
            return Ok(());
        };
        let is_above = !matches!(scope.address, Address::Session(_));
        let is_told = is_above || scope.organization.0 == LISTENED;
        prop_assert_eq!(effects.len(), if is_told { drafts.len() } else { 0 });
        for (i, (draft, effect)) in drafts.iter().zip(effects).enumerate() {
            let event = match effect {
                News::Append(event) if is_above => event,
                News::Hear(ShardId(1), event) if !is_above => event,
                other => return Err(TestCaseError::fail(format!("{other:?}"))),
            };
            prop_assert!(i > 0 || event.id == *id);
            prop_assert_eq!((&event.scope, event.time_ms), (scope, now.unix_ms));
            prop_assert_eq!(&event.parents, &self.naive.above_events);
            prop_assert_eq!(&event.payload, &draft.payload);
        }
        Ok(())
    }

    fn attach(
        &mut self,
        now: Now,
        session: &SessionKey,
        connection: u32,
    ) -> Result<(), TestCaseError> {
        let (organization, token) = (session.organization, session.token.as_str());
        let hash = self.placement.session_hash(token);
        let reader = self.hub.attach(now, organization, token, hash, connection);
        let expected = self.naive.attach(now, session, connection);
        prop_assert_eq!(reader.map(|_| ()), expected);
        if let Ok(reader) = reader {
            self.readers.insert(connection, reader);
            let next = self.hub.log(reader).map(Log::next);
            let uid = |s: &&NaiveSession| s.connections.contains(&connection);
            let known = self.naive.sessions.values().find(uid);
            prop_assert_eq!(next, known.map(|s| s.events.len() as u64));
        }
        Ok(())
    }

    fn detach(&mut self, now: Now, pick: usize) {
        self.naive.expire(now);
        let all = self.naive.sessions.values().chain(&self.naive.doomed);
        let mut connections: Vec<u32> = all.flat_map(|s| s.connections.clone()).collect();
        connections.sort_unstable();
        if connections.is_empty() {
            return;
        }
        let connection = connections[pick % connections.len()];
        self.hub.detach(now, self.readers[&connection]);
        self.naive.detach(now, connection);
    }

    /// Broadcasts go on, which nobody notices.
    fn slice(&mut self, now: Now) {
        self.naive.expire(now);
        self.hub.continue_broadcasts(now);
    }

    /// The end of a tick, as a shard would go through it.
    fn tick(&mut self, now: Now) -> Result<(), TestCaseError> {
        self.naive.expire(now);
        self.hub.sweep(now, usize::MAX);
        while self.hub.is_broadcasting() {
            self.hub.continue_broadcasts(now);
        }
        let mut woken = Vec::new();
        self.hub.take_woken(&mut woken);
        let mut shown = Vec::new();
        for session in woken {
            self.hub.trim(now, session);
            let mut connections = Vec::new();
            self.hub.connections(session, &mut connections);
            connections.sort_unstable();
            let log = self.hub.session_log(session).expect("a woken session");
            let events: Vec<_> = log
                .range(0)
                .map(|(n, e)| (n, e.name.as_json().clone(), e.payload.clone()))
                .collect();
            shown.push((connections, log.next(), events));
        }
        let mut expected = self.expected_shown(now);
        // A broadcast that came after the last reader had left woke nobody.
        let left = std::mem::take(&mut self.naive.left);
        let all = self.naive.sessions.values().chain(&self.naive.doomed);
        let of_left: Vec<u32> = all
            .filter(|session| left.contains(&session.uid))
            .flat_map(|session| session.connections.clone())
            .collect();
        let counts = |connections: &[u32]| !connections.iter().all(|c| of_left.contains(c));
        shown.retain(|(connections, ..)| counts(connections));
        expected.retain(|(connections, ..)| counts(connections));
        if std::mem::take(&mut self.naive.woken_any_order) {
            shown.sort();
            expected.sort();
        }
        prop_assert_eq!(shown, expected);
        self.hub.end_tick();
        for doomed in self.naive.doomed.drain(..) {
            self.naive.ended.extend(doomed.connections);
        }
        let mut ended = Vec::new();
        self.hub.take_ended(&mut ended);
        ended.sort_unstable();
        self.naive.ended.sort_unstable();
        prop_assert_eq!(&ended, &self.naive.ended);
        self.naive.ended.clear();
        for connection in ended {
            self.readers.remove(&connection);
        }
        self.check_gauges(now)
    }

    #[expect(
        clippy::type_complexity,
        reason = "what readers are shown, to be compared"
    )]
    fn expected_shown(&mut self, now: Now) -> Vec<(Vec<u32>, u64, Vec<(u64, Bytes, Bytes)>)> {
        let mut expected = Vec::new();
        for uid in std::mem::take(&mut self.naive.woken) {
            let mut all = self.naive.sessions.values().chain(&self.naive.doomed);
            let Some(session) = all.find(|s| s.uid == uid) else {
                continue;
            };
            let mut connections = session.connections.clone();
            connections.sort_unstable();
            let oldest = session.oldest(&self.naive.config, now.instant);
            let events = session.events.iter().enumerate().skip(oldest);
            let events = events.map(|(n, e)| {
                let (name, payload) = (e.name.clone(), e.payload.clone());
                (n as u64, Bytes::from(name), Bytes::from(payload))
            });
            expected.push((connections, session.events.len() as u64, events.collect()));
        }
        expected
    }

    /// After a full sweep, the hub holds what the naive hub holds.
    fn check_gauges(&self, now: Now) -> Result<(), TestCaseError> {
        let retained = self.naive.retained_bytes(now.instant);
        prop_assert_eq!(self.hub.retained_bytes(), retained);
        for organization in 0..2 {
            let own = self.naive.retained_bytes_of(organization, now.instant);
            let id = OrganizationId(organization);
            prop_assert_eq!(self.hub.retained_bytes_of(id), own);
        }
        prop_assert_eq!(self.hub.sessions(), self.naive.sessions.len());
        let readers: usize = self
            .naive
            .sessions
            .values()
            .map(|s| s.connections.len())
            .sum();
        prop_assert_eq!(self.hub.readers(), readers);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn every_answer_is_the_naive_one(config in configs(), ops in ops()) {
        let shares = config.bounds.iter().map(|bounds| bounds.logs_bytes);
        let shares: Vec<usize> = shares.collect();
        let tight = config.logs_bytes_max < usize::MAX || !shares.is_empty();
        let mut patience = config.retention.age.as_millis() as u64;
        let mut pair = Pair::new(config);
        // Until `idle_at` nothing was on its way.
        let (mut millis, mut idle_at) = (0, 0);
        for (connection, op) in (0..).zip(ops) {
            let now = at(millis);
            match op {
                Op::Wait(ms) => {
                    // Who waits is told what is too old by then, which the naive hub knows nothing
                    // of: see the scene of broadcasts.
                    if millis + ms - idle_at > patience {
                        pair.naive.expire(now);
                        pair.hub.finish_broadcasts(now);
                    }
                    millis += ms;
                }
                Op::Execute(mut command) => {
                    if let Command::Create { expires_ms: Some(date), .. } = &mut command {
                        *date += now.unix_ms;
                    }
                    if let Command::Create { retention: Some(age), .. } = &command {
                        patience = patience.min(age.as_millis() as u64);
                    }
                    pair.execute(now, &command)?;
                }
                Op::Find(organization, prefix) => {
                    let actual = pair.hub.find(now, organization, prefix);
                    let expected = pair.naive.find(now, organization.0, prefix, &actual);
                    prop_assert_eq!(actual, expected);
                }
                Op::Mail(event) if !tight => {
                    pair.hub.append_from_mail(now, &event);
                    pair.naive.mail(now, &event);
                    pair.naive.woken_any_order |= pair.hub.is_broadcasting();
                }
                // What gives way depends on the order of sessions: see the scene below.
                Op::Mail(_) => {}
                Op::Attach(session) => pair.attach(now, &session, connection)?,
                Op::Detach(pick) => pair.detach(now, pick),
                Op::Slice => pair.slice(now),
                Op::Tick => pair.tick(now)?,
            }
            if !pair.hub.is_broadcasting() {
                idle_at = millis;
            }
            if tight {
                // While something is on its way, its bytes are set aside as if no log let go of
                // any.
                pair.hub.finish_broadcasts(now);
            }
            prop_assert!(pair.hub.retained_bytes() <= pair.naive.config.logs_bytes_max);
            for (organization, share) in (0..).zip(&shares) {
                let own = pair.hub.retained_bytes_of(OrganizationId(organization));
                prop_assert!(own <= *share);
            }
        }
        pair.tick(at(millis))?;
    }
}
