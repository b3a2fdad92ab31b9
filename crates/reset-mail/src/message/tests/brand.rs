//! The brand in mails: logos, colours, contacts and headers.

use reset_words::brand::{Brand, Colour, Logo};

use super::*;

/// Returns a PNG header with this size, and `mark` to tell logos apart.
fn png(width: u16, height: u16, mark: u8) -> Logo {
    let ([w1, w2], [h1, h2]) = (width.to_be_bytes(), height.to_be_bytes());
    let size = [0, 0, w1, w2, 0, 0, h1, h2, 8, 6, 0, 0, 0, mark];
    Logo::read("png", [&b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..], &size].concat()).unwrap()
}

fn brand() -> Brand {
    Brand {
        name: "Ärzte & <Söhne>".to_owned(),
        logo: Some(png(320, 80, 1)),
        logo_dark: Some(png(320, 80, 2)),
        accent: Colour::parse("#7a1fa2"),
        support: Some("help@example.org".to_owned()),
        home: Some("https://app.example.org:8443/login?next=%2F".to_owned()),
        footer: Some("Example, Ltd. <3".to_owned()),
        address: Some("1 Example Street".to_owned()),
        ..Brand::default()
    }
}

fn compose_with(brand: Brand, body: MailBody) -> ComposedMail {
    composer().with_brand(brand).compose(&mail(body)).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn mail_shows_the_brand_in_both_parts_and_in_its_subject() {
    let composed = compose_with(brand(), link("https://a.example.org/reset?token=t"));
    let (text, html) = parts(&composed);
    assert_eq!(composed.subject, "Reset your Ärzte & <Söhne> password");
    for line in ["Ärzte & <Söhne>", "Need help? help@example.org", "Example, Ltd. <3", "1 Example Street"] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
    for part in [
        "alt=\"Ärzte &amp; &lt;Söhne&gt;\"",
        "href=\"mailto:help@example.org\"",
        "Example, Ltd. &lt;3",
        "bgcolor=\"#7a1fa2\"",
        "width=\"160\" height=\"40\"",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
}

#[test]
fn logos_for_light_and_dark_mode_are_attached_and_shown() {
    let composed = compose_with(brand(), code("123456"));
    let message = MessageParser::default().parse(&composed.bytes).unwrap();
    let (_, html) = parts(&composed);
    for (id, logo) in [("logo.0af1@localhost", brand().logo), ("logo-dark.0af1@localhost", brand().logo_dark)]
    {
        let part = message.parts.iter().find(|part| part.content_id() == Some(id)).unwrap();
        assert_eq!(part.contents(), logo.as_ref().unwrap().content());
        assert_eq!(part.content_type().unwrap().subtype(), Some("png"));
        assert!(part.content_disposition().unwrap().is_inline());
        assert!(html.contains(&format!("src=\"cid:{id}\"")), "{html}");
        // The copy for the demo and previews shows the pictures without the message.
        let in_place = logo.as_ref().unwrap().data_url();
        assert!(composed.html.contains(in_place) && !composed.html.contains("cid:"));
    }
    assert!(String::from_utf8(composed.bytes).unwrap().split("\r\n").all(|line| line.len() <= 78));
}

#[test]
fn logo_in_a_format_that_mail_programs_do_not_show_gives_way_to_the_name() {
    let svg = Logo::read("svg", b"<svg/>".to_vec()).unwrap();
    let composed = compose_with(Brand { logo: Some(svg), ..brand() }, code("123456"));
    let (_, html) = parts(&composed);
    assert!(!html.contains("<img") && composed.html.contains("\nÄrzte &amp; &lt;Söhne&gt;\n"), "{html}");
    let message = MessageParser::default().parse(&composed.bytes).unwrap();
    assert_eq!(message.attachment_count(), 0);
}

#[test]
fn large_logo_is_shown_smaller_and_a_small_one_as_it_is() {
    for (width, height, shown) in [
        (320, 80, "width=\"160\" height=\"40\""),
        (2000, 100, "width=\"240\" height=\"12\""),
        (30, 20, "width=\"30\" height=\"20\""),
        (10, 4000, "width=\"1\" height=\"40\""),
    ] {
        let logo = Some(png(width, height, 0));
        let composed = compose_with(Brand { logo, logo_dark: None, ..brand() }, code("1"));
        assert!(composed.html.contains(shown), "{width} x {height}: {}", composed.html);
    }
}

#[test]
fn replies_go_to_the_support_address_if_there_is_one() {
    let reply_to = |support: Option<&str>| {
        let support = support.map(ToOwned::to_owned);
        let composed = compose_with(Brand { support, ..brand() }, code("1"));
        let message = MessageParser::default().parse(&composed.bytes).unwrap();
        let address = message.reply_to().and_then(|to| to.first()).and_then(|to| to.address());
        (address.map(ToOwned::to_owned), message.header_raw("List-Unsubscribe").is_some())
    };
    assert_eq!(reply_to(Some("help@example.org")), (Some("help@example.org".to_owned()), false));
    for support in [None, Some("https://example.org/help"), Some("Call us"), Some("a@b.org\r\nBcc: c@d.org")]
    {
        assert_eq!(reply_to(support), (None, false));
    }
}

#[test]
fn code_is_bound_to_the_site_where_it_is_typed() {
    let last_line = |home: Option<&str>, host: &str| {
        let from = "Polyreset <no-reply@localhost>".parse().unwrap();
        let brand = Brand { home: home.map(ToOwned::to_owned), ..brand() };
        let composer = Composer::new(from, host.to_owned(), Templates::built_in("en")).with_brand(brand);
        let ready = composer.compose(&mail(code("482913"))).unwrap_or_else(|error| panic!("{error}"));
        ready.text.trim_end().lines().next_back().unwrap().to_owned()
    };
    assert_eq!(
        last_line(Some("https://app.example.org:8443/login"), "a.example.org"),
        "@app.example.org #482913"
    );
    assert_eq!(last_line(None, "a.example.org"), "@a.example.org #482913");
    for host in ["localhost", "127.0.0.1", "[IPv6:::1]"] {
        assert_eq!(last_line(None, host), "1 Example Street", "{host}");
    }
}

#[test]
fn code_is_shown_in_groups_that_together_are_the_code() {
    for (secret, groups) in [
        ("482913", vec!["482", "913"]),
        ("7K3M-2QXD-9RTV-C", vec!["7K3M-", "2QXD-", "9RTV-", "C"]),
        ("12345678", vec!["1234", "5678"]),
        ("1", vec!["1"]),
    ] {
        let html = compose_with(brand(), code(secret)).html;
        for group in groups {
            assert!(html.contains(&format!("\">{group}</span>")), "{group}: {html}");
        }
        assert!(!html.contains("</span> <span"), "a copied code has no spaces");
    }
}

#[test]
fn request_from_a_public_network_is_described_and_a_private_network_is_not() {
    let text = |address: &str| {
        let network = Some(reset_core::turns::NetworkBlock::of(address.parse().unwrap()));
        let mail = Mail { network, ..mail(code("1")) };
        compose(&mail).text
    };
    assert!(text("203.0.113.7").contains("\nNetwork: 203.0.113.0/24\n"));
    assert!(text("2001:db8:7:1::9").contains("\nNetwork: 2001:db8:7::/48\n"));
    for private in
        ["10.1.2.3", "127.0.0.1", "192.168.0.9", "100.64.0.1", "169.254.1.1", "::1", "fd00::1", "fe80::1"]
    {
        assert!(!text(private).contains("Network"), "{private}");
    }
}

/// WCAG 2.2, 1.4.3: at least 4.5 to 1. The class names in the markup tie each element to its colours in dark mode.
#[test]
fn contrast_suffices_in_light_and_dark_mode_with_any_accent() {
    let parse = |colour: &str| Colour::parse(colour).unwrap();
    for accent in [None, Some("#767676"), Some("#000000"), Some("#000080"), Some("#7a1fa2")] {
        let brand = Brand { accent: accent.map(parse), ..brand() };
        let (light, dark) = (brand.accent(), brand.accent_dark());
        let (_, html) = parts(&compose_with(brand, link("https://a.example.org/?token=t")));
        for (text, background) in [
            (parse("#1b1f27"), parse("#ffffff")),
            (parse("#1b1f27"), parse("#f6f7f9")),
            (parse("#565d6b"), parse("#f3f4f6")),
            (parse("#565d6b"), parse("#f6f7f9")),
            (Colour::WHITE, light),
            (parse("#e9ebef"), parse("#16181d")),
            (parse("#b2b8c4"), parse("#20232a")),
            (parse("#b2b8c4"), parse("#0d0f12")),
            (parse("#16181d"), dark),
            (dark, parse("#16181d")),
            (dark, parse("#0d0f12")),
        ] {
            for colour in [text, background] {
                assert!(colour == Colour::WHITE || html.contains(&colour.css()), "{}", colour.css());
            }
            assert!(text.contrast(background) >= 4.5, "{} on {}", text.css(), background.css());
        }
    }
}
