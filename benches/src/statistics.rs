//! Medians and spreads.

/// The middle value, or the mean of the two in the middle; 0 of none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let sorted = sorted(values);
    match sorted.len() {
        0 => 0.0,
        length if length % 2 == 1 => sorted[length / 2],
        length => f64::midpoint(sorted[length / 2 - 1], sorted[length / 2]),
    }
}

/// The smallest value that is at least as large as `percent` of them; 0 of none.
pub(crate) fn percentile(values: &[f64], percent: f64) -> f64 {
    let sorted = sorted(values);
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank between 0 and the number of values"
    )]
    let rank = (sorted.len() as f64 * percent / 100.0).ceil() as usize;
    sorted
        .get(rank.saturating_sub(1))
        .copied()
        .unwrap_or_default()
}

/// The smallest and the largest value; zeros of none.
pub(crate) fn spread(values: &[f64]) -> (f64, f64) {
    let sorted = sorted(values);
    (
        sorted.first().copied().unwrap_or_default(),
        sorted.last().copied().unwrap_or_default(),
    )
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use super::{median, percentile, spread};

    #[test]
    fn a_median_is_the_middle_whatever_the_order() {
        assert!((median(&[9.0, 1.0, 4.0]) - 4.0).abs() < f64::EPSILON);
        assert!((median(&[8.0, 1.0, 4.0, 2.0]) - 3.0).abs() < f64::EPSILON);
        assert!((median(&[7.0]) - 7.0).abs() < f64::EPSILON);
        assert!(median(&[]).abs() < f64::EPSILON);
    }

    #[test]
    fn one_wild_round_moves_the_spread_and_not_the_median() {
        let calm = [10.0, 11.0, 12.0, 13.0, 14.0];
        let wild = [10.0, 11.0, 12.0, 13.0, 900.0];
        assert!((median(&calm) - median(&wild)).abs() < f64::EPSILON);
        assert_eq!(spread(&calm), (10.0, 14.0));
        assert_eq!(spread(&wild), (10.0, 900.0));
        assert_eq!(spread(&[]), (0.0, 0.0));
    }

    #[test]
    fn a_percentile_is_a_value_that_was_measured() {
        let values: Vec<f64> = (1..=200).map(f64::from).collect();
        assert!((percentile(&values, 99.0) - 198.0).abs() < f64::EPSILON);
        assert!((percentile(&values, 100.0) - 200.0).abs() < f64::EPSILON);
        assert!((percentile(&[3.0], 99.0) - 3.0).abs() < f64::EPSILON);
    }
}
