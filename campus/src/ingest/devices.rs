//! Which device hangs where: the list from which campus/access.py makes users and rights.
//!
//! The broker lets a device write only below its own room, so the topic proves the room. The list proves that the device
//! named in the payload is the one of that room: without it, a device could write rows in another device's name.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use moodring_runtime::text_file;

/// Bytes of a list: about 200,000 devices.
const MAX_BYTES: u64 = 16 * 1024 * 1024;
/// Former rooms of a device.
const MAX_FORMER: usize = 16;

/// Site and room.
type Room = (String, String);

#[derive(Debug)]
struct Entry {
    room: Room,
    /// Rooms where the device hung before: its spooled messages may still name them.
    former: Vec<Room>,
}

/// The devices of a campus.
#[derive(Debug)]
pub struct Devices(BTreeMap<String, Entry>);

impl Devices {
    /// Reads a CSV file with the columns device, site, room and, optionally, former: `site/room` of rooms where the device hung
    /// before, separated by spaces.
    ///
    /// # Errors
    /// The file cannot be read, a column is missing, or a line is not valid; the message names file and line.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let context = || path.display().to_string();
        Self::parse(&text_file::read(path, MAX_BYTES).with_context(context)?).with_context(context)
    }

    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        let mut reader =
            csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
        let header = reader.headers()?;
        let column = |name: &str| header.iter().position(|column| column == name);
        let (Some(device), Some(site), Some(room)) = (column("device"), column("site"), column("room"))
        else {
            bail!("the first line must name the columns device,site,room");
        };
        let former = column("former");
        let mut devices = BTreeMap::new();
        for row in reader.into_records() {
            let row = row?;
            let line = row.position().map_or(0, csv::Position::line);
            let field = |index: usize| row.get(index).filter(|field| !field.is_empty());
            let (Some(device), Some(site), Some(room)) = (field(device), field(site), field(room)) else {
                bail!("line {line}: device, site or room is missing");
            };
            let former = former.and_then(field).unwrap_or_default();
            let entry = Entry {
                room: (site.to_owned(), room.to_owned()),
                former: rooms(former).with_context(|| format!("line {line}"))?,
            };
            ensure!(
                devices.insert(device.to_owned(), entry).is_none(),
                "line {line}: {device} is there twice"
            );
        }
        Ok(Self(devices))
    }

    /// Whether `device` hangs in `room` of `site`.
    pub(super) fn is_in(&self, device: &str, site: &str, room: &str) -> bool {
        self.0.get(device).is_some_and(|entry| is(&entry.room, site, room))
    }

    /// Whether `device` hung in `room` of `site` before.
    pub(super) fn was_in(&self, device: &str, site: &str, room: &str) -> bool {
        self.0.get(device).is_some_and(|entry| entry.former.iter().any(|former| is(former, site, room)))
    }
}

fn is((site, room): &Room, other_site: &str, other_room: &str) -> bool {
    site == other_site && room == other_room
}

fn rooms(text: &str) -> anyhow::Result<Vec<Room>> {
    let rooms: Vec<Room> = text
        .split_whitespace()
        .map(|former| match former.split_once('/') {
            Some((site, room)) if !site.is_empty() && !room.is_empty() => {
                Ok((site.to_owned(), room.to_owned()))
            }
            _ => bail!("former {former:?} is not site/room"),
        })
        .collect::<anyhow::Result<_>>()?;
    ensure!(rooms.len() <= MAX_FORMER, "former has {} rooms; the maximum is {MAX_FORMER}", rooms.len());
    Ok(rooms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_in_its_room_and_was_in_its_former_ones() {
        let list = "device,site,room,former\nmoodring-1,north,b-214,\nmoodring-2,north,b-215,south/a-1 north/b-2\n\n";
        let devices = Devices::parse(list).unwrap();
        assert!(devices.is_in("moodring-1", "north", "b-214"));
        assert!(
            !devices.is_in("moodring-1", "north", "b-215") && !devices.is_in("moodring-3", "north", "b-214")
        );
        assert!(devices.was_in("moodring-2", "south", "a-1") && devices.was_in("moodring-2", "north", "b-2"));
        assert!(
            !devices.was_in("moodring-2", "north", "b-215") && !devices.was_in("moodring-1", "south", "a-1")
        );
        // As access.py reads it.
        let quoted = Devices::parse("device,site,room\r\nmoodring-1,north,\"b-214,a\"\r\n").unwrap();
        assert!(quoted.is_in("moodring-1", "north", "b-214,a"));
    }

    #[test]
    fn faults_name_the_line() {
        for (list, fault) in [
            ("", "the first line must name the columns device,site,room"),
            ("device,site,room\nmoodring-1,north\n", "line 2: device, site or room is missing"),
            ("device,site,room\nmoodring-1,n,a\nmoodring-1,n,b\n", "line 3: moodring-1 is there twice"),
            ("device,site,room,former\nmoodring-1,n,a,b\n", "former \"b\" is not site/room"),
        ] {
            let error = format!("{:#}", Devices::parse(list).unwrap_err());
            assert!(error.contains(fault), "{error}");
        }
    }
}
