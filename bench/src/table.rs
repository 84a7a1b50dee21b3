//! The rows that all benchmarks print.

use std::fmt::Display;

/// What a measured value must not pass.
#[derive(Clone, Copy, Debug)]
pub enum Limit {
    /// Only to be known.
    None,
    /// At most so much.
    AtMost(f64),
    /// At least so much.
    AtLeast(f64),
}

/// Prints one row: what was measured, the value in its unit, and whether it is within the limit.
pub fn row(measure: impl Display, value: f64, unit: &str, limit: Limit) {
    let (bound, verdict) = match limit {
        Limit::None => (String::new(), ""),
        Limit::AtMost(most) => (format!("<= {}", number(most)), verdict(value <= most)),
        Limit::AtLeast(least) => (format!(">= {}", number(least)), verdict(value >= least)),
    };
    line(measure, format!("{} {unit}", number(value)), bound, verdict);
}

/// Prints a row for what could not be measured here, and why.
pub fn missing(measure: impl Display, why: impl Display) {
    line(measure, format!("not measured: {why}"), "", "");
}

/// Prints a row for what took more than it could be given here.
pub fn over(measure: impl Display, how: impl Display) {
    line(measure, how, "", "OVER");
}

fn line(measure: impl Display, value: impl Display, limit: impl Display, verdict: &str) {
    println!("| {measure:<66} | {value:>18} | {limit:>12} | {verdict:<4} |");
}

fn verdict(within: bool) -> &'static str {
    if within { "ok" } else { "OVER" }
}

/// Three digits that count, with thousands set apart.
fn number(value: f64) -> String {
    let decimals = match value.abs() {
        1000.0.. => 0,
        100.0.. => 1,
        _ => 2,
    };
    let text = format!("{value:.decimals$}");
    let (whole, fraction) = text.split_once('.').map_or((text.as_str(), None), |(w, f)| (w, Some(f)));
    let mut grouped = String::new();
    for (index, digit) in whole.char_indices() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    fraction.map_or(grouped.clone(), |fraction| format!("{grouped}.{fraction}"))
}

/// The middle one of the values. Of an even number, the upper of the two.
///
/// # Panics
///
/// If there are none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_read_well() {
        assert_eq!(number(0.123_4), "0.12");
        assert_eq!(number(123.46), "123.5");
        assert_eq!(number(12_345_678.9), "12,345,679");
        assert_eq!(number(1000.0), "1,000");
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
    }
}
