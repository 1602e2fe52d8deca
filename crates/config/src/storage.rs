//! `[storage]`: the only folder in which the daemon stores data.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Folder for the data that outlive a restart of the daemon. It holds aggregates only.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Storage {
    /// Folder of all stored data. Empty: `$STATE_DIRECTORY`, which the service manager sets, or else `moodring-state`
    /// in the working directory.
    pub directory: PathBuf,
}

impl Storage {
    /// The folder that is used; nothing is created. `state_directory` is the value of `$STATE_DIRECTORY`: folders
    /// separated by colons, of which the first is used (systemd.exec(5)).
    pub fn resolve(&self, state_directory: Option<&str>) -> PathBuf {
        if !self.directory.as_os_str().is_empty() {
            return self.directory.clone();
        }
        let first = state_directory.and_then(|folders| folders.split(':').find(|folder| !folder.is_empty()));
        first.unwrap_or("moodring-state").into()
    }

    /// [`Storage::resolve`] with the environment of this process.
    pub fn directory(&self) -> PathBuf {
        self.resolve(std::env::var("STATE_DIRECTORY").ok().as_deref())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_folder_comes_from_the_configuration_then_the_service_manager_then_the_working_directory() {
        let named = Storage { directory: "/data".into() };
        assert_eq!(named.resolve(Some("/var/lib/moodring")), Path::new("/data"));
        let empty = Storage::default();
        assert_eq!(empty.resolve(Some("/var/lib/moodring:/var/lib/other")), Path::new("/var/lib/moodring"));
        assert_eq!(empty.resolve(Some("")), Path::new("moodring-state"));
        assert_eq!(empty.resolve(None), Path::new("moodring-state"));
    }
}
