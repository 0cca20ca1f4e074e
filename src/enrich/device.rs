//! The class of a device.

/// The class of a device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Device {
    /// Nobody can tell.
    #[default]
    Unknown,
    /// On a desk, or a lap.
    Desktop,
    /// In a hand.
    Mobile,
    /// In two hands.
    Tablet,
    /// On a wall: televisions, what stands below them, consoles.
    Tv,
    /// A machine that comes of its own accord.
    Bot,
}

/// What televisions and consoles say of themselves, in lower case.
const TV: [&str; 30] = [
    "smart-tv",
    "smarttv",
    "smart_tv",
    "googletv",
    "google tv",
    "android tv",
    "androidtv",
    "appletv",
    "apple tv",
    "hbbtv",
    "netcast",
    "web0s",
    "webos.tv",
    "tizen/tv",
    "large screen",
    "bravia",
    "viera",
    "roku",
    "crkey",
    "chromecast",
    "philipstv",
    "hisense",
    "; aft",
    "opera tv",
    "tv safari",
    "playstation",
    "nintendo",
    "xbox",
    "mibox",
    "shield android tv",
];
/// What tablets say.
const TABLET: [&str; 10] = [
    "ipad", "tablet", "kindle", "kf", "playbook", "nexus 7", "nexus 9", "nexus 10", "sm-t", "silk/",
];
/// What phones say.
const MOBILE: [&str; 17] = [
    "iphone",
    "ipod",
    "mobile",
    "phone",
    "mobi",
    "opera mini",
    "blackberry",
    "bb10",
    "symbian",
    "series60",
    "maemo",
    "kaios",
    "midp",
    "j2me",
    "nokia",
    "palm",
    "webos/",
];
/// Systems of desks, as they are called here.
const DESKS: [&str; 4] = ["Windows", "macOS", "Chrome OS", "Linux"];
/// Systems of phones, where nothing else is said.
const PHONES: [&str; 3] = ["iOS", "Windows Phone", "KaiOS"];

impl Device {
    /// The class by a `User-Agent` and the operating system that it names. An Android that does not say `Mobile` is a
    /// tablet: that is how browsers tell the two apart.
    pub(super) fn of(user_agent: &str, os: &str) -> Self {
        let lower = user_agent.to_ascii_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
        let says_mobile = says(&MOBILE);
        if says(&TV) {
            return Self::Tv;
        }
        if lower.contains("ipad") || (says_tablet(&lower) && !lower.contains("windows nt")) {
            return Self::Tablet;
        }
        match os {
            "Android" if says_mobile => Self::Mobile,
            "Android" => Self::Tablet,
            _ if PHONES.contains(&os) => Self::Mobile,
            _ if says_mobile && os != "Windows" && os != "macOS" => Self::Mobile,
            _ if DESKS.contains(&os) || lower.contains("x11;") || lower.contains("linux") => Self::Desktop,
            _ => Self::Unknown,
        }
    }

    /// The word for it; empty if nobody can tell.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "",
            Self::Desktop => "desktop",
            Self::Mobile => "mobile",
            Self::Tablet => "tablet",
            Self::Tv => "tv",
            Self::Bot => "bot",
        }
    }
}

/// Short words of tablets stand at the beginning of a word: `KFTT`, and not `MIKF`.
fn says_tablet(lower: &str) -> bool {
    TABLET.iter().any(|word| match *word {
        "kf" => lower.split([' ', ';', '/', '(']).any(|part| {
            let Some(rest) = part.strip_prefix("kf") else {
                return false;
            };
            (2..=6).contains(&rest.len()) && rest.bytes().all(|byte| byte.is_ascii_lowercase())
        }),
        word => lower.contains(word),
    })
}
