//! Dotted paths into JSON, split once.
