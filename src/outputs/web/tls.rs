//! HTTPS: with a certificate of one's own, or with one that the device makes and keeps itself.

use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use tokio_rustls::TlsAcceptor;
use tracing::info;

use crate::{config, private};

/// A certificate that was made here holds for so long: phones refuse more than 825 days.
const MADE_FOR: SignedDuration = SignedDuration::from_hours(24 * 730);
/// At a start with less than this left another one is made.
const RENEWED_WITH_LEFT: SignedDuration = SignedDuration::from_hours(24 * 60);
/// Clocks of phones are not those of devices.
const EARLIER: SignedDuration = SignedDuration::from_hours(24);
const MADE_FILE: &str = "page.pem";
/// A larger file is not one of ours.
const MOST_BYTES: u64 = 64 * 1024;
/// First word of the first line of that file; then until when it holds, in seconds since 1970, and its names.
const HEADING: &str = "moodring-page-1";

/// Takes HTTPS connections by the names `names`.
///
/// # Errors
/// What is wrong with which file, and how to mend it.
pub(super) fn acceptor(
    web: &config::Web,
    storage: &Path,
    names: &[String],
    now: Timestamp,
) -> Result<TlsAcceptor, String> {
    let own = !web.certificate_file.as_os_str().is_empty();
    let (chain, key) = if own { given(web)? } else { made(storage, names, now)? };
    let fingerprint = chain.first().map(|leaf| fingerprint(leaf)).unwrap_or_default();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS: {error}"))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| {
            format!("web.certificate_file does not go with web.certificate_key_file: {error}")
        })?;
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    info!(own, %fingerprint, "the page is served by HTTPS");
    Ok(TlsAcceptor::from(Arc::new(server)))
}

type Pair = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// The administrator's.
fn given(web: &config::Web) -> Result<Pair, String> {
    let read = |key: &str, path: &Path| {
        std::fs::read(path).map_err(|error| {
            format!("{key} {} cannot be read: {error}; the service's user must be able to", path.display())
        })
    };
    let chain = read("web.certificate_file", &web.certificate_file)?;
    let key = read("web.certificate_key_file", &web.certificate_key_file)?;
    parse(&chain, &key).map_err(|what| {
        let file = if what == Missing::Key { &web.certificate_key_file } else { &web.certificate_file };
        format!("{} holds no {} in PEM", file.display(), what.name())
    })
}

/// The one that was made here before; a new one where there is none, it is about to end, or names have changed.
fn made(storage: &Path, names: &[String], now: Timestamp) -> Result<Pair, String> {
    let failed = |error: &dyn std::fmt::Display| {
        format!("a certificate for the page cannot be kept in {}: {error}", storage.display())
    };
    let kept = private::read(&storage.join(MADE_FILE), MOST_BYTES).map_err(|error| failed(&error))?;
    if let Some(kept) = kept.filter(|kept| holds(kept, names, now))
        && let Ok(pair) = parse(&kept, &kept)
    {
        return Ok(pair);
    }
    let until = now + MADE_FOR;
    let pem = make(names, now, until).map_err(|error| failed(&error))?;
    let heading = format!("{HEADING} {} {}\n", until.as_second(), names.join(" "));
    let file = [heading.as_bytes(), pem.as_bytes()].concat();
    private::write(&storage.join(MADE_FILE), &file).map_err(|error| failed(&error))?;
    parse(&file, &file).map_err(|what| failed(&format!("it holds no {}", what.name())))
}

/// Whether the file was made for these names and holds long enough.
fn holds(file: &[u8], names: &[String], now: Timestamp) -> bool {
    let heading = file.split(|byte| *byte == b'\n').next().and_then(|line| std::str::from_utf8(line).ok());
    let mut words = heading.unwrap_or_default().split(' ');
    let ours = words.next() == Some(HEADING);
    let until = words.next().and_then(|word| word.parse().ok());
    let left = until.is_some_and(|until: i64| now.as_second() + RENEWED_WITH_LEFT.as_secs() < until);
    ours && left && words.eq(names)
}

/// Certificate and key in PEM.
fn make(names: &[String], from: Timestamp, until: Timestamp) -> Result<String, rcgen::Error> {
    let day = |at: Timestamp| {
        let date = at.to_zoned(TimeZone::UTC).date();
        rcgen::date_time_ymd(date.year().into(), date.month() as u8, date.day() as u8)
    };
    let names: Vec<String> = names.iter().map(|name| name.trim_matches(['[', ']']).to_owned()).collect();
    let mut parameters = rcgen::CertificateParams::new(names)?;
    (parameters.not_before, parameters.not_after) = (day(from - EARLIER), day(until));
    parameters.distinguished_name.push(rcgen::DnType::CommonName, "moodring");
    parameters.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let key = rcgen::KeyPair::generate()?;
    Ok(parameters.self_signed(&key)?.pem() + &key.serialize_pem())
}

/// What a file should hold and does not.
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
    fn one_certificate_is_made_and_stays_until_names_change_or_it_is_about_to_end() {
        let folder = tempfile::tempdir().unwrap();
        let now: Timestamp = "2026-11-26T10:00:00Z".parse().unwrap();
        let of = names(&["192.168.1.20", "wall.local", "[fd00::1]"]);
        let first = made(folder.path(), &of, now).unwrap().0;
        assert_eq!(made(folder.path(), &of, now).unwrap().0, first);
        assert_eq!(made(folder.path(), &of, now + SignedDuration::from_hours(24 * 600)).unwrap().0, first);
        let later = made(folder.path(), &of, now + SignedDuration::from_hours(24 * 700)).unwrap().0;
        assert_ne!(later, first, "about to end");
        assert_ne!(made(folder.path(), &names(&["10.0.0.7"]), now).unwrap().0, later, "another address");
        std::fs::write(folder.path().join(MADE_FILE), "nonsense").unwrap();
        made(folder.path(), &of, now).unwrap();
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(folder.path().join(MADE_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn what_is_wrong_with_given_files_is_said_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let now = Timestamp::now();
        std::fs::write(path("both.pem"), make(&names(&["a"]), now, now + MADE_FOR).unwrap()).unwrap();
        std::fs::write(path("other.pem"), make(&names(&["b"]), now, now + MADE_FOR).unwrap()).unwrap();
        std::fs::write(path("empty.pem"), "").unwrap();
        let told = |chain: &str, key: &str| {
            let web = config::Web {
                certificate_file: path(chain),
                certificate_key_file: path(key),
                ..config::Web::default()
            };
            acceptor(&web, folder.path(), &[], now).err()
        };
        assert_eq!(told("both.pem", "both.pem"), None);
        assert!(told("nowhere.pem", "both.pem").unwrap().contains("web.certificate_file"));
        assert!(told("empty.pem", "both.pem").unwrap().contains("empty.pem holds no certificate"));
        assert!(told("both.pem", "empty.pem").unwrap().contains("empty.pem holds no private key"));
        assert!(told("both.pem", "other.pem").unwrap().contains("does not go with"));
    }
}
