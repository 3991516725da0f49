//! Runs the test runner, shows what it says as it says it, and adds up the verdicts.

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Command, Stdio},
    thread,
};

use crate::command::{self, Outcome};

/// How many tests did what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Tests that held.
    pub passed: u64,
    /// Tests that did not, timeouts included.
    pub failed: u64,
    /// Tests the runner left out.
    pub skipped: u64,
}

impl Summary {
    /// Adds what one line of a runner's output says, if it is a summary line.
    fn read(&mut self, line: &str) {
        let line = without_colour(line);
        let line = line.trim();
        // cargo-nextest: `Summary [ 1.2s] 10 tests run: 8 passed (1 slow), 1 failed, 3 skipped`
        let nextest = line.strip_prefix("Summary [").and_then(|rest| rest.split_once(" run: "));
        // cargo test: `test result: ok. 8 passed; 1 failed; 0 ignored; ...`
        let plain = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". "));
        let Some((_, counts)) = nextest.or(plain) else { return };
        for part in counts.split([',', ';']) {
            let mut words = part.split_whitespace();
            let number = words.next().and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
            match words.next() {
                Some("passed") => self.passed += number,
                Some("failed" | "timed" | "exec") => self.failed += number,
                Some("skipped" | "ignored") => self.skipped += number,
                _ => {}
            }
        }
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { passed, failed, skipped } = self;
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

/// Runs a test runner to its end and adds its verdicts to `total`.
pub fn run(command: &mut Command, total: &mut Summary) -> Outcome {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .map_err(|error| format!("cannot start `{}`: {error}", command::show(command)))?;
    // cargo-nextest reports on one stream, cargo test on the other: both are read at once.
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let reader = thread::spawn(move || err.map_or_else(Summary::default, |s| relay(s, true)));
    let mut seen = out.map_or_else(Summary::default, |stream| relay(stream, false));
    let other = reader.join().unwrap_or_default();
    seen.passed += other.passed;
    seen.failed += other.failed;
    seen.skipped += other.skipped;
    total.passed += seen.passed;
    total.failed += seen.failed;
    total.skipped += seen.skipped;
    let status = child.wait().map_err(|error| format!("lost the test runner: {error}"))?;
    if status.success() {
        return Ok(());
    }
    Err(format!("`{}` ended with {status} ({seen})", command::show(command)))
}

/// Copies a stream line by line to ours and reads the summaries in it.
fn relay(stream: impl Read, to_stderr: bool) -> Summary {
    let mut summary = Summary::default();
    let mut lines = BufReader::new(stream);
    let mut line = Vec::new();
    // Lines are bytes: a test may print anything.
    while lines.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        // A closed terminal must not fail the tests.
        let _shown = if to_stderr {
            std::io::stderr().write_all(&line)
        } else {
            std::io::stdout().write_all(&line)
        };
        summary.read(&String::from_utf8_lossy(&line));
        line.clear();
    }
    summary
}

/// The text without terminal colour sequences.
fn without_colour(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |(_, text)| text);
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Summary {
        let mut summary = Summary::default();
        lines.iter().for_each(|line| summary.read(line));
        summary
    }

    #[test]
    fn reads_the_line_of_nextest_in_colour_too() {
        let plain = "     Summary [   1.204s] 14 tests run: 11 passed (1 slow), 2 failed, \
                     1 timed out, 3 skipped";
        assert_eq!(read(&[plain]), Summary { passed: 11, failed: 3, skipped: 3 });
        let coloured = "\u{1b}[32;1m     Summary\u{1b}[0m [   0.1s] \u{1b}[1m2\u{1b}[0m tests \
                        run: \u{1b}[1m2\u{1b}[0m \u{1b}[32;1mpassed\u{1b}[0m, 0 skipped";
        assert_eq!(read(&[coloured]), Summary { passed: 2, failed: 0, skipped: 0 });
    }

    #[test]
    fn adds_up_the_lines_of_cargo_test() {
        let lines = [
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out",
            "a test that prints: test result: ok. 100 passed",
            "test result: FAILED. 4 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out",
        ];
        assert_eq!(read(&lines), Summary { passed: 7, failed: 2, skipped: 1 });
    }

    #[test]
    fn a_failing_runner_is_a_failure_whatever_it_prints() {
        let mut total = Summary::default();
        // What it prints is relayed for real, so it must not look like a verdict of this run.
        let outcome = run(Command::new("sh").args(["-c", "echo all is well; exit 3"]), &mut total);
        assert!(outcome.is_err());
    }
}
