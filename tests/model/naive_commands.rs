//! What the naive hub answers to each command.

use bytes::Bytes;
use fanfare::hub::{
    Address, Answer, Command, Draft, Epoch, Event, Number, OrganizationId, Parents, Refusal, Scope,
    ScopeName, SessionKey, SessionView, Status, Transition,
};
use fanfare::time::Now;

use crate::naive_hub::{Key, NaiveEvent, NaiveHub, key, text};
use crate::naive_tree::Child;

impl NaiveHub {
    /// The answer that `actual` should be.
    pub(crate) fn execute(&mut self, now: Now, command: &Command, actual: &Answer) -> Answer {
        self.expire(now);
        self.try_execute(now, command, actual)
            .unwrap_or_else(Answer::Refused)
    }

    fn try_execute(
        &mut self,
        now: Now,
        command: &Command,
        actual: &Answer,
    ) -> Result<Answer, Refusal> {
        match command {
            Command::Publish {
                scope,
                parents,
                drafts,
            } => match &scope.address {
                Address::Session(token) => {
                    let key = (scope.organization.0, token.to_string());
                    self.publish(now, &key, parents, drafts, actual)
                }
                _ => self.publish_above(now, scope, parents, drafts, actual),
            },
            Command::Place { scope, parents } => {
                self.place(now, scope, parents).map(Answer::Parents)
            }
            Command::Declare {
                organization,
                project,
                group,
            } => {
                let group = group.as_ref().map(ScopeName::as_str);
                let child = Child::Project(project.as_str());
                let parents = Parents {
                    group: group.map(ScopeName::new),
                    project: None,
                };
                self.learn(organization.0, child, &parents)
                    .map(Answer::Parents)
            }
            Command::Create { .. } => self.create(now, command),
            Command::Read { session } => self.view(now, session, actual),
            Command::ReadAny { token } => self.view_any(now, token, actual),
            Command::Transition {
                session,
                transition,
            } => self.transition(now, session, *transition),
            Command::Resume {
                session,
                resume_token,
            } => self.resume(now, session, &text(resume_token)),
            Command::SetLabels { session, labels } => {
                self.used(now, session)?.labels.clone_from(labels);
                Ok(Answer::Done)
            }
            Command::Delete { session } => {
                self.used(now, session)?;
                self.tombstones.insert(key(session), now.instant);
                self.remove(&key(session));
                Ok(Answer::Done)
            }
            Command::Notify { .. } => unreachable!("no log is concerned"),
        }
    }

    fn create(&mut self, now: Now, command: &Command) -> Result<Answer, Refusal> {
        let Command::Create {
            session,
            parents,
            labels,
            expires_ms,
            retention,
        } = command
        else {
            unreachable!("{command:?} creates nothing");
        };
        if self.used(now, session).is_ok() {
            return Err(Refusal::Exists);
        }
        let created = self.insert(now, &key(session), parents)?;
        created.declared = true;
        created.labels.clone_from(labels);
        created.expires_ms = *expires_ms;
        if let Some(age) = retention {
            created.age_ms = age.as_millis() as u64;
        }
        Ok(Answer::Created(session.token.clone()))
    }

    fn resume(
        &mut self,
        now: Now,
        session: &SessionKey,
        resume_token: &str,
    ) -> Result<Answer, Refusal> {
        let status = self.used(now, session)?.status;
        if status != Status::Pending {
            return Err(Refusal::Status(status));
        }
        self.announce(now, session, "\"resume\"", resume_token)?;
        self.tombstones.insert(key(session), now.instant);
        let session = self.sessions.remove(&key(session)).unwrap();
        self.facts_of(session.uid).remove(session.uid);
        if !session.connections.is_empty() {
            self.doomed.push(session);
        }
        Ok(Answer::Done)
    }

    fn view_any(
        &mut self,
        now: Now,
        token: &ScopeName,
        actual: &Answer,
    ) -> Result<Answer, Refusal> {
        let of_token = self.sessions.iter();
        let of_token = of_token.filter(|(key, s)| key.1 == token.as_str() && s.declared);
        let owners: Vec<u32> = of_token.map(|(key, _)| key.0).collect();
        let &[owner] = &owners[..] else {
            return Err(Refusal::NotFound);
        };
        let session = SessionKey {
            organization: OrganizationId(owner),
            token: token.clone(),
        };
        self.view(now, &session, actual)
    }

    fn publish(
        &mut self,
        now: Now,
        key: &Key,
        parents: &Parents,
        drafts: &[Draft],
        actual: &Answer,
    ) -> Result<Answer, Refusal> {
        let events: Vec<_> = drafts.iter().map(|d| naive_event(now, d)).collect();
        let bytes = events.iter().map(|e| e.bytes).sum();
        let known = self.sessions.get_mut(key).map(|session| {
            session.last_used = now.instant;
            session.uid
        });
        let growth = match known {
            Some(_) => self.sessions[key].growth(&self.config, now.instant, bytes),
            None if self.config.declared_scopes => return Err(Refusal::Undeclared),
            None => bytes,
        };
        self.check(key.0, Child::Session(known.unwrap_or(usize::MAX)), parents)?;
        self.check_room(now, key.0, growth)?;
        match known {
            Some(uid) => self.learn_session(key, uid, parents)?,
            None => self.insert(now, key, parents).map(|_| ())?,
        }
        let session = self.sessions.get_mut(key).unwrap();
        let number = session.events.len() as u64;
        let shown = match actual {
            Answer::Published { position, .. } => position.map(|(epoch, _)| epoch),
            _ => None,
        };
        session.epoch = session.epoch.or(shown);
        let epoch = session.epoch.expect("a session's publish says the epoch");
        let uid = session.uid;
        self.append(key, &events);
        self.above_events = self.parents(key.0, uid);
        Ok(self.published(actual, Some((epoch, number))))
    }

    fn publish_above(
        &mut self,
        now: Now,
        scope: &Scope,
        parents: &Parents,
        drafts: &[Draft],
        actual: &Answer,
    ) -> Result<Answer, Refusal> {
        let organization = scope.organization.0;
        let events: Vec<_> = drafts.iter().map(|d| naive_event(now, d)).collect();
        let bytes = events.iter().map(|e| e.bytes).sum();
        let beneath = self.beneath(organization, &scope.address)?;
        if !parents.is_empty() {
            let child = Child::of(&scope.address).ok_or(Refusal::Contradiction)?;
            self.check(organization, child, parents)?;
        }
        let sessions = beneath.iter().map(|key| &self.sessions[key]);
        let growths = sessions.map(|s| s.growth(&self.config, now.instant, bytes));
        self.check_room(now, organization, growths.sum())?;
        if let (false, Some(child)) = (parents.is_empty(), Child::of(&scope.address)) {
            self.learn(organization, child, parents)?;
        }
        self.woken_any_order |= beneath.len() > 1;
        for key in &beneath {
            self.append(key, &events);
        }
        self.above_events = self.parents_above(organization, &scope.address);
        Ok(self.published(actual, None))
    }

    fn published(&mut self, actual: &Answer, position: Option<(Epoch, Number)>) -> Answer {
        let Answer::Published { id, .. } = *actual else {
            panic!("expected Published, not {actual:?}");
        };
        assert!(Some(id) > self.last_id, "ids rise");
        self.last_id = Some(id);
        Answer::Published { id, position }
    }

    fn transition(
        &mut self,
        now: Now,
        key: &SessionKey,
        transition: Transition,
    ) -> Result<Answer, Refusal> {
        let status = self.used(now, key)?.status;
        let (target, allowed): (_, &[Status]) = match transition {
            Transition::Start => (Status::Running, &[Status::Pending, Status::Paused]),
            Transition::Pause => (Status::Paused, &[Status::Running]),
            Transition::Stop => (
                Status::Aborted,
                &[Status::Pending, Status::Running, Status::Paused],
            ),
        };
        if status == target {
            return Ok(Answer::Done);
        }
        if !allowed.contains(&status) {
            return Err(Refusal::Status(status));
        }
        let payload = format!("\"{}\"", target.as_str());
        self.announce(now, key, "\"status\"", &payload)?;
        let session = self.used(now, key)?;
        if (session.status, target) == (Status::Pending, Status::Running) {
            session.expires_ms = None;
        }
        session.status = target;
        if target == Status::Running && session.started_ms.is_none() {
            session.started_ms = Some(now.unix_ms);
        }
        if target == Status::Aborted {
            session.finished_ms = Some(now.unix_ms);
        }
        Ok(Answer::Done)
    }

    fn view(&mut self, now: Now, key: &SessionKey, actual: &Answer) -> Result<Answer, Refusal> {
        let config = self.config.clone();
        let session = self.used(now, key)?;
        let shown = match actual {
            Answer::Session(view) => Some(view.epoch),
            _ => None,
        };
        session.epoch = session.epoch.or(shown);
        let session = session.clone();
        Ok(Answer::Session(Box::new(SessionView {
            token: key.token.clone(),
            parents: self.parents(key.organization.0, session.uid),
            status: session.status,
            labels: session.labels.clone(),
            created_ms: session.created_ms,
            started_ms: session.started_ms,
            finished_ms: session.finished_ms,
            expires_ms: session.expires_ms,
            epoch: session.epoch.expect("a view says the epoch"),
            oldest: session.oldest(&config, now.instant) as u64,
            next: session.events.len() as u64,
        })))
    }

    /// The tokens that `actual` should be: any two of more will do.
    pub(crate) fn find(
        &mut self,
        now: Now,
        organization: u32,
        prefix: &str,
        actual: &[ScopeName],
    ) -> Vec<ScopeName> {
        self.expire(now);
        let keys = self.sessions.keys();
        let matching = keys.filter(|(o, token)| *o == organization && token.starts_with(prefix));
        let mut all: Vec<_> = matching.map(|(_, token)| ScopeName::new(token)).collect();
        all.sort_by_key(|token| {
            let place = actual.iter().position(|found| found == token);
            place.unwrap_or(usize::MAX)
        });
        all.truncate(2);
        all
    }
}

fn naive_event(now: Now, draft: &Draft) -> NaiveEvent {
    let optional = [&draft.metadata, &draft.origin];
    let extra: usize = optional.into_iter().flatten().map(Bytes::len).sum();
    NaiveEvent {
        name: text(draft.name.as_json()),
        payload: text(&draft.payload),
        bytes: size_of::<Event>() + draft.name.as_json().len() + draft.payload.len() + extra,
        at: now.instant,
    }
}
