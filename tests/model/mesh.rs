//! Several hubs and the letters between them, each delivered when a test says so.
//!
//! It stands where a node's shards stand: a command goes to the home of its scope, its answer
//! before what it spreads, and between two hubs order is kept. All hubs are known to listen to all
//! organizations.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use fanfare::hub::{
    Address, Answer, Command, Event, Hub, HubConfig, MatchScratch, Names, News, OrganizationId,
    Parents, Placement, Refusal, Scope, ShardId, SubscriberId, Subscription,
};

use crate::calls::{at, draft};

/// What travels.
enum Letter {
    Command(Command, Option<SubscriberId>),
    /// Where the scope of a subscriber to be stands.
    Place(SubscriberId, Scope, Parents),
    News(News),
}

/// Hubs, letters, and who heard what.
pub(crate) struct Mesh {
    hubs: Vec<Hub>,
    placement: Placement,
    letters: Vec<Vec<VecDeque<Letter>>>,
    scratches: Vec<MatchScratch>,
    heard: Vec<SubscriberId>,
    subscribers: u32,
}

impl Mesh {
    pub(crate) fn new(shards: u16) -> Self {
        let placement = Placement::new(7, shards);
        let all = || (0..shards).map(ShardId);
        let hub = |shard: ShardId| {
            let mut hub = Hub::new(HubConfig::default(), placement.clone(), shard, [7; 32]);
            for organization in [0, 1] {
                for other in all().filter(|&other| other != shard) {
                    hub.set_listener(OrganizationId(organization), other, true);
                }
            }
            hub
        };
        let wires = || all().map(|_| VecDeque::new()).collect();
        Self {
            hubs: all().map(hub).collect(),
            letters: all().map(|_| wires()).collect(),
            placement,
            scratches: all().map(|_| MatchScratch::default()).collect(),
            heard: Vec::new(),
            subscribers: 0,
        }
    }

    pub(crate) fn shards(&self) -> usize {
        self.hubs.len()
    }

    /// Sends a command, which is not to be refused, from a shard to its home.
    pub(crate) fn send(&mut self, from: usize, command: Command) {
        self.ask(from, command, None);
    }

    /// Asks where a scope stands, saying what is known of that, and subscribes there with the
    /// answer.
    pub(crate) fn subscribe(
        &mut self,
        from: usize,
        scope: &Scope,
        parents: &Parents,
    ) -> SubscriberId {
        let subscriber = SubscriberId(self.subscribers);
        self.subscribers += 1;
        let command = Command::Place {
            scope: scope.clone(),
            parents: parents.clone(),
        };
        self.ask(from, command, Some(subscriber));
        subscriber
    }

    /// Executes a command at its home, at once.
    pub(crate) fn execute(&mut self, command: &Command) -> Answer {
        let home = self.home(command);
        let answer = self.hubs[home].execute(at(0), command.clone());
        self.spread(home);
        answer
    }

    /// Publishes to a scope; who hears it in the end.
    pub(crate) fn publish(&mut self, scope: &Scope) -> BTreeSet<SubscriberId> {
        self.settle();
        self.heard.clear();
        let command = Command::Publish {
            scope: scope.clone(),
            parents: Parents::default(),
            drafts: vec![draft("1")],
        };
        let answer = self.execute(&command);
        assert!(matches!(answer, Answer::Published { .. }), "{answer:?}");
        self.settle();
        let once: BTreeSet<_> = self.heard.iter().copied().collect();
        assert_eq!(once.len(), self.heard.len(), "an event is heard once");
        once
    }

    /// One letter arrives, if there is one.
    pub(crate) fn deliver(&mut self, from: usize, to: usize) -> bool {
        let Some(letter) = self.letters[from][to].pop_front() else {
            return false;
        };
        match letter {
            Letter::Command(command, subscriber) => {
                let answer = self.hubs[to].execute(at(0), command.clone());
                if let Some(place) = place(command, answer, subscriber) {
                    self.letters[to][from].push_back(place);
                }
            }
            Letter::Place(subscriber, scope, parents) => {
                self.put_in_force(to, subscriber, scope, parents);
            }
            Letter::News(News::Append(event)) => self.hubs[to].append_from_mail(at(0), &event),
            Letter::News(News::Hear(_, event)) => self.hubs[to].hear_from_mail(&event),
            Letter::News(News::Learn {
                organization,
                session,
                parents,
            }) => self.hubs[to].learn_from_mail(organization, session.as_ref(), &parents),
            Letter::News(News::Scope {
                scope,
                parents,
                news,
                ..
            }) => {
                let from = ShardId(from as u16);
                self.hubs[to].hear_of_scope(from, scope, &parents, news);
            }
        }
        self.spread(to);
        true
    }

    /// Everything arrives.
    pub(crate) fn settle(&mut self) {
        let all = 0..self.shards();
        while all
            .clone()
            .any(|from| all.clone().any(|to| self.deliver(from, to)))
        {}
    }

    fn home(&self, command: &Command) -> usize {
        let home = match command {
            Command::Publish { scope, .. } | Command::Place { scope, .. } => {
                self.placement.home(scope)
            }
            Command::Create { session, .. } => self.placement.home(&session.scope()),
            other => panic!("{other:?}"),
        };
        home.index()
    }

    fn ask(&mut self, from: usize, command: Command, subscriber: Option<SubscriberId>) {
        let home = self.home(&command);
        if home != from {
            self.letters[from][home].push_back(Letter::Command(command, subscriber));
            return;
        }
        let answer = self.hubs[home].execute(at(0), command.clone());
        if let Some(Letter::Place(subscriber, scope, parents)) = place(command, answer, subscriber)
        {
            self.put_in_force(home, subscriber, scope, parents);
        }
        self.spread(home);
    }

    fn put_in_force(&mut self, at: usize, subscriber: SubscriberId, scope: Scope, above: Parents) {
        let wanted = Subscription {
            scope,
            parents: above,
            names: Names::Every,
            properties: Vec::new(),
        };
        self.hubs[at].subscribe(subscriber, &wanted);
    }

    /// What a hub has to tell goes out, and its subscribers hear.
    fn spread(&mut self, at: usize) {
        let mut effects = Vec::new();
        self.hubs[at].take_news(&mut effects);
        let others = (0..self.shards()).filter(|&other| other != at);
        let others: Vec<usize> = others.collect();
        for effect in effects {
            let to = match &effect {
                News::Hear(shard, _)
                | News::Scope {
                    to: Some(shard), ..
                } => vec![shard.index()],
                News::Append(_) | News::Learn { .. } | News::Scope { to: None, .. } => {
                    others.clone()
                }
            };
            for to in to {
                self.letters[at][to].push_back(Letter::News(effect.clone()));
            }
        }
        let mut heard: Vec<Arc<Event>> = Vec::new();
        self.hubs[at].take_heard(&mut heard);
        for event in heard {
            let scratch = &mut self.scratches[at];
            self.hubs[at].match_event(&event, scratch);
            self.heard.extend(&scratch.subscribers);
        }
        assert!(!self.hubs[at].has_news());
    }
}

/// The letter that answers a subscriber to be.
fn place(command: Command, answer: Answer, subscriber: Option<SubscriberId>) -> Option<Letter> {
    let is_refused = matches!(answer, Answer::Refused(_));
    assert!(!is_refused, "{command:?}: {answer:?}");
    match (command, answer) {
        (Command::Place { scope, .. }, Answer::Parents(parents)) => {
            Some(Letter::Place(subscriber?, scope, parents))
        }
        _ => None,
    }
}

#[test]
fn a_call_may_not_move_what_is_placed() {
    let mut mesh = Mesh::new(3);
    let scope = |address| Scope {
        organization: OrganizationId(0),
        address,
    };
    let name = fanfare::hub::ScopeName::new;
    let said = |project: Option<&str>, group: Option<&str>| Parents {
        group: group.map(name),
        project: project.map(name),
    };
    let stands = |address, parents| Command::Place {
        scope: scope(address),
        parents,
    };
    let session = || Address::Session(name("s"));
    let both = Answer::Parents(said(Some("p"), Some("g")));
    let project = stands(Address::Project(name("p")), said(None, Some("g")));
    assert_eq!(mesh.execute(&project), both);
    mesh.settle();
    // The group is what the project's home said.
    let in_project = stands(session(), said(Some("p"), None));
    assert_eq!(mesh.execute(&in_project), both);
    let refused = Answer::Refused(Refusal::Contradiction);
    let wrong = [
        stands(session(), said(Some("q"), None)),
        stands(session(), said(None, Some("h"))),
        stands(Address::Project(name("p")), said(None, Some("h"))),
        stands(Address::Project(name("p")), said(Some("q"), None)),
        stands(Address::Group(name("g")), said(None, Some("h"))),
        stands(Address::Group(name("g")), said(Some("p"), None)),
        stands(Address::Organization, said(None, Some("g"))),
    ];
    for command in &wrong {
        assert_eq!(mesh.execute(command), refused, "{command:?}");
        let Command::Place { scope, parents } = command.clone() else {
            continue;
        };
        let publish = Command::Publish {
            scope,
            parents,
            drafts: vec![draft("1")],
        };
        assert_eq!(mesh.execute(&publish), refused, "{publish:?}");
    }
    let itself = said(None, Some("g"));
    let group = stands(Address::Group(name("g")), itself.clone());
    assert_eq!(mesh.execute(&group), Answer::Parents(itself));
    let top = stands(Address::Organization, Parents::default());
    assert_eq!(mesh.execute(&top), Answer::Parents(Parents::default()));
    assert_eq!(
        mesh.execute(&stands(session(), Parents::default())),
        both,
        "nothing has changed"
    );
}
