//! The API as an OpenAPI 3.1 document; its schemas are generated from the program's own types.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::{attention, commands, lessons, preview, setup, trend};
use moodring_contract::Mood;
use moodring_lessons::Separator;

/// Body of an error.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "its fields are only described")]
struct Error {
    /// The reason, for programs.
    error: String,
    /// An explanation, for people.
    #[serde(default)]
    detail: Option<String>,
}

/// Content of an answer.
enum Content {
    Nothing,
    Json(Schema),
    /// Of one of these media types.
    Media(&'static [&'static str]),
    /// An [`Error`], or a line of text from the checks before the route.
    Error,
}

/// The document under construction.
struct Document {
    schemas: SchemaGenerator,
    paths: BTreeMap<&'static str, Map<String, Value>>,
}

impl Document {
    fn schema<T: JsonSchema>(&mut self) -> Schema {
        self.schemas.subschema_for::<T>()
    }

    /// Adds the operation `method` of `path`, with the answers that the checks before the route can give.
    fn add(
        &mut self,
        (method, path): (&'static str, &'static str),
        summary: &str,
        input: Value,
        answers: Vec<(u16, &str, Content)>,
    ) {
        let error = self.schema::<Error>();
        let mut responses = Map::new();
        let mut answer = |status: u16, words: &str, content: Content| {
            let mut response = json!({ "description": words });
            response["content"] = match content {
                Content::Nothing => json!({}),
                Content::Json(schema) => json!({ "application/json": { "schema": schema } }),
                Content::Media(kinds) => kinds.iter().map(|kind| ((*kind).to_owned(), json!({}))).collect(),
                Content::Error => json!({ "application/json": { "schema": error }, "text/plain": {} }),
            };
            responses.insert(status.to_string(), response);
        };
        answer(401, "this phone is not paired", Content::Error);
        answer(
            403,
            "the host name, the origin, the role or, on loopback, the account is not allowed",
            Content::Error,
        );
        if method != "get" {
            answer(408, "the request took too long", Content::Error);
        }
        if input.get("requestBody").is_some() {
            for (status, words) in [
                (400, "not JSON"),
                (413, "too large"),
                (415, "the content type is not JSON"),
                (422, "invalid"),
            ] {
                answer(status, words, Content::Error);
            }
        }
        for (status, words, content) in answers {
            answer(status, words, content);
        }
        let mut operation = json!({ "summary": summary, "responses": responses });
        if let (Some(operation), Value::Object(input)) = (operation.as_object_mut(), input) {
            operation.extend(input);
        }
        self.paths.entry(path).or_default().insert(method.to_owned(), operation);
    }
}

fn nothing() -> Value {
    json!({})
}

fn body(schema: Schema) -> Value {
    json!({ "requestBody": { "required": true, "content": { "application/json": { "schema": schema } } } })
}

/// Adds a parameter of the path that matches `pattern`.
fn at(name: &str, pattern: &str, mut input: Value) -> Value {
    input["parameters"] = json!([{ "name": name, "in": "path", "required": true, "schema": { "type": "string", "pattern": pattern } }]);
    input
}

/// Adds an optional parameter `name` with the values `names`.
fn choice(name: &str, names: &[&str], mut input: Value) -> Value {
    let parameter = json!({ "name": name, "in": "query", "schema": { "type": "string", "enum": names } });
    if let Some(parameters) = input["parameters"].as_array_mut() {
        parameters.push(parameter);
    }
    input
}

/// The document as JSON. It is made once: it takes milliseconds, in which nobody else is answered.
pub(super) fn text() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| document().to_string());
    &TEXT
}

/// The document.
pub(super) fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
    });
    let mut document = Document { schemas: settings.into_generator(), paths: BTreeMap::new() };
    add_readings(&mut document);
    add_commands(&mut document);
    add_lessons(&mut document);
    add_administration(&mut document);
    let Document { mut schemas, paths } = document;
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "moodring",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The API of a device's page. In the LAN it requires the cookie of a paired phone (docs/reference/web.md).",
        },
        "security": [{}, { "session": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas.take_definitions(true),
            "securitySchemes": { "session": { "type": "apiKey", "in": "cookie", "name": "session" } },
        },
    })
}

fn add_readings(document: &mut Document) {
    let mood = || Content::Media(&["application/json"]);
    let live = Content::Json(document.schema::<Mood>());
    document.add(
        ("get", "/api/v1/mood"),
        "The newest mood",
        nothing(),
        vec![(200, "the mood", live), (503, "there was no picture yet", mood())],
    );
    let points = Content::Json(document.schema::<Vec<trend::Point>>());
    document.add(
        ("get", "/api/v1/trend"),
        "The last 45 minutes, one point every ten seconds",
        nothing(),
        vec![(200, "points, the oldest first", points)],
    );
    let events = Content::Media(&["text/event-stream"]);
    document.add(
        ("get", "/api/v1/events"),
        "Events `device`, `attention` and `mood`: the current values, then each change",
        nothing(),
        vec![(200, "events", events), (503, "too many listeners", Content::Error)],
    );
    let spots = Content::Json(document.schema::<attention::Spots>());
    document.add(
        ("get", "/api/v1/attention"),
        "Places in the room where help may be needed",
        nothing(),
        vec![(200, "the places", spots), (404, "attention is off", Content::Error)],
    );
    let device = Content::Json(document.schema::<commands::Device>());
    document.add(
        ("get", "/api/v1/device"),
        "The status of the device",
        nothing(),
        vec![(200, "the status", device)],
    );
    document.add(
        ("get", "/display.png"),
        "The picture of the display",
        nothing(),
        vec![(200, "a picture", Content::Media(&["image/png"]))],
    );
    document.add(
        ("get", "/healthz"),
        "Whether the process makes progress",
        nothing(),
        vec![(200, "it makes progress", mood()), (503, "it is stuck", mood())],
    );
    document.add(
        ("get", "/metrics"),
        "Metrics for Prometheus",
        nothing(),
        vec![(200, "OpenMetrics", Content::Media(&["application/openmetrics-text"]))],
    );
}

fn add_commands(document: &mut Document) {
    let (pause, lesson, night, follow) = (
        document.schema::<commands::Pause>(),
        document.schema::<commands::Lesson>(),
        document.schema::<commands::Night>(),
        document.schema::<commands::SetSensitivity>(),
    );
    let mut device = || Content::Json(document.schema::<commands::Device>());
    let (paused, begun, dimmed, followed) = (device(), device(), device(), device());
    document.add(
        ("post", "/api/v1/pause"),
        "Close or open the camera",
        body(pause),
        vec![
            (200, "the status after the change", paused),
            (409, "the privacy switch is closed", Content::Error),
        ],
    );
    document.add(
        ("post", "/api/v1/lesson"),
        "Begin or end a lesson",
        body(lesson),
        vec![
            (202, "the recorder has the command", begun),
            (409, "lessons are not recorded", Content::Error),
            (503, "too many commands at once", Content::Error),
        ],
    );
    document.add(
        ("post", "/api/v1/night"),
        "Dim lights and display for three hours, or end dimming",
        body(night),
        vec![(200, "the status after the change", dimmed)],
    );
    document.add(
        ("post", "/api/v1/sensitivity"),
        "Set how quickly the word follows the class",
        body(follow),
        vec![(200, "the status after the change", followed)],
    );
}

fn add_lessons(document: &mut Document) {
    let (entries, note) =
        (Content::Json(document.schema::<Vec<lessons::Entry>>()), document.schema::<lessons::Note>());
    let none = || (404, "there is no such lesson", Content::Error);
    let store = || (503, "the store of lessons cannot be used", Content::Error);
    document.add(
        ("get", "/api/v1/lessons"),
        "The newest 100 lessons",
        nothing(),
        vec![(200, "the newest first", entries), store()],
    );
    let lesson = "/api/v1/lessons/{lesson}";
    let report = Content::Media(&["text/html", "application/json", "text/csv"]);
    document.add(
        ("get", lesson),
        "A report; for CSV what separates the fields, and whether times are local",
        choice(
            "separator",
            &Separator::ALL.map(Separator::name),
            choice("time", &["utc", "local"], at("lesson", r"^[0-9]{1,18}\.(html|json|csv)$", nothing())),
        ),
        vec![
            (200, "the report", report),
            (400, "a parameter twice", Content::Nothing),
            (422, "an unknown separator or time", Content::Error),
            none(),
            store(),
        ],
    );
    document.add(
        ("delete", lesson),
        "Delete a lesson, for administrators",
        at("lesson", "^[0-9]{1,18}$", nothing()),
        vec![
            (204, "deleted", Content::Nothing),
            (409, "it is in progress", Content::Error),
            (500, "its report could not be deleted", Content::Error),
            none(),
            store(),
        ],
    );
    document.add(
        ("put", "/api/v1/lessons/{lesson}/note"),
        "Set the note of a lesson",
        at("lesson", "^[0-9]{1,18}$", body(note)),
        vec![(204, "stored", Content::Nothing), none(), store()],
    );
}

fn add_administration(document: &mut Document) {
    let json = || Content::Media(&["application/json"]);
    let (zones, form) = (document.schema::<preview::DrawnZones>(), document.schema::<setup::SetupForm>());
    let request = document.schema::<setup::SaveRequest>();
    let viewer = json!({ "parameters": [
        { "name": "viewer", "in": "query", "required": true, "schema": { "type": "string", "pattern": "^[A-Za-z0-9]{1,32}$" } },
        { "name": "after", "in": "query", "schema": { "type": "integer", "minimum": 0, "maximum": u64::MAX } },
    ] });
    document.add(
        ("get", "/api/v1/aim"),
        "The next camera preview, heads pixelated, while aiming is offered",
        viewer,
        vec![
            (200, "a preview", json()),
            (204, "no new preview within a few seconds", Content::Nothing),
            (400, "`after` is not a number", Content::Error),
            (409, "another viewer is aiming", Content::Error),
            (422, "`viewer` is invalid", Content::Nothing),
        ],
    );
    document.add(
        ("delete", "/api/v1/aim"),
        "End aiming",
        nothing(),
        vec![(204, "aiming has ended", Content::Nothing)],
    );
    document.add(
        ("post", "/api/v1/aim/zones"),
        "Convert zones to TOML for the configuration",
        body(zones),
        vec![(200, "TOML", json())],
    );
    document.add(
        ("get", "/api/v1/setup"),
        "The current settings",
        nothing(),
        vec![(200, "values by dotted key", json()), (422, "the files are faulty", json())],
    );
    document.add(
        ("post", "/api/v1/setup/check"),
        "Check a form",
        body(form.clone()),
        vec![(200, "what would change", json())],
    );
    document.add(
        ("post", "/api/v1/setup/broker"),
        "Try to connect to the broker",
        body(form),
        vec![(200, "whether it works, and why not", json())],
    );
    document.add(
        ("get", "/api/v1/setup/cameras"),
        "Cameras and their modes",
        nothing(),
        vec![(200, "cameras", json())],
    );
    document.add(
        ("post", "/api/v1/setup"),
        "Save and apply a form",
        body(request),
        vec![
            (200, "what was applied and what needs a restart", json()),
            (409, "the file has changed meanwhile", Content::Error),
            (503, "the file cannot be written", Content::Error),
        ],
    );
}
