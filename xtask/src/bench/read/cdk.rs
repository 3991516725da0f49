//! The Python CDK, to stand beside: the one `CONNECTUS_TEST_CDK` names, or one installed for it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{Provider, Reading};
use crate::command::{self, Outcome};

/// The version that is compared with.
const PINNED: &str = "airbyte-cdk==7.39.1";
const RUN: &str = "from airbyte_cdk.cli.source_declarative_manifest import run; run()";

/// A Python that has it.
pub struct Cdk(PathBuf);

impl Cdk {
    /// Finds or installs it.
    ///
    /// # Errors
    /// What Python says.
    pub fn find() -> Outcome<Self> {
        if let Some(python) = env::var_os("CONNECTUS_TEST_CDK") {
            return Ok(Self(python.into()));
        }
        let folder = command::cache().join("cdk");
        let python = folder.join("bin/python3");
        if python.is_file() {
            return Ok(Self(python));
        }
        eprintln!("installing {PINNED} into {}", folder.display());
        command::output(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", PINNED]);
        command::output(&mut pip)?;
        Ok(Self(python))
    }

    /// A read of everything this provider has.
    ///
    /// # Errors
    /// When the files of the read cannot be written.
    pub fn read(&self, folder: &Path, manifest: &Path, from: &Provider) -> Outcome<Reading> {
        let put = |name: &str, text: &str| -> Outcome<String> {
            let path = folder.join(name);
            fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
            Ok(path.display().to_string())
        };
        let catalog = r#"{"streams": [{"stream": {"name": "rows", "json_schema": {},
            "supported_sync_modes": ["full_refresh"]}, "sync_mode": "full_refresh",
            "destination_sync_mode": "append"}]}"#;
        let arguments = vec![
            "-c".to_owned(),
            RUN.to_owned(),
            "read".to_owned(),
            "--config".to_owned(),
            put("cdk.config.json", &from.config())?,
            "--catalog".to_owned(),
            put("cdk.catalog.json", catalog)?,
            "--manifest-path".to_owned(),
            manifest.display().to_string(),
            "--state".to_owned(),
            put("cdk.state.json", "[]")?,
        ];
        let provider = Provider { address: from.address.clone() };
        Ok(Reading { program: self.0.clone(), arguments, _provider: provider })
    }
}
