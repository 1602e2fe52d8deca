//! `[engine]`: LiteRT, its threads, and the delegate that may run a part of the networks instead of the processor.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::fault::FaultCollector;

/// More options than any known delegate has.
const MAX_OPTIONS: usize = 64;

/// Inference engine that runs the networks.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Engine {
    /// Path of `libLiteRt.so`. Empty: the default places are searched, in the order that `moodring doctor` shows.
    pub library: PathBuf,
    /// Number of threads for head detection, and of faces that are read in parallel, 1 to 16.
    pub threads: u32,
    /// Delegate that runs networks instead of the processor: `none`, `gpu`, or an external delegate such as
    /// `{ library = "libedgetpu.so.1", model_suffix = "_edgetpu", options = { device = "usb" } }`; see
    /// docs/reference/delegates.md. If it does not work, the device logs and reports that and uses the processor.
    #[schemars(with = "String")]
    pub delegate: Delegate,
    /// Longest time in seconds for the test of the delegate at the start, 1 to 300. A delegate that does not pass in
    /// this time is not used.
    pub probe_timeout_s: f64,
}

impl Default for Engine {
    fn default() -> Self {
        Self { library: PathBuf::new(), threads: 2, delegate: Delegate::None, probe_timeout_s: 30.0 }
    }
}

impl Engine {
    /// All checks that the types cannot express.
    pub(super) fn check(&self, faults: &mut FaultCollector) {
        faults.range("engine.threads", f64::from(self.threads), 1.0, 16.0);
        faults.range("engine.probe_timeout_s", self.probe_timeout_s, 1.0, 300.0);
        if let Delegate::External(external) = &self.delegate
            && let Some((key, message)) = external.fault()
        {
            faults.add(key, message);
        }
    }
}

/// What runs networks instead of the processor.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Delegate {
    /// Nothing: the processor runs the networks.
    #[default]
    None,
    /// The GPU accelerator that is published with the LiteRT library.
    Gpu,
    /// A library with the entry points of an external TFLite delegate.
    External(ExternalDelegate),
}

impl fmt::Display for Delegate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Gpu => f.write_str("gpu"),
            Self::External(external) => write!(f, "{}", external.library.display()),
        }
    }
}

/// A delegate in a separate library, such as the one for Coral's Edge TPU.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ExternalDelegate {
    /// Library name that the dynamic loader finds, or an absolute path.
    pub library: PathBuf,
    /// Suffix of the model files that are compiled for this delegate: `_edgetpu` selects
    /// `heads_640x384_int8_edgetpu.tflite`. Empty: the delegate uses the ordinary model files.
    #[serde(default)]
    pub model_suffix: String,
    /// Options that are passed to the delegate unchanged.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
}

impl ExternalDelegate {
    /// The first key with a fault, and the message for it.
    fn fault(&self) -> Option<(&'static str, String)> {
        let library = &self.library;
        let bare = library.components().count() == 1;
        if library.as_os_str().is_empty() || !(bare || library.is_absolute()) {
            let message = format!(
                "is {:?}, but must be a library name that the loader finds, such as \"libedgetpu.so.1\", \
                 or an absolute path",
                library.display().to_string()
            );
            return Some(("engine.delegate.library", message));
        }
        if self.model_suffix.contains(['/', '\0']) {
            let message = "must be a suffix of a file name without '/', such as \"_edgetpu\"".to_owned();
            return Some(("engine.delegate.model_suffix", message));
        }
        let has_nul = |text: &String| text.contains('\0');
        let valid = |(key, value): (&String, &String)| !key.is_empty() && !has_nul(key) && !has_nul(value);
        if self.options.len() > MAX_OPTIONS || !self.options.iter().all(valid) {
            let message =
                format!("must be at most {MAX_OPTIONS} pairs of a name and a text without NUL bytes");
            return Some(("engine.delegate.options", message));
        }
        None
    }
}

impl Serialize for Delegate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::External(external) => external.serialize(serializer),
            name => serializer.collect_str(name),
        }
    }
}

impl<'de> Deserialize<'de> for Delegate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Delegate;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"none\", \"gpu\" or a table such as { library = \"libedgetpu.so.1\" }")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Delegate, E> {
                match name {
                    "none" => Ok(Delegate::None),
                    "gpu" => Ok(Delegate::Gpu),
                    other => Err(E::custom(format_args!(
                        "engine.delegate is {other:?}, but must be \"none\", \"gpu\" or a table such as \
                         {{ library = \"libedgetpu.so.1\" }}"
                    ))),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Delegate, A::Error> {
                ExternalDelegate::deserialize(MapAccessDeserializer::new(map)).map(Delegate::External)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Config, Delegate, ExternalDelegate};

    fn parse(text: &str) -> Result<Delegate, String> {
        let text = format!("[engine]\ndelegate = {text}\n");
        let config = Config::parse(&text, "x.toml").map_err(|error| error.to_string())?;
        // The probe gets the section as JSON, so it must survive a round trip.
        let json = serde_json::to_string(&config.engine).map_err(|error| error.to_string())?;
        assert_eq!(serde_json::from_str::<super::Engine>(&json).unwrap(), config.engine);
        Ok(config.engine.delegate)
    }

    #[test]
    fn a_delegate_is_a_name_or_a_table() {
        assert_eq!(parse("\"none\""), Ok(Delegate::None));
        assert_eq!(parse("\"gpu\""), Ok(Delegate::Gpu));
        let coral =
            "{ library = \"libedgetpu.so.1\", model_suffix = \"_edgetpu\", options = { device = \"usb\" } }";
        let external = ExternalDelegate {
            library: "libedgetpu.so.1".into(),
            model_suffix: "_edgetpu".into(),
            options: [("device".to_owned(), "usb".to_owned())].into(),
        };
        assert_eq!(parse(coral), Ok(Delegate::External(external)));
        assert!(parse("{ library = \"/opt/x/libdelegate.so\" }").is_ok());
    }

    #[test]
    fn delegate_faults_are_reported_with_their_position() {
        for (text, expected) in [
            (
                "\"coral\"",
                "x.toml:2:12: engine.delegate is \"coral\", but must be \"none\", \"gpu\" or a table",
            ),
            ("3", "x.toml:2:12: the value is 3, but must be \"none\", \"gpu\" or a table"),
            ("{ options = {} }", "x.toml:2:12: missing key `library`"),
            ("{ library = \"a\", device = \"usb\" }", "unknown field `device`"),
            ("{ library = \"a\", options = { device = 1 } }", "must be text in quotes"),
            (
                "{ library = \"\" }",
                "x.toml:2:24: engine.delegate.library is \"\", but must be a library name",
            ),
            ("{ library = \"lib/x.so\" }", "x.toml:2:24: engine.delegate.library is \"lib/x.so\""),
            (
                "{ library = \"a\", model_suffix = \"/tmp\" }",
                "x.toml:2:44: engine.delegate.model_suffix must be",
            ),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
