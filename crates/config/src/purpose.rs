//! `[purpose]`: what the device is used for, and under which law. The operator declares it, `moodring::law` checks it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the device is used for, and under which law. `moodring run` estimates expressions only if this is declared.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Purpose {
    /// Country of the device: its two-letter code (ISO 3166-1) such as `IN`, with a subdivision if the law differs
    /// there, such as `US-IL`; or `EU`, `EEA`. Empty: not declared.
    pub jurisdiction: String,
    /// Kind of institution: `education`, `work`, `event`, `research` or `home`. A school is always `education`,
    /// whatever event takes place in it. Not set: not declared.
    pub institution: Option<Institution>,
    /// One sentence about how the people in the room were informed and gave their consent (for children: their
    /// parents). It is printed on the notice at the door. Empty: not declared.
    pub consent: String,
    /// Contact of the person or office that is responsible for the device. It is printed on the notice at the door.
    pub contact: String,
}

/// Kinds of institution, as far as the law distinguishes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Institution {
    /// Schools, universities, training of any kind.
    Education,
    /// Places of work.
    Work,
    /// Talks, shows, exhibitions.
    Event,
    /// Studies with an ethics review, in rooms that are neither of the first two.
    Research,
    /// A private home.
    Home,
}

impl Institution {
    /// The name in the configuration file.
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

/// Valid country codes: ISO 3166-1 alpha-2 as of 2026.
const COUNTRIES: &str = "\
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS \
    BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE \
    EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM \
    HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC \
    LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA \
    NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW \
    SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO \
    TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW";

/// European Union, European Economic Area, and the EU's own code for Greece.
const UNIONS: &str = "EU EEA EL";

impl Purpose {
    /// The country code in upper case, two letters (`EEA`: three), without a subdivision. Empty if not declared.
    pub fn country(&self) -> String {
        let country = self.jurisdiction.split('-').next().unwrap_or_default();
        country.trim().to_ascii_uppercase()
    }

    /// The fault of `jurisdiction`, if there is one, as a message that follows the key.
    pub(super) fn jurisdiction_fault(&self) -> Option<String> {
        let country = self.country();
        let is_listed =
            COUNTRIES.split_whitespace().chain(UNIONS.split_whitespace()).any(|code| code == country);
        let subdivision = self.jurisdiction.split_once('-').map_or("00", |(_, subdivision)| subdivision);
        let plausible = (1..=3).contains(&subdivision.trim().len())
            && subdivision.trim().bytes().all(|byte| byte.is_ascii_alphanumeric());
        if self.jurisdiction.is_empty() || (is_listed && plausible) {
            return None;
        }
        Some(format!(
            "is {:?}, but must be a two-letter country code (ISO 3166-1) such as \"IN\", optionally with a subdivision \
             such as \"US-IL\", or \"EU\"",
            self.jurisdiction
        ))
    }
}
