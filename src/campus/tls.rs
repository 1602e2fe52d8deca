//! TLS for the broker and the database: whom to trust, and nothing else to choose.

use std::path::Path;
use std::sync::Arc;

use rumqttc_v4::tokio_rustls::rustls::crypto::ring;
use rumqttc_v4::tokio_rustls::rustls::pki_types::CertificateDer;
use rumqttc_v4::tokio_rustls::rustls::pki_types::pem::PemObject;
use rumqttc_v4::tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Trusts the authorities in the PEM file `ca`, such as /etc/ssl/certs/ca-certificates.crt, and only those.
///
/// # Errors
/// The file cannot be read, or has no certificate of an authority; in words.
pub fn trusting(ca: &Path) -> Result<Arc<ClientConfig>, String> {
    let problem = |error: &dyn std::fmt::Display| format!("{}: {error}", ca.display());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca).map_err(|error| problem(&error))? {
        roots.add(certificate.map_err(|error| problem(&error))?).map_err(|error| problem(&error))?;
    }
    if roots.is_empty() {
        return Err(problem(&"no certificate stands in it"));
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
    fn a_file_that_is_missing_or_has_no_certificate_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.crt");
        assert!(trusting(&path).unwrap_err().contains("ca.crt"));
        std::fs::write(&path, "nothing").unwrap();
        assert!(trusting(&path).unwrap_err().contains("no certificate stands in it"));
    }
}
