//! Encrypted connections, with certificates made for the test.

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use super::*;

/// A certificate authority and the certificates it has signed, as files.
struct Authority {
    folder: tempfile::TempDir,
}

impl Authority {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let write = |name: &str, text: String| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            open_to_everybody(folder.path(), &path);
        };
        write("ca.pem", authority.pem());
        for (name, subject) in
            [("broker", "127.0.0.1"), ("elsewhere", "broker.example"), ("device", "moodring")]
        {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::new(vec![subject.to_owned()]).unwrap();
            // Its name differs from the authority's: otherwise OpenSSL takes it for a self-signed certificate.
            params.distinguished_name.push(DnType::CommonName, name);
            let certificate = params.signed_by(&key, &authority).unwrap();
            write(&format!("{name}.pem"), certificate.pem());
            write(&format!("{name}.key"), key.serialize_pem());
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A broker with the certificate called `name`.
    fn broker(&self, name: &str, extra: &str) -> Option<Mosquitto> {
        let path = |name: String| self.path(&name).display().to_string();
        Mosquitto::start(&format!(
            "allow_anonymous true\ncafile {}\ncertfile {}\nkeyfile {}\n{extra}",
            path("ca.pem".into()),
            path(format!("{name}.pem")),
            path(format!("{name}.key")),
        ))
    }

    fn config(&self) -> config::Mqtt {
        let tls = config::Tls { enabled: true, ca_file: self.path("ca.pem"), ..config::Tls::default() };
        config::Mqtt { broker: config::BrokerKind::External, tls, ..config::Mqtt::default() }
    }
}

#[test]
fn a_broker_with_a_trusted_certificate_gets_moods_in_both_versions() {
    let authority = Authority::new();
    let Some(mosquitto) = authority.broker("broker", "") else { return };
    runtime().block_on(async {
        for protocol in [config::Protocol::V4, config::Protocol::V5] {
            let device = device(mosquitto.port, config::Mqtt { protocol, ..authority.config() });
            connected(&device).await;
            until("a mood", || (device.health.published.get() > 0).then_some(())).await;
            device.stop.request();
            device.task.await.unwrap();
        }
    });
}

#[test]
fn a_broker_with_a_wrong_certificate_gets_nothing() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let Some(elsewhere) = authority.broker("elsewhere", "") else { return };
    let Some(unknown) = stranger.broker("broker", "") else { return };
    runtime().block_on(async {
        for protocol in [config::Protocol::V4, config::Protocol::V5] {
            for broker in [&elsewhere, &unknown] {
                let device = device(broker.port, config::Mqtt { protocol, ..authority.config() });
                let problem = problem(&device.health).await;
                assert!(
                    problem.contains("the connection is not safe") && problem.contains("mqtt.tls.ca_file"),
                    "{problem}"
                );
                assert_eq!(device.health.published.get(), 0);
                device.stop.request();
            }
        }
    });
}

#[test]
fn a_broker_that_asks_for_a_certificate_gets_the_device_s() {
    let authority = Authority::new();
    let Some(mosquitto) = authority.broker("broker", "require_certificate true") else { return };
    runtime().block_on(async {
        let nameless = device(mosquitto.port, authority.config());
        let problem = problem(&nameless.health).await;
        // The broker closes the connection immediately, so its reason may be lost.
        assert!(problem.contains("MQTT broker at"), "{problem}");
        nameless.stop.request();
        let mut config = authority.config();
        config.tls.certificate_file = authority.path("device.pem");
        config.tls.key_file = authority.path("device.key");
        connected(&device(mosquitto.port, config)).await;
    });
}

#[test]
fn a_key_that_does_not_match_the_certificate_is_reported() {
    let authority = Authority::new();
    runtime().block_on(async {
        let mut config = authority.config();
        config.tls.certificate_file = authority.path("device.pem");
        config.tls.key_file = authority.path("broker.key");
        let problem = problem(&device(1, config).health).await;
        assert!(problem.contains("mqtt.tls.certificate_file does not go with its key"), "{problem}");
    });
}
