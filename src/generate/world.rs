//! Who visits the shop, from where, with what. The lists are short on purpose: they are for shape, not for truth.

/// A country that customers come from.
#[derive(Debug)]
pub struct Land {
    /// Its two letters.
    pub code: &'static str,
    /// Its share of the visitors.
    pub weight: u64,
    /// How many hours its clocks are ahead of UTC.
    pub ahead_hours: u64,
    /// What its people pay with; all of these have two digits behind the point.
    pub currency: [u8; 3],
    /// How many of the currency's minor units a euro's cent is worth, in thousandths.
    pub rate: u64,
    /// What its people speak, the most usual first.
    pub languages: [&'static str; 2],
    /// Regions and cities, by their English names.
    pub places: [(&'static str, &'static str); 3],
}

/// Where they come from.
pub const LANDS: &[Land] = &[
    Land {
        code: "DE",
        weight: 220,
        ahead_hours: 1,
        currency: *b"EUR",
        rate: 1_000,
        languages: ["de-DE", "en-US"],
        places: [
            ("Land Berlin", "Berlin"),
            ("North Rhine-Westphalia", "Cologne"),
            ("Bavaria", "Munich"),
        ],
    },
    Land {
        code: "US",
        weight: 200,
        ahead_hours: 19,
        currency: *b"USD",
        rate: 1_080,
        languages: ["en-US", "es-US"],
        places: [
            ("California", "Los Angeles"),
            ("Texas", "Austin"),
            ("New York", "New York"),
        ],
    },
    Land {
        code: "GB",
        weight: 150,
        ahead_hours: 0,
        currency: *b"GBP",
        rate: 850,
        languages: ["en-GB", "en-US"],
        places: [("England", "London"), ("England", "Leeds"), ("Scotland", "Glasgow")],
    },
    Land {
        code: "FR",
        weight: 110,
        ahead_hours: 1,
        currency: *b"EUR",
        rate: 1_000,
        languages: ["fr-FR", "en-US"],
        places: [
            ("Île-de-France", "Paris"),
            ("Auvergne-Rhône-Alpes", "Lyon"),
            ("Provence-Alpes-Côte d'Azur", "Marseille"),
        ],
    },
    Land {
        code: "NL",
        weight: 60,
        ahead_hours: 1,
        currency: *b"EUR",
        rate: 1_000,
        languages: ["nl-NL", "en-GB"],
        places: [
            ("North Holland", "Amsterdam"),
            ("Utrecht", "Utrecht"),
            ("South Holland", "Rotterdam"),
        ],
    },
    Land {
        code: "AT",
        weight: 45,
        ahead_hours: 1,
        currency: *b"EUR",
        rate: 1_000,
        languages: ["de-AT", "en-US"],
        places: [("Vienna", "Vienna"), ("Styria", "Graz"), ("Salzburg", "Salzburg")],
    },
    Land {
        code: "CH",
        weight: 40,
        ahead_hours: 1,
        currency: *b"CHF",
        rate: 950,
        languages: ["de-CH", "fr-CH"],
        places: [("Zurich", "Zurich"), ("Geneva", "Geneva"), ("Basel-City", "Basel")],
    },
    Land {
        code: "PL",
        weight: 40,
        ahead_hours: 1,
        currency: *b"PLN",
        rate: 4_300,
        languages: ["pl-PL", "en-US"],
        places: [
            ("Mazovia", "Warsaw"),
            ("Lesser Poland", "Krakow"),
            ("Pomerania", "Gdańsk"),
        ],
    },
    Land {
        code: "SE",
        weight: 30,
        ahead_hours: 1,
        currency: *b"SEK",
        rate: 11_300,
        languages: ["sv-SE", "en-GB"],
        places: [
            ("Stockholm County", "Stockholm"),
            ("Skåne County", "Malmo"),
            ("Västra Götaland County", "Gothenburg"),
        ],
    },
    Land {
        code: "DK",
        weight: 25,
        ahead_hours: 1,
        currency: *b"DKK",
        rate: 7_460,
        languages: ["da-DK", "en-GB"],
        places: [
            ("Capital Region", "Copenhagen"),
            ("Central Jutland", "Aarhus"),
            ("South Denmark", "Odense"),
        ],
    },
    Land {
        code: "ES",
        weight: 45,
        ahead_hours: 1,
        currency: *b"EUR",
        rate: 1_000,
        languages: ["es-ES", "ca-ES"],
        places: [
            ("Madrid", "Madrid"),
            ("Catalonia", "Barcelona"),
            ("Andalusia", "Seville"),
        ],
    },
    Land {
        code: "IT",
        weight: 45,
        ahead_hours: 1,
        currency: *b"EUR",
        rate: 1_000,
        languages: ["it-IT", "en-US"],
        places: [("Lombardy", "Milan"), ("Lazio", "Rome"), ("Piedmont", "Turin")],
    },
    Land {
        code: "BR",
        weight: 35,
        ahead_hours: 21,
        currency: *b"BRL",
        rate: 6_000,
        languages: ["pt-BR", "en-US"],
        places: [
            ("São Paulo", "São Paulo"),
            ("Rio de Janeiro", "Rio de Janeiro"),
            ("Minas Gerais", "Belo Horizonte"),
        ],
    },
    Land {
        code: "IN",
        weight: 45,
        ahead_hours: 5,
        currency: *b"INR",
        rate: 92_000,
        languages: ["en-IN", "hi-IN"],
        places: [
            ("Maharashtra", "Mumbai"),
            ("Karnataka", "Bengaluru"),
            ("National Capital Territory of Delhi", "Delhi"),
        ],
    },
    Land {
        code: "CA",
        weight: 30,
        ahead_hours: 19,
        currency: *b"CAD",
        rate: 1_500,
        languages: ["en-CA", "fr-CA"],
        places: [
            ("Ontario", "Toronto"),
            ("Quebec", "Montreal"),
            ("British Columbia", "Vancouver"),
        ],
    },
    Land {
        code: "AU",
        weight: 25,
        ahead_hours: 10,
        currency: *b"AUD",
        rate: 1_650,
        languages: ["en-AU", "en-GB"],
        places: [
            ("New South Wales", "Sydney"),
            ("Victoria", "Melbourne"),
            ("Queensland", "Brisbane"),
        ],
    },
];

/// How busy people of a country are in each hour of their day.
pub const ACTIVITY: [u64; 24] = [
    10, 6, 4, 3, 3, 4, 8, 16, 28, 36, 40, 42, 46, 44, 42, 42, 44, 48, 56, 64, 66, 58, 38, 20,
];

/// What a visitor uses.
#[derive(Debug)]
pub struct Device {
    /// Its share of the visitors.
    pub weight: u64,
    /// What kind it is.
    pub class: &'static str,
    /// What it calls itself.
    pub user_agent: &'static str,
    /// Its screens.
    pub screens: [(u16, u16); 2],
}

impl Device {
    /// Whether it is a program that only looks.
    pub fn is_bot(&self) -> bool {
        self.class == "bot"
    }
}

/// What they use.
pub const DEVICES: &[Device] = &[
    Device {
        weight: 240,
        class: "desktop",
        user_agent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
        screens: [(1_920, 1_080), (1_536, 864)],
    },
    Device {
        weight: 60,
        class: "desktop",
        user_agent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0",
        screens: [(1_920, 1_080), (1_366, 768)],
    },
    Device {
        weight: 70,
        class: "desktop",
        user_agent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 Firefox/144.0",
        screens: [(1_920, 1_080), (2_560, 1_440)],
    },
    Device {
        weight: 90,
        class: "desktop",
        user_agent: "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15",
        screens: [(1_440, 900), (1_728, 1_117)],
    },
    Device {
        weight: 50,
        class: "desktop",
        user_agent: "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
        screens: [(1_512, 982), (1_920, 1_080)],
    },
    Device {
        weight: 20,
        class: "desktop",
        user_agent: "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0",
        screens: [(1_920, 1_080), (2_560, 1_440)],
    },
    Device {
        weight: 210,
        class: "mobile",
        user_agent: "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1",
        screens: [(390, 844), (430, 932)],
    },
    Device {
        weight: 200,
        class: "mobile",
        user_agent: "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36",
        screens: [(360, 800), (412, 915)],
    },
    Device {
        weight: 30,
        class: "mobile",
        user_agent: "Mozilla/5.0 (Linux; Android 16; SM-S931B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36",
        screens: [(360, 780), (384, 832)],
    },
    Device {
        weight: 30,
        class: "tablet",
        user_agent: "Mozilla/5.0 (iPad; CPU OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1",
        screens: [(820, 1_180), (1_024, 1_366)],
    },
    Device {
        weight: 12,
        class: "bot",
        user_agent: "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        screens: [(1_024, 1_024), (412, 732)],
    },
];

/// How a visitor finds the shop.
#[derive(Debug)]
pub struct Source {
    /// Its share of the sessions.
    pub weight: u64,
    /// The page before.
    pub referrer: &'static str,
    /// What the shop's links there carry.
    pub query: &'static str,
}

/// How they find the shop.
pub const SOURCES: &[Source] = &[
    Source {
        weight: 300,
        referrer: "",
        query: "",
    },
    Source {
        weight: 260,
        referrer: "https://www.google.com/",
        query: "",
    },
    Source {
        weight: 40,
        referrer: "https://www.bing.com/",
        query: "",
    },
    Source {
        weight: 20,
        referrer: "https://duckduckgo.com/",
        query: "",
    },
    Source {
        weight: 110,
        referrer: "https://www.google.com/",
        query: "utm_source=google&utm_medium=cpc&utm_campaign=shoes",
    },
    Source {
        weight: 90,
        referrer: "",
        query: "utm_source=newsletter&utm_medium=email&utm_campaign=autumn",
    },
    Source {
        weight: 60,
        referrer: "https://www.instagram.com/",
        query: "utm_source=instagram&utm_medium=social&utm_campaign=looks",
    },
    Source {
        weight: 40,
        referrer: "https://www.facebook.com/",
        query: "",
    },
    Source {
        weight: 25,
        referrer: "https://chatgpt.com/",
        query: "utm_source=chatgpt.com",
    },
    Source {
        weight: 30,
        referrer: "https://blog.example/ten-good-shoes",
        query: "utm_source=blog&utm_medium=referral",
    },
    Source {
        weight: 25,
        referrer: "https://prices.example/compare",
        query: "",
    },
];

/// What the shop sells: path and name.
pub const SHELVES: [(&str, &str); 8] = [
    ("shoes", "Shoes"),
    ("boots", "Boots"),
    ("shirts", "Shirts"),
    ("jackets", "Jackets"),
    ("hats", "Hats"),
    ("bags", "Bags"),
    ("socks", "Socks"),
    ("home", "Home & Living"),
];

/// The first word of a product's name.
pub const STYLES: [&str; 12] = [
    "Classic", "Light", "Trail", "Urban", "Nordic", "Vintage", "Soft", "Rain", "Summer", "Alpine", "Café", "Studio",
];

/// What people look for.
pub const TERMS: [&str; 8] = [
    "red+shoes",
    "rain+jacket",
    "gift",
    "wool+socks",
    "boots+42",
    "sale",
    "hat",
    "bag",
];

/// How they pay.
pub const PAYMENTS: [&str; 4] = ["card", "paypal", "invoice", "transfer"];

/// What coupons there are; most have none.
pub const COUPONS: [&str; 5] = ["", "", "", "WELCOME10", "AUTUMN"];
