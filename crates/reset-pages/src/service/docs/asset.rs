//! The two Swagger UI files. `build.rs` embeds them in the binary, compressed with gzip.
//!
//! Clients that accept gzip get the embedded bytes. For other clients each file is decompressed once. Like every
//! response, the files are not cached (R35), so each view of the page transfers 440 kB.

use std::{
    io::Read,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use flate2::bufread::GzDecoder;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use reset_http::{route::Call, wire::reply};

/// One of the files.
pub(in crate::service) struct Asset {
    gzip: &'static [u8],
    media: &'static str,
    /// The decompressed file, filled by the first request that needs it.
    plain: OnceLock<Bytes>,
}

impl Asset {
    pub(in crate::service) fn script() -> Self {
        let gzip = include_bytes!(concat!(env!("OUT_DIR"), "/swagger-ui-bundle.js.gz"));
        // RFC 9239.
        Self { gzip, media: "text/javascript; charset=utf-8", plain: OnceLock::new() }
    }

    pub(in crate::service) fn style() -> Self {
        let gzip = include_bytes!(concat!(env!("OUT_DIR"), "/swagger-ui.css.gz"));
        Self { gzip, media: "text/css; charset=utf-8", plain: OnceLock::new() }
    }

    /// Returns the file in an encoding that the client accepts.
    fn response(&self, headers: &HeaderMap) -> Response<Bytes> {
        let gzip = accepts_gzip(headers);
        let body = if gzip { Bytes::from_static(self.gzip) } else { self.plain() };
        let mut response = reply(StatusCode::OK, HeaderValue::from_static(self.media), body);
        let headers = response.headers_mut();
        headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        if gzip {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }

    fn plain(&self) -> Bytes {
        let decompress = || {
            let mut plain = Vec::new();
            GzDecoder::new(self.gzip).read_to_end(&mut plain).expect("the embedded file is valid gzip");
            plain.into()
        };
        self.plain.get_or_init(decompress).clone()
    }
}

#[utoipa::path(get, path = "/docs/swagger-ui-bundle.js", operation_id = "docsScript", tag = "polyreset",
    summary = "Script of the interactive API reference",
    responses((status = 200, description = "The script of `/docs` (Swagger UI)", body = String,
        content_type = "text/javascript")))]
pub(in crate::service) async fn script(
    asset: Arc<Asset>,
    call: Call,
) -> Result<Response<Bytes>, Response<Bytes>> {
    Ok(asset.response(call.request.headers()))
}

#[utoipa::path(get, path = "/docs/swagger-ui.css", operation_id = "docsStyle", tag = "polyreset",
    summary = "Style sheet of the interactive API reference",
    responses((status = 200, description = "The style sheet of `/docs` (Swagger UI)", body = String,
        content_type = "text/css")))]
pub(in crate::service) async fn style(
    asset: Arc<Asset>,
    call: Call,
) -> Result<Response<Bytes>, Response<Bytes>> {
    Ok(asset.response(call.request.headers()))
}

/// Whether `Accept-Encoding` allows gzip (RFC 9110, 12.5.3). A client that sends no such header would have to accept
/// any coding, but may not understand gzip, so it gets the file uncompressed.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).into_iter().filter_map(|value| value.to_str().ok());
    let (mut gzip, mut any) = (None, None);
    for coding in values.flat_map(|value| value.split(',')) {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight.trim().to_ascii_lowercase();
        let accepted = weight.strip_prefix("q=").is_none_or(|q| q.parse().is_ok_and(|q: f32| q > 0.0));
        match name.trim().to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => gzip = Some(accepted),
            "*" => any = Some(accepted),
            _ => {}
        }
    }
    gzip.or(any).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepting(values: &[&str]) -> HeaderMap {
        let values =
            values.iter().map(|value| (header::ACCEPT_ENCODING, HeaderValue::from_str(value).unwrap()));
        values.collect()
    }

    #[test]
    fn gzip_is_used_only_if_the_client_accepts_it() {
        for accepted in [
            &["gzip"][..],
            &["gzip, deflate, br, zstd"],
            &["br", "GZIP ; Q=0.1"],
            &["*"],
            &["x-gzip"],
            &["*;q=0, gzip"],
        ] {
            assert!(accepts_gzip(&accepting(accepted)), "{accepted:?}");
        }
        for rejected in [
            &[][..],
            &[""],
            &["br, deflate"],
            &["gzip;q=0"],
            &["gzip; q=0.000", "br"],
            &["*, gzip;q=0"],
            &["*;q=0"],
            &["gzip;q=much"],
            &["identity"],
            &["gzipped"],
        ] {
            assert!(!accepts_gzip(&accepting(rejected)), "{rejected:?}");
        }
    }

    #[test]
    fn compressed_and_plain_responses_hold_the_same_file_and_declare_their_encoding() {
        for (asset, media, begins) in [
            (Asset::script(), "text/javascript; charset=utf-8", "/*! For license information"),
            (Asset::style(), "text/css; charset=utf-8", ".swagger-ui{"),
        ] {
            let (compressed, plain) =
                (asset.response(&accepting(&["gzip"])), asset.response(&accepting(&[])));
            for response in [&compressed, &plain] {
                assert_eq!(response.headers()[header::CONTENT_TYPE], media);
                assert_eq!(response.headers()[header::VARY], "Accept-Encoding");
            }
            assert_eq!(compressed.headers()[header::CONTENT_ENCODING], "gzip");
            assert!(!plain.headers().contains_key(header::CONTENT_ENCODING));
            // Decompression also verifies the CRC-32 at the end of the gzip stream.
            let mut decompressed = Vec::new();
            GzDecoder::new(compressed.body().as_ref()).read_to_end(&mut decompressed).unwrap();
            assert!(decompressed.starts_with(begins.as_bytes()) && plain.body() == &decompressed);
            assert!(compressed.body().len() * 3 < plain.body().len());
        }
    }
}
