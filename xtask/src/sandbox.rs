//! The sandbox as a process, with its control routes open.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use crate::{
    command::Outcome,
    http::{self, Request},
};

/// Where the authorize pages send the browser back to; nobody listens there.
pub const CALLBACK: &str = "http://127.0.0.1:9/callback";

/// The running fakes, stopped when dropped.
#[derive(Debug)]
pub struct SandboxProcess {
    process: Child,
    /// Address of the HubSpot fake.
    pub hubspot: String,
    /// Address of the Slack fake.
    pub slack: String,
    /// Address of the Salesforce fake.
    pub salesforce: String,
}

impl SandboxProcess {
    /// Starts it, without limits and with its control routes, and waits until it listens.
    pub fn start(binary: &Path, options: &[&str]) -> Outcome<Self> {
        let mut process = Command::new(binary)
            .args(["--no-limits", "--control"])
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start the sandbox: {error}"))?;
        let mut line = String::new();
        if let Some(output) = process.stdout.take() {
            BufReader::new(output)
                .read_line(&mut line)
                .map_err(|error| format!("the sandbox said nothing: {error}"))?;
        }
        let [hubspot, slack, salesforce] = Default::default();
        let mut sandbox = Self { process, hubspot, slack, salesforce };
        let said: Value = serde_json::from_str(&line)
            .map_err(|_| format!("the sandbox did not say where it listens: {line}"))?;
        let address = |name: &str| said.get(name).and_then(Value::as_str).map(str::to_owned);
        sandbox.hubspot = address("hubspot").unwrap_or_default();
        sandbox.slack = address("slack").unwrap_or_default();
        sandbox.salesforce = address("salesforce").unwrap_or_default();
        Ok(sandbox)
    }

    /// Scripts a fault for the next matching call.
    pub fn script(&self, fault: &Value) -> Outcome {
        self.control("POST", "/_sandbox/faults", Some(fault)).map(drop)
    }

    /// Asks a control route; the answer as JSON, null for none.
    pub fn control(
        &self,
        method: &'static str,
        path: &str,
        body: Option<&Value>,
    ) -> Outcome<Value> {
        let request = Request {
            method,
            target: path.to_owned(),
            headers: vec![("content-type", "application/json".into())],
            body: body.map(Value::to_string).unwrap_or_default(),
        };
        let answer = http::send(&self.hubspot, &request)?;
        match answer.status {
            204 => Ok(Value::Null),
            200 => serde_json::from_str(&answer.body)
                .map_err(|error| format!("the sandbox's answer to {path} is no JSON: {error}")),
            status => Err(format!("the sandbox refused {path}: {status} {}", answer.body)),
        }
    }

    /// A fresh authorization code from the authorize page at `path`.
    pub fn authorization_code(&self, base_url: &str, path: &str, client: &str) -> Outcome<String> {
        let request = Request {
            method: "GET",
            target: format!(
                "{path}?client_id={client}&redirect_uri={CALLBACK}&scope=oauth&state=s"
            ),
            ..Request::default()
        };
        let answer = http::send(base_url, &request)?;
        let location = answer.header("location").unwrap_or_default();
        let code = location.split(['?', '&']).find_map(|pair| pair.strip_prefix("code="));
        code.map(str::to_owned).ok_or_else(|| format!("{path} gave no code: {}", answer.body))
    }
}

impl Drop for SandboxProcess {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing left to do then.
        let _ended = self.process.kill();
        let _reaped = self.process.wait();
    }
}
