//! `connectus workflows`.

mod test;

use std::{io::Read, path::PathBuf, process::ExitCode};

use clap::{Args, Subcommand, ValueEnum};
use connectus_connect::yaml;
use connectus_core::{Error, Page, Result, TenantCtx, workflow::schema};
use connectus_engine::{
    Parts,
    workflows::{self, Draft, saved_tests, templates, trials::Which as Definition, versions},
};
use connectus_store::workflows::WorkflowRow;
use serde_json::{Value, json};

use super::{Global, find, output};
use crate::process::{Surroundings, assemble};

/// Workflows listed for a tenant.
const LISTED: Page = Page { limit: Page::MAX_LIMIT, offset: 0 };

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List workflows.
    List(Of),
    /// List the templates.
    Templates {
        /// Answer in JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print the JSON Schema of definitions.
    Schema,
    /// Make a workflow of a template.
    New {
        /// The template.
        template: String,
        /// What to call it.
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        of: Of,
    },
    /// Make a workflow of a file, or the next version of one.
    Import {
        /// YAML or JSON; - for standard input.
        file: PathBuf,
        /// The workflow of which it is the next version, by identifier or name.
        #[arg(long)]
        workflow: Option<String>,
        #[command(flatten)]
        of: Of,
    },
    /// Write a workflow to standard output.
    Export {
        #[command(flatten)]
        which: Which,
        /// As what.
        #[arg(long, value_enum, default_value = "yaml")]
        format: Format,
        /// The version; the live one without it.
        #[arg(long, value_name = "NUMBER")]
        number: Option<u64>,
    },
    /// List the versions of a workflow.
    Versions(Which),
    /// Compare two versions of a workflow: the live one with the newest, without numbers.
    Diff {
        #[command(flatten)]
        which: Which,
        /// The version on one side.
        from: Option<u64>,
        /// The version on the other side.
        to: Option<u64>,
    },
    /// Let a version be the live one.
    Publish {
        #[command(flatten)]
        which: Which,
        /// The version.
        number: u64,
        /// Refuse a version that does not pass all tests of the workflow.
        #[arg(long)]
        require_tests: bool,
    },
    /// Test a workflow, and keep tests of it.
    #[command(subcommand)]
    Test(test::Command),
}

#[derive(Debug, Args)]
pub struct Of {
    /// The tenant, by identifier or name; not needed where there is only one.
    #[arg(long, short)]
    tenant: Option<String>,
    /// Answer in JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct Which {
    /// The workflow, by identifier or name.
    workflow: String,
    #[command(flatten)]
    of: Of,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Format {
    Yaml,
    Json,
}

pub async fn run(command: Command, global: Global) -> Result<ExitCode> {
    match &command {
        Command::Templates { json } => return list_templates(*json),
        Command::Schema => {
            print_json(&schema::definition())?;
            return Ok(ExitCode::SUCCESS);
        }
        _ => {}
    }
    let (config, opened) = global.open().await?;
    let of = match &command {
        Command::List(of) | Command::New { of, .. } | Command::Import { of, .. } => of,
        Command::Versions(which)
        | Command::Export { which, .. }
        | Command::Diff { which, .. }
        | Command::Publish { which, .. } => &which.of,
        Command::Test(command) => command.of(),
        Command::Templates { .. } | Command::Schema => return Ok(ExitCode::SUCCESS),
    };
    let ctx = find::tenant(&opened.store, of.tenant.as_deref()).await?;
    let app = assemble(&opened.store, &config.settings, Surroundings::default())?;
    let done = perform(&app.engine_parts, &ctx, &command).await;
    app.engine_parts.connections.close().await;
    opened.store.close().await;
    done
}

async fn perform(parts: &Parts, ctx: &TenantCtx, command: &Command) -> Result<ExitCode> {
    match command {
        Command::List(of) => list(parts, ctx, of.json).await?,
        Command::New { template, name, of } => {
            let mut definition = templates::find(template)?.definition.clone();
            if let Some(name) = name {
                definition["name"] = name.as_str().into();
            }
            let draft = Draft { definition: Some(definition), ..Draft::default() };
            made(&workflows::create(parts, ctx, draft).await?, of.json)?;
        }
        Command::Import { file, workflow, of } => {
            let draft = versions::draft_of_file(yaml::read(&text_of(file)?)?)?;
            let row = match workflow {
                None => workflows::create(parts, ctx, draft).await?,
                Some(name) => {
                    let before = workflows::named(parts, ctx, name).await?;
                    let integration = before.integration_id.clone();
                    let draft = Draft { integration, ..draft };
                    workflows::update(parts, ctx, &before, draft).await?
                }
            };
            made(&row, of.json)?;
        }
        Command::Export { which, format, number } => {
            let row = workflows::named(parts, ctx, &which.workflow).await?;
            let definition = match number {
                None => workflows::definition(parts, ctx, &row).await?,
                Some(number) => {
                    let version = versions::get(parts, ctx, &row, *number).await?;
                    versions::definition_of(parts, ctx, &version).await?
                }
            };
            match format {
                Format::Yaml => print(&yaml::write(&definition)?)?,
                Format::Json => print_json(&definition)?,
            }
        }
        Command::Versions(which) => list_versions(parts, ctx, which).await?,
        Command::Diff { which, from, to } => {
            let row = workflows::named(parts, ctx, &which.workflow).await?;
            let found = versions::compare(parts, ctx, &row, *from, *to).await?;
            differences(&found, which.of.json)?;
        }
        Command::Test(command) => return test::perform(parts, ctx, command).await,
        Command::Publish { which, number, require_tests } => {
            let row = workflows::named(parts, ctx, &which.workflow).await?;
            let version = Definition::Version(*number);
            let failing = saved_tests::failing(parts, ctx, &row, &version).await?;
            if *require_tests {
                saved_tests::require(&failing)?;
            } else if !failing.is_empty() {
                eprintln!("connectus: tests that fail: {}", failing.join(", "));
            }
            made(&versions::publish(parts, ctx, &row, *number).await?, which.of.json)?;
        }
        Command::Templates { .. } | Command::Schema => {}
    }
    Ok(ExitCode::SUCCESS)
}

fn text_of(file: &PathBuf) -> Result<String> {
    let fault = |error: std::io::Error| Error::invalid("file", format!("{file:?}: {error}"));
    if file.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map_err(fault)?;
        return Ok(text);
    }
    std::fs::read_to_string(file).map_err(fault)
}

fn print(text: &str) -> Result<()> {
    output::write(text.as_bytes()).map(drop)
}

fn print_json(value: &Value) -> Result<()> {
    let text = serde_json::to_string_pretty(value).map_err(Error::internal)?;
    print(&(text + "\n"))
}

fn made(row: &WorkflowRow, json: bool) -> Result<()> {
    if json {
        return print_json(&json!({ "id": row.id, "name": row.name, "status": row.status }));
    }
    print(&format!("{}  {}  {}\n", row.id, row.status.name(), row.name))
}

async fn list(parts: &Parts, ctx: &TenantCtx, json: bool) -> Result<()> {
    let mut conn = parts.store.read().await?;
    let listed = conn.workflows(ctx, None, None, LISTED).await?.items;
    drop(conn);
    if json {
        let one = |row: &WorkflowRow| {
            json!({
                "id": row.id, "name": row.name, "status": row.status,
                "trigger_type": row.trigger_type, "next_due_at": row.next_due_at,
            })
        };
        return print_json(&Value::Array(listed.iter().map(one).collect()));
    }
    for row in listed {
        let line =
            format!("{}  {:<7} {:<9} {}\n", row.id, row.status.name(), row.trigger_type, row.name);
        print(&line)?;
    }
    Ok(())
}

fn list_templates(json: bool) -> Result<ExitCode> {
    let all = templates::all()?;
    if json {
        let one = |one: &templates::Template| {
            json!({
                "id": one.id, "title": one.title, "summary": one.summary, "needs": one.needs,
            })
        };
        print_json(&Value::Array(all.iter().map(one).collect()))?;
        return Ok(ExitCode::SUCCESS);
    }
    for template in all {
        print(&format!("{:<22} {}\n", template.id, template.summary))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn list_versions(parts: &Parts, ctx: &TenantCtx, which: &Which) -> Result<()> {
    let row = workflows::named(parts, ctx, &which.workflow).await?;
    let all = versions::list(parts, ctx, &row).await?;
    if which.of.json {
        let one = |one: &connectus_store::workflow_versions::WorkflowVersion| {
            json!({
                "number": one.number, "live": one.live, "note": one.note,
                "created_at": one.created_at, "published_at": one.published_at,
            })
        };
        return print_json(&Value::Array(all.iter().map(one).collect()));
    }
    for version in all {
        let mark = if version.live { "live" } else { "" };
        let line =
            format!("{:>4}  {mark:<4}  {}  {}\n", version.number, version.created_at, version.note);
        print(&line)?;
    }
    Ok(())
}

fn differences(found: &versions::Comparison, json: bool) -> Result<()> {
    if json {
        let (from, to) = (found.from, found.to);
        return print_json(&json!({ "from": from, "to": to, "changes": found.changes }));
    }
    print(&format!("{} -> {}\n", found.from, found.to))?;
    for change in &found.changes {
        let kind = serde_json::to_value(change.kind).map_err(Error::internal)?;
        let kind = kind.as_str().unwrap_or_default();
        let place = format!("{}{}", change.step.as_deref().unwrap_or_default(), change.path);
        print(&format!("{kind:<8} {place}\n"))?;
        for (mark, side) in [("-", &change.before), ("+", &change.after)] {
            if !side.is_null() {
                print(&format!("  {mark} {side}\n"))?;
            }
        }
    }
    Ok(())
}
