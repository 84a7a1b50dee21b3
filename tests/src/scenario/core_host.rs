//! The core in this process: no sockets, no threads, and time that is a number.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use shelfmq_core::api::{self, Response, Scope};
use shelfmq_core::broker::BrokerStats;
use shelfmq_core::command::{Filter, Ticket};
use shelfmq_core::time::Time;
use shelfmq_core::{Engine, Output, node_of, shard_of};

use super::host::{Event, Host, HostError, Kind, Patience, Wire, config};
use super::{Client, START_SECS, Scenario};

/// One engine with all topics, asked by whole requests.
pub const ONE: Kind = Kind { name: "core", start: |scenario| Ok(Box::new(CoreHost::new(scenario, 1)?)) };

/// Engines that share the topics, as a server with several threads has them.
pub const SHARDED: Kind = Kind { name: "core x 3", start: |scenario| Ok(Box::new(CoreHost::new(scenario, 3)?)) };

/// The core in this process.
struct CoreHost {
    engines: Vec<Engine>,
    now: Time,
    last_ticket: Ticket,
    /// The ticket that each client's last request has.
    tickets: BTreeMap<Client, Ticket>,
    /// What came under each ticket and was not looked at.
    events: BTreeMap<Ticket, VecDeque<Event>>,
}

impl CoreHost {
    fn new(scenario: &Scenario, engines: u64) -> Result<Self, HostError> {
        let config = config(scenario)?;
        Ok(CoreHost {
            engines: (1..=engines).map(|seed| Engine::new(config.clone(), seed)).collect(),
            now: Time::from_secs(START_SECS),
            last_ticket: 0,
            tickets: BTreeMap::new(),
            events: BTreeMap::new(),
        })
    }

    /// Gives a request to the engine that it is for.
    fn dispatch(&mut self, ticket: Ticket, request: &api::Request<'_>) {
        if let [engine] = &mut self.engines[..] {
            engine.handle(self.now, ticket, request);
            return;
        }
        let limits = self.engines[0].config().limits.clone();
        let routed = api::route(request.head());
        let (shard, stats) = match routed.scope() {
            Scope::Topic(topic) => (shard_of(topic, self.engines.len()), None),
            Scope::Stats(filter) => (node_of(self.engines.len()), Some(self.stats(&filter))),
            Scope::Node => (node_of(self.engines.len()), None),
        };
        let decoded = routed.decode(&limits, request.body);
        self.engines[shard].handle_decoded(self.now, ticket, decoded, stats);
    }

    fn stats(&self, filter: &Filter<'_>) -> BrokerStats {
        let mut all = BrokerStats::default();
        for engine in &self.engines {
            all.merge(engine.stats(self.now, filter));
        }
        all
    }

    /// Does what the engines want done, until they want nothing.
    fn drain(&mut self) {
        let mut at = 0;
        while at < self.engines.len() {
            match self.engines[at].poll_output() {
                Some(output) => {
                    self.perform(at, output);
                    at = 0;
                }
                None => at += 1,
            }
        }
    }

    fn perform(&mut self, from: usize, output: Output) {
        match output {
            Output::Respond(ticket, response) => {
                self.head(ticket, response);
                self.push(ticket, Event::End);
            }
            Output::Open(ticket, response) => self.head(ticket, response),
            Output::Chunk(ticket, bytes) => {
                self.push(ticket, Event::Data(bytes));
                self.engines[from].handle_writable(self.now, ticket);
            }
            Output::Close(ticket) => self.push(ticket, Event::End),
            Output::Forward(transfer) => {
                let shard = shard_of(transfer.to.as_str(), self.engines.len());
                self.engines[shard].handle_transfer(self.now, transfer);
            }
            Output::Configured(..) | Output::Read(_) => {}
        }
    }

    fn head(&mut self, ticket: Ticket, response: Response) {
        let headers = response.headers.into_iter().map(|(field, value)| (field.name().into(), value.into_bytes()));
        let head = Event::Head { status: response.status, headers: headers.collect() };
        self.push(ticket, head);
        let body = response.body.into_bytes();
        if !body.is_empty() {
            self.push(ticket, Event::Data(body));
        }
    }

    fn push(&mut self, ticket: Ticket, event: Event) {
        self.events.entry(ticket).or_default().push_back(event);
    }

    fn next_deadline(&self) -> Option<Time> {
        self.engines.iter().filter_map(Engine::poll_timeout).min()
    }
}

impl Host for CoreHost {
    fn send(&mut self, client: Client, wire: &Wire) -> Result<(), HostError> {
        self.last_ticket += 1;
        let ticket = self.last_ticket;
        self.tickets.insert(client, ticket);
        let (path, query) = wire.target.split_once('?').unwrap_or((&wire.target, ""));
        let names: Vec<_> = wire.headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
        let headers: Vec<_> =
            names.iter().zip(&wire.headers).map(|(name, (_, value))| (&name[..], &value[..])).collect();
        let peer = format!("127.0.0.1:{}", 50_000 + client);
        let request =
            api::Request { method: &wire.method, path, query, headers: &headers, body: &wire.body, peer: &peer };
        let limits = &self.engines[0].config().limits;
        let routed = api::route(request.head());
        if request.body.len() > routed.body_limit(limits) {
            let refused = routed.body_too_big(limits);
            self.head(ticket, refused);
            self.push(ticket, Event::End);
            return Ok(());
        }
        self.dispatch(ticket, &request);
        self.drain();
        Ok(())
    }

    fn next(&mut self, client: Client, _patience: Patience) -> Result<Option<Event>, HostError> {
        let ticket = self.tickets.get(&client).ok_or_else(|| HostError(format!("client {client} sent nothing")))?;
        Ok(self.events.get_mut(ticket).and_then(VecDeque::pop_front))
    }

    fn advance(&mut self, by: Duration) -> Result<(), HostError> {
        let end = self.now + by;
        while let Some(deadline) = self.next_deadline().filter(|&deadline| deadline <= end) {
            self.now = self.now.max(deadline);
            for engine in &mut self.engines {
                engine.handle_timeout(self.now);
            }
            self.drain();
            if self.next_deadline() == Some(deadline) {
                return Err(HostError("an engine wants to be called again at once, for ever".into()));
            }
        }
        self.now = end;
        Ok(())
    }

    fn hang_up(&mut self, client: Client) -> Result<(), HostError> {
        let ticket = self.tickets.remove(&client).ok_or_else(|| HostError(format!("client {client} sent nothing")))?;
        self.events.remove(&ticket);
        for engine in &mut self.engines {
            engine.cancel(self.now, ticket);
        }
        self.drain();
        Ok(())
    }
}
