use millstream_sdk::testing::{Values, run};

use super::*;

fn check(plate: Option<&str>, expect: Option<&str>, told: Option<(&'static str, i32)>) {
    let outcome = run::<NumberPlate, _>("{}", &[("plate", Values::of([plate]))]).unwrap();
    assert_eq!(outcome.written["plate"], Values::of([expect]), "{plate:?}");
    assert_eq!(outcome.written["plate_valid"], Values::of([plate.map(|_| told.is_some())]), "{plate:?}");
    let (area, registered) = told.map(|(area, day)| (area, Date(day))).unzip();
    assert_eq!(outcome.written["plate_area"], Values::of([area]), "{plate:?}");
    assert_eq!(outcome.written["plate_registered"], Values::of([registered]), "{plate:?}");
}

/// Days since 1970: `date -ud 2012-03-01 +%s`, divided by 86,400.
#[test]
fn plates() {
    check(Some("ab12 cde"), Some("AB12CDE"), Some(("Anglia", 15400)));
    check(Some("BD51-SMR"), Some("BD51SMR"), Some(("Birmingham", 11566)));
    check(Some("YK73ZZZ"), Some("YK73ZZZ"), Some(("Yorkshire", 19601)));
    check(Some("LA24 AAA"), Some("LA24AAA"), Some(("London", 19783)));
    check(Some("A123 BCD"), Some("A123BCD"), None);
    check(Some("AB01 CDE"), Some("AB01CDE"), None);
    check(Some("QB12 CDE"), Some("QB12CDE"), None);
    check(Some(""), Some(""), None);
    check(None, None, None);
}

#[test]
fn what_is_no_plate_may_be_refused() {
    let plates = [("plate", Values::of([Some("AB12CDE"), Some("x"), None]))];
    let outcome = run::<NumberPlate, _>(r#"{"reject_invalid": true}"#, &plates).unwrap();
    assert_eq!(outcome.kept, [0, 2]);
    assert_eq!(outcome.rejected["`plate` is not a current number plate"], [1]);
}
