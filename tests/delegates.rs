//! Delegates, tested with a small real one compiled from `tests/delegate/`. A working delegate is used. A faulty one is
//! reported in one line, and the processor runs the networks.
#![expect(clippy::unwrap_used, reason = "test helpers may panic")]

mod common;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use common::{Process, TIMEOUT, base_config, free_port, moodring};
use moodring_config::{Config, Delegate, ExternalDelegate};
use moodring_vision::delegate::probe::{self, Report, Request};
use moodring_vision::engine::{Engine, Share};
use moodring_vision::litert::LiteRt;
use moodring_vision::model_card::{ModelCard, Task};

/// Path of the delegate library, compiled for the architecture of this test.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let library =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("libpad-{}.so", std::process::id()));
        // The variable with the cross compiler has the name that the crate `cc` defines.
        let cross = format!("CC_{}_unknown_linux_gnu", std::env::consts::ARCH);
        let compiler = std::env::var(cross).unwrap_or_else(|_| "cc".into());
        let strict = ["-std=c11", "-D_DEFAULT_SOURCE", "-Wall", "-Wextra", "-Werror", "-Wno-array-bounds"];
        let shared = ["-O1", "-shared", "-fPIC", "-fvisibility=hidden", "-o"];
        let status = Command::new(&compiler)
            .args(strict)
            .args(shared)
            .arg(&library)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/delegate/delegate.c"))
            .status();
        assert!(status.unwrap_or_else(|error| panic!("{compiler}: {error}")).success());
        library
    })
}

fn delegate(options: &[(&str, &str)]) -> Delegate {
    let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    let options: BTreeMap<_, _> = options.iter().map(own).collect();
    Delegate::External(ExternalDelegate { library: library().into(), model_suffix: String::new(), options })
}

/// Emulator and its arguments (qemu) if the tests are built for another architecture than that of the host.
fn runner() -> Option<String> {
    let triple = format!("{}_UNKNOWN_LINUX_GNU", std::env::consts::ARCH.to_uppercase());
    std::env::var(format!("CARGO_TARGET_{triple}_RUNNER")).ok()
}

fn probe_program() -> Command {
    let runner = runner().unwrap_or_default();
    let mut words = runner.split_whitespace().chain([env!("CARGO_BIN_EXE_moodring"), "probe-delegate"]);
    let mut command = Command::new(words.next().unwrap());
    command.args(words);
    command
}

fn request(delegate: Delegate) -> Request {
    let mut config = Config::default();
    config.engine.delegate = delegate;
    config.models.directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    Request::of(&config)
}

fn run_probe(delegate: Delegate) -> Result<Report, String> {
    let timeout = if runner().is_some() { TIMEOUT * 5 } else { TIMEOUT };
    probe::run(probe_program(), &request(delegate), timeout)
}

#[test]
fn a_good_delegate_takes_its_nodes_and_computes_the_same_values() {
    let report = run_probe(delegate(&[])).unwrap();
    let shares: Vec<_> = report.networks.iter().map(|trial| (trial.taken, trial.nodes)).collect();
    assert_eq!(shares, [(5, 56), (5, 56), (5, 56), (3, 27)], "{report:?}");
    // Padding copies values, so the outputs must be bit-exact.
    assert!(report.networks.iter().all(|trial| trial.furthest == 0 && trial.far_share == 0.0), "{report:?}");
}

#[test]
fn each_kind_of_failure_is_reported_in_one_line() {
    let absent = |name: &str| {
        let options = BTreeMap::new();
        Delegate::External(ExternalDelegate { library: name.into(), model_suffix: "_x".into(), options })
    };
    let mode = |mode| delegate(&[("mode", mode)]);
    let libc = std::fs::read_to_string("/proc/self/maps").unwrap();
    let libc =
        libc.lines().filter_map(|line| line.split_whitespace().last()).find(|at| at.contains("libc.so"));
    for (delegate, expected) in [
        (mode("null"), "makes no delegate: no device of this kind is connected"),
        (mode("prepare"), "does not take the graph"),
        (mode("run"), "LiteRtRunCompiledModel failed with status"),
        (mode("none"), "takes none of the 195 nodes"),
        (mode("wrong"), "computes other values than the processor"),
        (mode("crash-create"), "crashes (SIGSEGV) while taking heads_640x384_int8.tflite"),
        (mode("crash-run"), "crashes (SIGABRT) while running heads_640x384_int8.tflite"),
        (absent("libnot-there.so.1"), "cannot be loaded: libnot-there.so.1: cannot open shared object"),
        (absent(libc.unwrap()), "is no external delegate: it has no tflite_plugin_create_delegate"),
    ] {
        let error = run_probe(delegate).unwrap_err();
        assert!(error.contains(expected) && !error.contains('\n'), "{expected}: {error}");
    }
}

#[test]
fn a_delegate_that_hangs_fails_after_the_timeout() {
    let begun = Instant::now();
    let timeout = Duration::from_secs(8);
    let error = probe::run(probe_program(), &request(delegate(&[("mode", "hang")])), timeout).unwrap_err();
    assert!(error.starts_with("hangs while") && error.ends_with("timeout after 8 s"), "{error}");
    assert!(begun.elapsed() < TIMEOUT);
}

#[test]
fn a_probe_ends_when_its_parent_closes_stdin() {
    let mut command = probe_program();
    let mut child = Process(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap());
    let mut stdin = child.0.stdin.take().unwrap();
    let request = serde_json::to_string(&request(delegate(&[("mode", "hang")]))).unwrap();
    writeln!(stdin, "{request}").unwrap();
    drop(stdin);
    assert!(!child.wait().success());
}

/// Loads the delegate into this process, as the daemon does after a probe.
#[test]
fn a_delegate_whose_device_is_unplugged_fails_with_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let unplugged = directory.path().join("unplugged");
    let delegate = delegate(&[("unplugged", unplugged.to_str().unwrap())]);
    let engine = LiteRt::accelerated(Path::new(""), &delegate).unwrap();
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let card = ModelCard::read(&models.join("expression.toml"), Task::Expression).unwrap();
    let load = || card.load(&models, &card.files[0]).unwrap();
    let mut networks = [
        engine.network(load(), 1).unwrap(),
        LiteRt::open(Path::new("")).unwrap().network(load(), 1).unwrap(),
    ];
    assert_eq!(networks[0].share(), Share { taken: 3, nodes: 27 });
    assert_eq!(networks[1].share(), Share { taken: 0, nodes: 27 });
    let answers = networks.each_mut().map(|network| {
        let mut answer = Vec::new();
        let mut fill =
            |pixels: &mut [i8]| pixels.iter_mut().zip(0i32..).for_each(|(p, n)| *p = (n * 31) as i8);
        network.run(&mut fill, &mut |outputs| answer = outputs.concat()).unwrap();
        answer
    });
    assert_eq!(answers[0], answers[1]);
    std::fs::write(&unplugged, "").unwrap();
    let error = networks[0].run(&mut |_| (), &mut |_| ()).unwrap_err().to_string();
    assert!(error.contains("LiteRtRunCompiledModel failed"), "{error}");
}

/// Writes a configuration with the delegate and returns its path. `None` under an emulator, where a program cannot start
/// itself.
fn configuration(directory: &Path, options: &str, more: &str) -> Option<String> {
    if runner().is_some() {
        common::skipped("under an emulator a program cannot start itself");
        return None;
    }
    let path = directory.join("moodring.toml");
    let text = format!(
        "{}[engine]\ndelegate = {{ library = {:?}, options = {{ {options} }} }}\n\
         [camera.simulator]\npeople = 12\nwidth = 640\nheight = 384\n[vision]\ndetection_width = 640\n\
         [mood]\npublish_every_s = 0.2\n{more}",
        base_config(directory),
        library()
    );
    std::fs::write(&path, text).unwrap();
    Some(path.to_str().unwrap().to_owned())
}

#[test]
fn the_doctor_reports_the_nodes_of_the_delegate_or_its_fault() {
    let directory = tempfile::tempdir().unwrap();
    let Some(config) = configuration(directory.path(), "", "") else { return };
    let doctor =
        || String::from_utf8(moodring(&["doctor", "--config", &config]).output().unwrap().stdout).unwrap();
    let report = doctor();
    assert!(report.contains("runs 5 of the 56 nodes of heads_640x384_int8.tflite"), "{report}");
    assert!(report.contains("runs 3 of the 27 nodes of expression_48x48_int8.tflite"), "{report}");
    configuration(directory.path(), "mode = \"crash-create\"", "").unwrap();
    let report = doctor();
    let fault = report.lines().find(|line| line.starts_with("FAULT delegate")).unwrap();
    assert!(
        fault.contains("crashes (SIGSEGV)") && fault.ends_with("the processor runs the networks"),
        "{report}"
    );
    assert!(report.contains("ok    models"), "{report}");
}

fn get(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(TIMEOUT)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

/// Requests `path` until `wanted` accepts the response.
fn until(port: u16, path: &str, wanted: impl Fn(&str) -> bool) -> String {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        match get(port, path) {
            Some(answer) if wanted(&answer) => return answer,
            answer => assert!(Instant::now() < deadline, "{answer:?}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn cycles(metrics: &str) -> u64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix("moodring_cycles_total "));
    line.map_or(0, |count| count.parse().unwrap())
}

#[test]
fn when_the_device_is_unplugged_the_processor_continues_and_the_fault_is_logged_once() {
    let directory = tempfile::tempdir().unwrap();
    let (unplugged, port) = (directory.path().join("unplugged"), free_port());
    let web = format!("[web]\nlisten = \"127.0.0.1:{port}\"\n");
    let Some(config) = configuration(directory.path(), &format!("unplugged = {unplugged:?}"), &web) else {
        return;
    };
    let log = directory.path().join("log");
    let mut command = moodring(&["run", "--config", &config]);
    command.stdout(Stdio::null()).stderr(std::fs::File::create(&log).unwrap());
    let mut daemon = Process(command.spawn().unwrap());
    let runs =
        |metrics: &str| cycles(metrics) > 2 && metrics.contains("moodring_engine_nodes_delegated 18\n");
    let metrics = until(port, "/metrics", runs);
    assert!(metrics.contains("moodring_engine_nodes 195\n"), "{metrics}");
    std::fs::write(&unplugged, "").unwrap();
    let gone = until(port, "/metrics", |metrics| metrics.contains("moodring_engine_nodes_delegated 0\n"));
    // The cycle in which the delegate failed completes, and further cycles follow.
    until(port, "/metrics", |metrics| cycles(metrics) > cycles(&gone) + 2);
    let health = until(port, "/healthz", |health| health.contains("200 OK"));
    assert!(health.contains("engine: fails while it runs") && health.contains("\"delegated\":0"), "{health}");
    daemon.signal("TERM");
    assert!(daemon.wait().success());
    let log = std::fs::read_to_string(log).unwrap();
    assert_eq!(log.matches("the delegate is not used: the processor runs the networks").count(), 1, "{log}");
    assert!(log.contains("delegated=18") && log.contains("nodes=195"), "{log}");
}
