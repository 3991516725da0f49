//! A tenant's way to the API of a running server.

use std::io;

use serde_json::Value;

use crate::{
    command::Outcome,
    http::{Answer, Connection, Request},
};

/// Rows asked for at once.
const PAGE: usize = 200;

/// Calls with one API key over one connection, made anew when it broke.
#[derive(Debug)]
pub struct Api {
    base_url: String,
    token: String,
    connection: Option<Connection>,
}

impl Api {
    /// Nothing is sent yet.
    pub fn new(base_url: &str, token: &str) -> Self {
        Self { base_url: base_url.to_owned(), token: token.to_owned(), connection: None }
    }

    /// A request with the key.
    pub fn request(&self, method: &'static str, path: &str, body: Option<&Value>) -> Request {
        let mut headers = vec![("authorization", format!("Bearer {}", self.token))];
        if body.is_some() {
            headers.push(("content-type", "application/json".into()));
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        Request { method, target: path.to_owned(), headers, body }
    }

    /// Sends a request as it is.
    ///
    /// # Errors
    /// When no answer came: nobody can tell then whether it had an effect.
    pub fn send(&mut self, request: &Request) -> io::Result<Answer> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(&self.base_url)?,
        };
        let answer = connection.send(request)?;
        self.connection = Some(connection);
        Ok(answer)
    }

    /// Reads an object.
    ///
    /// # Errors
    /// When the answer is not 200.
    pub fn get(&mut self, path: &str) -> Outcome<Value> {
        let request = self.request("GET", path, None);
        self.expect(200, &request)
    }

    /// Creates something.
    ///
    /// # Errors
    /// When the answer is not 201.
    pub fn create(&mut self, path: &str, body: &Value) -> Outcome<Value> {
        let request = self.request("POST", path, Some(body));
        self.expect(201, &request)
    }

    /// Starts work that goes on after the answer.
    ///
    /// # Errors
    /// When the answer is not 202.
    pub fn begin(&mut self, path: &str) -> Outcome<Value> {
        let request = self.request("POST", path, None);
        self.expect(202, &request)
    }

    /// All rows of a listing. It must not change meanwhile.
    ///
    /// # Errors
    /// When a page is not answered.
    pub fn all(&mut self, path: &str) -> Outcome<Vec<Value>> {
        let mut rows = Vec::new();
        loop {
            let glue = if path.contains('?') { '&' } else { '?' };
            let target = format!("{path}{glue}limit={PAGE}&offset={}", rows.len());
            let mut page = self.get(&target)?;
            let Some(Value::Array(items)) = page.get_mut("items").map(Value::take) else {
                return Err(format!("{path} is no listing: {page}"));
            };
            let last = items.len() < PAGE;
            rows.extend(items);
            if last {
                return Ok(rows);
            }
        }
    }

    fn expect(&mut self, status: u16, request: &Request) -> Outcome<Value> {
        let name = format!("{} {}", request.method, request.target);
        let answer = self.send(request).map_err(|error| format!("{name}: {error}"))?;
        if answer.status != status {
            return Err(format!("{name}: {} instead of {status}: {}", answer.status, answer.body));
        }
        json(&answer)
    }
}

/// The body of an answer as JSON.
///
/// # Errors
/// When it is none.
pub fn json(answer: &Answer) -> Outcome<Value> {
    serde_json::from_str(&answer.body).map_err(|_| format!("no JSON: {}", answer.body))
}

/// A text member of an object, empty when it is missing.
pub fn text<'a>(object: &'a Value, name: &str) -> &'a str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}
