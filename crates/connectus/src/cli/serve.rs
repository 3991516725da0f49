//! `connectus serve`, and the same process with one role: `connectus worker`, `connectus
//! scheduler`.

use std::process::ExitCode;

use clap::Args;
use connectus_core::Result;

use super::{Global, output::say};
use crate::{demo::Login, process::serve::Server, telemetry};

#[derive(Debug, Args)]
pub struct Serve {
    /// Where the API listens, as 127.0.0.1:8360.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// What this process does: api, worker, scheduler.
    #[arg(long, value_name = "LIST")]
    roles: Option<String>,
    /// Add a sandbox tenant whose HubSpot and Slack are fakes inside this process.
    #[arg(long)]
    demo: bool,
}

#[derive(Debug, Args)]
pub struct Alone {
    /// Where health and metrics can be read, as 127.0.0.1:8361; a free port otherwise.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// What is logged: error, warn, info, debug, trace.
    #[arg(long, value_name = "LEVEL")]
    loglevel: Option<String>,
}

/// Runs a process with one role.
pub async fn alone(role: &str, command: Alone, mut global: Global) -> Result<ExitCode> {
    if let Some(level) = command.loglevel {
        global.settings.push(("log.level".to_owned(), level));
    }
    let is_said = global.load(&[])?.is_set("server.listen");
    let free = (!is_said).then(|| "127.0.0.1:0".to_owned());
    let listen = command.listen.or(free);
    run(Serve { listen, roles: Some(role.to_owned()), demo: false }, global).await
}

pub async fn run(command: Serve, global: Global) -> Result<ExitCode> {
    let config = global.load(&[
        ("server.listen", command.listen.as_deref(), "--listen"),
        ("server.roles", command.roles.as_deref(), "--roles"),
    ])?;
    let env = connectus_store::system::env();
    telemetry::init(&config.settings.log, &env)?;
    for remark in &config.remarks {
        eprintln!("note: {remark}");
    }
    let server = Server::start(&config, &env, command.demo).await?;
    let url = server.url();
    say(&format!("Connectus {} is ready at {url}", env!("CARGO_PKG_VERSION")))?;
    if server.has_api() {
        say(&format!("  API   {url}/docs"))?;
    }
    say(&format!("  data  {} ({})", config.data_dir.display(), server.app.store().kind()))?;
    match &server.login {
        Some(login) => say(&sandbox(&url, login))?,
        None if !server.has_api() => {}
        None => {
            if let Some(token) = server.app.auth.setup_token().await? {
                say(&setup(&server.app.public_url, &token))?;
            }
        }
    }
    server.run().await;
    Ok(ExitCode::SUCCESS)
}

/// How the first owner gets in.
fn setup(url: &str, token: &str) -> String {
    format!(
        "\nThis installation has no owner yet. Become the owner with this one-time link, good \
         for 24 hours:\n  {url}/setup?token={token}"
    )
}

/// How to look around in the sandbox.
fn sandbox(url: &str, login: &Login) -> String {
    let Login { tenant, email, password, token } = login;
    format!(
        "\nSANDBOX: the tenant {tenant} runs on fakes of HubSpot and Slack inside this process.\n\
         Its data is invented and nothing leaves this machine.\n  \
         sign in  {email} / {password}\n  \
         API key  {token}\n\n\
         Look around:\n  \
         export TOKEN={token}\n  \
         curl -H \"Authorization: Bearer $TOKEN\" \\\n    \
         '{url}/api/v1/collections/digisol_crm/contacts/records?limit=3'\n  \
         curl -H \"Authorization: Bearer $TOKEN\" {url}/api/v1/runs"
    )
}
