//! Owns the charts of the page, as SVG that names itself to those who cannot see it. Colours are
//! attributes, which the page's style replaces in the dark.

use crate::report::record::Answer;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::error::Error;

/// What a chart is about; its texts are for everybody.
pub struct Subject<'a> {
    /// Unique on the page: letters, digits and dashes.
    pub id: &'a str,
    /// What it shows.
    pub title: &'a str,
    /// What is seen in it, in words.
    pub description: &'a str,
}

/// Counts over the steps of a span.
pub struct Axis<'a> {
    /// When each step begins, RFC 3339.
    pub steps: &'a [&'a str],
    /// How long a step is, in seconds.
    pub seconds: i64,
}

type Drawn<T> = Result<T, Box<dyn Error>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Text, lines behind the bars, and bars that are of no answer. The style knows them all.
const INK: RGBColor = RGBColor(0x1f, 0x23, 0x28);
const GRID: RGBColor = RGBColor(0xd1, 0xd9, 0xe0);
const BAR: RGBColor = RGBColor(0x05, 0x5b, 0xb5);
/// Of each of [`Answer::ALL`].
const ANSWERS: [RGBColor; Answer::ALL.len()] = [
    RGBColor(0x1a, 0x7f, 0x37),
    RGBColor(0x6e, 0x77, 0x81),
    RGBColor(0x9a, 0x67, 0x00),
    RGBColor(0x82, 0x50, 0xdf),
    RGBColor(0xcf, 0x22, 0x2e),
    RGBColor(0x09, 0x69, 0xda),
];
/// plotters makes letters smaller than it is told.
const LETTERS: f64 = 16.0;

/// Attempts in each step, the answers one upon the other.
pub fn timeline(
    subject: &Subject<'_>,
    axis: &Axis<'_>,
    answers: &[[u64; Answer::ALL.len()]],
) -> Drawn<String> {
    let most = answers.iter().map(|one| one.iter().sum::<u64>()).max().unwrap_or_default();
    drawn(subject, (860, 260), |area| {
        let mut bars = Vec::new();
        for (step, counts) in answers.iter().enumerate() {
            let mut bottom = 0_u64;
            for (count, colour) in counts.iter().zip(ANSWERS).filter(|(count, _)| **count > 0) {
                bars.push((step, bottom, bottom + count, colour));
                bottom += count;
            }
        }
        columns(area, axis, most, bars)
    })
}

/// How many there are in each step.
pub fn burn_down(subject: &Subject<'_>, axis: &Axis<'_>, counts: &[u32]) -> Drawn<String> {
    let most = counts.iter().copied().max().unwrap_or_default();
    drawn(subject, (420, 190), |area| {
        let bars = counts.iter().enumerate().filter(|(_, count)| **count > 0);
        let bars = bars.map(|(step, count)| (step, 0, u64::from(*count), BAR)).collect();
        columns(area, axis, most.into(), bars)
    })
}

/// Each name with a bar below it, and its number at the end of the line.
pub fn bars(subject: &Subject<'_>, rows: &[(String, u64)]) -> Drawn<String> {
    const ROW: i32 = 36;
    const WIDTH: i32 = 420;
    let most = rows.iter().map(|(_, count)| *count).max().unwrap_or_default().max(1);
    let height = u32::try_from(rows.len()).unwrap_or_default() * ROW.unsigned_abs() + 4;
    drawn(subject, (WIDTH.unsigned_abs(), height), |area| {
        let left = ("sans-serif", LETTERS).into_font().color(&INK);
        let right = left.pos(Pos::new(HPos::Right, VPos::Top));
        let mut top = 2;
        for (name, count) in rows {
            area.draw(&Text::new(name.as_str(), (0, top), left.clone()))?;
            area.draw(&Text::new(count.to_string(), (WIDTH, top), right.clone()))?;
            let length = i64::try_from(u128::from(*count) * WIDTH as u128 / u128::from(most))?;
            let end = i32::try_from(length)?.max(2);
            area.draw(&Rectangle::new([(0, top + 18), (WIDTH, top + 26)], GRID.filled()))?;
            area.draw(&Rectangle::new([(0, top + 18), (end, top + 26)], BAR.filled()))?;
            top += ROW;
        }
        Ok(())
    })
}

/// A column for each step, from one number to another.
fn columns(
    area: &Area<'_>,
    axis: &Axis<'_>,
    most: u64,
    bars: Vec<(usize, u64, u64, RGBColor)>,
) -> Drawn<()> {
    let (steps, most) = (axis.steps.len().max(1) as f64, most.max(1) as f64 * 1.05);
    let mut builder = ChartBuilder::on(area);
    builder.margin(6).x_label_area_size(26).y_label_area_size(52);
    let mut chart = builder.build_cartesian_2d(0.0..steps, 0.0..most)?;
    let step = |place: &f64| axis.label(*place);
    let count = |count: &f64| if count.fract() == 0.0 { short(*count) } else { String::new() };
    let letters = ("sans-serif", LETTERS).into_font().color(&INK);
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
    let gap = if axis.steps.len() > 60 { 0.0 } else { 0.1 };
    let bars = bars.into_iter().map(|(step, bottom, top, colour)| {
        let (left, right) = (step as f64 + gap, step as f64 + 1.0 - gap);
        Rectangle::new([(left, bottom as f64), (right, top as f64)], colour.filled())
    });
    chart.draw_series(bars)?;
    Ok(())
}

impl Axis<'_> {
    /// The day of a step, or its time where steps are shorter than hours.
    fn label(&self, place: f64) -> String {
        let step = self.steps.get(place as usize).filter(|_| place.fract() == 0.0);
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

/// A whole number in few letters.
fn short(count: f64) -> String {
    match count {
        1e9.. => format!("{}G", count / 1e9),
        1e6.. => format!("{}M", count / 1e6),
        1e4.. => format!("{}k", count / 1e3),
        _ => format!("{count}"),
    }
}

/// Draws, and gives the result a name and a description.
fn drawn(
    Subject { id, title, description }: &Subject<'_>,
    size: (u32, u32),
    draw: impl FnOnce(&Area<'_>) -> Drawn<()>,
) -> Drawn<String> {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        draw(&area)?;
        area.present()?;
    }
    let body = text.find('>').map_or("", |end| &text[end + 1..]);
    let (width, height) = size;
    let (title, description) = (escaped(title), escaped(description));
    Ok(format!(
        "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-labelledby=\"{id}-title {id}-description\">\
         <title id=\"{id}-title\">{title}</title><desc id=\"{id}-description\">{description}</desc>{body}"
    ))
}

/// Text in the place of an element's.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const SUBJECT: Subject<'_> = Subject { id: "x", title: "A <b>", description: "1 & 2" };

    #[test]
    fn a_chart_names_itself_and_hostile_names_stay_text() {
        let text = bars(&SUBJECT, &[("</text><script>alert(1)</script>".to_owned(), 3)]).unwrap();
        assert!(text.contains("<title id=\"x-title\">A &lt;b&gt;</title>"), "{text}");
        assert!(text.contains("<desc id=\"x-description\">1 &amp; 2</desc>"), "{text}");
        assert!(!text.contains("<script>") && text.contains("&lt;script&gt;"), "{text}");
        assert_eq!((text.matches("<svg").count(), text.matches("</svg>").count()), (1, 1));
    }

    #[test]
    fn every_colour_has_another_in_the_dark() {
        let style = include_str!("../../../../templates/report/style.css");
        let dark = style.split("prefers-color-scheme: dark").nth(1).unwrap();
        for RGBColor(red, green, blue) in ANSWERS.into_iter().chain([INK, GRID, BAR]) {
            let colour = format!("[fill=\"#{red:02X}{green:02X}{blue:02X}\"]");
            assert!(dark.contains(&colour), "{colour}");
        }
    }

    #[test]
    fn charts_of_nothing_and_of_very_much_are_drawn() {
        let axis = Axis { steps: &["2026-11-27T00:00:00Z"], seconds: 86_400 };
        assert!(timeline(&SUBJECT, &axis, &[[u64::MAX / 8; 6]]).is_ok());
        assert!(burn_down(&SUBJECT, &axis, &[u32::MAX]).is_ok());
        assert!(bars(&SUBJECT, &[("x".to_owned(), u64::MAX)]).is_ok());
        let none = Axis { steps: &[], seconds: 60 };
        assert!(timeline(&SUBJECT, &none, &[]).is_ok() && bars(&SUBJECT, &[]).is_ok());
    }
}
