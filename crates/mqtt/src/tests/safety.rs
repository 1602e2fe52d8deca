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
        params.distinguished_name.push(DnType::CommonName, "authority");
        let key = KeyPair::generate().unwrap();
        let authority_key = key.serialize_pem();
        let authority = CertifiedIssuer::self_signed(params, key).unwrap();
        let write = |name: &str, text: String| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            open_to_everybody(folder.path(), &path);
        };
        write("ca.pem", authority.pem());
        write("ca.key", authority_key);
        for (name, subject, years) in [
            ("broker", "127.0.0.1", 2020..2090),
            ("elsewhere", "broker.example", 2020..2090),
            ("device", "moodring", 2020..2090),
            ("expired", "127.0.0.1", 2020..2021),
            ("future", "127.0.0.1", 2080..2090),
        ] {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::new(vec![subject.to_owned()]).unwrap();
            params.not_before = rcgen::date_time_ymd(years.start, 1, 1);
            params.not_after = rcgen::date_time_ymd(years.end, 1, 1);
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
            for (broker, advice) in [
                (&elsewhere, "is for broker.example, not for 127.0.0.1; set mqtt.host"),
                (&unknown, "mqtt.tls.ca_file"),
            ] {
                let device = device(broker.port, config::Mqtt { protocol, ..authority.config() });
                let problem = problem(&device.health).await;
                assert!(
                    problem.contains("the connection is not safe") && problem.contains(advice),
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

/// The problem of a device that connects to `port`.
async fn problem_at(port: u16, config: config::Mqtt) -> String {
    let device = device(port, config);
    let problem = problem(&device.health).await;
    device.stop.request();
    problem
}

#[test]
fn faults_of_certificates_name_their_cause() {
    let authority = Authority::new();
    for (name, advice) in [
        ("expired", "expired at 2021-01-01T00:00:00Z"),
        ("future", "valid only from 2080-01-01T00:00:00Z"),
        ("ca", "the certificate of an authority (CA:TRUE"),
    ] {
        let Some(mosquitto) = authority.broker(name, "") else { return };
        runtime().block_on(async {
            for protocol in [config::Protocol::V4, config::Protocol::V5] {
                let config = config::Mqtt { protocol, ..authority.config() };
                let problem = problem_at(mosquitto.port, config).await;
                assert!(problem.contains(advice), "{problem}");
            }
        });
    }
}

#[test]
fn a_port_with_and_without_tls_is_not_confused() {
    let authority = Authority::new();
    let Some(encrypted) = authority.broker("broker", "") else { return };
    let Some(plain) = Mosquitto::start("allow_anonymous true") else { return };
    runtime().block_on(async {
        for protocol in [config::Protocol::V4, config::Protocol::V5] {
            let config = config::Mqtt { protocol, ..authority.config() };
            let problem = problem_at(plain.port, config).await;
            assert!(problem.contains("does not answer with TLS"), "{problem}");
            let config = config::Mqtt { tls: config::Tls::default(), protocol, ..authority.config() };
            let problem = problem_at(encrypted.port, config).await;
            assert!(problem.contains("set mqtt.tls.enabled = true"), "{problem}");
        }
    });
}
