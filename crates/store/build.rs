//! Rebuilds the crate when a migration changes.

fn main() {
    // Migrations are compiled in: a new file must rebuild the crate.
    println!("cargo:rerun-if-changed=../../migrations");
}
