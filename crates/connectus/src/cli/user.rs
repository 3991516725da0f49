//! `connectus user`.

use std::{
    io::{BufRead, IsTerminal, Write},
    process::ExitCode,
};

use clap::Subcommand;
use connectus_core::{Code, Error, Result, access::Role};
use secrecy::{ExposeSecret, SecretString};

use super::{Global, output, role};
use crate::auth::{admin, people::NewUser};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Add a person to a tenant.
    Create {
        /// The tenant, by identifier or name.
        #[arg(long, short)]
        tenant: String,
        /// The address to sign in with.
        #[arg(long)]
        email: String,
        /// owner, admin, editor, operator or viewer.
        #[arg(long, value_parser = role)]
        role: Role,
        /// Display name.
        #[arg(long, default_value = "")]
        name: String,
        /// The number a partner service knows the person by.
        #[arg(long)]
        external_id: Option<i64>,
        /// Read the password from standard input: its first line.
        #[arg(long)]
        password_stdin: bool,
        /// Answer in JSON.
        #[arg(long)]
        json: bool,
    },
}

pub async fn run(command: Command, global: Global) -> Result<ExitCode> {
    let Command::Create { tenant, email, role, name, external_id, password_stdin, json } = command;
    let password = password(password_stdin)?;
    let (_, opened) = global.open().await?;
    let new = NewUser { email, name, password, role, external_id };
    let user = admin::create_user(&opened.store, &tenant, new).await?;
    let text = format!("User {} is {}, {}.", user.email, user.id, user.role.name());
    output::show(json, &user, &text)?;
    opened.store.close().await;
    Ok(ExitCode::SUCCESS)
}

/// A password never comes as an argument: those are visible to every user of the machine.
fn password(from_stdin: bool) -> Result<SecretString> {
    let stdin = std::io::stdin();
    if !from_stdin && !stdin.is_terminal() {
        let detail = "Nobody is there to ask for a password. Pipe it in and add --password-stdin.";
        return Err(Error::new(Code::Invalid, detail));
    }
    if !from_stdin {
        // Without a library for it the password shows as it is typed, so say so.
        eprint!("Password (it is shown as you type): ");
        std::io::stderr().flush().map_err(Error::internal)?;
    }
    let mut line = String::new();
    stdin.lock().read_line(&mut line).map_err(|error| {
        Error::new(Code::Invalid, format!("The password cannot be read: {error}."))
    })?;
    let password = SecretString::from(line.trim_end_matches(['\r', '\n']));
    if password.expose_secret().is_empty() {
        return Err(Error::new(Code::Invalid, "The password is empty."));
    }
    Ok(password)
}
