//! How alike two names are. Names enter, as messages and configurations write them; a judgement
//! leaves. No dictionary and no language is behind it: letters, their order and their case.

/// Longest name that is compared, in characters.
const NAME_CHARACTERS_MAX: usize = 64;
/// Shortest name that can be a misspelling of another: of shorter ones too many are one edit apart.
const MISSPELT_CHARACTERS_MIN: usize = 4;
/// From this length on a misspelling may be two edits away.
const TWO_EDITS_CHARACTERS_MIN: usize = 9;
/// Fewest letters of an initialism.
const INITIALS_MIN: usize = 3;

/// In which way two different names may mean the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Likeness {
    /// The same but for case, `_` and `-`: `device_id` and `deviceId`.
    Spelling,
    /// One is the initials of the other: `AQI` and `airQualityIndex`.
    Initials,
    /// One slip of the fingers apart, or two in a long name: `locatoin` and `location`.
    Slip,
}

/// The likeness of two different names, if there is one.
pub fn likeness(one: &str, other: &str) -> Option<Likeness> {
    let (a, b) = (folded(one), folded(other));
    if one == other || a.len().max(b.len()) > NAME_CHARACTERS_MAX {
        return None;
    }
    if a == b {
        return Some(Likeness::Spelling);
    }
    if are_initials(&a, other) || are_initials(&b, one) {
        return Some(Likeness::Initials);
    }
    is_slip(&a, &b).then_some(Likeness::Slip)
}

/// True if two different names are a single slip of the fingers apart, however long they are.
pub fn is_one_slip(one: &str, other: &str) -> bool {
    likeness(one, other) == Some(Likeness::Slip) && edits(&folded(one), &folded(other)) == 1
}

/// True if one folded name is the other with a slip in it. Names that differ in their digits are
/// numbered: `sensor1` and `sensor2`.
fn is_slip(a: &[char], b: &[char]) -> bool {
    let digits = |name: &[char]| name.iter().filter(|c| c.is_numeric()).copied().collect::<Vec<_>>();
    let shorter = a.len().min(b.len());
    let allowed = if shorter >= TWO_EDITS_CHARACTERS_MIN { 2 } else { 1 };
    shorter >= MISSPELT_CHARACTERS_MIN
        && a.len().abs_diff(b.len()) <= allowed
        && digits(a) == digits(b)
        && edits(a, b) <= allowed
}

/// True if `initials` are the first letters of the words of `name`.
fn are_initials(initials: &[char], name: &str) -> bool {
    initials.len() >= INITIALS_MIN && words(name).eq(initials.iter().copied())
}

/// The first letters of the words in `airQualityIndex` or `air_quality_index`, in lower case.
fn words(name: &str) -> impl Iterator<Item = char> {
    let mut before = '_';
    name.chars().filter_map(move |letter| {
        let begins = matches!(before, '_' | '-') || (letter.is_uppercase() && !before.is_uppercase());
        before = letter;
        (begins && letter.is_alphanumeric()).then(|| letter.to_lowercase().next()).flatten()
    })
}

/// Same letters in any order, or at most two edits apart, ignoring case, `_` and `-`: what is worth
/// naming to somebody who looks for a field that is missing. Of short names less than half may be
/// edited, else `id` would look like every name of two letters.
pub fn alike(found: &str, wanted: &str) -> bool {
    let (found, wanted) = (folded(found), folded(wanted));
    let longer = found.len().max(wanted.len());
    if found.len().abs_diff(wanted.len()) > 2 || longer > NAME_CHARACTERS_MAX {
        return false;
    }
    let sorted = |name: &[char]| {
        let mut letters = name.to_vec();
        letters.sort_unstable();
        letters
    };
    sorted(&found) == sorted(&wanted) || edits(&found, &wanted) <= 2.min((longer.max(1) - 1) / 2)
}

fn folded(name: &str) -> Vec<char> {
    name.chars().filter(|letter| !matches!(letter, '_' | '-')).flat_map(char::to_lowercase).collect()
}

/// Insertions, deletions, replacements and swaps of neighbours between two names (optimal string
/// alignment).
fn edits(a: &[char], b: &[char]) -> usize {
    let mut before = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_look_alikes_from_other_names() {
        for (found, wanted, expect) in [
            ("mode", "model", true),
            ("locatoin", "location", true),
            ("device_id", "deviceId", true),
            ("DEVICE-ID", "deviceId", true),
            ("yaer", "year", true),
            ("fuel", "fuelType", false),
            ("make", "model", false),
            ("lat", "lon", false),
            ("x", "id", false),
            ("", "id", false),
            ("di", "id", true),
            ("modèle", "model", true),
        ] {
            assert_eq!(alike(found, wanted), expect, "{found} {wanted}");
        }
    }

    #[test]
    fn one_slip_is_not_two() {
        assert!(is_one_slip("Actice", "Active"));
        assert!(is_one_slip("locatoin", "location"));
        assert!(!is_one_slip("North-East", "North-West"));
    }

    #[test]
    fn says_in_which_way_names_are_alike() {
        use Likeness::{Initials, Slip, Spelling};
        for (one, other, expect) in [
            ("device_id", "deviceId", Some(Spelling)),
            ("AQI", "airQualityIndex", Some(Initials)),
            ("air_quality_index", "aqi", Some(Initials)),
            ("locatoin", "location", Some(Slip)),
            ("mode", "model", Some(Slip)),
            ("Actice", "Active", Some(Slip)),
            ("Rain", "Rainy", Some(Slip)),
            ("temprature", "temperature", Some(Slip)),
            ("percipitaton", "precipitation", Some(Slip)),
            ("model", "model", None),
            ("make", "mode", None),
            ("lat", "lon", None),
            ("id", "incidentDescription", None),
            ("sensor1", "sensor2", None),
            ("speed", "windSpeed", None),
            ("", "", None),
        ] {
            assert_eq!(likeness(one, other), expect, "{one} {other}");
            assert_eq!(likeness(other, one), expect, "{other} {one}");
        }
    }
}
