//! Owns the command line: which measurements, how large, and in which form they are printed.

/// What can be measured, by name, in the order in which it is.
const ALL: [(&str, Measurement); 6] = [
    ("cpu", Measurement::Cpu),
    ("latency", Measurement::Latency),
    ("pipeline", Measurement::Pipeline),
    ("memory", Measurement::Memory),
    ("abuse", Measurement::Abuse),
    ("storm", Measurement::Storm),
];

/// What can be measured.
#[derive(Clone, Copy)]
pub enum Measurement {
    Cpu,
    Latency,
    Pipeline,
    Memory,
    Abuse,
    Storm,
}

/// How much is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Enough for numbers.
    Full,
    /// Enough to see that it works.
    Smoke,
}

/// What the command line asks for.
pub struct Options {
    pub measurements: Vec<Measurement>,
    pub scale: Scale,
    pub markdown: bool,
}

impl Options {
    /// Reads the arguments; Cargo adds `--bench` where it was asked to bench.
    pub fn parse(arguments: &[String]) -> Result<Options, String> {
        let mut options =
            Options { measurements: Vec::new(), scale: Scale::Smoke, markdown: false };
        for argument in arguments {
            let named = ALL.iter().find(|(name, _)| argument == name);
            match (argument.as_str(), named) {
                (_, Some((_, measurement))) => options.measurements.push(*measurement),
                ("--bench", _) => options.scale = Scale::Full,
                ("--markdown", _) => options.markdown = true,
                (other, None) => {
                    let known = ALL.map(|(name, _)| name).join(", ");
                    return Err(format!(
                        "could not read the argument {other}: it is no measurement\n  \
                         there are {known}; --markdown prints them for the documentation"
                    ));
                }
            }
        }
        if options.measurements.is_empty() {
            options.measurements = ALL.map(|(_, measurement)| measurement).into();
        }
        Ok(options)
    }
}
