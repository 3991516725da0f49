//! One round: work is started while somebody else pulls the plug.

use std::{
    io, thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    Work,
    book::{Book, Delivery, Execution},
    crm::Crm,
};
use crate::{
    api::{Api, json, text},
    command::Outcome,
    http::{Answer, Connection},
    installation::Server,
    organisation::{Connected, Organisation},
    random::Random,
};

/// Executions that a round asks for, those of earlier rounds without an answer included.
const EXECUTIONS: usize = 4;
/// Wishes to sync of a round, for each data flow.
const SYNCS: usize = 2;
/// How long requests are repeated in the end. A claim of a dead process can count for a minute: on
/// PostgreSQL its last transaction may commit after the next process looked for such claims.
const PATIENCE: Duration = Duration::from_secs(90);
/// How often.
const REPEAT: Duration = Duration::from_millis(50);

/// Where the work of a round goes.
pub struct Round<'a> {
    number: u32,
    organisation: &'a Organisation,
    connected: &'a Connected,
    set_up: &'a Work,
}

/// One thing to ask for.
#[derive(Clone, Copy, Debug)]
enum Wish {
    Inbound,
    Outbound,
    Execution(usize),
    Delivery(usize),
}

/// What became of a wish.
enum Asked {
    /// It is acknowledged, or the answer says to ask again.
    Answered,
    /// The server is gone; nobody knows whether it took the wish.
    Gone,
}

impl<'a> Round<'a> {
    /// The round of a number.
    pub fn plan(
        number: u32,
        organisation: &'a Organisation,
        connected: &'a Connected,
        set_up: &'a Work,
    ) -> Self {
        Self { number, organisation, connected, set_up }
    }

    /// Starts work, and kills the server after `delay`.
    ///
    /// # Errors
    /// When the server answers something that nobody asked for.
    pub fn play(
        &self,
        server: Server,
        delay: Duration,
        crm: &Crm,
        book: &mut Book,
        random: &mut Random,
    ) -> Outcome {
        book.wish_executions(EXECUTIONS);
        let mut wishes = Self::open_wishes(book);
        wishes.extend([Wish::Inbound; SYNCS]);
        wishes.extend([Wish::Outbound; SYNCS]);
        shuffle(&mut wishes, random);
        let base_url = server.base_url.clone();
        thread::scope(|scope| {
            let work = scope.spawn(|| self.work(&base_url, crm, book, &wishes));
            thread::sleep(delay);
            server.kill();
            work.join().map_err(|_| "the work of a round panicked".to_owned())?
        })
    }

    /// Repeats everything that got no answer, lets the last changes be synced, and disturbs nobody.
    ///
    /// # Errors
    /// When something is still not acknowledged.
    pub fn finish(&self, server: &Server, crm: &Crm, book: &mut Book) -> Outcome {
        let since = Instant::now();
        loop {
            let wishes = Self::open_wishes(book);
            if wishes.is_empty() {
                break;
            }
            if since.elapsed() > PATIENCE {
                return Err(format!("{} requests are never acknowledged", wishes.len()));
            }
            self.work(&server.base_url, crm, book, &wishes)?;
            thread::sleep(REPEAT);
        }
        // A sync under way answers for a new one, but may have read before the last change: the
        // second comes after it.
        let mut api = self.organisation.api(&server.base_url);
        for wish in [Wish::Inbound, Wish::Inbound, Wish::Outbound, Wish::Outbound] {
            super::drain(&mut api)?;
            self.work(&server.base_url, crm, book, &[wish])?;
        }
        Ok(())
    }

    fn open_wishes(book: &Book) -> Vec<Wish> {
        let executions = (0..).zip(&book.executions).filter(|(_, one)| one.run.is_none());
        let deliveries = (0..).zip(&book.deliveries).filter(|(_, one)| !one.acknowledged);
        let mut wishes: Vec<_> = executions.map(|(index, _)| Wish::Execution(index)).collect();
        wishes.extend(deliveries.map(|(index, _)| Wish::Delivery(index)));
        wishes
    }

    /// Asks for one thing after the other until the server is gone.
    fn work(&self, base_url: &str, crm: &Crm, book: &mut Book, wishes: &[Wish]) -> Outcome {
        let mut api = self.organisation.api(base_url);
        let mut hooks = None;
        for wish in wishes {
            let asked = match *wish {
                Wish::Inbound => self.sync(&mut api, &self.set_up.inbound, book)?,
                Wish::Outbound => self.sync(&mut api, &self.set_up.outbound, book)?,
                Wish::Execution(index) => match book.executions.get_mut(index) {
                    Some(execution) => self.execute(&mut api, execution)?,
                    None => Asked::Answered,
                },
                Wish::Delivery(index) => match book.deliveries.get_mut(index) {
                    Some(delivery) => self.deliver(&mut hooks, base_url, crm, delivery)?,
                    None => Asked::Answered,
                },
            };
            if matches!(asked, Asked::Gone) {
                break;
            }
        }
        Ok(())
    }

    fn sync(&self, api: &mut Api, flow: &str, book: &mut Book) -> Outcome<Asked> {
        let path = format!("/api/v1/data-flows/{flow}/sync");
        let request = api.request("POST", &path, None);
        let Ok(answer) = api.send(&request) else { return Ok(Asked::Gone) };
        match answer.status {
            202 => book.syncs.push(text(&json(&answer)?, "id").to_owned()),
            _ => return Err(self.unexpected("sync", &answer)),
        }
        Ok(Asked::Answered)
    }

    fn execute(&self, api: &mut Api, execution: &mut Execution) -> Outcome<Asked> {
        let path = format!("/api/v1/workflows/{}/execute", self.set_up.workflow);
        let input = json!({ "input": { "email": execution.email } });
        let mut request = api.request("POST", &path, Some(&input));
        request.headers.push(("idempotency-key", execution.key.clone()));
        let Ok(answer) = api.send(&request) else { return Ok(Asked::Gone) };
        let body = json(&answer)?;
        match (answer.status, text(&body, "code")) {
            (202, _) => execution.run = Some(text(&body, "id").to_owned()),
            // It was done by a process that died before it could answer.
            (409, "conflict") => execution.run = Some(text(&body, "subject").to_owned()),
            (409, "idempotency_in_flight") => {}
            _ => return Err(self.unexpected("execute", &answer)),
        }
        Ok(Asked::Answered)
    }

    fn deliver(
        &self,
        hooks: &mut Option<Connection>,
        base_url: &str,
        crm: &Crm,
        delivery: &mut Delivery,
    ) -> Outcome<Asked> {
        // Signed anew each time: a signature is good for five minutes.
        let request = self.connected.delivery(crm.sandbox, delivery.event, delivery.contact)?;
        let mut send = || -> io::Result<Answer> {
            let mut connection = match hooks.take() {
                Some(connection) => connection,
                None => Connection::open(base_url)?,
            };
            let answer = connection.send(&request)?;
            *hooks = Some(connection);
            Ok(answer)
        };
        let Ok(answer) = send() else { return Ok(Asked::Gone) };
        match answer.status {
            // 200: it was taken before, and the answer was lost.
            200 | 202 => delivery.acknowledged = true,
            _ => return Err(self.unexpected("webhook", &answer)),
        }
        Ok(Asked::Answered)
    }

    fn unexpected(&self, what: &str, answer: &Answer) -> String {
        let Answer { status, body, .. } = answer;
        format!("round {}: the {what} was answered with {status}: {body}", self.number)
    }
}

fn shuffle(wishes: &mut [Wish], random: &mut Random) {
    for last in (1..wishes.len()).rev() {
        let other = usize::try_from(random.below(last as u64 + 1)).unwrap_or(0);
        wishes.swap(last, other);
    }
}

/// The number of an event in the input of a run, if a webhook started it.
pub fn event_of(run: &Value) -> Option<u64> {
    let event = run.pointer("/input/event_id")?;
    event.as_u64().or_else(|| event.as_str()?.parse().ok())
}
