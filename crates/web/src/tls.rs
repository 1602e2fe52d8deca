//! HTTPS with the administrator's certificate, or with a self-signed one that the device generates and stores.

use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use tokio_rustls::TlsAcceptor;
use tracing::info;

use moodring_config as config;
use moodring_runtime::state_file;

/// Validity of a generated certificate; phones refuse more than 825 days.
const VALID_FOR: SignedDuration = SignedDuration::from_hours(24 * 730);
/// A generated certificate with less validity than this left is replaced at the start.
const RENEW_BEFORE: SignedDuration = SignedDuration::from_hours(24 * 60);
/// Begin of the validity before the time of generation, because a phone's clock may be behind.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_hours(24);
const GENERATED_FILE: &str = "page.pem";
/// A larger file was not written by this program.
const MAX_BYTES: u64 = 64 * 1024;
/// First word of the first line of that file. The end of the validity, in seconds since 1970, and the names follow.
const HEADING: &str = "moodring-page-1";

/// The acceptor of HTTPS connections to `names`.
///
/// # Errors
/// What is wrong with which file, and how to correct it.
pub(super) fn acceptor(
    web: &config::Web,
    storage: &Path,
    names: &[String],
    now: Timestamp,
) -> Result<TlsAcceptor, String> {
    let own = !web.certificate_file.as_os_str().is_empty();
    let (chain, key) = if own { configured(web)? } else { generated(storage, names, now)? };
    let fingerprint = chain.first().map(|leaf| fingerprint(leaf)).unwrap_or_default();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS: {error}"))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| format!("web.certificate_file does not match web.certificate_key_file: {error}"))?;
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    info!(own, %fingerprint, "the page is served by HTTPS");
    Ok(TlsAcceptor::from(Arc::new(server)))
}

type Pair = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// The certificate and key of the configuration.
fn configured(web: &config::Web) -> Result<Pair, String> {
    let read = |key: &str, path: &Path| {
        std::fs::read(path).map_err(|error| {
            format!(
                "{key} {} cannot be read: {error}; make it readable for the service's user",
                path.display()
            )
        })
    };
    let chain = read("web.certificate_file", &web.certificate_file)?;
    let key = read("web.certificate_key_file", &web.certificate_key_file)?;
    parse(&chain, &key).map_err(|what| {
        let file = if what == Missing::Key { &web.certificate_key_file } else { &web.certificate_file };
        format!("{} holds no {} in PEM", file.display(), what.name())
    })
}

/// The stored certificate; generates one if there is none, it is about to expire, or the names have changed.
fn generated(storage: &Path, names: &[String], now: Timestamp) -> Result<Pair, String> {
    let failed = |error: &dyn std::fmt::Display| {
        format!("the page's certificate cannot be stored in {}: {error}", storage.display())
    };
    // A damaged file is replaced, as one that was never there.
    let stored = state_file::read(&storage.join(GENERATED_FILE), MAX_BYTES).unwrap_or_default();
    if let Some(stored) = stored.filter(|stored| is_valid(stored, names, now))
        && let Ok(pair) = parse(&stored, &stored)
    {
        return Ok(pair);
    }
    let until = now + VALID_FOR;
    let pem = generate(names, now, until).map_err(|error| failed(&error))?;
    let heading = format!("{HEADING} {} {}\n", until.as_second(), names.join(" "));
    let file = [heading.as_bytes(), pem.as_bytes()].concat();
    state_file::write(&storage.join(GENERATED_FILE), &file).map_err(|error| failed(&error))?;
    parse(&file, &file).map_err(|what| failed(&format!("it holds no {}", what.name())))
}

/// Whether the file was generated for these names and is valid for long enough.
fn is_valid(file: &[u8], names: &[String], now: Timestamp) -> bool {
    let heading = file.split(|byte| *byte == b'\n').next().and_then(|line| std::str::from_utf8(line).ok());
    let mut words = heading.unwrap_or_default().split(' ');
    let ours = words.next() == Some(HEADING);
    let until = words.next().and_then(|word| word.parse().ok());
    let left = until.is_some_and(|until: i64| now.as_second() + RENEW_BEFORE.as_secs() < until);
    ours && left && words.eq(names)
}

/// A self-signed certificate and its key, in PEM.
fn generate(names: &[String], from: Timestamp, until: Timestamp) -> Result<String, rcgen::Error> {
    let day = |at: Timestamp| {
        let date = at.to_zoned(TimeZone::UTC).date();
        rcgen::date_time_ymd(date.year().into(), date.month() as u8, date.day() as u8)
    };
    let names: Vec<String> = names.iter().map(|name| name.trim_matches(['[', ']']).to_owned()).collect();
    let mut parameters = rcgen::CertificateParams::new(names)?;
    (parameters.not_before, parameters.not_after) = (day(from - CLOCK_TOLERANCE), day(until));
    parameters.distinguished_name.push(rcgen::DnType::CommonName, "moodring");
    parameters.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let key = rcgen::KeyPair::generate()?;
    Ok(parameters.self_signed(&key)?.pem() + &key.serialize_pem())
}

/// What is missing in a file.
#[derive(Debug, PartialEq, Eq)]
enum Missing {
    Certificate,
    Key,
}

impl Missing {
    const fn name(&self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Key => "private key",
        }
    }
}

fn parse(chain: &[u8], key: &[u8]) -> Result<Pair, Missing> {
    let chain: Vec<_> =
        CertificateDer::pem_slice_iter(chain).collect::<Result<_, _>>().map_err(|_| Missing::Certificate)?;
    if chain.is_empty() {
        return Err(Missing::Certificate);
    }
    Ok((chain, PrivateKeyDer::from_pem_slice(key).map_err(|_| Missing::Key)?))
}

/// SHA-256 of the certificate, as browsers show it.
fn fingerprint(certificate: &[u8]) -> String {
    let bytes = Sha256::digest(certificate);
    bytes.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(of: &[&str]) -> Vec<String> {
        of.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_certificate_is_generated_and_stays_until_names_change_or_it_is_about_to_expire() {
        let folder = tempfile::tempdir().unwrap();
        let now: Timestamp = "2026-11-26T10:00:00Z".parse().unwrap();
        let of = names(&["192.168.1.20", "wall.local", "[fd00::1]"]);
        let first = generated(folder.path(), &of, now).unwrap().0;
        assert_eq!(generated(folder.path(), &of, now).unwrap().0, first);
        assert_eq!(
            generated(folder.path(), &of, now + SignedDuration::from_hours(24 * 600)).unwrap().0,
            first
        );
        let later = generated(folder.path(), &of, now + SignedDuration::from_hours(24 * 700)).unwrap().0;
        assert_ne!(later, first, "about to expire");
        assert_ne!(generated(folder.path(), &names(&["10.0.0.7"]), now).unwrap().0, later, "another address");
        std::fs::write(folder.path().join(GENERATED_FILE), "nonsense").unwrap();
        generated(folder.path(), &of, now).unwrap();
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(folder.path().join(GENERATED_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn faults_of_configured_files_name_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let now = Timestamp::now();
        std::fs::write(path("both.pem"), generate(&names(&["a"]), now, now + VALID_FOR).unwrap()).unwrap();
        std::fs::write(path("other.pem"), generate(&names(&["b"]), now, now + VALID_FOR).unwrap()).unwrap();
        std::fs::write(path("empty.pem"), "").unwrap();
        let fault = |chain: &str, key: &str| {
            let web = config::Web {
                certificate_file: path(chain),
                certificate_key_file: path(key),
                ..config::Web::default()
            };
            acceptor(&web, folder.path(), &[], now).err()
        };
        assert_eq!(fault("both.pem", "both.pem"), None);
        assert!(fault("nowhere.pem", "both.pem").unwrap().contains("web.certificate_file"));
        assert!(fault("empty.pem", "both.pem").unwrap().contains("empty.pem holds no certificate"));
        assert!(fault("both.pem", "empty.pem").unwrap().contains("empty.pem holds no private key"));
        assert!(fault("both.pem", "other.pem").unwrap().contains("does not match"));
    }
}
