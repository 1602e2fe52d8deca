//! The list of the stored files, and the reference page that is generated from it.

use std::fmt::Write as _;

use super::{Kind, StateFile};
use crate::control;

/// Every file that the device stores.
pub const FILES: &[StateFile] = &[
    StateFile {
        name: "control.json",
        part: "control",
        contents: "whether the device is paused by command",
        kind: Kind::Protective(control::store_paused),
        then: "the device is paused until it is resumed by command",
    },
    StateFile {
        name: "disclosure.json",
        part: "mood",
        contents: "until when expressions were published",
        kind: Kind::Protective(moodring_mood::record_publication),
        then: "expressions are withheld for twelve minutes",
    },
    StateFile {
        name: "baseline.json",
        part: "mood",
        contents: "the baseline of the room",
        kind: Kind::Sealed,
        then: "the baseline is learned again",
    },
    StateFile {
        name: "overlays/*.json",
        part: "overlays",
        contents: "the newest overlay of site and room, with its serial",
        kind: Kind::CopiedOrRefused,
        then: "only people are counted, and no overlay is accepted",
    },
    StateFile {
        name: "setup.toml",
        part: "set-up",
        contents: "the settings of the set-up page",
        kind: Kind::Settings,
        then: "the settings that worked last apply; without them the device waits with the set-up page",
    },
    StateFile {
        name: "mqtt-password*",
        part: "set-up",
        contents: "a password that was typed on the set-up page",
        kind: Kind::Line,
        then: "the broker refuses the device until the password is typed again",
    },
    StateFile {
        name: "page.key",
        part: "web",
        contents: "the key that signs the cookies of paired phones",
        kind: Kind::Copied,
        then: "all phones must be paired again, and the first is administrator",
    },
    StateFile {
        name: "paired.json",
        part: "web",
        contents: "the paired phones and their roles",
        kind: Kind::Copied,
        then: "all phones must be paired again, and the first is administrator",
    },
    StateFile {
        name: "page.pem",
        part: "web",
        contents: "the generated certificate of the page, and its key",
        kind: Kind::Sealed,
        then: "a new certificate is generated, which each phone asks about once",
    },
    StateFile {
        name: "lessons.sqlite",
        part: "lessons",
        contents: "lessons, minutes and notes",
        kind: Kind::Database,
        then: "lessons are recorded into a new file; the old ones are not shown",
    },
    StateFile {
        name: "reports/lesson-*.html",
        part: "lessons",
        contents: "the report of a lesson",
        kind: Kind::Output,
        then: "nothing: the device does not read it",
    },
    StateFile {
        name: "deleted-lessons/*",
        part: "lessons",
        contents: "the request to erase the waiting messages about a deleted lesson",
        kind: Kind::Output,
        then: "nothing: its name is the request",
    },
    StateFile {
        name: "spool.sqlite",
        part: "mqtt",
        contents: "messages that wait for the broker",
        kind: Kind::Database,
        then: "messages that waited are lost; the spool has a new name",
    },
    StateFile {
        name: "webhooks/*/spool.sqlite",
        part: "webhook",
        contents: "messages that wait for a server",
        kind: Kind::Database,
        then: "messages that waited are lost; the spool has a new name",
    },
    StateFile {
        name: "retained-topics.json",
        part: "mqtt",
        contents: "the topics on which retained messages were published",
        kind: Kind::Sealed,
        then: "messages on former topics stay at the broker until `moodring mqtt forget --room NAME` deletes them",
    },
    StateFile {
        name: "device-id",
        part: "runtime",
        contents: "the device's id, where the machine has no machine-id",
        kind: Kind::Sealed,
        then: "the device has a new name at the broker",
    },
    StateFile {
        name: "console.sock",
        part: "control",
        contents: "the socket of the console commands",
        kind: Kind::Output,
        then: "nothing: it is created at each start",
    },
];

/// docs/reference/state.md.
pub fn reference() -> String {
    let mut page = String::from(HEAD);
    for StateFile { name, part, contents, kind, then } in FILES {
        let detected = match kind {
            Kind::Sealed | Kind::Protective(_) => "checksum",
            Kind::Copied | Kind::CopiedOrRefused => "checksum; restored from `.copy`",
            Kind::Database => "structure of the database",
            Kind::Line => "not one line of text",
            Kind::Settings => "every fault; restored from `.copy`",
            Kind::Output => "not checked",
        };
        let reported = if matches!(kind, Kind::Output) { "–" } else { "log, health, page, display" };
        let _ = writeln!(page, "| `{name}` | {part} | {contents} | {detected} | {then} | {reported} |");
    }
    page + TAIL
}

const HEAD: &str = "# Stored files
<!-- Generated: MOODRING_BLESS=1 cargo test --workspace --lib state -->
Everything that outlives a restart is in `storage.directory` (the service: `/var/lib/moodring`), a folder of mode 0700 with files of mode 0600. It holds
aggregates and settings, no picture and no data about a single person.

At each start the device checks every file before it opens any. It renames a damaged file (a flipped bit, cut, emptied, filled with zeros, unreadable) to
`NAME.damaged`; an earlier one becomes `NAME.damaged.1`, and the one before that is deleted. The device starts in any case. It reports the damage in one line
of the log, and until the next start as the problem `storage` in the health message, in `/healthz`, on the page and on the display. It also removes the
permissions of other accounts.

| file | written by | contents | damage is detected by | what the device does then | damage is reported in |
|---|---|---|---|---|---|
";

const TAIL: &str = "
- *Checksum*: the file ends with a line `sha256 …`. A file that protects people is replaced by its safest content: paused, withheld. Where two files are
  needed to lose a role or a serial, both must be damaged.
- *Databases*: SQLite checks the structure, not every value; one flipped bit within a value stays unnoticed. `-wal` and `-shm` are renamed with the file. A
  store of lessons that is damaged while the device runs is set aside within a minute, and the lesson in progress goes on in the new one. Damaged stores are
  deleted after `lessons.keep_days`, as their lessons would have been.
- *Settings*: what applies after damage is the text that the device last started with. Without it the device waits with the set-up page and opens no camera
  (`moodring run --set-up`, as the service runs it).
- *Deleted on purpose*: a file that does not exist is no damage, and its copy is deleted at the next start. So deleting `paired.json` unpairs all phones, and
  deleting `overlays/site.json` forgets that overlay and its serial.
- A disk that cannot be written delays nothing for good: page, console, lessons, spool and pause are tried again until it works.
";

/// Whether `name`, a path in the storage folder, is in the list.
pub fn is_listed(name: &str) -> bool {
    FILES.iter().any(|file| file.covers(name))
}
