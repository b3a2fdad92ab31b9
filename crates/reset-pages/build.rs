//! Takes the two files of Swagger UI that `/docs` needs out of the archive that a crate carries, and compresses them again:
//! the archive has ten times as much, and unpacked these two are 1.7 MB.

use std::{
    env, fs,
    io::{self, Cursor},
    path::Path,
};

use flate2::{Compression, write::GzEncoder};
use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED as ARCHIVE;
use zip::ZipArchive;

/// What is taken out of the folder `dist`.
const FILES: [&str; 2] = ["swagger-ui-bundle.js", "swagger-ui.css"];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // Cargo's word to a build script, no setting of a server.
    let folder = env::var_os("OUT_DIR").expect("cargo says where");
    let mut archive = ZipArchive::new(Cursor::new(ARCHIVE)).expect("the crate carries an archive");
    let version = version(&archive);
    for name in FILES {
        let path = format!("swagger-ui-{version}/dist/{name}");
        let mut file = archive.by_name(&path).expect("the archive has the file");
        let mut packed = GzEncoder::new(Vec::new(), Compression::best());
        io::copy(&mut file, &mut packed).expect("the file is whole");
        let packed = packed.finish().expect("memory can be written to");
        let to = Path::new(&folder).join(format!("{name}.gz"));
        fs::write(to, packed).expect("the folder can be written to");
    }
    println!("cargo:rustc-env=SWAGGER_UI_VERSION={version}");
}

/// The version in the name of the folder that everything lies in.
fn version(archive: &ZipArchive<Cursor<&[u8]>>) -> String {
    let mut paths = archive.file_names().map(|path| path.expect("paths are plain ASCII"));
    let version =
        paths.find_map(|path| Some(path.strip_prefix("swagger-ui-")?.split('/').next()?.to_owned()));
    version.expect("the archive is Swagger UI's")
}
