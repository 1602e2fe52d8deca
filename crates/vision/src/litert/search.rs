//! Search paths of the LiteRT library.

use std::path::{Path, PathBuf};

/// File name of the library.
const NAME: &str = "libLiteRt.so";

/// File names of LiteRT's GPU accelerators, in the order in which LiteRT tries them. The first is the one that
/// Google publishes for Linux.
pub(super) const GPU_NAMES: [&str; 3] =
    ["libLiteRtWebGpuAccelerator.so", "libLiteRtOpenClAccelerator.so", "libLiteRtVulkanAccelerator.so"];

/// Environment variable with the path of the library, to test another one without changing the configuration.
const VARIABLE: &str = "MOODRING_LITERT";

/// All paths at which the library is searched, in order.
///
/// A path set in the configuration or in `MOODRING_LITERT` is the only one: a fallback to another library would
/// hide a mistake.
pub fn library_paths(configured: &Path) -> Vec<PathBuf> {
    if !configured.as_os_str().is_empty() {
        return vec![configured.to_owned()];
    }
    if let Some(chosen) = std::env::var_os(VARIABLE).filter(|value| !value.is_empty()) {
        return vec![chosen.into()];
    }
    let mut paths = Vec::new();
    if let Some(beside) = std::env::current_exe().ok().as_deref().and_then(Path::parent) {
        paths.push(beside.join("lib").join(NAME));
    }
    paths.push(Path::new("/usr/lib/moodring").join(NAME));
    // The path that `make setup` installs to.
    paths.push(crate::model_card::project().join("target/litert").join(std::env::consts::ARCH).join(NAME));
    paths
}
