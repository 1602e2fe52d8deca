//! What the API takes and answers, as an OpenAPI 3.1 document; schemas are made from the program's own types.

use std::collections::BTreeMap;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::{aim, attention, commands, lessons, setup, trend};
use crate::mood::Mood;
use crate::setup::Wishes;

/// An error, as every address tells it.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "its fields are only described")]
struct Error {
    /// A word that programs can compare.
    error: String,
    /// What people read, where there is more to say.
    #[serde(default)]
    detail: Option<String>,
}

/// What an answer holds.
enum Content {
    Nothing,
    Json(Schema),
    /// Of these media types.
    Of(&'static [&'static str]),
    /// An error, or one line of text from before the address was reached.
    Error,
}

/// The document being made.
struct Document {
    schemas: SchemaGenerator,
    paths: BTreeMap<&'static str, Map<String, Value>>,
}

impl Document {
    fn schema<T: JsonSchema>(&mut self) -> Schema {
        self.schemas.subschema_for::<T>()
    }

    /// Adds what `method` does at `path`. A change may also be refused before it is looked at; every request may.
    fn add(
        &mut self,
        (method, path): (&'static str, &'static str),
        summary: &str,
        takes: Value,
        answers: Vec<(u16, &str, Content)>,
    ) {
        let error = self.schema::<Error>();
        let mut responses = Map::new();
        let mut answer = |status: u16, words: &str, content: Content| {
            let mut response = json!({ "description": words });
            response["content"] = match content {
                Content::Nothing => json!({}),
                Content::Json(schema) => json!({ "application/json": { "schema": schema } }),
                Content::Of(kinds) => kinds.iter().map(|kind| ((*kind).to_owned(), json!({}))).collect(),
                Content::Error => json!({ "application/json": { "schema": error }, "text/plain": {} }),
            };
            responses.insert(status.to_string(), response);
        };
        answer(401, "this phone is not paired", Content::Error);
        answer(403, "not by this name, not from another page, or not by this role", Content::Error);
        if method != "get" {
            answer(408, "the request took too long", Content::Error);
        }
        if takes.get("requestBody").is_some() {
            for (status, words) in
                [(400, "no JSON"), (413, "too large"), (415, "not called JSON"), (422, "makes no sense")]
            {
                answer(status, words, Content::Error);
            }
        }
        for (status, words, content) in answers {
            answer(status, words, content);
        }
        let mut operation = json!({ "summary": summary, "responses": responses });
        if let (Some(operation), Value::Object(takes)) = (operation.as_object_mut(), takes) {
            operation.extend(takes);
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

/// With a part of the path that looks like `pattern`.
fn at(name: &str, pattern: &str, mut takes: Value) -> Value {
    takes["parameters"] = json!([{ "name": name, "in": "path", "required": true, "schema": { "type": "string", "pattern": pattern } }]);
    takes
}

/// The document.
pub(super) fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
    });
    let mut document = Document { schemas: settings.into_generator(), paths: BTreeMap::new() };
    tells(&mut document);
    takes(&mut document);
    lessons_afterwards(&mut document);
    for_administrators(&mut document);
    let Document { mut schemas, paths } = document;
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "moodring",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What the page of a device is made of. In the LAN a cookie is needed, which pairing gives (docs/reference/web.md).",
        },
        "security": [{}, { "session": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas.take_definitions(true),
            "securitySchemes": { "session": { "type": "apiKey", "in": "cookie", "name": "session" } },
        },
    })
}

fn tells(document: &mut Document) {
    let mood = || Content::Of(&["application/json"]);
    let live = Content::Json(document.schema::<Mood>());
    document.add(
        ("get", "/api/v1/mood"),
        "The newest mood",
        nothing(),
        vec![(200, "the mood", live), (503, "no picture was seen yet", mood())],
    );
    let points = Content::Json(document.schema::<Vec<trend::Point>>());
    document.add(
        ("get", "/api/v1/trend"),
        "The last 45 minutes, a point every ten seconds",
        nothing(),
        vec![(200, "points, the oldest first", points)],
    );
    let events = Content::Of(&["text/event-stream"]);
    document.add(
        ("get", "/api/v1/events"),
        "Events `device`, `attention` and `mood`, at once and whenever they change",
        nothing(),
        vec![(200, "events without end", events), (503, "too many listen", Content::Error)],
    );
    let spots = Content::Json(document.schema::<attention::Spots>());
    document.add(
        ("get", "/api/v1/attention"),
        "Where in the room help may be needed",
        nothing(),
        vec![(200, "the places", spots), (404, "this is not looked for", Content::Error)],
    );
    let device = Content::Json(document.schema::<commands::Device>());
    document.add(
        ("get", "/api/v1/device"),
        "How the device is",
        nothing(),
        vec![(200, "the device", device)],
    );
    document.add(
        ("get", "/display.png"),
        "The screen on the wall",
        nothing(),
        vec![(200, "a picture", Content::Of(&["image/png"]))],
    );
    document.add(
        ("get", "/healthz"),
        "Whether the process makes progress",
        nothing(),
        vec![(200, "it does", mood()), (503, "it is stuck", mood())],
    );
    document.add(
        ("get", "/metrics"),
        "Numbers for Prometheus",
        nothing(),
        vec![(200, "OpenMetrics", Content::Of(&["application/openmetrics-text"]))],
    );
}

fn takes(document: &mut Document) {
    let (pause, lesson, night, follow) = (
        document.schema::<commands::Pause>(),
        document.schema::<commands::Lesson>(),
        document.schema::<commands::Night>(),
        document.schema::<commands::Follow>(),
    );
    let mut device = || Content::Json(document.schema::<commands::Device>());
    let (paused, begun, dimmed, followed) = (device(), device(), device(), device());
    document.add(
        ("post", "/api/v1/pause"),
        "Close or open the camera",
        body(pause),
        vec![(200, "the device afterwards", paused), (409, "the privacy switch is closed", Content::Error)],
    );
    document.add(
        ("post", "/api/v1/lesson"),
        "Begin or end a lesson",
        body(lesson),
        vec![
            (202, "the recorder will take it up", begun),
            (409, "no lessons are recorded", Content::Error),
            (503, "too much is asked at once", Content::Error),
        ],
    );
    document.add(
        ("post", "/api/v1/night"),
        "Dim lights and display for three hours, or end that",
        body(night),
        vec![(200, "the device afterwards", dimmed)],
    );
    document.add(
        ("post", "/api/v1/sensitivity"),
        "Let the word follow the class sooner or later",
        body(follow),
        vec![(200, "the device afterwards", followed)],
    );
}

fn lessons_afterwards(document: &mut Document) {
    let (entries, note) =
        (Content::Json(document.schema::<Vec<lessons::Entry>>()), document.schema::<lessons::Note>());
    let none = || (404, "there is no such lesson", Content::Error);
    let store = || (503, "the store cannot be used now", Content::Error);
    document.add(
        ("get", "/api/v1/lessons"),
        "The newest 100 lessons",
        nothing(),
        vec![(200, "the newest first", entries), store()],
    );
    let lesson = "/api/v1/lessons/{lesson}";
    let report = Content::Of(&["text/html", "application/json", "text/csv"]);
    document.add(
        ("get", lesson),
        "A report",
        at("lesson", r"^[0-9]{1,18}\.(html|json|csv)$", nothing()),
        vec![(200, "the report", report), none(), store()],
    );
    document.add(
        ("delete", lesson),
        "Delete a lesson, for administrators",
        at("lesson", "^[0-9]{1,18}$", nothing()),
        vec![
            (204, "it is gone", Content::Nothing),
            (409, "it is under way", Content::Error),
            (500, "its report could not be deleted", Content::Error),
            none(),
            store(),
        ],
    );
    document.add(
        ("put", "/api/v1/lessons/{lesson}/note"),
        "Keep a note of one's own",
        at("lesson", "^[0-9]{1,18}$", body(note)),
        vec![(204, "it is kept", Content::Nothing), none(), store()],
    );
}

fn for_administrators(document: &mut Document) {
    let json = || Content::Of(&["application/json"]);
    let (zones, wishes) = (document.schema::<aim::Drawn>(), document.schema::<Wishes>());
    let saving = document.schema::<setup::Saving>();
    let viewer = json!({ "parameters": [
        { "name": "viewer", "in": "query", "required": true, "schema": { "type": "string", "pattern": "^[A-Za-z0-9]{1,32}$" } },
        { "name": "after", "in": "query", "schema": { "type": "integer", "minimum": 0, "maximum": u64::MAX } },
    ] });
    document.add(
        ("get", "/api/v1/aim"),
        "The next view, heads pixelated, while a hand at the device allows it",
        viewer,
        vec![
            (200, "a view", json()),
            (204, "none came for a while", Content::Nothing),
            (400, "no number", Content::Error),
            (409, "somebody else is aiming", Content::Error),
            (422, "no such name", Content::Nothing),
        ],
    );
    document.add(
        ("delete", "/api/v1/aim"),
        "End aiming",
        nothing(),
        vec![(204, "it is over", Content::Nothing)],
    );
    document.add(
        ("post", "/api/v1/aim/zones"),
        "Zones as they would stand in the configuration",
        body(zones),
        vec![(200, "TOML", json())],
    );
    document.add(
        ("get", "/api/v1/setup"),
        "What is set",
        nothing(),
        vec![(200, "values by dotted key", json()), (422, "the files are faulty", json())],
    );
    document.add(
        ("post", "/api/v1/setup/check"),
        "What would change",
        body(wishes.clone()),
        vec![(200, "the difference", json())],
    );
    document.add(
        ("post", "/api/v1/setup/broker"),
        "Whether the broker lets this device in",
        body(wishes),
        vec![(200, "whether, and why not", json())],
    );
    document.add(
        ("get", "/api/v1/setup/cameras"),
        "Cameras and their modes",
        nothing(),
        vec![(200, "cameras", json())],
    );
    document.add(
        ("post", "/api/v1/setup"),
        "Save, and begin with it",
        body(saving),
        vec![
            (200, "what holds, what begins anew", json()),
            (409, "somebody else changed it meanwhile", Content::Error),
            (503, "it cannot be written", Content::Error),
        ],
    );
}
