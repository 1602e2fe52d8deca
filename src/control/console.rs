//! What the machine's administrator asks for on its console: `moodring aim` and `moodring pair`, through a socket in the
//! state folder.
//!
//! Its one decision: a socket, not a file and not a signal. The folder lets in nobody but the service's user and the
//! superuser, the kernel says who is at the other end, nothing lies about that could count later, and an answer comes back.

use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream as ConsoleStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tracing::warn;

use super::{Asker, Control};
use crate::config::Storage;
use crate::private;
use crate::supervisor::Stop;

const SOCKET: &str = "console.sock";
/// What can be asked for.
const AIM: &str = "aim";
const PAIR: &str = "pair";
/// What an answer begins with that grants it; for [`PAIR`] the code follows.
const OFFERED: &str = "offered";
/// No question is longer than this.
const MOST_ASKED: u64 = 16;
/// An answer takes no longer, on either side.
const PATIENCE: Duration = Duration::from_secs(2);
/// An answer is no longer than this.
const MOST_BYTES: u64 = 400;

/// Why it was asked in vain.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// No device there.
    #[error(
        "no device answers at {}: {reason}; is it running, is this its configuration, and are you its user or root?",
        .path.display()
    )]
    Silent {
        /// The socket.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
    /// The device says no.
    #[error("the device refuses: {0}")]
    Refused(String),
}

/// Asks the device that keeps its state in `storage` to offer the aiming view.
///
/// # Errors
/// No device answers, or it refuses.
pub fn ask_to_aim(storage: &Storage) -> Result<(), AskError> {
    ask(storage, AIM).map(drop)
}

/// Asks the device that keeps its state in `storage` for a code with which a phone can be paired.
///
/// # Errors
/// No device answers, or it refuses.
pub fn ask_to_pair(storage: &Storage) -> Result<String, AskError> {
    ask(storage, PAIR)
}

/// What was offered beside the word itself.
fn ask(storage: &Storage, wish: &str) -> Result<String, AskError> {
    let path = storage.directory().join(SOCKET);
    let answer = exchange(&path, wish).map_err(|reason| AskError::Silent { path, reason })?;
    match answer.trim().strip_prefix(OFFERED) {
        Some(offered) => Ok(offered.trim().to_owned()),
        None => Err(AskError::Refused(answer.trim().to_owned())),
    }
}

fn exchange(path: &Path, wish: &str) -> io::Result<String> {
    let mut stream = ConsoleStream::connect(path)?;
    stream.set_read_timeout(Some(2 * PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(format!("{wish}\n").as_bytes())?;
    let mut answer = String::new();
    stream.take(MOST_BYTES).read_to_string(&mut answer)?;
    Ok(answer)
}

/// Answers at the socket in `storage` until `stop` is requested. Where there can be none it says so, and goes without.
pub async fn attend(control: Control, storage: Storage, stop: Stop) {
    let path = storage.directory().join(SOCKET);
    let listener = match open(&path) {
        Ok(listener) => listener,
        Err(error) => {
            warn!(path = %path.display(), "`moodring aim` and `moodring pair` will not be heard: {error}");
            return;
        }
    };
    loop {
        tokio::select! {
            _ = stop.requested() => break,
            accepted = listener.accept() => match accepted {
                // One after the other: nobody asks twice at once.
                Ok((stream, _)) => drop(tokio::time::timeout(PATIENCE, answer(stream, &control)).await),
                Err(_) => tokio::time::sleep(PATIENCE).await,
            },
        }
    }
    // What is left by a power cut is replaced at the next start.
    let _ = std::fs::remove_file(&path);
}

fn open(path: &Path) -> io::Result<UnixListener> {
    private::make_folder(path.parent().unwrap_or(Path::new(".")))?;
    match std::fs::symlink_metadata(path) {
        Ok(there) if there.file_type().is_socket() => std::fs::remove_file(path)?,
        Ok(_) => return Err(io::Error::other("something else is there; remove it")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

async fn answer(mut stream: UnixStream, control: &Control) -> io::Result<()> {
    let from = stream.peer_cred()?.uid();
    if !(from == 0 || from == rustix::process::geteuid().as_raw()) {
        return stream.write_all(b"only the service's user and root may ask\n").await;
    }
    let mut asked = String::new();
    BufReader::new((&mut stream).take(MOST_ASKED)).read_line(&mut asked).await?;
    let offered = match asked.trim_end_matches('\n') {
        AIM => control.offer_aiming(Asker::Console).map(|_| OFFERED.to_owned()),
        PAIR => control.offer_code(Asker::Console).map(|code| format!("{OFFERED} {code}")),
        _ => Ok("this is not known here".to_owned()),
    };
    let answer = offered.unwrap_or_else(|refused| refused.to_string());
    stream.write_all(format!("{answer}\n").as_bytes()).await
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::config::Config;
    use crate::control::Kept;

    struct Device {
        control: Control,
        storage: Storage,
        stop: Stop,
        task: tokio::task::JoinHandle<()>,
        _folder: tempfile::TempDir,
    }

    async fn device() -> Device {
        device_with(&Config::default()).await
    }

    async fn device_with(config: &Config) -> Device {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage { directory: folder.path().join("state") };
        let (control, stop) = (Control::new(config, &Kept::Nothing, None), Stop::default());
        let task = tokio::spawn(attend(control.clone(), storage.clone(), stop.clone()));
        while !storage.directory.join(SOCKET).exists() {
            tokio::task::yield_now().await;
        }
        Device { control, storage, stop, task, _folder: folder }
    }

    impl Device {
        async fn asked(&self) -> Result<(), AskError> {
            let storage = self.storage.clone();
            tokio::task::spawn_blocking(move || ask_to_aim(&storage)).await.unwrap()
        }

        fn is_aimed(&self) -> bool {
            self.control.aim().until(Instant::now()).is_some()
        }
    }

    #[tokio::test]
    async fn the_console_is_heard_and_answered() {
        let device = device().await;
        assert!(!device.is_aimed());
        device.asked().await.unwrap();
        assert!(device.is_aimed());
        device.control.pause(Asker::Button);
        let refused = device.asked().await.unwrap_err().to_string();
        assert_eq!(refused, "the device refuses: the device is paused: resume it first");
        assert!(!device.is_aimed());
    }

    #[tokio::test]
    async fn a_code_for_pairing_is_given_where_the_page_asks_for_one() {
        let mut config = Config::default();
        config.web.listen = "192.0.2.7:8080".parse().unwrap();
        let pair = async |device: &Device| {
            let storage = device.storage.clone();
            tokio::task::spawn_blocking(move || ask_to_pair(&storage)).await.unwrap()
        };
        let device = device_with(&config).await;
        let code = pair(&device).await.unwrap();
        assert_eq!(device.control.pairing().borrow().clone().unwrap().code, Some(code));
        let refused = pair(&self::device().await).await.unwrap_err().to_string();
        assert!(refused.starts_with("the device refuses: the page is not in the network"), "{refused}");
    }

    #[tokio::test]
    async fn only_its_owner_reaches_it_and_nothing_is_left_behind() {
        let device = device().await;
        let path = device.storage.directory.join(SOCKET);
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        device.stop.request();
        device.task.await.unwrap();
        assert!(!path.exists());
        let silent = tokio::task::spawn_blocking(move || ask_to_aim(&device.storage)).await.unwrap();
        assert!(silent.unwrap_err().to_string().contains("is it running"));
    }

    #[tokio::test]
    async fn what_a_power_cut_left_is_replaced_and_other_files_are_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(SOCKET);
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists() && open(&path).is_ok());
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "mine").unwrap();
        assert!(open(&path).unwrap_err().to_string().contains("something else is there"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
    }

    #[tokio::test]
    async fn nonsense_and_silence_change_nothing() {
        let device = device().await;
        let path = device.storage.directory.join(SOCKET);
        for words in [&b"bim\n"[..], b"ai"] {
            let mut stream = UnixStream::connect(&path).await.unwrap();
            stream.write_all(words).await.unwrap();
            stream.shutdown().await.unwrap();
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
        assert!(!device.is_aimed());
        device.asked().await.unwrap();
    }
}
