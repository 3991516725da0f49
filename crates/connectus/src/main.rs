//! The `connectus` command.

/// Pages of records become and cease to be as millions of small values: see
/// `docs/adr/0013-mimalloc.md`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    connectus::cli::main()
}
