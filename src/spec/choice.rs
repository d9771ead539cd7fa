//! Values that the TOML writes as one of a few names.

/// A value with a fixed set of names.
pub trait Choice: Copy + 'static {
    /// The key of the TOML that takes it.
    const KEY: &'static str;

    /// Every name, as the TOML writes it, with its value.
    const CHOICES: &'static [(&'static str, Self)];

    /// The value of that name.
    fn named(name: &str) -> Option<Self> {
        Self::CHOICES.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }
}
