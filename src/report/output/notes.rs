//! How complete the counts are, for the table and the page: what was skipped, what could not be counted, and the probes.

use crate::report::Summary;
use crate::report::format::{grouped, minute};

/// A note each, without a full stop.
pub fn text(summary: &Summary) -> Vec<String> {
    let mut notes = skipped(summary);
    if summary.uncounted > 0 {
        notes.push(format!(
            "{} of them may be about attempts: report --skipped shows them",
            grouped(summary.uncounted)
        ));
    }
    if summary.undated > 0 {
        notes.push(format!(
            "attempts with an unknown time: {}; their lines have no time, or no year",
            grouped(summary.undated)
        ));
    }
    notes.extend(summary.missing.iter().map(|missing| format!("not found: {missing}")));
    let probes = &summary.probes;
    if probes.attempts > 0 {
        let (attempts, from) = (grouped(probes.attempts), probes.sources.join(", "));
        let last = probes.last.as_ref().map(|last| format!(", the last {} UTC", minute(last)));
        let last = last.unwrap_or_default();
        notes.push(format!("probes, not counted above: {attempts}{last}, from {from}"));
    }
    if summary.lost.lines > 0 {
        let (lines, attempts) = (grouped(summary.lost.lines), grouped(summary.lost.attempts));
        notes.push(format!("the listener could not write {lines} lines, of {attempts} attempts"));
    }
    notes
}

/// How many lines were skipped, by reason.
fn skipped(summary: &Summary) -> Vec<String> {
    let lines = summary.lines;
    let reasons = [
        ("written by other programs", lines.foreign),
        ("not about what was asked for", lines.outside),
        ("counted in another log of the kernel", lines.repeated),
        ("cut off", lines.torn),
        ("with a field that redisguard never writes", lines.malformed),
        ("without a possible timestamp", lines.misdated),
        ("their timestamps lie in the future", lines.future),
        ("without the name of their author", lines.unattributed),
    ];
    let reasons = reasons.into_iter().filter(|(_, count)| *count > 0);
    let note = |(reason, count): (&str, u64)| match count {
        1 => {
            let reason = reason.replace("their timestamps lie", "its timestamp lies");
            format!("1 line skipped: {}", reason.replace("their", "its"))
        }
        count => format!("{} lines skipped: {reason}", grouped(count)),
    };
    reasons.map(note).collect()
}
