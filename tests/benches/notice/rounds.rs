//! Owns the comparing: rounds in which every server has its turn, and medians over them. The
//! machine may be busy with other things; what is compared must have met the same.

/// The order of turns in a round: every other one goes backwards, so that nobody is always first.
pub fn order(round: usize, servers: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..servers).collect();
    if round % 2 == 1 {
        order.reverse();
    }
    order
}

/// The value in the middle.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    quantile(values, 0.5)
}

/// The value below which this part of them lies.
pub fn quantile(values: impl IntoIterator<Item = f64>, part: f64) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    assert!(!values.is_empty(), "there is nothing to choose from");
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * part).round() as usize]
}

/// The median of what `above` is per `below`, round by round.
pub fn ratio(above: &[f64], below: &[f64]) -> f64 {
    median(above.iter().zip(below).map(|(above, below)| above / below))
}

/// The range in which half of the rounds' ratios lie.
pub fn spread(above: &[f64], below: &[f64]) -> String {
    let ratios: Vec<f64> = above.iter().zip(below).map(|(above, below)| above / below).collect();
    format!("{:.2}-{:.2}", quantile(ratios.clone(), 0.25), quantile(ratios, 0.75))
}
