//! The `connectus` command.

fn main() -> std::process::ExitCode {
    connectus::cli::main()
}
