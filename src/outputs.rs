//! Everything that shows or tells the mood: `mood ──Mood──▶ outputs`. Outputs see nothing but [`Mood`].
//!
//! [`Mood`]: crate::mood::Mood
