//! Configuration: the default file, a settings file, the environment, flags. What is said later
//! wins, and every complaint says where the wrong thing was said and what would be right.

mod entry;
mod file;
pub mod manual;
mod parse;
mod print;
mod settings;
mod variables;

use std::path::{Path, PathBuf};

use connectus_core::{Code, Error, Result};
use figment::Figment;

pub use entry::Entry;
pub use settings::*;
pub use variables::Variables;

/// The settings file looked for in the data directory.
pub const FILE_NAME: &str = "connectus.toml";

/// What a command says about the configuration.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// The settings file; none for the one in the data directory.
    pub file: Option<PathBuf>,
    /// Settings on the command line, the last word: path, text and flag.
    pub settings: Vec<(String, String, String)>,
}

/// Everything the configuration is read from, so that tests can give it.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The command line.
    pub flags: Flags,
    /// The environment with `.env` under it.
    pub variables: Variables,
    /// The current directory.
    pub folder: PathBuf,
}

impl Sources {
    /// The sources of this process.
    ///
    /// # Errors
    /// `invalid` when `.env` cannot be read.
    pub fn of_process(flags: Flags) -> Result<Self> {
        // Without a current directory, relative paths cannot work: let them fail by themselves.
        let folder = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
        let variables = variables::of_process(&folder)?;
        Ok(Self { flags, variables, folder })
    }
}

/// The configuration in force.
#[derive(Clone)]
pub struct Config {
    /// The settings.
    pub settings: Settings,
    /// The data directory, chosen but not made.
    pub data_dir: PathBuf,
    /// Things to tell the operator.
    pub remarks: Vec<String>,
    figment: Figment,
}

impl Config {
    /// Reads the configuration.
    ///
    /// # Errors
    /// `invalid`, naming file and line, variable or flag, and what would be right.
    pub fn load(sources: &Sources) -> Result<Self> {
        let mut later = variables::entries(&sources.variables)?;
        later.extend(flag_entries(&sources.flags)?);
        let named = sources.flags.file.as_deref();
        let mut entries = match named {
            Some(path) => file::read(path)?.ok_or_else(|| missing(path))?,
            None => Vec::new(),
        };
        let chosen = setting(entries.iter().chain(&later), "data.dir");
        let data_dir = data_dir(chosen, sources);
        if named.is_none() {
            entries = file::read(&data_dir.join(FILE_NAME))?.unwrap_or_default();
            refuse_own_folder(&entries)?;
        }
        entries.extend(of_environment(named, &data_dir, sources)?);
        entries.extend(later);
        let defaults = manual::settings().iter().map(|(path, value)| Entry {
            path: path.clone(),
            value: value.clone(),
            origin: entry::DEFAULT.to_owned(),
        });
        let figment = defaults.chain(entries).fold(Figment::new(), Figment::merge);
        let settings: Settings = figment.extract().map_err(|error| complaint(&error))?;
        let remarks = variables::unknown(&sources.variables)
            .into_iter()
            .map(|name| format!("The variable {name} is not a setting; is it misspelt?"))
            .collect();
        Ok(Self { settings, data_dir, remarks, figment })
    }

    /// The configuration as a settings file, secrets redacted, with where each value comes from.
    pub fn print(&self) -> String {
        print::render(&self.figment)
    }

    /// Whether a setting was changed from its default.
    pub fn is_set(&self, path: &str) -> bool {
        self.figment.find_metadata(path).is_some_and(|found| found.name != entry::DEFAULT)
    }
}

impl std::fmt::Debug for Config {
    /// The raw values hold secrets in plain text, so they are left out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Config");
        shown.field("settings", &self.settings).field("data_dir", &self.data_dir);
        shown.finish_non_exhaustive()
    }
}

fn flag_entries(flags: &Flags) -> Result<Vec<Entry>> {
    let read = |(path, text, flag): &(String, String, String)| {
        let value = variables::value(path, text)
            .map_err(|reason| Error::new(Code::Invalid, format!("{flag} must be {reason}.")))?;
        Ok(Entry { path: path.clone(), value, origin: flag.clone() })
    };
    flags.settings.iter().map(read).collect()
}

fn setting<'e>(mut entries: impl DoubleEndedIterator<Item = &'e Entry>, path: &str) -> &'e str {
    let found = entries.rfind(|entry| entry.path == path);
    found.and_then(|entry| entry.value.as_str()).unwrap_or_default()
}

/// The chosen directory, else `./data` when it can be used, else the user's own place.
fn data_dir(chosen: &str, sources: &Sources) -> PathBuf {
    if !chosen.is_empty() {
        return sources.folder.join(chosen);
    }
    let here = sources.folder.join("data");
    let candidate = if here.exists() { &here } else { &sources.folder };
    if is_writable(candidate) {
        return here;
    }
    let variable = |name: &str| sources.variables.get(name).filter(|text| !text.is_empty());
    let share = variable("XDG_DATA_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(Path::new(variable("HOME")?).join(".local/share")));
    share.map_or(here, |share| share.join("connectus"))
}

#[cfg(unix)]
fn is_writable(folder: &Path) -> bool {
    rustix::fs::access(folder, rustix::fs::Access::WRITE_OK).is_ok()
}

#[cfg(not(unix))]
fn is_writable(folder: &Path) -> bool {
    folder.metadata().is_ok_and(|found| !found.permissions().readonly())
}

/// The settings of an environment (`CONNECTUS_ENVIRONMENT=staging`): a file beside the other one,
/// `connectus.staging.toml`, which must then be there.
fn of_environment(named: Option<&Path>, data_dir: &Path, sources: &Sources) -> Result<Vec<Entry>> {
    let name = sources.variables.get(variables::ENVIRONMENT).filter(|name| !name.is_empty());
    let Some(name) = name else { return Ok(Vec::new()) };
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        let variable = variables::ENVIRONMENT;
        let detail = format!("The variable {variable} must be a word, as staging or production.");
        return Err(Error::new(Code::Invalid, detail));
    }
    let base = named.map_or_else(|| data_dir.join(FILE_NAME), Path::to_path_buf);
    let path = base.with_extension(format!("{name}.toml"));
    let entries = file::read(&path)?.ok_or_else(|| {
        let (place, variable) = (path.display(), variables::ENVIRONMENT);
        Error::new(Code::Invalid, format!("There is no file {place}, which {variable} asks for."))
    })?;
    refuse_own_folder(&entries)?;
    Ok(entries)
}

fn missing(path: &Path) -> Error {
    let detail = format!("There is no file {}, which --config names.", path.display());
    Error::new(Code::Invalid, detail)
}

/// A file found in the data directory cannot say where the data directory is.
fn refuse_own_folder(entries: &[Entry]) -> Result<()> {
    match entries.iter().find(|entry| entry.path == "data.dir") {
        None => Ok(()),
        Some(entry) => Err(Error::new(
            Code::Invalid,
            format!(
                "{}: `data.dir` cannot be set in a file of the data directory itself. Use \
                 --data-dir, CONNECTUS_DATA_DIR, or a file named with --config.",
                entry.origin
            ),
        )),
    }
}

/// figment's error in our words: where it was said, which setting, what would be right.
fn complaint(error: &figment::Error) -> Error {
    let place = error.metadata.as_ref().map(|found| found.name.as_ref()).unwrap_or("settings");
    let path = error.path.join(".");
    Error::new(Code::Invalid, format!("{place}: `{path}` {}.", error.kind))
}

#[cfg(test)]
mod tests;
