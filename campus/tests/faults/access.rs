//! The broker refuses the device, or another client takes its session.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use crate::broker::{self, is_root};
use crate::stage::{Devices, Options, Stage, replace};
use crate::{Extent, Tried};

/// How long the broker refuses the device: several attempts.
const CLOSED: Duration = Duration::from_secs(10);

/// A configuration for the devices, beside `--port`.
fn configure(folder: &Path, options: &mut Options, mqtt: &str) {
    let path = folder.join("moodring.toml");
    std::fs::write(&path, format!("[mqtt]\nbroker = \"external\"\n{mqtt}")).unwrap();
    options.arguments = vec!["--config".into(), path.to_str().unwrap().into()];
}

pub(crate) fn wrong_password(name: &'static str, _: Extent) -> Tried {
    if Command::new("mosquitto_passwd").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        return Err("mosquitto_passwd is missing: install the Debian package mosquitto".into());
    }
    let secrets = tempfile::tempdir().unwrap();
    std::fs::set_permissions(secrets.path(), Permissions::from_mode(0o755)).unwrap();
    let (users, password) = (secrets.path().join("users"), secrets.path().join("password"));
    let mut passwd = Command::new("mosquitto_passwd");
    passwd.args(["-b", "-c"]).arg(&users).args(["moodring", "right"]).stderr(Stdio::null());
    assert!(passwd.status().unwrap().success());
    if !is_root() {
        std::fs::set_permissions(&users, Permissions::from_mode(0o644)).unwrap();
    }
    std::fs::write(&password, "right\n").unwrap();
    let port = broker::port();
    let door = format!("listener {port} 127.0.0.1\nallow_anonymous false\npassword_file {}", users.display());
    let mut stage = Stage::set(name, &door, |folder, options| {
        options.port = port;
        configure(folder, options, &format!("username = \"moodring\"\npassword_file = {password:?}\n"));
    });
    replace(&password, "wrong\n");
    // The broker checks passwords only at the next connection.
    stage.broker.end("TERM");
    stage.broker.again();
    stage.logged("correct mqtt.username", CLOSED);
    stage.silent();
    std::thread::sleep(CLOSED);
    replace(&password, "right\n");
    stage.live_since(Instant::now());
    Ok(stage.books(format!("for {} s, then the file was corrected", CLOSED.as_secs()), 2))
}

/// Certificates of one authority for 127.0.0.1.
struct Certificates(CertifiedIssuer<'static, KeyPair>);

impl Certificates {
    fn new(folder: &Path) -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "Test authority");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        std::fs::write(folder.join("ca.pem"), issuer.pem()).unwrap();
        Self(issuer)
    }

    /// Puts one into `folder` that is valid until the begin of the year `until`.
    fn issue(&self, folder: &Path, until: i32) {
        let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        replace(&folder.join("server.pem"), &certificate.pem());
        replace(&folder.join("server.key"), &key.serialize_pem());
    }
}

pub(crate) fn expired_certificate(name: &'static str, _: Extent) -> Tried {
    let folder = tempfile::tempdir().unwrap();
    let certificates = Certificates::new(folder.path());
    certificates.issue(folder.path(), 2099);
    let port = broker::port();
    let file = |name: &str| folder.path().join(name);
    let door = format!(
        "listener {port} 127.0.0.1\nallow_anonymous true\ncertfile {}\nkeyfile {}",
        file("server.pem").display(),
        file("server.key").display()
    );
    let mut stage = Stage::set(name, &door, |stage, options| {
        options.port = port;
        configure(stage, options, &format!("[mqtt.tls]\nenabled = true\nca_file = {:?}\n", file("ca.pem")));
    });
    certificates.issue(folder.path(), 2021);
    stage.broker.end("TERM");
    stage.broker.again();
    stage.logged("xpired", CLOSED);
    stage.silent();
    std::thread::sleep(CLOSED);
    certificates.issue(folder.path(), 2099);
    stage.broker.end("TERM");
    let back = stage.broker.again();
    stage.live_since(back);
    Ok(stage.books(format!("for {} s, then it was renewed", CLOSED.as_secs()), 2))
}

/// Another process with the same client ids: a card that was copied.
pub(crate) fn taken_over(name: &'static str, extent: Extent) -> Tried {
    let span = Duration::from_secs(if extent == Extent::Full { 45 } else { 15 });
    let mut stage = Stage::set(name, "", |_, _| {});
    let folder = stage.folder.path();
    let twin = Options {
        storage: folder.join("twin"),
        journal: folder.join("twin-journal"),
        ..stage.options.clone()
    };
    let mut devices = Devices::start(&twin, folder);
    std::thread::sleep(span);
    let (totals, _) = devices.stop();
    let took_over = totals["reconnects"].as_u64().unwrap();
    stage.expect(took_over >= 2, || format!("the twin was thrown out {took_over} times only: nobody fought"));
    stage.live_since(Instant::now());
    stage.also(&twin);
    Ok(stage.books(format!("{took_over} times within {} s", span.as_secs()), 2))
}
