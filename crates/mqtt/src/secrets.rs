//! Password, certificates and key. They are read again for each connection, so a corrected file needs no restart.
//!
//! Files named in the configuration take precedence; otherwise the credentials of the service manager are used
//! (systemd.exec(5), `LoadCredential=` and `LoadCredentialEncrypted=`).

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::client::rustls::{
    self, ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use moodring_config::{BrokerKind, Mqtt, Tls};
use moodring_runtime::text_file;

/// Maximum size of a password file; the rest is not read.
const MAX_PASSWORD_BYTES: u64 = 4096;
/// Maximum size of a PEM file; the rest is not read. The certificates of a system have about 230 kB.
const MAX_PEM_BYTES: u64 = 1024 * 1024;
/// Name of the service's credential with the password.
const PASSWORD: &str = "mqtt-password";
/// Name of the service's credential with the key of the device's certificate.
const KEY: &str = "mqtt-key";

/// The source of secrets.
#[derive(Debug, Clone, Default)]
pub(crate) struct Secrets {
    /// Folder of the service's credentials.
    credentials: Option<PathBuf>,
}

impl Secrets {
    /// The secrets of this process.
    pub(crate) fn detect() -> Self {
        Self { credentials: std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from) }
    }

    /// User name and password for the broker, if they are configured.
    ///
    /// # Errors
    /// The password cannot be read; one line that names the file.
    pub(super) fn login(&self, config: &Mqtt) -> Result<Option<(String, String)>, String> {
        if config.username.is_empty() || config.broker != BrokerKind::External {
            return Ok(None);
        }
        let path = self.path("mqtt.password_file", &config.password_file, PASSWORD);
        let password = path.map_or_else(|| Ok(String::new()), |(key, path)| first_line(key, &path))?;
        Ok(Some((config.username.clone(), password)))
    }

    /// Whether a password for the broker is stored, in a file or as the service's credential.
    pub(crate) fn stores_password(&self, config: &Mqtt) -> bool {
        self.path("mqtt.password_file", &config.password_file, PASSWORD).is_some()
    }

    /// The TLS configuration, if the connection is to be encrypted.
    ///
    /// # Errors
    /// A file cannot be read or has invalid content; one line that names the file.
    pub(super) fn tls(&self, config: &Mqtt) -> Result<Option<Arc<ClientConfig>>, String> {
        let tls = &config.tls;
        if !tls.enabled || config.broker != BrokerKind::External {
            return Ok(None);
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS: {error}"))?
            .with_root_certificates(authorities(tls)?);
        if tls.certificate_file.as_os_str().is_empty() {
            return Ok(Some(Arc::new(builder.with_no_client_auth())));
        }
        let chain = certificates("mqtt.tls.certificate_file", &tls.certificate_file)?;
        let (key, path) = self
            .path("mqtt.tls.key_file", &tls.key_file, KEY)
            .ok_or("mqtt.tls.key_file is needed beside mqtt.tls.certificate_file")?;
        let private = private_key(key, &path)?;
        let with_key = builder.with_client_auth_cert(chain, private);
        Ok(Some(Arc::new(with_key.map_err(|error| key_fault(&error, key, &path))?)))
    }

    /// The configured file, otherwise the service's credential `name`; with its name for error messages.
    pub(crate) fn path<'a>(
        &self,
        key: &'a str,
        configured: &Path,
        name: &'a str,
    ) -> Option<(&'a str, PathBuf)> {
        if !configured.as_os_str().is_empty() {
            return Some((key, configured.to_owned()));
        }
        let credential = self.credentials.as_ref()?.join(name);
        credential.exists().then_some((name, credential))
    }
}

fn authorities(tls: &Tls) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let certificates = if tls.ca_file.as_os_str().is_empty() {
        rustls_native_certs::load_native_certs().certs
    } else {
        certificates("mqtt.tls.ca_file", &tls.ca_file)?
    };
    // A few old certificates of a system cannot be parsed; the others are enough.
    roots.add_parsable_certificates(certificates);
    if roots.is_empty() {
        return Err(
            "the broker's certificate cannot be checked: no usable CA certificate in mqtt.tls.ca_file or in the system"
                .into(),
        );
    }
    Ok(roots)
}

/// The certificates of a PEM file.
///
/// # Errors
/// One line that names `key` and the file.
pub(crate) fn certificates(key: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let bytes = pem(key, path)?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        Ok(_) => Err(format!("{key} {} holds no certificate in PEM", path.display())),
        Err(_) => Err(format!("{key} {} is damaged: it is no valid PEM file", path.display())),
    }
}

/// The private key of a PEM file.
fn private_key(key: &str, path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let bytes = pem(key, path)?;
    let marks = [&b"ENCRYPTED PRIVATE KEY"[..], b"Proc-Type: 4,ENCRYPTED"];
    if marks.iter().any(|mark| bytes.windows(mark.len()).any(|part| part == *mark)) {
        return Err(format!(
            "{key} {0} is encrypted with a passphrase, which nobody can type here; decrypt it: openssl pkey -in {0} -out NEW",
            path.display()
        ));
    }
    PrivateKeyDer::from_pem_slice(&bytes)
        .map_err(|_| format!("{key} {} holds no private key in PEM", path.display()))
}

/// Why the key in the file `path` cannot be used with the device's certificate.
fn key_fault(error: &rustls::Error, key: &str, path: &Path) -> String {
    let path = path.display();
    match error {
        rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch) => {
            format!("mqtt.tls.certificate_file does not go with its key, {key} {path}")
        }
        _ => format!(
            "{key} {path} holds a key of a kind that is not supported; use ECDSA P-256, Ed25519 or RSA"
        ),
    }
}

fn pem(key: &str, path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path);
    let read = file.and_then(|file| file.take(MAX_PEM_BYTES).read_to_end(&mut bytes));
    read.map_err(|error| unreadable(key, path, &error))?;
    Ok(bytes)
}

/// The first line of a file, without its end.
///
/// # Errors
/// One line that names `key` and the file.
pub(crate) fn first_line(key: &str, path: &Path) -> Result<String, String> {
    let problem = |error| unreadable(key, path, &error);
    let file = std::fs::File::open(path).map_err(problem)?;
    let mut line = Vec::new();
    BufReader::new(file.take(MAX_PASSWORD_BYTES)).read_until(b'\n', &mut line).map_err(problem)?;
    let line = text_file::decode(line).map_err(|error| format!("{key} {} {error}", path.display()))?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// Why the file `path` cannot be read. A credential of the service exists only while the service runs.
fn unreadable(key: &str, path: &Path, error: &std::io::Error) -> String {
    let mut parts = path.components().map(std::path::Component::as_os_str);
    let is_credential = parts.any(|part| part == "credentials" || part == "credstore");
    let hint = if is_credential && error.kind() == std::io::ErrorKind::NotFound {
        "; it is a credential of the service, which exists only while the service runs and only if its unit has \
         LoadCredential= or LoadCredentialEncrypted= for it (systemctl edit moodring)"
    } else {
        ""
    };
    format!("{key} {} cannot be read: {error}{hint}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn external(username: &str) -> Mqtt {
        Mqtt { broker: BrokerKind::External, username: username.into(), ..Mqtt::default() }
    }

    #[test]
    fn the_configured_password_file_precedes_the_service_s_credential() {
        let folder = tempfile::tempdir().unwrap();
        let secrets = Secrets { credentials: Some(folder.path().into()) };
        assert_eq!(secrets.login(&external("")), Ok(None));
        assert_eq!(secrets.login(&external("me")), Ok(Some(("me".into(), String::new()))));
        std::fs::write(folder.path().join(PASSWORD), "from systemd\nnot this").unwrap();
        assert_eq!(secrets.login(&external("me")), Ok(Some(("me".into(), "from systemd".into()))));
        let file = folder.path().join("own");
        std::fs::write(&file, "own\r\n").unwrap();
        let named = Mqtt { password_file: file, ..external("me") };
        assert_eq!(secrets.login(&named), Ok(Some(("me".into(), "own".into()))));
        let embedded = Mqtt { broker: BrokerKind::Embedded, ..named };
        assert_eq!(secrets.login(&embedded), Ok(None), "the embedded broker needs no password");
    }

    #[test]
    fn a_password_file_may_have_the_marks_of_windows_and_its_encoding_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        let read = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            first_line("mqtt.password_file", &path)
        };
        assert_eq!(read(b"\xef\xbb\xbfsecr\xc3\xa9t \r\nmore"), Ok("secr\u{e9}t ".into()));
        let utf16: Vec<u8> = "\u{feff}secret\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let problem = read(&utf16).unwrap_err();
        assert!(problem.contains("mqtt.password_file") && problem.contains("UTF-16"), "{problem}");
        assert!(read(b"secr\xe9t\n").unwrap_err().contains("Latin-1"));
        let absent = Path::new("/run/credentials/moodring.service/mqtt-password");
        let problem = first_line("mqtt.password_file", absent).unwrap_err();
        assert!(
            problem.contains("credential of the service") && problem.contains("LoadCredential="),
            "{problem}"
        );
    }

    #[test]
    fn an_error_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty.pem");
        std::fs::write(&empty, "nothing\n").unwrap();
        let problem_of = |tls: Tls| {
            let config = Mqtt { tls: Tls { enabled: true, ..tls }, ..external("") };
            Secrets::default().tls(&config).unwrap_err()
        };
        let missing = problem_of(Tls { ca_file: "/nonexistent/ca.pem".into(), ..Tls::default() });
        assert!(missing.contains("mqtt.tls.ca_file /nonexistent/ca.pem cannot be read"), "{missing}");
        let empty = problem_of(Tls { ca_file: empty, ..Tls::default() });
        assert!(empty.contains("holds no certificate"), "{empty}");
        let locked = folder.path().join("locked.key");
        std::fs::write(&locked, "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMII=\n").unwrap();
        let problem = private_key("mqtt.tls.key_file", &locked).unwrap_err();
        assert!(
            problem.contains("encrypted with a passphrase") && problem.contains("openssl pkey"),
            "{problem}"
        );
    }
}
