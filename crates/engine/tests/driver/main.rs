//! What this program's driver does beyond what every driver must, on both databases.
#![cfg(test)]

mod blobs;
mod bulk;
mod bus;
mod door;
mod egress;
mod engines;
mod generations;
#[path = "../../../connect/tests/it/hostile.rs"]
mod hostile;
mod mail;
mod notifications;
mod provider;
mod queues;
mod repeats;
mod retention;
mod runs;
#[path = "../../../connect/tests/it/smtp.rs"]
mod smtp;
#[path = "../support/mod.rs"]
mod support;
mod triggers;
mod turnstiles;
