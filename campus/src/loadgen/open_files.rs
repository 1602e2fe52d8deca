//! How many files this process may have open: each device needs a connection and perhaps a database.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Why not enough files can be opened.
#[derive(Debug, thiserror::Error)]
#[error(
    "{needed} files have to be open at once, but the system allows {allowed}: simulate fewer devices, or raise the \
     hard limit (`ulimit -Hn`, LimitNOFILE=)"
)]
pub struct FilesError {
    /// How many there must be.
    pub needed: u64,
    /// How many there may be.
    pub allowed: u64,
}

/// Raises the limit of open files to `needed`, if it is lower; a process may go up to its hard limit by itself.
///
/// # Errors
/// The hard limit is lower.
pub fn allow_files(needed: u64) -> Result<(), FilesError> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // None is no limit.
    if current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    if let Some(allowed) = maximum.filter(|maximum| *maximum < needed) {
        return Err(FilesError { needed, allowed });
    }
    setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum })
        .map_err(|_| FilesError { needed, allowed: current.unwrap_or(u64::MAX) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_or_named_in_the_error() {
        allow_files(64).unwrap();
        let Some(max) = getrlimit(Resource::Nofile).maximum else { return };
        let error = allow_files(max + 1).unwrap_err().to_string();
        assert!(error.contains(&max.to_string()) && error.contains("fewer devices"), "{error}");
    }
}
