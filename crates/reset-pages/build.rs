//! Extracts the two Swagger UI files that `/docs` needs from the vendored archive and compresses them with gzip. The
//! whole archive is ten times as large, and the two files are 1.7 MB uncompressed.

use std::{
    env, fs,
    io::{self, Cursor},
    path::Path,
};

use flate2::{Compression, write::GzEncoder};
use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED as ARCHIVE;
use zip::ZipArchive;

/// Files extracted from the folder `dist`.
const FILES: [&str; 2] = ["swagger-ui-bundle.js", "swagger-ui.css"];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // Set by Cargo for build scripts; not a setting of polyreset.
    let out_dir = env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    let mut archive = ZipArchive::new(Cursor::new(ARCHIVE)).expect("the vendored file is a ZIP archive");
    let version = version(&archive);
    for name in FILES {
        let path = format!("swagger-ui-{version}/dist/{name}");
        let mut file = archive.by_name(&path).expect("the archive contains the file");
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        io::copy(&mut file, &mut gzip).expect("the file decompresses");
        let gzip = gzip.finish().expect("writing to memory cannot fail");
        let to = Path::new(&out_dir).join(format!("{name}.gz"));
        fs::write(to, gzip).expect("OUT_DIR is writable");
    }
    println!("cargo:rustc-env=SWAGGER_UI_VERSION={version}");
}

/// Returns the version of Swagger UI, from the name of the archive's top-level folder.
fn version(archive: &ZipArchive<Cursor<&[u8]>>) -> String {
    let mut paths = archive.file_names().map(|path| path.expect("paths in the archive are ASCII"));
    let version =
        paths.find_map(|path| Some(path.strip_prefix("swagger-ui-")?.split('/').next()?.to_owned()));
    version.expect("the archive contains a swagger-ui folder")
}
