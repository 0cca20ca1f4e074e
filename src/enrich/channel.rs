//! The channel by which somebody came. docs/enrichment.md tells the rules in the same order.

use super::referrers::Group;

/// What is known of the way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way<'a> {
    /// What the source is.
    pub(super) group: Option<Group>,
    /// Tag `utm_medium`.
    pub(super) medium: &'a str,
    /// Tag `utm_campaign`.
    pub(super) campaign: &'a str,
    /// Tag `utm_source`.
    pub(super) source: &'a str,
    /// Whether the id of a click says that it was paid for.
    pub(super) is_paid: bool,
    /// Whether anybody sent the visitor: a page, a tag, a click.
    pub(super) is_sent: bool,
}

const DISPLAY: [&str; 5] = ["display", "banner", "expandable", "interstitial", "cpm"];
const AFFILIATE: [&str; 4] = ["affiliate", "affiliates", "aff", "partner"];
const EMAIL: [&str; 6] = ["email", "e-mail", "e_mail", "e mail", "newsletter", "mail"];
const SOCIAL: [&str; 8] = [
    "social",
    "social-network",
    "social-media",
    "sm",
    "social network",
    "social media",
    "social_network",
    "social_media",
];
const REFERRAL: [&str; 3] = ["referral", "app", "link"];
const AI: [&str; 4] = ["ai", "ai-assistant", "ai_assistant", "llm"];
const SMS: [&str; 2] = ["sms", "mms"];

/// The channel's name.
pub(super) fn channel(way: &Way<'_>) -> &'static str {
    if !way.is_sent {
        return "Direct";
    }
    let [medium, campaign, source] = [way.medium, way.campaign, way.source].map(str::to_ascii_lowercase);
    let is = |words: &[&str]| words.contains(&&*medium);
    let from = |words: &[&str]| words.contains(&&*medium) || words.contains(&&*source);
    let of = |group| way.group == Some(group);
    let is_shopping = of(Group::Shopping) || campaign.split(['-', '_', ' ', '.']).any(|word| word == "shopping");
    let is_video = of(Group::Video) || medium.contains("video");
    let is_social = of(Group::Social) || is(&SOCIAL);
    let is_search = of(Group::Search) || is(&["organic", "search"]);
    let is_paid = way.is_paid
        || medium.contains("cpc")
        || medium.contains("ppc")
        || medium.contains("paid")
        || medium.starts_with("cp")
        || medium == "retargeting";
    match () {
        () if from(&AFFILIATE) || of(Group::Affiliate) => "Affiliates",
        () if is(&DISPLAY) || of(Group::Display) => "Display",
        () if is_paid && is_shopping => "Paid Shopping",
        () if is_paid && is_search => "Paid Search",
        () if is_paid && is_social => "Paid Social",
        () if is_paid && is_video => "Paid Video",
        () if is_paid && of(Group::Audio) => "Audio",
        () if is_paid => "Paid Other",
        () if from(&EMAIL) || of(Group::Email) => "Email",
        () if from(&SMS) => "SMS",
        () if from(&["push", "notification"]) || medium.ends_with("push") || medium.contains("mobile-notification") => {
            "Push"
        }
        () if is(&["audio", "podcast"]) || of(Group::Audio) => "Audio",
        () if of(Group::Ai) || is(&AI) => "AI Assistants",
        () if is_shopping => "Organic Shopping",
        () if is_video => "Organic Video",
        () if is_social => "Organic Social",
        () if is_search => "Organic Search",
        () if !way.source.is_empty() || medium.is_empty() || is(&REFERRAL) => "Referral",
        () => "Other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tags `utm_medium`, `utm_source` and `utm_campaign`, what the source is, and the channel.
    const TAGGED: [(&str, &str, &str, &str, &str); 29] = [
        ("", "", "", "search", "Organic Search"),
        ("", "", "", "social", "Organic Social"),
        ("", "", "", "video", "Organic Video"),
        ("", "", "", "shopping", "Organic Shopping"),
        ("", "", "", "ai", "AI Assistants"),
        ("", "", "", "email", "Email"),
        ("", "", "", "affiliate", "Affiliates"),
        ("", "", "", "display", "Display"),
        ("", "", "", "", "Referral"),
        ("cpc", "", "", "search", "Paid Search"),
        ("Paid-Social", "", "", "social", "Paid Social"),
        ("cpv", "", "", "video", "Paid Video"),
        ("cpc", "", "spring_Shopping", "search", "Paid Shopping"),
        ("cpc", "", "window-shoppingspree", "search", "Paid Search"),
        ("cpc", "", "", "", "Paid Other"),
        ("retargeting", "", "", "", "Paid Other"),
        ("banner", "", "", "", "Display"),
        ("affiliate", "", "", "", "Affiliates"),
        ("E-Mail", "", "", "", "Email"),
        ("", "newsletter", "", "", "Email"),
        ("sms", "", "", "", "SMS"),
        ("web-push", "", "", "", "Push"),
        ("podcast", "", "", "", "Audio"),
        ("cpc", "", "", "audio", "Audio"),
        ("social", "", "", "", "Organic Social"),
        ("organic", "", "", "", "Organic Search"),
        ("referral", "", "", "", "Referral"),
        ("leaflet", "", "", "", "Other"),
        ("leaflet", "somebody", "", "", "Referral"),
    ];

    #[test]
    fn ways_have_the_channels_that_they_are_called_elsewhere() {
        for (medium, source, campaign, group, name) in TAGGED {
            let way = Way {
                group: Group::parse(group),
                medium,
                campaign,
                source,
                is_paid: false,
                is_sent: true,
            };
            assert_eq!(channel(&way), name, "{way:?}");
        }
    }

    #[test]
    fn a_click_that_was_paid_for_is_paid_and_who_was_not_sent_is_direct() {
        let nobody = Way {
            group: None,
            medium: "",
            campaign: "",
            source: "",
            is_paid: false,
            is_sent: false,
        };
        assert_eq!(channel(&nobody), "Direct");
        let clicked = Way {
            group: Some(Group::Search),
            is_paid: true,
            is_sent: true,
            ..nobody
        };
        assert_eq!(channel(&clicked), "Paid Search");
    }
}
