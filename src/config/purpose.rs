//! `[purpose]`: what the device is for, and under which law: declared by whoever answers for it, checked by [`crate::law`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the device is for, and under which law. `moodring run` estimates expressions only where this is declared.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Purpose {
    /// Where the device hangs: the country's two letters (ISO 3166-1) such as `IN`, with a subdivision where the
    /// law differs there, such as `US-IL`; or `EU`, `EEA`. Empty: not declared.
    pub jurisdiction: String,
    /// What the place is for: `education`, `work`, `event`, `research` or `home`. A school is `education`
    /// whatever is held in it. Without it: not declared.
    pub institution: Option<Institution>,
    /// How the people in the room, for children their parents, were told and agreed, in a sentence; it stands on
    /// the notice at the door. Empty: not declared.
    pub consent: String,
    /// Who answers for the device: a name or office and how to reach it; it stands on the notice.
    pub contact: String,
}

/// What a place is for, as far as the law tells places apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Institution {
    /// Schools, universities, training of every kind.
    Education,
    /// Wherever people work.
    Work,
    /// Talks, shows, exhibitions.
    Event,
    /// Studies with an ethics review, in rooms that are neither of the first two.
    Research,
    /// One's own four walls.
    Home,
}

impl Institution {
    /// The word in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Education => "education",
            Self::Work => "work",
            Self::Event => "event",
            Self::Research => "research",
            Self::Home => "home",
        }
    }
}

/// Where moodring can be: ISO 3166-1 alpha-2 as of 2026.
const COUNTRIES: &str = "\
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS \
    BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE \
    EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM \
    HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC \
    LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA \
    NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW \
    SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO \
    TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW";

/// The Union and the Area themselves, and the Union's own two letters for Greece.
const UNIONS: &str = "EU EEA EL";

impl Purpose {
    /// The two letters (`EEA`: three) of the country in upper case, without a subdivision; empty when not
    /// declared.
    pub fn country(&self) -> String {
        let country = self.jurisdiction.split('-').next().unwrap_or_default();
        country.trim().to_ascii_uppercase()
    }

    /// What is wrong with the jurisdiction, if anything is.
    pub(super) fn jurisdiction_fault(&self) -> Option<String> {
        let country = self.country();
        let known = COUNTRIES.split_whitespace().chain(UNIONS.split_whitespace()).any(|code| code == country);
        let subdivision = self.jurisdiction.split_once('-').map_or("00", |(_, subdivision)| subdivision);
        let plausible = (1..=3).contains(&subdivision.trim().len())
            && subdivision.trim().bytes().all(|byte| byte.is_ascii_alphanumeric());
        if self.jurisdiction.is_empty() || (known && plausible) {
            return None;
        }
        Some(format!(
            "is {:?}, but must be a country's two letters (ISO 3166-1) such as \"IN\", perhaps with a subdivision \
             such as \"US-IL\", or \"EU\"",
            self.jurisdiction
        ))
    }
}
