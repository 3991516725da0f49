//! The crate against real sockets: a scripted server, the sandbox, and a canary nobody may reach.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "all of this is test code; clippy knows it of functions marked #[test] only"
)]

mod actions;
mod client;
mod facebook;
mod fakes;
mod google;
mod hostile;
mod interpolation;
mod mail;
mod mailchimp;
mod manifest;
mod oauth;
mod pages;
mod salesforce;
mod sandbox;
mod server;
mod smtp;
mod ssrf;
mod world;
mod zapier;
