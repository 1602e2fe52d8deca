//! Words for faults of TLS: what is wrong with which certificate, and what mends it.

use std::io;

use jiff::Timestamp;

use super::rustls::pki_types::UnixTime;
use super::rustls::{AlertDescription, CertificateError, Error, OtherError};

/// The fault of a connection without TLS to a port with TLS.
pub(super) const UNENCRYPTED: &str =
    "the broker expects TLS at this port; set mqtt.tls.enabled = true, or mqtt.port to its port without TLS";
const NOT_TLS: &str =
    "the broker does not answer with TLS at this port; set mqtt.port to its port with TLS (usually 8883)";
const WANTS_CERTIFICATE: &str =
    "the broker wants a certificate of this device; set mqtt.tls.certificate_file and mqtt.tls.key_file";

/// The fault of a handshake that failed.
pub(super) fn of_handshake(error: &io::Error, host: &str) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(cause) => of(cause, host),
        // A server that does not know TLS closes the connection at the first packet.
        None => NOT_TLS.to_owned(),
    }
}

/// The fault for an error of TLS; the broker's name is `host`.
pub(super) fn of(error: &Error, host: &str) -> String {
    match error {
        Error::InvalidCertificate(fault) => of_certificate(fault, host),
        Error::AlertReceived(alert) => of_alert(*alert).to_owned(),
        Error::InvalidMessage(_) | Error::InappropriateMessage { .. } => NOT_TLS.to_owned(),
        Error::PeerIncompatible(_) => {
            "the broker has no version of TLS in common; it needs TLS 1.2 or 1.3".to_owned()
        }
        Error::UnsupportedNameType => {
            format!("{host} is no name that a certificate can have; correct mqtt.host")
        }
        _ => "the encryption failed; look at the broker's log".to_owned(),
    }
}

fn of_certificate(fault: &CertificateError, host: &str) -> String {
    match fault {
        CertificateError::ExpiredContext { time, not_after } => {
            format!("the broker's certificate expired at {}, and this device's clock says {}; renew it, or set the clock", at(*not_after), at(*time))
        }
        CertificateError::Expired => "the broker's certificate has expired; renew it, or set this device's clock".to_owned(),
        CertificateError::NotValidYetContext { time, not_before } => {
            format!("the broker's certificate is valid only from {}, and this device's clock says {}; set the clock (timedatectl)", at(*not_before), at(*time))
        }
        CertificateError::NotValidYet => "the broker's certificate is not valid yet; set this device's clock (timedatectl)".to_owned(),
        CertificateError::UnknownIssuer => {
            "no authority in mqtt.tls.ca_file (if it is empty, in the system) has signed the broker's certificate; put the authority's certificate there".to_owned()
        }
        CertificateError::NotValidForNameContext { presented, .. } => of_names(presented, host),
        CertificateError::NotValidForName => of_names(&[], host),
        CertificateError::BadSignature => {
            "the signature of the broker's certificate is wrong: mqtt.tls.ca_file has another authority of the same name, or its RSA key is shorter than 2048 bits".to_owned()
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "the broker's certificate is not for servers; issue one with extendedKeyUsage = serverAuth".to_owned()
        }
        CertificateError::Revoked => "the broker's certificate was revoked; issue another".to_owned(),
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "the broker's certificate is signed with an outdated algorithm; issue one with SHA-256".to_owned()
        }
        CertificateError::Other(OtherError(cause)) => of_other(&cause.to_string()).to_owned(),
        _ => "the broker's certificate cannot be read; issue another".to_owned(),
    }
}

/// Causes that the library passes on only as text.
fn of_other(cause: &str) -> &'static str {
    match cause {
        "CaUsedAsEndEntity" => {
            "the broker shows the certificate of an authority (CA:TRUE, as `openssl req -x509` makes it) as its own; issue a server certificate signed by that authority"
        }
        "UnsupportedCertVersion" => {
            "the broker's certificate has X.509 version 1; issue one of version 3, with subjectAltName"
        }
        _ => "the broker's certificate breaks a rule of X.509; issue another",
    }
}

fn of_names(presented: &[String], host: &str) -> String {
    // The library writes `DnsName("broker.example")`.
    let name = |text: &String| text.split('"').nth(1).unwrap_or(text).to_owned();
    let names: Vec<String> = presented.iter().map(name).collect();
    if names.is_empty() {
        return format!(
            "the broker's certificate has no subjectAltName; issue one with {host} in it (a common name does not count)"
        );
    }
    format!(
        "the broker's certificate is for {}, not for {host}; set mqtt.host to a name in it",
        names.join(", ")
    )
}

const fn of_alert(alert: AlertDescription) -> &'static str {
    match alert {
        AlertDescription::CertificateRequired | AlertDescription::NoCertificate => WANTS_CERTIFICATE,
        AlertDescription::UnknownCA | AlertDescription::AccessDenied => {
            "the broker does not trust this device: its authority did not sign mqtt.tls.certificate_file"
        }
        AlertDescription::CertificateExpired => {
            "the broker does not trust this device: mqtt.tls.certificate_file has expired; renew it, or set the broker's clock"
        }
        AlertDescription::CertificateRevoked => {
            "the broker does not trust this device: mqtt.tls.certificate_file was revoked; issue another"
        }
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::DecryptError => {
            "the broker does not trust this device: look at mqtt.tls.certificate_file, and at the broker's log"
        }
        AlertDescription::ProtocolVersion | AlertDescription::InsufficientSecurity => {
            "the broker has no version of TLS in common; it needs TLS 1.2 or 1.3"
        }
        AlertDescription::UnrecognisedName => "the broker does not know the name in mqtt.host",
        // With TLS 1.2 also of a broker that wants a certificate.
        AlertDescription::HandshakeFailure => {
            "the broker ends the handshake: it may want a certificate of this device (mqtt.tls.certificate_file); look at its log"
        }
        _ => "the broker ends the encryption; look at its log",
    }
}

fn at(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).map_or_else(|_| "an unknown time".to_owned(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn faults_name_what_mends_them_and_no_type_of_the_library() {
        let time = UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_800_000_000));
        let other =
            |cause: &'static str| CertificateError::Other(OtherError(Arc::new(io::Error::other(cause))));
        let certificate = |fault: CertificateError| Error::InvalidCertificate(fault);
        let presented = vec!["DnsName(\"broker.example\")".to_owned()];
        for (error, part) in [
            (
                certificate(CertificateError::ExpiredContext { time, not_after: time }),
                "expired at 2027-01-15T08:00:00Z",
            ),
            (
                certificate(CertificateError::NotValidYetContext { time, not_before: time }),
                "this device's clock says 2027",
            ),
            (certificate(CertificateError::UnknownIssuer), "mqtt.tls.ca_file"),
            (certificate(of_name(presented)), "is for broker.example, not for 10.0.0.1"),
            (certificate(of_name(Vec::new())), "no subjectAltName"),
            (certificate(other("CaUsedAsEndEntity")), "authority (CA:TRUE"),
            (certificate(other("UnsupportedCertVersion")), "X.509 version 1"),
            (Error::AlertReceived(AlertDescription::CertificateRequired), "mqtt.tls.certificate_file"),
            (
                Error::InvalidMessage(super::super::rustls::InvalidMessage::InvalidContentType),
                "does not answer with TLS",
            ),
        ] {
            let text = of(&error, "10.0.0.1");
            assert!(text.contains(part), "{text}");
            assert!(!text.contains("Error") && !text.contains("Invalid"), "{text}");
        }
        assert_eq!(of_handshake(&io::ErrorKind::UnexpectedEof.into(), "broker"), NOT_TLS);
    }

    fn of_name(presented: Vec<String>) -> CertificateError {
        let expected = "10.0.0.1".to_owned().try_into().unwrap();
        CertificateError::NotValidForNameContext { expected, presented }
    }
}
