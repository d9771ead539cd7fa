//! Owns the command line: which measurements, how large, and in which form they are printed.

/// Every measurement, in the order in which they run.
const ALL: [&str; 1] = ["cpu"];

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
    pub measurements: Vec<String>,
    pub scale: Scale,
    pub markdown: bool,
}

impl Options {
    /// Reads the arguments; Cargo adds `--bench` where it was asked to bench.
    pub fn parse(arguments: &[String]) -> Result<Options, String> {
        let mut options =
            Options { measurements: Vec::new(), scale: Scale::Smoke, markdown: false };
        for argument in arguments {
            match argument.as_str() {
                "--bench" => options.scale = Scale::Full,
                "--markdown" => options.markdown = true,
                name if ALL.contains(&name) => options.measurements.push(name.to_owned()),
                other => {
                    let known = ALL.join(", ");
                    return Err(format!(
                        "could not read the argument {other}: it is no measurement\n  \
                         there are {known}; --markdown prints them for the documentation"
                    ));
                }
            }
        }
        if options.measurements.is_empty() {
            options.measurements = ALL.map(str::to_owned).into();
        }
        Ok(options)
    }
}
