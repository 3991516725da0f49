//! The fakes over HTTP: what they accept, what they refuse, how they misbehave when told to.

mod access;
mod faults_and_keys;
mod hubspot_batches;
mod hubspot_objects;
mod slack_messages;
mod sockets;
mod support;
