//! The binary's parts: HTTP API, authentication, command line, configuration, telemetry.
//!
//! The way in is [`app::App`], which holds what a process has; [`api::operations`] is the one list
//! of everything the HTTP API can do.

pub mod api;
pub mod app;
pub mod auth;
pub mod cli;
pub mod config;
pub mod demo;
pub mod docs;
pub mod http;
pub mod process;
pub mod telemetry;
