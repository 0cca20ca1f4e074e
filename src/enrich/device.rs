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

#[cfg(test)]
mod tests {
    use super::*;

    /// What sets say of themselves, the system that is read from it, and the class.
    const SETS: [(&str, &str, Device); 20] = [
        (
            "Mozilla/5.0 (SMART-TV; Linux; Tizen 7.0) AppleWebKit/537.36 SamsungBrowser/3.1 TV Safari/537.36",
            "Tizen",
            Device::Tv,
        ),
        (
            "Mozilla/5.0 (Web0S; Linux/SmartTV) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/94.0.4606.128 Safari/537.36 WebAppManager",
            "webOS",
            Device::Tv,
        ),
        (
            "Mozilla/5.0 (Linux; Android 9; AFTKA) AppleWebKit/537.36 (KHTML, like Gecko) Silk/110.5.1 like Chrome/110.0 Safari/537.36",
            "Android",
            Device::Tv,
        ),
        ("AppleTV11,1/11.1", "tvOS", Device::Tv),
        (
            "Mozilla/5.0 (Linux; Android 12; BRAVIA 4K VH2) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36",
            "Android",
            Device::Tv,
        ),
        ("Roku/DVP-12.5 (12.5.0.4178-88)", "", Device::Tv),
        (
            "Mozilla/5.0 (Linux; Android 10; Chromecast) AppleWebKit/537.36 Chrome/90.0 Safari/537.36 CrKey/1.56",
            "Android",
            Device::Tv,
        ),
        (
            "Mozilla/5.0 (PlayStation 5 7.00) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/15.4 Safari/605.1.15",
            "PlayStation",
            Device::Tv,
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64; Xbox; Xbox One) AppleWebKit/537.36 Chrome/110.0 Safari/537.36 Edge/44.18363",
            "Windows",
            Device::Tv,
        ),
        (
            "Mozilla/5.0 (Linux; Android 11; KFTRWI) AppleWebKit/537.36 (KHTML, like Gecko) Silk/120.3 like Chrome/120 Safari/537.36",
            "Android",
            Device::Tablet,
        ),
        (
            "Mozilla/5.0 (Linux; Android 13; SM-T870) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36",
            "Android",
            Device::Tablet,
        ),
        (
            "Mozilla/5.0 (iPad; CPU OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1",
            "iOS",
            Device::Tablet,
        ),
        (
            "Mozilla/5.0 (Android 13; Tablet; rv:140.0) Gecko/140.0 Firefox/140.0",
            "Android",
            Device::Tablet,
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64; Tablet PC 2.0) AppleWebKit/537.36 Chrome/139.0 Safari/537.36",
            "Windows",
            Device::Desktop,
        ),
        (
            "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36",
            "Chrome OS",
            Device::Desktop,
        ),
        (
            "Mozilla/5.0 (X11; FreeBSD amd64; rv:140.0) Gecko/20100101 Firefox/140.0",
            "FreeBSD",
            Device::Desktop,
        ),
        (
            "Mozilla/5.0 (Mobile; Nokia_2720_Flip; rv:48.0) Gecko/48.0 Firefox/48.0 KAIOS/2.5.2",
            "KaiOS",
            Device::Mobile,
        ),
        (
            "Opera/9.80 (J2ME/MIDP; Opera Mini/7.1.32052/29.3709; U; en) Presto/2.8.119 Version/11.10",
            "",
            Device::Mobile,
        ),
        (
            "Mozilla/5.0 (Android 14; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0",
            "Android",
            Device::Mobile,
        ),
        ("SomeApp/1.0", "", Device::Unknown),
    ];

    #[test]
    fn sets_are_told_apart_by_what_they_say() {
        for (user_agent, os, device) in SETS {
            assert_eq!(Device::of(user_agent, os), device, "{user_agent}");
        }
    }
}
