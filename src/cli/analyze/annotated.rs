//! The files that `analyze --annotate` writes: one for each picture, never in the place of another file of the user.
//!
//! Every name ends with `.annotated.png`, which folders of pictures are read without. A name is the shortest end of the
//! input's path that no other input has.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::Cursor;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, bail};
use image::{ImageFormat, RgbImage};
use moodring_camera::file::{ANNOTATED_SUFFIX, display_name};
use moodring_runtime::atomic_file;

/// Permissions of the files: everybody may read them, as of other new files.
const MODE: u32 = 0o644;

/// The folder of the annotated pictures, and the name of each input in it.
pub(super) struct AnnotatedFolder {
    directory: PathBuf,
    names: BTreeMap<PathBuf, PathBuf>,
    /// The inputs, which are never overwritten.
    inputs: BTreeSet<PathBuf>,
}

impl AnnotatedFolder {
    /// Creates the folder and names the annotated pictures of `inputs`.
    pub(super) fn create<'a>(
        directory: &Path,
        inputs: impl Iterator<Item = &'a Path>,
    ) -> anyhow::Result<Self> {
        std::fs::create_dir_all(directory)
            .with_context(|| format!("cannot create the folder {}", directory.display()))?;
        let paths: BTreeMap<PathBuf, Vec<OsString>> =
            inputs.map(|input| (input.to_owned(), components(input))).collect();
        let inputs = paths.keys().filter_map(|input| input.canonicalize().ok()).collect();
        Ok(Self { directory: directory.to_owned(), names: names(&paths), inputs })
    }

    /// Path of the annotated picture of a picture file.
    fn of_picture(&self, input: &Path) -> PathBuf {
        let mut path = self.place(input).into_os_string();
        path.push(ANNOTATED_SUFFIX);
        path.into()
    }

    /// Path of the annotated picture number `index` of a clip, in a folder of its own.
    fn of_clip(&self, input: &Path, index: u32) -> PathBuf {
        self.place(input).join(format!("{index:06}{ANNOTATED_SUFFIX}"))
    }

    fn place(&self, input: &Path) -> PathBuf {
        self.directory.join(self.names.get(input).map_or(Path::new("picture"), PathBuf::as_path))
    }

    /// Writes the annotated picture of `input`, or of its picture number `index` if it is a clip.
    pub(super) fn write(&self, input: &Path, index: Option<u32>, picture: &RgbImage) -> anyhow::Result<()> {
        let path = index.map_or_else(|| self.of_picture(input), |index| self.of_clip(input, index));
        if path.canonicalize().is_ok_and(|path| self.inputs.contains(&path)) {
            bail!("{} is also an input: choose another folder for --annotate", path.display());
        }
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, ImageFormat::Png)?;
        // A new file takes the name, so that a link of this name is replaced and not followed.
        atomic_file::write_as(&path, bytes.get_ref(), MODE)
            .with_context(|| format!("{} cannot be written", path.display()))
    }
}

/// The names in the path of an input, from the root. An address has one: scheme, host and port.
fn components(input: &Path) -> Vec<OsString> {
    let Ok(path) = input.canonicalize() else {
        let name = display_name(input).replace("://", "-").replace([':', '/'], "-");
        return vec![name.into()];
    };
    let normal = |component| match component {
        Component::Normal(name) => Some(OsString::from(name)),
        _ => None,
    };
    path.components().filter_map(normal).collect()
}

/// The shortest end of each path that no other path has. Streams of one host are numbered.
fn names(paths: &BTreeMap<PathBuf, Vec<OsString>>) -> BTreeMap<PathBuf, PathBuf> {
    let end = |components: &[OsString], length: usize| -> PathBuf {
        components[components.len().saturating_sub(length)..].iter().collect()
    };
    let mut names = BTreeMap::new();
    let mut unnamed: Vec<(&PathBuf, &Vec<OsString>)> = paths.iter().collect();
    let mut length = 1;
    while !unnamed.is_empty() {
        let mut with_end: BTreeMap<PathBuf, BTreeSet<&[OsString]>> = BTreeMap::new();
        for components in paths.values() {
            with_end.entry(end(components, length)).or_default().insert(components);
        }
        unnamed.retain(|(input, components)| {
            let name = end(components, length);
            let is_unique = with_end.get(&name).is_some_and(|same| same.len() == 1);
            let is_whole = length >= components.len();
            if is_unique || is_whole {
                names.insert((*input).clone(), name);
            }
            !is_unique && !is_whole
        });
        length += 1;
    }
    number_streams(&mut names);
    names
}

/// Distinguishes streams whose shown names are the same: their paths may hold secrets.
fn number_streams(names: &mut BTreeMap<PathBuf, PathBuf>) {
    let mut seen: BTreeMap<PathBuf, usize> = BTreeMap::new();
    for (input, name) in names {
        if input.canonicalize().is_err() {
            let count = seen.entry(name.clone()).or_default();
            *count += 1;
            if *count > 1 {
                *name = format!("{}-{count}", name.display()).into();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_with_the_same_name_get_different_files() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, name).unwrap();
            path
        };
        let inputs = [
            file("monday/class.png"),
            file("tuesday/class.png"),
            file("class.jpg"),
            file("class.mp4"),
            "rtsp://me:hunter2@camera/1".into(),
            "rtsp://me:hunter2@camera/2".into(),
        ];
        let out = folder.path().join("out");
        let annotated = AnnotatedFolder::create(&out, inputs.iter().map(PathBuf::as_path)).unwrap();
        let relative = |path: PathBuf| path.strip_prefix(&out).unwrap().display().to_string();
        assert_eq!(
            inputs.each_ref().map(|input| relative(annotated.of_picture(input))),
            [
                "monday/class.png.annotated.png",
                "tuesday/class.png.annotated.png",
                "class.jpg.annotated.png",
                "class.mp4.annotated.png",
                "rtsp-camera.annotated.png",
                "rtsp-camera-2.annotated.png"
            ]
        );
        assert_eq!(relative(annotated.of_clip(&inputs[3], 7)), "class.mp4/000007.annotated.png");
    }

    #[test]
    fn an_input_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a.png"), folder.path().join("a.png.annotated.png"));
        for path in [&a, &b] {
            std::fs::write(path, "a picture of the user").unwrap();
        }
        let picture = RgbImage::new(2, 2);
        let annotated =
            AnnotatedFolder::create(folder.path(), [a.as_path(), b.as_path()].into_iter()).unwrap();
        let error = annotated.write(&a, None, &picture).unwrap_err().to_string();
        assert!(error.contains("is also an input"), "{error}");
        // A link with the name of an annotated picture is replaced, and what it points to stays.
        let out = folder.path().join("out");
        let annotated = AnnotatedFolder::create(&out, [b.as_path()].into_iter()).unwrap();
        std::os::unix::fs::symlink(&a, annotated.of_picture(&b)).unwrap();
        annotated.write(&b, None, &picture).unwrap();
        for path in [&a, &b] {
            assert_eq!(std::fs::read_to_string(path).unwrap(), "a picture of the user");
        }
        assert!(image::open(annotated.of_picture(&b)).is_ok());
    }
}
