//! Allowed dependencies between the crates of the workspace (docs/decisions/workspace.md), as Cargo resolves them.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// For each crate: the workspace crates that it may depend on, directly or indirectly. Dev-dependencies are not limited.
const ALLOWED: [(&str, &[&str]); 12] = [
    ("contract", &[]),
    ("runtime", &["contract"]),
    ("config", &["contract", "runtime"]),
    ("camera", &["contract", "runtime", "config"]),
    ("vision", &["contract", "runtime", "config", "camera"]),
    ("mood", &["contract", "runtime", "config", "camera", "vision"]),
    ("lessons", &["contract", "runtime", "config"]),
    ("hardware", &["contract", "runtime", "config"]),
    ("mqtt", &["contract", "runtime", "config"]),
    ("web", &["contract", "runtime", "config", "lessons"]),
    ("campus", &["contract", "runtime", "config", "mqtt"]),
    (
        "moodring",
        &["contract", "runtime", "config", "camera", "vision", "mood", "lessons", "hardware", "mqtt", "web"],
    ),
];

/// Name without the prefix: `web` for `moodring-web`.
fn short(name: &str) -> &str {
    name.strip_prefix("moodring-").unwrap_or(name)
}

/// Direct dependencies between workspace crates that Cargo resolves, without dev-dependencies.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline", "--no-deps", "--all-features"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let dependencies = packages.iter().map(|package| {
        let names = package["dependencies"].as_array().expect("dependencies").iter();
        let names = names.filter(|dependency| dependency["kind"].is_null() && dependency["path"].is_string());
        let names =
            names.filter_map(|dependency| dependency["name"].as_str()).map(|name| short(name).to_owned());
        (short(package["name"].as_str().expect("a name")).to_owned(), names.collect())
    });
    dependencies.collect()
}

/// Adds to `found` every crate that `name` depends on, directly or indirectly.
fn closure<'a>(name: &'a str, all: &'a BTreeMap<String, BTreeSet<String>>, found: &mut BTreeSet<&'a str>) {
    for dependency in &all[name] {
        if found.insert(dependency) {
            closure(dependency, all, found);
        }
    }
}

/// One message for each dependency that the table does not allow.
fn violations(all: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let allowed: BTreeMap<_, _> = ALLOWED.into_iter().collect();
    let mut violations = Vec::new();
    for name in all.keys() {
        let Some(allowed) = allowed.get(name.as_str()) else {
            violations.push(format!("{name} is not in the table"));
            continue;
        };
        let mut found = BTreeSet::new();
        closure(name, all, &mut found);
        let forbidden = found.into_iter().filter(|dependency| !allowed.contains(dependency));
        violations.extend(forbidden.map(|dependency| format!("{name} depends on {dependency}")));
    }
    violations
}

#[test]
fn every_crate_depends_only_on_what_the_table_allows() {
    let all = dependencies();
    assert_eq!(all.len(), ALLOWED.len(), "{:?}", all.keys());
    assert_eq!(violations(&all), Vec::<String>::new());
}

#[test]
fn an_indirect_forbidden_dependency_is_found() {
    let mut all = dependencies();
    all.get_mut("lessons").expect("lessons").insert("camera".into());
    let found = violations(&all);
    assert_eq!(found, ["lessons depends on camera", "web depends on camera"]);
}
