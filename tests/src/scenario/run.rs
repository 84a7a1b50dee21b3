//! The runner: one scenario on one host.

use std::collections::BTreeMap;

use super::host::{Event, Host, HostError, Kind, Patience, Wire};
use super::json::{difference, show};
use super::text::ROUND;
use super::{Action, Answer, Bindings, Client, Line, Place, Request, Scenario};

/// The client that stands for requests outside the background.
const FOREGROUND: Client = 0;

/// Runs a scenario on a fresh host.
///
/// # Errors
/// Where it went another way than the scenario says, and how.
pub fn run(scenario: &Scenario, kind: &Kind) -> Result<(), String> {
    let start = || -> Result<Runner, HostError> {
        Ok(Runner { host: (kind.start)(scenario)?, bindings: Bindings::new(), unread: BTreeMap::new() })
    };
    let mut runner = start().map_err(|why| format!("{}: {why}", scenario.place))?;
    scenario.steps.iter().try_for_each(|step| {
        runner.step(&step.action).map_err(|failure| {
            let place = failure.place.unwrap_or_else(|| step.place.clone());
            format!("{place}: {}", failure.why)
        })
    })
}

struct Runner {
    host: Box<dyn Host>,
    bindings: Bindings,
    /// What came of open answers and has not been looked at.
    unread: BTreeMap<Client, Vec<u8>>,
}

/// What went another way, and where if not in the step's first line.
struct Failure {
    place: Option<Place>,
    why: String,
}

impl From<String> for Failure {
    fn from(why: String) -> Self {
        Failure { place: None, why }
    }
}

impl From<HostError> for Failure {
    fn from(error: HostError) -> Self {
        error.0.into()
    }
}

impl Runner {
    fn step(&mut self, action: &Action) -> Result<(), Failure> {
        match action {
            Action::Call { request, answer, times } => self.call(request, answer, *times),
            Action::Send { client, request } => self.send(*client, request),
            Action::Receive { client, answer } => self.receive(*client, answer),
            Action::Lines { client, lines } => lines.iter().try_for_each(|line| self.line(*client, line)),
            Action::Ended { client } => self.ended(*client),
            Action::Quiet { client } => self.quiet(*client),
            Action::HangUp { client } => {
                self.unread.remove(client);
                Ok(self.host.hang_up(*client)?)
            }
            Action::Advance { by } => Ok(self.host.advance(*by)?),
        }
    }

    fn call(&mut self, request: &Request, answer: &Answer, times: u32) -> Result<(), Failure> {
        for round in 1..=times {
            self.bindings.insert(ROUND.into(), round.to_string());
            let called = self.send(FOREGROUND, request).and_then(|()| self.receive(FOREGROUND, answer));
            called.map_err(|failure| match times {
                1 => failure,
                _ => Failure { why: format!("in round {round}: {}", failure.why), ..failure },
            })?;
        }
        Ok(())
    }

    fn send(&mut self, client: Client, request: &Request) -> Result<(), Failure> {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).map_err(|_| "a target is UTF-8".to_owned());
        let fill = |(name, value): &(String, super::Text)| Ok((name.clone(), value.fill(&self.bindings)?));
        let wire = Wire {
            method: request.method.clone(),
            target: text(request.target.fill(&self.bindings)?)?,
            headers: request.headers.iter().map(fill).collect::<Result<_, String>>()?,
            body: request.body.fill(&self.bindings)?,
        };
        self.unread.remove(&client);
        Ok(self.host.send(client, &wire)?)
    }

    fn receive(&mut self, client: Client, wanted: &Answer) -> Result<(), Failure> {
        let (status, headers) = match self.host.next(client, Patience::Long)? {
            Some(Event::Head { status, headers }) => (status, headers),
            Some(_) => return Err("the head of this answer was seen before".to_owned().into()),
            None => return Err("no answer has come".to_owned().into()),
        };
        let body = if wanted.body.is_some() || wanted.code.is_some() || status != wanted.status {
            Some(self.rest(client)?)
        } else {
            None
        };
        if status != wanted.status {
            let got = format!("{status} {}", show(&body.unwrap_or_default()));
            return Err(difference(&wanted.status.to_string(), &got).into());
        }
        self.check_headers(wanted, &headers)?;
        if let (Some(code), Some(body)) = (&wanted.code, &body) {
            check_code(code, body)?;
        }
        match (&wanted.body, &body) {
            (Some(wanted), Some(body)) => Ok(wanted.check(body, &mut self.bindings)?),
            _ => Ok(()),
        }
    }

    fn check_headers(&mut self, wanted: &Answer, headers: &[(String, Vec<u8>)]) -> Result<(), String> {
        for (name, value) in &wanted.headers {
            let mut found = headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value);
            match (value, found.next()) {
                (None, None) => {}
                (None, Some(found)) => return Err(format!("there is a header {name}: {}", show(found))),
                (Some(value), Some(found)) if value.matches(found, &mut self.bindings) => {}
                (Some(value), found) => {
                    let found = found.map_or_else(|| "no such header".into(), |found| show(found));
                    return Err(format!("in header {name}\n{}", difference(&value.show(&self.bindings), &found)));
                }
            }
        }
        Ok(())
    }

    /// The whole body of an answer whose head was read.
    fn rest(&mut self, client: Client) -> Result<Vec<u8>, Failure> {
        let mut body = Vec::new();
        loop {
            match self.host.next(client, Patience::Long)? {
                Some(Event::Data(data)) => body.extend_from_slice(&data),
                Some(Event::End) => return Ok(body),
                Some(Event::Head { .. }) => return Err("a second head came".to_owned().into()),
                None => return Err(format!("the answer does not end after: {}", show(&body)).into()),
            }
        }
    }

    fn line(&mut self, client: Client, wanted: &Line) -> Result<(), Failure> {
        let at_line = |why: String| Failure { place: Some(wanted.place.clone()), why };
        let unread = self.unread.entry(client).or_default();
        let end = loop {
            if let Some(end) = unread.iter().position(|&byte| byte == b'\n') {
                break end;
            }
            match self.host.next(client, Patience::Long)? {
                Some(Event::Data(data)) => unread.extend_from_slice(&data),
                other => return Err(at_line(format!("no line but {other:?} after: {}", show(unread)))),
            }
        };
        let line: Vec<u8> = unread.drain(..=end).collect();
        let line = &line[..end];
        let rest = line.strip_prefix(wanted.prefix.as_bytes());
        let rest = rest.ok_or_else(|| at_line(difference(&wanted.prefix, &show(line))))?;
        wanted.rest.check(rest, &mut self.bindings).map_err(at_line)
    }

    fn ended(&mut self, client: Client) -> Result<(), Failure> {
        let unread = self.unread.remove(&client).unwrap_or_default();
        if !unread.is_empty() {
            return Err(format!("this was not looked at: {}", show(&unread)).into());
        }
        match self.host.next(client, Patience::Long)? {
            Some(Event::End) => Ok(()),
            other => Err(format!("the answer goes on with {other:?}").into()),
        }
    }

    fn quiet(&mut self, client: Client) -> Result<(), Failure> {
        let unread = self.unread.get(&client).filter(|unread| !unread.is_empty());
        let event = unread.map(|unread| Event::Data(unread.clone()));
        match event.map_or_else(|| self.host.next(client, Patience::None), |event| Ok(Some(event)))? {
            None => Ok(()),
            Some(Event::Data(data)) => Err(format!("this came: {}", show(&data)).into()),
            Some(other) => Err(format!("this came: {other:?}").into()),
        }
    }
}

fn check_code(code: &str, body: &[u8]) -> Result<(), String> {
    let wrong = || difference(&format!("the error {code}, with a detail"), &show(body));
    let json: serde_json::Value = serde_json::from_slice(body).map_err(|_| wrong())?;
    let detail = json["detail"].as_str().unwrap_or_default();
    if json["message"] == code && !detail.is_empty() { Ok(()) } else { Err(wrong()) }
}
