//! The two files of Swagger UI, compressed in the binary as they came (`build.rs`).
//!
//! Whoever takes gzip gets them so; for everybody else they are unpacked once. Nothing is kept by a cache, as nothing of
//! ours is (R35): a view of the page costs its reader 440 kB.

use std::{
    io::Read,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use flate2::bufread::GzDecoder;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use reset_http::{route::Call, wire::reply};

/// One file.
pub(in crate::service) struct Asset {
    gzip: &'static [u8],
    media: &'static str,
    /// As it is without compression, once somebody asked for that.
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

    fn answer(&self, headers: &HeaderMap) -> Response<Bytes> {
        let packed = takes_gzip(headers);
        let body = if packed { Bytes::from_static(self.gzip) } else { self.plain() };
        let mut response = reply(StatusCode::OK, HeaderValue::from_static(self.media), body);
        let headers = response.headers_mut();
        headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        if packed {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }

    fn plain(&self) -> Bytes {
        let unpack = || {
            let mut plain = Vec::new();
            GzDecoder::new(self.gzip).read_to_end(&mut plain).expect("what was compiled in is whole");
            plain.into()
        };
        self.plain.get_or_init(unpack).clone()
    }
}

#[utoipa::path(get, path = "/docs/swagger-ui-bundle.js", operation_id = "docsScript", tag = "polyreset",
    summary = "The script of that page",
    responses((status = 200, description = "The script of `/docs`: Swagger UI", body = String,
        content_type = "text/javascript")))]
pub(in crate::service) async fn script(
    asset: Arc<Asset>,
    call: Call,
) -> Result<Response<Bytes>, Response<Bytes>> {
    Ok(asset.answer(call.request.headers()))
}

#[utoipa::path(get, path = "/docs/swagger-ui.css", operation_id = "docsStyle", tag = "polyreset",
    summary = "The style sheet of that page",
    responses((status = 200, description = "The style sheet of `/docs`: Swagger UI's", body = String,
        content_type = "text/css")))]
pub(in crate::service) async fn style(
    asset: Arc<Asset>,
    call: Call,
) -> Result<Response<Bytes>, Response<Bytes>> {
    Ok(asset.answer(call.request.headers()))
}

/// Whether `Accept-Encoding` allows gzip (RFC 9110, 12.5.3). Who says nothing takes anything, but need not understand it.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).into_iter().filter_map(|value| value.to_str().ok());
    let (mut named, mut any) = (None, None);
    for coding in values.flat_map(|value| value.split(',')) {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight.trim().to_ascii_lowercase();
        let wanted = weight.strip_prefix("q=").is_none_or(|q| q.parse().is_ok_and(|q: f32| q > 0.0));
        match name.trim().to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => named = Some(wanted),
            "*" => any = Some(wanted),
            _ => {}
        }
    }
    named.or(any).unwrap_or(false)
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
    fn gzip_is_for_who_takes_it_and_for_nobody_else() {
        for takes in [
            &["gzip"][..],
            &["gzip, deflate, br, zstd"],
            &["br", "GZIP ; Q=0.1"],
            &["*"],
            &["x-gzip"],
            &["*;q=0, gzip"],
        ] {
            assert!(takes_gzip(&accepting(takes)), "{takes:?}");
        }
        for not in [
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
            assert!(!takes_gzip(&accepting(not)), "{not:?}");
        }
    }

    #[test]
    fn each_file_is_the_same_packed_and_unpacked_and_says_which() {
        for (asset, media, begins) in [
            (Asset::script(), "text/javascript; charset=utf-8", "/*! For license information"),
            (Asset::style(), "text/css; charset=utf-8", ".swagger-ui{"),
        ] {
            let (packed, plain) = (asset.answer(&accepting(&["gzip"])), asset.answer(&accepting(&[])));
            for answer in [&packed, &plain] {
                assert_eq!(answer.headers()[header::CONTENT_TYPE], media);
                assert_eq!(answer.headers()[header::VARY], "Accept-Encoding");
            }
            assert_eq!(packed.headers()[header::CONTENT_ENCODING], "gzip");
            assert!(!plain.headers().contains_key(header::CONTENT_ENCODING));
            // The checksum at the end of the packed one is the archive's: this unpacks no other file.
            let mut unpacked = Vec::new();
            GzDecoder::new(packed.body().as_ref()).read_to_end(&mut unpacked).unwrap();
            assert!(unpacked.starts_with(begins.as_bytes()) && plain.body() == &unpacked);
            assert!(packed.body().len() * 3 < plain.body().len());
        }
    }
}
