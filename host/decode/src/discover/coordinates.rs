//! Which number of a pair is the latitude. What the pairs of a field held enters; the order leaves, with
//! what it rests on. A few rows that are wrong decide nothing.

/// Pairs of a hundred that may be wrong.
const WRONG_PERCENT: u64 = 5;

/// What is known of pairs of coordinates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pairs {
    /// Pairs.
    pub seen: u64,
    /// Those whose first number is beyond ±90, and so no latitude.
    pub first_beyond_90: u64,
    /// Those whose second number is.
    pub second_beyond_90: u64,
    /// Those that are the coordinates of a GeoJSON point, which has the longitude first.
    pub points: u64,
}

impl Pairs {
    /// These and `others`.
    pub fn with(self, others: Self) -> Self {
        Self {
            seen: self.seen + others.seen,
            first_beyond_90: self.first_beyond_90 + others.first_beyond_90,
            second_beyond_90: self.second_beyond_90 + others.second_beyond_90,
            points: self.points + others.points,
        }
    }

    /// True if the latitude comes first: unless the numbers, or else GeoJSON, say otherwise.
    pub fn latitude_first(self) -> bool {
        match self.is_latitude_first_by_numbers() {
            Some(is_first) => is_first,
            None => self.points * 2 <= self.seen,
        }
    }

    /// What the order rests on, in words.
    pub fn basis(self) -> String {
        let Self { seen, first_beyond_90, second_beyond_90, .. } = self;
        let order = if self.latitude_first() { "latitude first" } else { "longitude first" };
        match self.is_latitude_first_by_numbers() {
            Some(true) => format!("{order}: {second_beyond_90} of {seen} second numbers are beyond ±90"),
            Some(false) => format!("{order}: {first_beyond_90} of {seen} first numbers are beyond ±90"),
            None if !self.latitude_first() => format!("{order}, as in GeoJSON"),
            None if first_beyond_90 + second_beyond_90 == 0 => {
                format!("{order} is a guess: no number is beyond ±90")
            }
            None => format!(
                "{order} is a guess: of {seen}, {first_beyond_90} first and {second_beyond_90} second numbers are beyond ±90"
            ),
        }
    }

    fn is_latitude_first_by_numbers(self) -> Option<bool> {
        let is_many = |beyond: u64| beyond * 100 > self.seen * WRONG_PERCENT;
        let (first, second) = (self.first_beyond_90, self.second_beyond_90);
        // A stream of two worlds, or nonsense: neither order is better by much.
        match (is_many(first), is_many(second)) {
            (true, false) => Some(false),
            (false, true) => Some(true),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_wrong_rows_do_not_swap_the_coordinates() {
        let check = |first, second, points, expect: &str| {
            let pairs = Pairs { seen: 10_000, first_beyond_90: first, second_beyond_90: second, points };
            assert_eq!(
                pairs.basis().split_once(':').map_or(pairs.basis(), |(order, _)| order.to_owned()),
                expect
            );
            assert_eq!(pairs.latitude_first(), expect.starts_with("latitude"));
        };
        check(0, 0, 0, "latitude first is a guess");
        check(1, 0, 0, "latitude first is a guess");
        check(500, 0, 0, "latitude first is a guess");
        check(501, 0, 0, "longitude first");
        check(1, 9_000, 0, "latitude first");
        check(9_000, 1, 0, "longitude first");
        check(9_000, 9_000, 0, "latitude first is a guess");
        check(0, 0, 10_000, "longitude first, as in GeoJSON");
        check(0, 0, 1, "latitude first is a guess");
        check(0, 9_000, 10_000, "latitude first");
    }
}
