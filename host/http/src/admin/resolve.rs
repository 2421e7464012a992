//! From the first digits of a digest to the version that they mean.

use std::collections::BTreeSet;

use millstream_model::Digest;
use millstream_pipeline::admin::AdminError;

use super::model::Step;
use super::problem::Problem;

/// Fewest digits that a version is named with.
const DIGITS_MIN: usize = 8;
/// Digits of a digest.
const DIGITS: usize = 64;

/// The version of `step` whose digest begins with `digits`: its candidate or one that the log knows. A whole
/// digest is taken as it is; whether there is such a version is for the run to say.
///
/// # Errors
/// If it is no beginning of a digest, or that of no version or of several.
pub fn resolve(step: &Step, digits: &str) -> Result<Digest, Problem> {
    let is_digit = |c: char| matches!(c, '0'..='9' | 'a'..='f');
    if !(DIGITS_MIN..=DIGITS).contains(&digits.len()) || !digits.chars().all(is_digit) {
        let detail = format!(
            "`digest` is not a digest: {DIGITS} hexadecimal digits in lower case, or the first of them, at least \
             {DIGITS_MIN}"
        );
        return Err(Problem::malformed(detail));
    }
    if let Ok(digest) = digits.parse() {
        return Ok(digest);
    }
    let known = step.history.iter().map(|version| version.digest);
    let candidate = step.candidate.as_ref().and_then(|candidate| candidate.digest);
    let known: BTreeSet<Digest> = known.chain(candidate).collect();
    let (stream, name) = (&step.stream, &step.step);
    match meant(&known, digits).as_slice() {
        [digest] => Ok(*digest),
        [] => Err(AdminError::Unknown(format!(
            "no version of step `{stream}/{name}` begins with {digits}; it has: {}",
            words(&known)
        ))
        .into()),
        several => Err(AdminError::Conflict(format!(
            "{} versions of step `{stream}/{name}` begin with {digits}; give more digits: {}",
            several.len(),
            words(several)
        ))
        .into()),
    }
}

fn meant(known: &BTreeSet<Digest>, digits: &str) -> Vec<Digest> {
    known.iter().copied().filter(|digest| digest.to_string().starts_with(digits)).collect()
}

fn words<'a>(digests: impl IntoIterator<Item = &'a Digest>) -> String {
    let digests: Vec<_> = digests.into_iter().map(Digest::to_string).collect();
    if digests.is_empty() { "none".to_owned() } else { digests.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_digits_name_one_version_or_none() {
        let digest = |digits: &str| format!("{digits:0<64}").parse::<Digest>().unwrap();
        let known: BTreeSet<_> = ["4f1c0d9a2b77", "4f1c0d9a2b78", "aa"].map(digest).into();
        let check = |digits: &str, expected: &[&str]| {
            let expected: Vec<_> = expected.iter().map(|digits| digest(digits)).collect();
            assert_eq!(meant(&known, digits), expected, "{digits}");
        };
        check("4f1c0d9a2b77", &["4f1c0d9a2b77"]);
        check("4f1c0d9a", &["4f1c0d9a2b77", "4f1c0d9a2b78"]);
        check("aa000000", &["aa"]);
        check("bb000000", &[]);
    }
}
