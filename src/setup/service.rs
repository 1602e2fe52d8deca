//! Answers the set-up page: `SetupRequest ──▶ files, law, broker, cameras ──▶ JSON`, one request at a time.

use std::collections::BTreeMap;

use moodring_camera::v4l2::{self, CameraInfo, CameraMode};
use moodring_config::{Config, PAGE_KEYS};
use moodring_mqtt::attempt;
use moodring_runtime::{DeviceId, Stop};
use moodring_web::setup::{SaveRequest, SetupAnswer, SetupError, SetupForm, SetupRequest, SetupRequests};
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tracing::info;

use super::{ConfigDraft, SetupFiles, difference, fault};
use crate::law;
use crate::reload::ReloadHandle;

/// Most modes of a camera that are shown.
const MAX_MODES: usize = 40;

/// What happens after saving.
#[derive(Debug, Clone)]
pub enum OnSaved {
    /// The running device reloads the configuration.
    Reload(ReloadHandle),
    /// Only the set-up page runs: it ends, and the device starts.
    Start(watch::Sender<bool>),
}

/// Answers `requests` until `stop` is requested.
///
/// # Errors
/// Never.
pub async fn serve(
    files: SetupFiles,
    on_saved: OnSaved,
    mut requests: SetupRequests,
    stop: Stop,
) -> anyhow::Result<()> {
    loop {
        let request = tokio::select! {
            () = stop.requested() => return Ok(()),
            Some(request) = requests.recv() => request,
            else => {
                stop.requested().await;
                return Ok(());
            }
        };
        let (setup_request, answer) = request.into_parts();
        answer.send(self::answer(&files, &on_saved, setup_request).await);
    }
}

async fn answer(files: &SetupFiles, on_saved: &OnSaved, setup_request: SetupRequest) -> SetupAnswer {
    match setup_request {
        SetupRequest::Current => current(files, on_saved).await,
        SetupRequest::Check(form) => check(files, form).await,
        SetupRequest::TryBroker(form) => try_broker(files, form).await,
        SetupRequest::Save(request) => save(files, on_saved, request).await,
        SetupRequest::Cameras => {
            let found = blocking(v4l2::list).await?;
            Ok(found.iter().map(camera).collect())
        }
    }
}

/// Runs `work` on a thread that may block.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, SetupError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| SetupError::NotWritten(error.to_string()))
}

/// The present values by dotted key. For the password, only whether it is set.
async fn current(files: &SetupFiles, on_saved: &OnSaved) -> SetupAnswer {
    let files = files.clone();
    let found = blocking(move || files.current().and_then(|config| Ok((config, files.target()?)))).await?;
    let (config, target) = found.map_err(|error| SetupError::Faults(vec![fault("", error)]))?;
    Ok(json!({
        "values": values(&config),
        "password_kept": attempt::stores_password(&config.mqtt),
        "file": target.display().to_string(),
        "notes": law::notes(&config.purpose),
        "running": matches!(on_saved, OnSaved::Reload(_)),
    }))
}

fn values(config: &Config) -> Map<String, Value> {
    let all = serde_json::to_value(config).unwrap_or_default();
    let value = |key: &str| all.pointer(&format!("/{}", key.replace('.', "/"))).cloned().unwrap_or_default();
    PAGE_KEYS.into_iter().map(|key| (key.to_owned(), value(key))).collect()
}

async fn draft(files: &SetupFiles, form: &SetupForm) -> Result<ConfigDraft, SetupError> {
    let (files, form) = (files.clone(), form.clone());
    blocking(move || files.draft(&form)).await?.map_err(SetupError::Faults)
}

/// The changes that a save would make, or the faults.
async fn check(files: &SetupFiles, form: SetupForm) -> SetupAnswer {
    let draft = draft(files, &form).await?;
    Ok(json!({
        "file": draft.target.display().to_string(),
        "digest": draft.digest(),
        "difference": difference(&draft.before, &draft.after),
        "notes": law::notes(&draft.config.purpose),
    }))
}

/// Tries to connect to the broker of the form.
async fn try_broker(files: &SetupFiles, form: SetupForm) -> SetupAnswer {
    // Only the broker's fields are used: the others may not be filled in yet.
    let values = form.values.into_iter().filter(|(key, _)| key.starts_with("mqtt."));
    let mut values: BTreeMap<_, _> = values.collect();
    values.insert("mood.mode".into(), "count".into());
    let form = SetupForm { values, ..form };
    let config = draft(files, &form).await?.config;
    Ok(match attempt::attempt(&config.mqtt, &form.password, &DeviceId::ephemeral()).await {
        Ok(()) => json!({ "reached": true }),
        Err((obstacle, detail)) => json!({ "reached": false, "obstacle": obstacle, "detail": detail }),
    })
}

/// Writes the form to the file and applies it.
async fn save(files: &SetupFiles, on_saved: &OnSaved, request: SaveRequest) -> SetupAnswer {
    let SaveRequest { values, password, digest } = request;
    let form = SetupForm { values, password };
    let draft = draft(files, &form).await?;
    if draft.digest() != digest {
        return Err(SetupError::ChangedMeanwhile);
    }
    let (files, file) = (files.clone(), draft.target.display().to_string());
    if let Err(error) = blocking(move || files.save(&draft, &form.password)).await? {
        tracing::warn!(file, %error, "the settings of the page cannot be written");
        return Err(SetupError::NotWritten(format!("{file}: {error}")));
    }
    info!(file, "settings of the page saved");
    match on_saved {
        OnSaved::Start(saved) => {
            saved.send_replace(true);
            Ok(json!({ "restarts": true, "applied": [], "left": [] }))
        }
        OnSaved::Reload(handle) => match handle.reload().await {
            Ok(outcome) => Ok(json!({
                "restarts": outcome.restart,
                "applied": outcome.applied,
                "left": outcome.left,
            })),
            Err(faults) => Err(SetupError::Faults(vec![fault("", faults)])),
        },
    }
}

/// A camera with its usable modes.
fn camera(camera: &CameraInfo) -> Value {
    let usable = camera.modes.iter().filter(|mode| mode.format().is_some()).take(MAX_MODES);
    let mode = |mode: &CameraMode| {
        json!({
            "width": mode.largest.width,
            "height": mode.largest.height,
            "frames_per_s": mode.frames_per_s,
            "format": mode.fourcc.escape_ascii().to_string(),
        })
    };
    json!({
        "device": camera.stable_names.first().unwrap_or(&camera.path).display().to_string(),
        "path": camera.path.display().to_string(),
        "card": camera.card,
        "modes": usable.map(mode).collect::<Vec<_>>(),
        "fault": camera.fault,
    })
}
