//! Pages for readers, made by the binary: what this is, the API, every error. No scripts, nothing
//! from other servers.

pub mod errors;
mod html;
pub mod landing;
mod operations;
pub mod reference;
mod schemas;
pub mod setup;

pub use html::Page;
