//! Serves the console commands `moodring aim` and `moodring pair` through a socket in the state folder.
//!
//! It is a socket, not a file and not a signal. Only the service's user and root can enter the folder, the kernel
//! names the user at the other end, no request is left over for later, and the caller gets an answer.

use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream as ConsoleStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

use moodring_config::Storage;
use moodring_contract::{Command, CommandSource};
use moodring_runtime::{CommandSender, Health, Pairing, Stop, atomic_file};

const SOCKET: &str = "console.sock";
/// The requests.
const AIM: &str = "aim";
const PAIR: &str = "pair";
/// An answer that grants the request begins with this. For [`PAIR`] the code follows.
const OFFERED: &str = "offered";
/// Longest request, in bytes.
const MAX_REQUEST_BYTES: u64 = 16;
/// Longest time for one exchange, on either side.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// Wait before the socket is created again.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// Longest answer, in bytes.
const MAX_ANSWER_BYTES: u64 = 400;

/// Why the device did not do what was requested.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// No device answers at the socket.
    #[error(
        "no device answers at {}: {reason}; is it running, is this its configuration, and are you its user or root?",
        .path.display()
    )]
    Silent {
        /// The socket.
        path: PathBuf,
        /// The cause.
        reason: io::Error,
    },
    /// The device refuses the request.
    #[error("the device refuses: {0}")]
    Refused(String),
}

/// Asks the device that keeps its state in `storage` to offer the aiming view.
///
/// # Errors
/// No device answers, or it refuses.
pub fn request_preview(storage: &Storage) -> Result<(), AskError> {
    ask(storage, AIM).map(drop)
}

/// Asks the device that keeps its state in `storage` for a code with which a phone can be paired.
///
/// # Errors
/// No device answers, or it refuses.
pub fn request_pairing_code(storage: &Storage) -> Result<String, AskError> {
    ask(storage, PAIR)
}

/// Sends `request`; returns the text after [`OFFERED`].
fn ask(storage: &Storage, request: &str) -> Result<String, AskError> {
    let path = storage.directory().join(SOCKET);
    let answer = exchange(&path, request).map_err(|reason| AskError::Silent { path, reason })?;
    match answer.trim().strip_prefix(OFFERED) {
        Some(offered) => Ok(offered.trim().to_owned()),
        None => Err(AskError::Refused(answer.trim().to_owned())),
    }
}

fn exchange(path: &Path, request: &str) -> io::Result<String> {
    let mut stream = ConsoleStream::connect(path)?;
    stream.set_read_timeout(Some(2 * ANSWER_TIMEOUT))?;
    stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
    stream.write_all(format!("{request}\n").as_bytes())?;
    let mut answer = String::new();
    stream.take(MAX_ANSWER_BYTES).read_to_string(&mut answer)?;
    Ok(answer)
}

/// Answers at the socket in `storage` until `stop` is requested. If the socket cannot be created, `health` reports it, and
/// it is tried again.
pub async fn serve(commands: CommandSender, pairing: Pairing, storage: Storage, health: Health, stop: Stop) {
    let path = storage.directory().join(SOCKET);
    let listener = loop {
        match open(&path) {
            Ok(listener) => break listener,
            Err(error) => health.failed(&format!(
                "`moodring aim` and `moodring pair` find no device: {} cannot be created: {error}; make the folder \
                 writable",
                path.display()
            )),
        }
        tokio::select! {
            () = stop.requested() => return,
            () = tokio::time::sleep(RETRY_AFTER) => {}
        }
    };
    health.works();
    loop {
        tokio::select! {
            _ = stop.requested() => break,
            accepted = listener.accept() => match accepted {
                // One connection at a time: there is one administrator.
                Ok((stream, _)) => {
                    let answered = answer(stream, &commands, &pairing);
                    drop(tokio::time::timeout(ANSWER_TIMEOUT, answered).await);
                }
                Err(_) => tokio::time::sleep(ANSWER_TIMEOUT).await,
            },
        }
    }
    // A socket that is left after a power cut is replaced at the next start.
    let _ = std::fs::remove_file(&path);
}

fn open(path: &Path) -> io::Result<UnixListener> {
    atomic_file::make_folder(path.parent().unwrap_or(Path::new(".")))?;
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

async fn answer(mut stream: UnixStream, commands: &CommandSender, pairing: &Pairing) -> io::Result<()> {
    let from = stream.peer_cred()?.uid();
    if !(from == 0 || from == rustix::process::geteuid().as_raw()) {
        return stream.write_all(b"only the service's user and root may use this socket\n").await;
    }
    let mut request = String::new();
    BufReader::new((&mut stream).take(MAX_REQUEST_BYTES)).read_line(&mut request).await?;
    let offered = match request.trim_end_matches('\n') {
        AIM => {
            let executed = commands.execute(Command::OfferPreview, CommandSource::Console).await;
            executed.map(|()| OFFERED.to_owned())
        }
        PAIR => commands.execute(Command::OfferPairing, CommandSource::Console).await.map(|()| {
            let offer = pairing.at(Instant::now());
            format!("{OFFERED} {}", offer.and_then(|offer| offer.code).unwrap_or_default())
        }),
        _ => Ok("unknown request".to_owned()),
    };
    let answer = offered.unwrap_or_else(|refused| refused.to_string());
    stream.write_all(format!("{answer}\n").as_bytes()).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{Control, PersistedPause};
    use moodring_config::Config;
    use moodring_contract::SwitchPosition;
    use moodring_runtime::StatusBoard;
    use tokio::sync::watch;

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
        let control = Control::new(config, &PersistedPause::Nothing, None, StatusBoard::default());
        let (commands, requests) = CommandSender::channel();
        let (stop, switch) = (Stop::default(), watch::channel(SwitchPosition::Open).1);
        tokio::spawn(control.clone().run(requests, switch, None, stop.clone()));
        let health = Health::new("console");
        let task =
            tokio::spawn(serve(commands, control.pairing().clone(), storage.clone(), health, stop.clone()));
        while !storage.directory.join(SOCKET).exists() {
            tokio::task::yield_now().await;
        }
        Device { control, storage, stop, task, _folder: folder }
    }

    impl Device {
        async fn request_aiming(&self) -> Result<(), AskError> {
            let storage = self.storage.clone();
            tokio::task::spawn_blocking(move || request_preview(&storage)).await.unwrap()
        }

        fn is_aimed(&self) -> bool {
            self.control.preview().until(Instant::now()).is_some()
        }
    }

    #[tokio::test]
    async fn a_console_request_is_executed_and_answered() {
        let device = device().await;
        assert!(!device.is_aimed());
        device.request_aiming().await.unwrap();
        assert!(device.is_aimed());
        device.control.execute(Command::Pause, CommandSource::Button).unwrap();
        let refused = device.request_aiming().await.unwrap_err().to_string();
        assert_eq!(refused, "the device refuses: the device is paused: resume it first");
        assert!(!device.is_aimed());
    }

    #[tokio::test]
    async fn a_pairing_code_is_given_if_the_page_requires_one() {
        let mut config = Config::default();
        config.web.listen = "192.0.2.7:8080".parse().unwrap();
        let pair = async |device: &Device| {
            let storage = device.storage.clone();
            tokio::task::spawn_blocking(move || request_pairing_code(&storage)).await.unwrap()
        };
        let device = device_with(&config).await;
        let code = pair(&device).await.unwrap();
        assert_eq!(device.control.pairing().at(Instant::now()).unwrap().code, Some(code));
        let refused = pair(&self::device().await).await.unwrap_err().to_string();
        assert!(refused.starts_with("the device refuses: the page is not in the network"), "{refused}");
    }

    #[tokio::test]
    async fn only_the_owner_reaches_the_socket_and_it_is_removed_at_the_end() {
        let device = device().await;
        let path = device.storage.directory.join(SOCKET);
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        device.stop.request();
        device.task.await.unwrap();
        assert!(!path.exists());
        let silent = tokio::task::spawn_blocking(move || request_preview(&device.storage)).await.unwrap();
        assert!(silent.unwrap_err().to_string().contains("is it running"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_socket_that_cannot_be_created_is_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage { directory: folder.path().join("state") };
        // A file where the folder should be.
        std::fs::write(&storage.directory, "").unwrap();
        let (board, stop) = (StatusBoard::default(), Stop::default());
        let (commands, _requests) = CommandSender::channel();
        let pairing = Pairing::new(false, Duration::from_secs(1));
        let health = Health::on_board(board.clone(), "console");
        let task = tokio::spawn(serve(commands, pairing, storage.clone(), health, stop.clone()));
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(board.now().problems["console"].contains("console.sock cannot be created"));
        std::fs::remove_file(&storage.directory).unwrap();
        tokio::time::sleep(RETRY_AFTER).await;
        assert!(board.now().problems.is_empty() && storage.directory.join(SOCKET).exists());
        stop.request();
        task.await.unwrap();
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_other_files_are_not_touched() {
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
    async fn unknown_and_incomplete_requests_change_nothing() {
        let device = device().await;
        let path = device.storage.directory.join(SOCKET);
        for request in [&b"bim\n"[..], b"ai"] {
            let mut stream = UnixStream::connect(&path).await.unwrap();
            stream.write_all(request).await.unwrap();
            stream.shutdown().await.unwrap();
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
        assert!(!device.is_aimed());
        device.request_aiming().await.unwrap();
    }
}
