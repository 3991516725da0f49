//! Files generated from the code. They are committed so that a change of the API shows in review;
//! a stale one fails `cargo xtask test`.

use std::{fs, path::Path, process::Command};

use crate::command::{self, Outcome};

/// Each file, and what the binary is asked for to make it.
const GENERATED: &[(&str, &[&str])] = &[("docs/openapi.json", &["openapi"])];

/// Writes all generated files, or with `check` only compares them.
pub fn run(check: bool) -> Outcome {
    each(check, |words| {
        let mut command = command::cargo();
        command.args(["run", "--quiet", "--locked", "-p", "connectus", "--"]).args(words);
        command
    })
}

/// Compares all generated files with what an already built binary says.
pub fn check_with(binary: &Path) -> Outcome {
    each(true, |words| {
        let mut command = Command::new(binary);
        command.args(words);
        command
    })
}

fn each(check: bool, ask: impl Fn(&[&str]) -> Command) -> Outcome {
    for (file, words) in GENERATED {
        let fresh = normalise(command::output(&mut ask(words))?);
        settle(&command::root().join(file), file, &fresh, check)?;
    }
    Ok(())
}

/// Text files end with exactly one line break.
fn normalise(text: String) -> String {
    let mut text = text;
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn settle(path: &Path, file: &str, fresh: &str, check: bool) -> Outcome {
    let committed = fs::read_to_string(path).unwrap_or_default();
    if committed == fresh {
        println!("{file} is fresh");
        return Ok(());
    }
    if check {
        let place = first_difference(&committed, fresh);
        return Err(format!("{file} is stale ({place}): run `cargo xtask generate`, commit it"));
    }
    fs::write(path, fresh).map_err(|error| format!("cannot write {file}: {error}"))?;
    println!("{file} written");
    Ok(())
}

fn first_difference(old: &str, new: &str) -> String {
    let same = old.lines().zip(new.lines()).take_while(|(a, b)| a == b).count();
    let line = new.lines().nth(same).unwrap_or("the end of the file").trim();
    format!("line {}: the code says {:?}", same + 1, line.chars().take(80).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_file_fails_the_check_and_is_mended_without_it() {
        let path = std::env::temp_dir().join(format!("connectus-generate-{}", std::process::id()));
        fs::write(&path, "{\n  \"old\": 1\n}\n").unwrap();
        let fresh = normalise("{\n  \"new\": 1\n}\n\n".to_owned());
        let reason = settle(&path, "x.json", &fresh, true).unwrap_err();
        assert!(reason.contains("line 2") && reason.contains("new"), "{reason}");
        settle(&path, "x.json", &fresh, false).unwrap();
        settle(&path, "x.json", &fresh, true).unwrap();
        fs::remove_file(&path).unwrap();
    }
}
