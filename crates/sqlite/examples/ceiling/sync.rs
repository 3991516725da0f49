//! Contacts that are read and kept.

use std::{path::Path, time::Instant};

use rusqlite::params;
use serde::Deserialize;

use crate::{Outcome, open, tasks::cpu_ticks};

/// Contacts of a page, as providers give them.
const PAGE: u32 = 100;
/// Contacts of a transaction.
const AT_ONCE: usize = 1_000;

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    results: Vec<Contact<'a>>,
}

#[derive(Deserialize)]
struct Contact<'a> {
    id: &'a str,
    #[serde(borrow)]
    properties: Properties<'a>,
}

#[derive(Deserialize)]
struct Properties<'a> {
    email: &'a str,
    firstname: &'a str,
    lastname: &'a str,
    phone: &'a str,
    company: &'a str,
    website: &'a str,
    jobtitle: &'a str,
    city: &'a str,
    country: &'a str,
    zip: &'a str,
    lifecyclestage: &'a str,
    hubspot_owner_id: &'a str,
    createdate: &'a str,
    lastmodifieddate: &'a str,
}

/// Parses pages of so many contacts and keeps them, fifteen columns each.
pub fn run(folder: &Path, count: u32) -> Outcome {
    let db = open(
        folder,
        "CREATE TABLE contacts (id TEXT PRIMARY KEY, email TEXT, firstname TEXT, lastname TEXT, \
         phone TEXT, company TEXT, website TEXT, jobtitle TEXT, city TEXT, country TEXT, \
         zip TEXT, stage TEXT, owner TEXT, created TEXT, changed TEXT)",
    )?;
    let mut put = db.prepare(
        "INSERT INTO contacts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT (id) DO UPDATE SET email = excluded.email, changed = excluded.changed",
    )?;
    let firsts = (0..count).step_by(usize::try_from(PAGE)?);
    let pages: Vec<String> = firsts.map(|first| page(first..(first + PAGE).min(count))).collect();
    let (since, cpu) = (Instant::now(), cpu_ticks()?);
    for some in pages.chunks(AT_ONCE / usize::try_from(PAGE)?) {
        db.execute_batch("BEGIN IMMEDIATE")?;
        for page in some {
            for Contact { id, properties: of } in serde_json::from_str::<Answer>(page)?.results {
                put.execute(params![
                    id,
                    of.email,
                    of.firstname,
                    of.lastname,
                    of.phone,
                    of.company,
                    of.website,
                    of.jobtitle,
                    of.city,
                    of.country,
                    of.zip,
                    of.lifecyclestage,
                    of.hubspot_owner_id,
                    of.createdate,
                    of.lastmodifieddate
                ])?;
            }
        }
        db.execute_batch("COMMIT")?;
    }
    let (ticks, wall) = (cpu_ticks()? - cpu, since.elapsed().as_secs_f64());
    println!("{{\"done\":{count},\"cpu_ticks\":{ticks},\"wall_s\":{wall}}}");
    Ok(())
}

fn page(contacts: std::ops::Range<u32>) -> String {
    let rows = contacts.map(|n| {
        format!(
            "{{\"id\":\"{n:08}\",\"properties\":{{\"email\":\"person.{n}@example.com\",\
             \"firstname\":\"Ada\",\"lastname\":\"Lovelace\",\"phone\":\"+41 44 {n:07}\",\
             \"company\":\"Analytical Engines {n}\",\"website\":\"engines{n}.example.com\",\
             \"jobtitle\":\"Engineer\",\"city\":\"Lausanne\",\"country\":\"Switzerland\",\
             \"zip\":\"1005\",\"lifecyclestage\":\"lead\",\"hubspot_owner_id\":\"17\",\
             \"createdate\":\"2026-01-01T00:00:00.000Z\",\
             \"lastmodifieddate\":\"2026-02-01T00:00:00.000Z\"}},\"archived\":false}}"
        )
    });
    format!("{{\"results\":[{}]}}", rows.collect::<Vec<_>>().join(","))
}
