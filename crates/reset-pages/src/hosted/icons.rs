//! The pictures of the hosted pages, as inline SVG: a page loads no other resource (R35).
//!
//! They are decorative: the text beside them says the same. All are drawn in a box of 24 by 24, in the colour of the text.

/// The kind of a message: it decides the icon above the title and its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Something is done.
    Success,
    /// Neither good nor bad.
    Neutral,
    /// The user must do something else.
    Warning,
    /// Something failed.
    Failure,
}

impl Tone {
    /// Returns the class of the icon's frame.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Success => "good",
            Self::Neutral => "neutral",
            Self::Warning => "warn",
            Self::Failure => "bad",
        }
    }

    /// Returns the icon.
    pub(crate) fn icon(self) -> &'static str {
        match self {
            Self::Success => CHECK,
            Self::Neutral => CLOCK,
            Self::Warning => LINK_OFF,
            Self::Failure => ALERT,
        }
    }
}

/// Wraps the shapes of an icon in its `svg` element.
macro_rules! icon {
    ($shapes:literal) => {
        concat!(
            "<svg viewBox=\"0 0 24 24\" width=\"24\" height=\"24\" fill=\"none\" stroke=\"currentColor\" \
             stroke-width=\"2\" stroke-linecap=\"round\" stroke-linejoin=\"round\" aria-hidden=\"true\" \
             focusable=\"false\">",
            $shapes,
            "</svg>"
        )
    };
}

pub(crate) const CHECK: &str = icon!("<path d=\"M5 12.5l4.5 4.5L19 7.5\"/>");
pub(crate) const CLOCK: &str = icon!("<circle cx=\"12\" cy=\"12\" r=\"9\"/><path d=\"M12 7v5l3 2\"/>");
pub(crate) const ALERT: &str =
    icon!("<path d=\"M12 4L2.8 20h18.4z\"/><path d=\"M12 10v4\"/><path d=\"M12 17v.01\"/>");
pub(crate) const NOTICE: &str =
    icon!("<circle cx=\"12\" cy=\"12\" r=\"9\"/><path d=\"M12 7.5v5\"/><path d=\"M12 16v.01\"/>");
pub(crate) const LINK_OFF: &str = icon!(
    "<path d=\"M9 17H7A5 5 0 0 1 7 7\"/><path d=\"M15 7h2a5 5 0 0 1 3.6 8.5\"/><path d=\"M8 12h4\"/>\
     <path d=\"M3 3l18 18\"/>"
);
pub(crate) const MAIL: &str =
    icon!("<rect x=\"3\" y=\"5\" width=\"18\" height=\"14\" rx=\"2\"/><path d=\"M3.5 7l8.5 6 8.5-6\"/>");
pub(crate) const SHIELD: &str = icon!(
    "<path d=\"M12 3l8 3v6c0 4.5-3.2 7.8-8 9-4.8-1.2-8-4.5-8-9V6z\"/><path d=\"M12 8v4\"/><path d=\"M12 16v.01\"/>"
);
pub(crate) const EYE: &str = icon!(
    "<path d=\"M2 12s3.5-7 10-7 10 7 10 7-3.5 7-10 7S2 12 2 12z\"/><circle cx=\"12\" cy=\"12\" r=\"3\"/>"
);
pub(crate) const GLOBE: &str = icon!(
    "<circle cx=\"12\" cy=\"12\" r=\"9\"/><path d=\"M3 12h18\"/><path d=\"M12 3c2.5 2.6 3.8 5.6 3.8 9s-1.3 \
     6.4-3.8 9c-2.5-2.6-3.8-5.6-3.8-9S9.5 5.6 12 3z\"/>"
);
pub(crate) const OPEN: &str =
    icon!("<path d=\"M14 5h5v5\"/><path d=\"M19 5l-9 9\"/><path d=\"M18 14v5H5V6h5\"/>");
