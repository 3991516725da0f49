//! The files of the checkout as the rules see them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::lexer::{self, Lexed};
use crate::command::Outcome;

/// Folders that hold nothing written by hand.
const SKIPPED_FOLDERS: &[&str] = &[".git", ".cache", "target", "node_modules", "dist", "data"];

/// Files the rules look into; everything else is only known by its path.
const TEXT: &[&str] = &[
    "rs", "toml", "md", "yaml", "yml", "json", "ts", "tsx", "css", "html", "sh", "sql", "lock",
    "mjs", "js",
];

/// One file.
pub struct File {
    /// Its path relative to the root, with `/`.
    pub path: String,
    /// Its text; empty for files that are not text.
    pub text: String,
    /// For Rust files, the text split into code and literals.
    pub rust: Option<Lexed>,
}

impl File {
    /// A file from its path and text.
    pub fn new(path: &str, text: &str) -> Self {
        let rust = path.ends_with(".rs").then(|| lexer::lex(text));
        Self { path: path.to_owned(), text: text.to_owned(), rust }
    }

    /// Whether its name ends with one of these extensions.
    pub fn is(&self, extensions: &[&str]) -> bool {
        self.path.rsplit_once('.').is_some_and(|(_, end)| extensions.contains(&end))
    }

    /// Whether a line (from 1) belongs to tests: a test file, or the test part at a file's end.
    pub fn is_test_line(&self, line: usize) -> bool {
        let is_test_file = self.path.contains("/tests/")
            || self.path.ends_with("/tests.rs")
            || self.path.ends_with("_tests.rs");
        is_test_file || self.rust.as_ref().is_some_and(|rust| line >= rust.tests_from)
    }
}

/// All files.
pub struct Tree {
    /// Sorted by path.
    pub files: Vec<File>,
}

impl Tree {
    /// Reads a checkout.
    pub fn load(root: &Path) -> Outcome<Self> {
        let mut files = Vec::new();
        let mut folders = vec![root.to_path_buf()];
        while let Some(folder) = folders.pop() {
            let entries = fs::read_dir(&folder)
                .map_err(|error| format!("cannot read {}: {error}", folder.display()))?;
            for entry in entries.flatten() {
                let path = entry.path();
                let name = entry.file_name();
                // A link is neither: what it points to is read where it is.
                let Ok(kind) = entry.file_type() else { continue };
                if kind.is_dir() && !SKIPPED_FOLDERS.iter().any(|skipped| name == *skipped) {
                    folders.push(path);
                } else if kind.is_file() {
                    files.push(read(root, &path)?);
                }
            }
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { files })
    }

    /// The Rust files with their lexed text.
    pub fn rust(&self) -> impl Iterator<Item = (&File, &Lexed)> {
        self.files.iter().filter_map(|file| file.rust.as_ref().map(|rust| (file, rust)))
    }

    /// One file by its path.
    pub fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// A made-up tree for the tests of the rules.
    #[cfg(test)]
    pub fn of(files: &[(&str, &str)]) -> Self {
        Self { files: files.iter().map(|(path, text)| File::new(path, text)).collect() }
    }
}

fn read(root: &Path, path: &PathBuf) -> Outcome<File> {
    let relative = path.strip_prefix(root).unwrap_or(path).to_string_lossy().replace('\\', "/");
    let extension = path.extension().and_then(|end| end.to_str());
    // Files without an extension are Makefiles and scripts.
    let is_text = extension.is_none_or(|end| TEXT.contains(&end));
    if !is_text {
        return Ok(File { path: relative, text: String::new(), rust: None });
    }
    let bytes = fs::read(path).map_err(|error| format!("cannot read {relative}: {error}"))?;
    Ok(File::new(&relative, &String::from_utf8_lossy(&bytes)))
}
