//! Cuts the two files of Swagger UI that `/docs` needs out of the archive that a crate carries, without unpacking them:
//! what an archive holds and what gzip holds differ in a few bytes around the same compressed ones.
//!
//! The archive has ten times as much, and unpacked these two are 1.7 MB.

use std::{env, fs, path::Path};

use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED as ARCHIVE;

/// What is cut out of the folder `dist`.
const FILES: [&str; 2] = ["swagger-ui-bundle.js", "swagger-ui.css"];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // Cargo's word to a build script, no setting of a server.
    let folder = env::var_os("OUT_DIR").expect("cargo says where");
    let mut version = None;
    for (path, entry) in entries() {
        let Some((top, name)) = path.split_once("/dist/") else { continue };
        if FILES.contains(&name) {
            let file = Path::new(&folder).join(format!("{name}.gz"));
            fs::write(file, gzip(entry)).expect("the folder can be written to");
            version = top.strip_prefix("swagger-ui-");
        }
    }
    println!("cargo:rustc-env=SWAGGER_UI_VERSION={}", version.expect("the archive is Swagger UI's"));
}

/// The archive's table of contents: each path, and what is said of it there (APPNOTE.TXT 4.3.12).
fn entries() -> impl Iterator<Item = (&'static str, usize)> {
    let end = ARCHIVE.windows(4).rposition(|bytes| bytes == b"PK\x05\x06").expect("a ZIP archive ends so");
    let mut place = long(end + 16);
    std::iter::from_fn(move || {
        let entry = place;
        ARCHIVE[entry..].starts_with(b"PK\x01\x02").then(|| {
            let (name, extra, comment) = (short(entry + 28), short(entry + 30), short(entry + 32));
            place = entry + 46 + name + extra + comment;
            let path = str::from_utf8(&ARCHIVE[entry + 46..][..name]).expect("paths are plain ASCII");
            (path, entry)
        })
    })
}

/// A file as gzip has it (RFC 1952), its compressed bytes as they are.
fn gzip(entry: usize) -> Vec<u8> {
    assert_eq!(short(entry + 10), 8, "the archive's files are deflated");
    let (checksum, packed, unpacked) =
        (&ARCHIVE[entry + 16..][..4], long(entry + 20), &ARCHIVE[entry + 24..][..4]);
    let local = long(entry + 42);
    let start = local + 30 + short(local + 26) + short(local + 28);
    // No name, no time, nobody's system.
    let head = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    [&head, &ARCHIVE[start..][..packed], checksum, unpacked].concat()
}

fn short(place: usize) -> usize {
    usize::from(u16::from_le_bytes([ARCHIVE[place], ARCHIVE[place + 1]]))
}

fn long(place: usize) -> usize {
    short(place) | short(place + 2) << 16
}
