//! Errors of the store.

use std::path::PathBuf;

/// Why lessons cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder cannot be created.
    #[error("cannot create the folder {}: {source}; set storage.directory to another folder", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The folder has no database of lessons.
    #[error(
        "no lessons are recorded in {}; pass the daemon's configuration with --config, or its \
         storage.directory with --directory",
        path.display()
    )]
    None {
        /// The missing file.
        path: PathBuf,
    },
    /// The file belongs to another program, or is damaged.
    #[error(
        "{} is not a database of lessons, or is damaged: {source}; move it away to start with an empty one",
        path.display()
    )]
    Broken {
        /// The file.
        path: PathBuf,
        /// SQLite's error.
        source: rusqlite::Error,
    },
    /// The file was written by a newer version of this program.
    #[error("{} was written by a newer moodring (schema version {version})", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Schema version of the file.
        version: usize,
    },
    /// Reading or writing failed.
    #[error("{}: {source}", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// SQLite's error.
        source: rusqlite::Error,
    },
    /// The lesson is in progress and cannot be deleted.
    #[error("lesson {id} is in progress; end it first, or leave it out")]
    InProgress {
        /// Its number.
        id: i64,
    },
    /// There is no such lesson.
    #[error("there is no lesson {id}; `moodring lessons list` shows the recorded lessons")]
    Unknown {
        /// The requested number.
        id: i64,
    },
}
