//! Shares of the class, each with its 90 % interval.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Expression;

/// A share of the class with its 90 % interval, each 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Share {
    /// The estimated share, 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub share: f64,
    /// Lower end of the 90 % interval, 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub low: f64,
    /// Upper end of the 90 % interval, 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub high: f64,
}

/// The share of each of the seven expressions; they add up to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Shares {
    pub angry: Share,
    pub disgust: Share,
    pub fear: Share,
    pub happy: Share,
    pub sad: Share,
    pub surprise: Share,
    pub neutral: Share,
}

impl Shares {
    /// The seven shares in the order of [`Expression::ALL`].
    pub fn in_order(&self) -> [(Expression, Share); 7] {
        let Self { angry, disgust, fear, happy, sad, surprise, neutral } = *self;
        let shares = [angry, disgust, fear, happy, sad, surprise, neutral];
        std::array::from_fn(|index| (Expression::ALL[index], shares[index]))
    }

    /// Shares from an array in the order of [`Expression::ALL`]; the inverse of [`Shares::in_order`].
    pub fn from_order([angry, disgust, fear, happy, sad, surprise, neutral]: [Share; 7]) -> Self {
        Self { angry, disgust, fear, happy, sad, surprise, neutral }
    }

    /// The expression with the largest share; of equal ones, the first in [`Expression::ALL`].
    pub fn dominant(&self) -> Expression {
        let mut best = (Expression::Angry, self.angry.share);
        for (expression, share) in self.in_order() {
            if share.share > best.1 {
                best = (expression, share.share);
            }
        }
        best.0
    }
}
