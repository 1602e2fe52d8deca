//! Password, certificates and key, read anew at each attempt to connect, so that mending a file is enough.
//!
//! Files of the configuration come first; where it names none, the credentials that the service manager hands over
//! (systemd.exec(5), `LoadCredential=` and `LoadCredentialEncrypted=`) do.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::client::rustls::{
    self, ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use crate::config::{BrokerKind, Mqtt, Tls};

/// More of a password file is not read.
const MOST_PASSWORD_BYTES: u64 = 4096;
/// More of a PEM file is not read; what a system trusts has about 230 kB.
const MOST_PEM_BYTES: u64 = 1024 * 1024;
/// Name of the service's credential with the password.
const PASSWORD: &str = "mqtt-password";
/// The same with the key of the device's certificate.
const KEY: &str = "mqtt-key";

/// Where secrets come from.
#[derive(Debug, Clone, Default)]
pub(super) struct Secrets {
    /// Folder of the service's credentials.
    credentials: Option<PathBuf>,
}

impl Secrets {
    /// Those of this process.
    pub(super) fn here() -> Self {
        Self { credentials: std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from) }
    }

    /// User name and password for the broker, where it wants them.
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

    /// What an encrypted connection needs, where it is to be one.
    ///
    /// # Errors
    /// A file cannot be read or is not what it should be; one line that names it.
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
        let private = PrivateKeyDer::from_pem_slice(&pem(key, &path)?)
            .map_err(|error| format!("{key} {} holds no key in PEM: {error}", path.display()))?;
        let with_key = builder.with_client_auth_cert(chain, private);
        let with_key = with_key
            .map_err(|error| format!("mqtt.tls.certificate_file does not go with its key: {error}"))?;
        Ok(Some(Arc::new(with_key)))
    }

    /// The file of the configuration, else the service's credential `name`; with the name that complaints use.
    fn path(
        &self,
        key: &'static str,
        configured: &Path,
        name: &'static str,
    ) -> Option<(&'static str, PathBuf)> {
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
    // Systems trust a few old certificates that cannot be parsed; the others do.
    roots.add_parsable_certificates(certificates);
    if roots.is_empty() {
        return Err(
            "nobody can vouch for the broker: no usable certificate in mqtt.tls.ca_file, or in the system"
                .into(),
        );
    }
    Ok(roots)
}

fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let bytes = pem(key, path)?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        Ok(_) => Err(format!("{key} {} holds no certificate in PEM", path.display())),
        Err(error) => Err(format!("{key} {} is no PEM file: {error}", path.display())),
    }
}

fn pem(key: &'static str, path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path);
    let read = file.and_then(|file| file.take(MOST_PEM_BYTES).read_to_end(&mut bytes));
    read.map_err(|error| format!("{key} {} cannot be read: {error}", path.display()))?;
    Ok(bytes)
}

fn first_line(key: &'static str, path: &Path) -> Result<String, String> {
    let problem = |error| format!("{key} {} cannot be read: {error}", path.display());
    let file = std::fs::File::open(path).map_err(problem)?;
    let mut line = String::new();
    BufReader::new(file.take(MOST_PASSWORD_BYTES)).read_line(&mut line).map_err(problem)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn external(username: &str) -> Mqtt {
        Mqtt { broker: BrokerKind::External, username: username.into(), ..Mqtt::default() }
    }

    #[test]
    fn the_password_is_the_configured_file_s_else_the_service_s_credential() {
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
        assert_eq!(secrets.login(&embedded), Ok(None), "nobody asks for it there");
    }

    #[test]
    fn what_is_wrong_with_a_file_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty.pem");
        std::fs::write(&empty, "nothing\n").unwrap();
        let told = |tls: Tls| {
            let config = Mqtt { tls: Tls { enabled: true, ..tls }, ..external("") };
            Secrets::default().tls(&config).unwrap_err()
        };
        let missing = told(Tls { ca_file: "/nonexistent/ca.pem".into(), ..Tls::default() });
        assert!(missing.contains("mqtt.tls.ca_file /nonexistent/ca.pem cannot be read"), "{missing}");
        let empty = told(Tls { ca_file: empty, ..Tls::default() });
        assert!(empty.contains("holds no certificate"), "{empty}");
    }
}
