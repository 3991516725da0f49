//! How long files, functions and lines may be.

use super::{Tree, Violation, lexer::Lexed};

const MAX_FILE_LINES: usize = 500;
/// Lines that hold something other than a comment, as clippy counts them.
const MAX_FUNCTION_LINES: usize = 70;
const MAX_COLUMNS: usize = 100;

/// Source files stay under the limit, tests included.
pub fn files(tree: &Tree) -> Vec<Violation> {
    let sources = tree.files.iter().filter(|file| file.is(&["rs", "ts", "tsx"]));
    sources
        .filter_map(|file| {
            let lines = file.text.lines().count();
            let message = format!("{lines} lines; split it, the limit is {MAX_FILE_LINES}");
            (lines > MAX_FILE_LINES).then(|| Violation::new(&file.path, 0, message))
        })
        .collect()
}

/// Rust lines stay under the limit, literals and comments included.
pub fn widths(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for (file, _) in tree.rust() {
        for (index, line) in file.text.lines().enumerate() {
            let columns = line.chars().count();
            if columns > MAX_COLUMNS {
                let message = format!("{columns} columns; the limit is {MAX_COLUMNS}");
                found.push(Violation::new(&file.path, index + 1, message));
            }
        }
    }
    found
}

/// Function bodies stay under the limit. Clippy says so too, where it is installed.
pub fn functions(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for (file, rust) in tree.rust() {
        for (line, lines) in bodies(rust) {
            if lines > MAX_FUNCTION_LINES {
                let message = format!("a function of {lines} lines; limit {MAX_FUNCTION_LINES}");
                found.push(Violation::new(&file.path, line, message));
            }
        }
    }
    found
}

/// Each function with a body: the line of its `fn` and how many lines of code are inside.
fn bodies(rust: &Lexed) -> Vec<(usize, usize)> {
    let code = rust.code.as_str();
    let starts = code.match_indices("fn ").filter(|(at, _)| {
        let before = code.get(..*at).and_then(|text| text.chars().next_back());
        before.is_none_or(|last| !last.is_alphanumeric() && last != '_')
    });
    starts
        .filter_map(|(at, _)| {
            let rest = code.get(at..)?;
            let line = code.get(..at)?.matches('\n').count() + 1;
            Some((line, lines_of_code(body(rest)?)))
        })
        .collect()
}

/// What is between the braces of the function that begins here; none for a mere signature.
fn body(text: &str) -> Option<&str> {
    let mut depth = 0_i32;
    let mut start = None;
    for (at, each) in text.char_indices() {
        match each {
            // `;` inside brackets is an array length: `[u8; 4]`.
            '(' | '[' if start.is_none() => depth += 1,
            ')' | ']' if start.is_none() => depth -= 1,
            ';' if start.is_none() && depth == 0 => return None,
            '{' if start.is_none() && depth == 0 => {
                start = Some(at + 1);
                depth = 1;
            }
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                if let Some(start) = start.filter(|_| depth == 0) {
                    return text.get(start..at);
                }
            }
            _ => {}
        }
    }
    None
}

fn lines_of_code(body: &str) -> usize {
    body.lines().filter(|line| !line.trim().is_empty()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_may_have_five_hundred_lines_and_not_one_more() {
        let (fits, too_long) = ("//\n".repeat(500), "//\n".repeat(501));
        let tree = Tree::of(&[
            ("a.rs", &fits),
            ("b.rs", &too_long),
            ("c.tsx", &too_long),
            ("d.json", &too_long),
        ]);
        let found = files(&tree);
        let paths: Vec<&str> = found.iter().map(|violation| violation.path.as_str()).collect();
        assert_eq!(paths, ["b.rs", "c.tsx"]);
    }

    #[test]
    fn a_line_is_measured_in_characters() {
        let (fits, too_wide) = ("é".repeat(100), format!("\n{}", "e".repeat(101)));
        let found = widths(&Tree::of(&[("a.rs", &fits), ("b.rs", &too_wide)]));
        assert_eq!(found, [Violation::new("b.rs", 2, "101 columns; the limit is 100")]);
    }

    #[test]
    fn a_function_is_measured_without_comments_and_blank_lines() {
        let code = "    x();\n".repeat(70);
        let fits = format!("fn f(a: [u8; 4]) -> T where T: U {{\n{code}// }}\n\n}}\n");
        let too_long = format!("trait T {{ fn g();\n  fn f() {{ {{}}\n{code}{code}}} }}\n");
        let found = functions(&Tree::of(&[("a.rs", &fits), ("b.rs", &too_long)]));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].path.as_str(), found[0].line), ("b.rs", 2));
    }
}
