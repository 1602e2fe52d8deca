//! TLS for the broker and the database: the authorities are configured, and nothing else.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// Why the authorities cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct CaError {
    path: PathBuf,
    problem: String,
}

/// Trusts the authorities in the PEM file `ca`, such as /etc/ssl/certs/ca-certificates.crt, and only those.
///
/// # Errors
/// The file cannot be read, or has no certificate of an authority.
pub fn trusting(ca: &Path) -> Result<Arc<ClientConfig>, CaError> {
    let problem =
        |error: &dyn std::fmt::Display| CaError { path: ca.to_path_buf(), problem: error.to_string() };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca).map_err(|error| problem(&error))? {
        roots.add(certificate.map_err(|error| problem(&error))?).map_err(|error| problem(&error))?;
    }
    if roots.is_empty() {
        return Err(problem(&"it holds no certificate"));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| problem(&error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_and_one_without_a_certificate_are_reported() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.crt");
        assert!(trusting(&path).unwrap_err().to_string().contains("ca.crt"));
        std::fs::write(&path, "nothing").unwrap();
        assert!(trusting(&path).unwrap_err().to_string().contains("it holds no certificate"));
    }
}
