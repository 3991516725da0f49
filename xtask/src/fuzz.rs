//! `cargo xtask fuzz <target>`: looks for inputs that break us, from our own fixtures on.

use std::fs;

use clap::{Args, ValueEnum};

use crate::command::{self, Outcome};

#[path = "../../fuzz/src/seeds.rs"]
mod seeds;

/// What to fuzz, and for how long.
#[derive(Debug, Args)]
pub struct Fuzz {
    /// The target; all of them, one after the other, without one.
    #[arg(value_enum)]
    target: Option<Target>,
    /// How long, for each.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

/// A place at which what a stranger wrote comes in.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Target {
    Definition,
    Expression,
    Schedule,
    Signature,
    Template,
}

impl Target {
    const fn name(self) -> &'static str {
        match self {
            Self::Definition => "definition",
            Self::Expression => "expression",
            Self::Schedule => "schedule",
            Self::Signature => "signature",
            Self::Template => "template",
        }
    }
}

/// Fuzzes. What was found lies in `fuzz/artifacts`, what was learnt in `fuzz/corpus`.
///
/// # Errors
/// When cargo-fuzz is missing, when something was found.
pub fn run(wanted: &Fuzz) -> Outcome {
    if !command::has_cargo("fuzz") {
        return Err("cargo-fuzz is missing: install it with `cargo install cargo-fuzz --locked`; \
                    it needs a C++ compiler"
            .to_owned());
    }
    let all = Target::value_variants();
    for target in wanted.target.as_ref().map_or(all, std::slice::from_ref) {
        fuzz(target.name(), wanted.seconds)?;
    }
    Ok(())
}

fn fuzz(target: &str, seconds: u64) -> Outcome {
    let folder = command::root().join("fuzz/corpus").join(target);
    let fault = |error: std::io::Error| format!("cannot write to {}: {error}", folder.display());
    fs::create_dir_all(&folder).map_err(fault)?;
    let seeds = seeds::of(target, command::root());
    for (place, seed) in seeds.iter().enumerate() {
        fs::write(folder.join(format!("seed-{place:03}")), seed).map_err(fault)?;
    }
    println!("{target}: {} seeds, {seconds} s", seeds.len());
    let mut command = command::cargo();
    // Instrumentation is a matter of nightly compilers, or of asking a stable one nicely, which
    // keeps to the compiler that everything else is built with. Without unsafe code of our own
    // there is little for a sanitizer to find.
    command.env("RUSTC_BOOTSTRAP", "1");
    command.args(["fuzz", "run", "--sanitizer", "none", target, "--"]);
    command.arg(format!("-max_total_time={seconds}"));
    command.args(["-timeout=10", "-rss_limit_mb=1024", "-max_len=16384", "-print_final_stats=1"]);
    command::run(&mut command)
}
