//! How `--fault KIND=RATE` is read.

use std::str::FromStr;

use millstream_simulator::city::FaultKind;

/// A silence lasts minutes, so with more of them than this hardly anything would be sent.
const SILENT_MAX: f64 = 0.1;

/// How often a message goes wrong in one way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FaultRate {
    /// In which way.
    pub kind: FaultKind,
    /// The probability for each message.
    pub rate: f64,
}

impl FromStr for FaultRate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, rate) = text.split_once('=').ok_or("expected KIND=RATE, such as late=0.01")?;
        let kind: FaultKind = kind.parse()?;
        let max = if kind == FaultKind::Silent { SILENT_MAX } else { 1.0 };
        match rate.parse() {
            Ok(rate) if (0.0..=max).contains(&rate) => Ok(Self { kind, rate }),
            _ => Err(format!("expected a rate from 0 to {max} after `{}=`", kind.name())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_or_refused() {
        let check =
            |text: &str, expect: Result<(FaultKind, f64), &str>| match (text.parse::<FaultRate>(), expect) {
                (Ok(fault), expect) => assert_eq!(Ok((fault.kind, fault.rate)), expect, "{text}"),
                (Err(message), Err(expect)) => assert!(message.contains(expect), "{text}: {message}"),
                (Err(message), Ok(_)) => panic!("{text}: {message}"),
            };
        check("late=0.01", Ok((FaultKind::Late, 0.01)));
        check("out_of_order=1", Ok((FaultKind::OutOfOrder, 1.0)));
        check("late", Err("expected KIND=RATE"));
        check("slow=0.1", Err("expected one of late, duplicate"));
        check("late=1.5", Err("expected a rate from 0 to 1 after `late=`"));
        check("late=NaN", Err("expected a rate"));
        check("silent=0.5", Err("expected a rate from 0 to 0.1 after `silent=`"));
    }
}
