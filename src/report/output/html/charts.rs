//! The page's charts, as SVG with a title and a description for screen readers.
//!
//! Guarantees: every colour is an attribute that the page's style knows, so that its dark mode can replace it.

use crate::report::record::AnswerKind;
use crate::report::totals::AnswerCounts;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::error::Error;

/// A chart's identity, and its texts for screen readers.
pub struct Subject<'a> {
    /// Unique on the page: letters, digits and dashes.
    pub id: &'a str,
    /// Its title.
    pub title: &'a str,
    /// What the chart shows, in words.
    pub description: &'a str,
}

/// A chart's time axis.
pub struct Axis<'a> {
    /// The beginning of each step, RFC 3339.
    pub steps: Vec<&'a str>,
    /// The length of a step in seconds.
    pub seconds: i64,
}

type DrawResult = Result<(), Box<dyn Error>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// The colours of text, of grid lines, and of bars that are not for one answer.
const TEXT: RGBColor = RGBColor(0x1f, 0x23, 0x28);
const GRID: RGBColor = RGBColor(0xd1, 0xd9, 0xe0);
const BAR: RGBColor = RGBColor(0x05, 0x5b, 0xb5);
/// The colour of each of [`AnswerKind::ALL`].
const ANSWERS: [RGBColor; AnswerKind::ALL.len()] = [
    RGBColor(0x1a, 0x7f, 0x37),
    RGBColor(0xbf, 0x39, 0x89),
    RGBColor(0x6e, 0x77, 0x81),
    RGBColor(0x9a, 0x67, 0x00),
    RGBColor(0x82, 0x50, 0xdf),
    RGBColor(0xcf, 0x22, 0x2e),
    RGBColor(0x09, 0x69, 0xda),
];
/// The size of letters. plotters draws them somewhat smaller.
const FONT_SIZE: f64 = 16.0;

/// The colour of an answer, as plotters writes it.
pub fn colour(answer: AnswerKind) -> String {
    hex(ANSWERS[answer as usize])
}

fn hex(RGBColor(red, green, blue): RGBColor) -> String {
    format!("#{red:02X}{green:02X}{blue:02X}")
}

/// A bar for each step, stacked by answer.
pub fn timeline(
    subject: &Subject<'_>,
    axis: &Axis<'_>,
    answers: &[AnswerCounts],
) -> askama::Result<String> {
    let max = answers.iter().map(AnswerCounts::sum).max().unwrap_or_default();
    svg(subject, (860, 260), |area| {
        let mut bars = Vec::new();
        for (step, counts) in answers.iter().enumerate() {
            let mut bottom = 0_u64;
            for (answer, count) in counts.nonzero() {
                let top = bottom.saturating_add(count);
                bars.push((step, bottom, top, ANSWERS[answer as usize]));
                bottom = top;
            }
        }
        columns(area, axis, max, bars)
    })
}

/// A bar for each step.
pub fn burn_down(subject: &Subject<'_>, axis: &Axis<'_>, counts: &[u32]) -> askama::Result<String> {
    let max = counts.iter().copied().max().unwrap_or_default();
    svg(subject, (420, 190), |area| {
        let bars = counts.iter().enumerate().filter(|(_, count)| **count > 0);
        let bars = bars.map(|(step, count)| (step, 0, u64::from(*count), BAR)).collect();
        columns(area, axis, max.into(), bars)
    })
}

/// A horizontal bar for each row, below its name and number.
pub fn bars(subject: &Subject<'_>, rows: &[(String, u64)]) -> askama::Result<String> {
    const ROW: i32 = 36;
    const WIDTH: i32 = 420;
    let max = rows.iter().map(|(_, count)| *count).max().unwrap_or_default().max(1);
    let height = u32::try_from(rows.len()).unwrap_or_default() * ROW.unsigned_abs() + 4;
    svg(subject, (WIDTH.unsigned_abs(), height), |area| {
        let left = ("sans-serif", FONT_SIZE).into_font().color(&TEXT);
        let right = left.pos(Pos::new(HPos::Right, VPos::Top));
        let mut top = 2;
        for (name, count) in rows {
            area.draw(&Text::new(name.as_str(), (0, top), left.clone()))?;
            area.draw(&Text::new(count.to_string(), (WIDTH, top), right.clone()))?;
            let length = i64::try_from(u128::from(*count) * WIDTH as u128 / u128::from(max))?;
            let end = i32::try_from(length)?.max(2);
            area.draw(&Rectangle::new([(0, top + 18), (WIDTH, top + 26)], GRID.filled()))?;
            area.draw(&Rectangle::new([(0, top + 18), (end, top + 26)], BAR.filled()))?;
            top += ROW;
        }
        Ok(())
    })
}

/// Bars over a time axis: for each its step, its lower and upper end, and its colour.
fn columns(
    area: &Area<'_>,
    axis: &Axis<'_>,
    max: u64,
    bars: Vec<(usize, u64, u64, RGBColor)>,
) -> DrawResult {
    // A little more than the highest bar, so that it does not touch the edge.
    let (steps, max) = (axis.steps.len().max(1) as f64, max.max(1) as f64 * 1.05);
    let mut builder = ChartBuilder::on(area);
    builder.margin(6).x_label_area_size(26).y_label_area_size(52);
    let mut chart = builder.build_cartesian_2d(0.0..steps, 0.0..max)?;
    let step = |step: &f64| axis.label(*step);
    let count = |count: &f64| if count.fract() == 0.0 { short(*count) } else { String::new() };
    let letters = ("sans-serif", FONT_SIZE).into_font().color(&TEXT);
    chart
        .configure_mesh()
        .disable_x_mesh()
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .axis_style(GRID)
        .x_labels(5)
        .y_labels(5)
        .x_label_formatter(&step)
        .y_label_formatter(&count)
        .label_style(letters)
        .draw()?;
    // Many narrow bars look better without gaps.
    let gap = if axis.steps.len() > 60 { 0.0 } else { 0.1 };
    let bars = bars.into_iter().map(|(step, bottom, top, colour)| {
        let (left, right) = (step as f64 + gap, step as f64 + 1.0 - gap);
        Rectangle::new([(left, bottom as f64), (right, top as f64)], colour.filled())
    });
    chart.draw_series(bars)?;
    Ok(())
}

impl Axis<'_> {
    /// The label of a step: as much of its date and time as the length of steps needs. Empty between steps.
    fn label(&self, position: f64) -> String {
        let step = self.steps.get(position as usize).filter(|_| position.fract() == 0.0);
        let Some(step) = step else { return String::new() };
        let part = match self.seconds {
            0..3600 => step.get(11..16),
            3600..86_400 => step.get(5..13),
            86_400..2_419_200 => step.get(5..10),
            _ => step.get(..7),
        };
        part.unwrap_or_default().replace('T', " ")
            + if (3600..86_400).contains(&self.seconds) { "h" } else { "" }
    }
}

/// A whole number in few characters.
fn short(count: f64) -> String {
    match count {
        1e9.. => format!("{}G", count / 1e9),
        1e6.. => format!("{}M", count / 1e6),
        1e4.. => format!("{}k", count / 1e3),
        _ => format!("{count}"),
    }
}

/// Draws a chart as SVG, with its title and description in place of plotters' own opening tag.
fn svg(
    Subject { id, title, description }: &Subject<'_>,
    size: (u32, u32),
    draw: impl FnOnce(&Area<'_>) -> DrawResult,
) -> askama::Result<String> {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        let drawn = draw(&area).and_then(|()| Ok(area.present()?));
        drawn.map_err(|cause| askama::Error::Custom(cause.to_string().into()))?;
    }
    let body = text.find('>').map_or("", |end| &text[end + 1..]);
    let (width, height) = size;
    let (title, description) = (escaped(title), escaped(description));
    Ok(format!(
        "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-labelledby=\"{id}-title {id}-description\">\
         <title id=\"{id}-title\">{title}</title><desc id=\"{id}-description\">{description}</desc>{body}"
    ))
}

/// Text as the content of an element.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const SUBJECT: Subject<'_> = Subject { id: "x", title: "A <b>", description: "1 & 2" };

    #[test]
    fn a_chart_has_a_title_and_hostile_names_stay_text() {
        let text = bars(&SUBJECT, &[("</text><script>alert(1)</script>".to_owned(), 3)]).unwrap();
        assert!(text.contains("<title id=\"x-title\">A &lt;b&gt;</title>"), "{text}");
        assert!(text.contains("<desc id=\"x-description\">1 &amp; 2</desc>"), "{text}");
        assert!(!text.contains("<script>") && text.contains("&lt;script&gt;"), "{text}");
        assert_eq!((text.matches("<svg").count(), text.matches("</svg>").count()), (1, 1));
    }

    #[test]
    fn every_colour_has_a_replacement_in_dark_mode_and_with_forced_colours() {
        let style = include_str!("../../../../templates/report/style.css");
        let (dark, forced) = style.split_once("(forced-colors: active)").unwrap();
        let dark = dark.split("prefers-color-scheme: dark").nth(1).unwrap();
        for colour in ANSWERS.into_iter().chain([TEXT, GRID, BAR]) {
            let rule = format!("[fill=\"{}\"]", hex(colour));
            assert!(dark.contains(&rule) && forced.contains(&rule), "{rule}");
        }
    }

    #[test]
    fn charts_of_no_data_and_of_huge_numbers_are_drawn() {
        let mut huge = AnswerCounts::default();
        AnswerKind::ALL.into_iter().for_each(|answer| huge.add(answer, u64::MAX / 8));
        let axis = Axis { steps: vec!["2026-11-27T00:00:00Z"], seconds: 86_400 };
        assert!(timeline(&SUBJECT, &axis, &[huge]).is_ok());
        assert!(burn_down(&SUBJECT, &axis, &[u32::MAX]).is_ok());
        assert!(bars(&SUBJECT, &[("x".to_owned(), u64::MAX)]).is_ok());
        let none = Axis { steps: Vec::new(), seconds: 60 };
        assert!(timeline(&SUBJECT, &none, &[]).is_ok() && bars(&SUBJECT, &[]).is_ok());
    }
}
