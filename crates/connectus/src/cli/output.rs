//! How commands answer: JSON for scripts, text for people.

use std::io::Write;

use connectus_core::{Code, Error, Result};
use serde::Serialize;

/// Prints an answer: one line of JSON, or the text.
pub fn show(json: bool, answer: &impl Serialize, text: &str) -> Result<()> {
    if json {
        return say(&serde_json::to_string(answer).map_err(Error::internal)?);
    }
    say(text)
}

/// Prints lines on standard output. A reader that has seen enough (`| head`) is no error.
pub fn say(text: &str) -> Result<()> {
    write(format!("{}\n", text.trim_end()).as_bytes()).map(|_| ())
}

/// Writes bytes to standard output at once. `false` once nobody reads any more.
pub fn write(bytes: &[u8]) -> Result<bool> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => {
            Err(Error::new(Code::Unavailable, format!("Cannot write the answer: {error}.")))
        }
    }
}

/// Rows under headings, columns aligned.
pub fn table<const N: usize>(
    head: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut lines = vec![head.map(str::to_owned)];
    lines.extend(rows);
    let mut widths = [0; N];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let render = |line: &[String; N]| {
        let cells = line.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    lines.iter().map(render).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["é", "long"], ["bb", "x"]].map(|row| row.map(str::to_owned));
        assert_eq!(table(["a", "b"], rows), "a   b\né   long\nbb  x");
    }
}
