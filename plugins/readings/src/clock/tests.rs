use super::*;

fn check_in(zone: &str, change: ClockChange, text: &str, expect: Result<&str, Fault>) {
    let mut clock = Clock::new(TimeZone::get(zone).unwrap(), change);
    let expect = expect.map(|instant| instant.parse::<jiff::Timestamp>().unwrap().as_microsecond());
    assert_eq!(clock.instant_us(text), expect, "{text} in {zone}");
    assert_eq!(clock.instant_us(text), expect, "{text} in {zone}, from the remembered hour");
}

fn check(text: &str, expect: Result<&str, Fault>) {
    check_in("Europe/London", ClockChange::Compatible, text, expect);
}

#[test]
fn local_times_are_of_the_zone() {
    check("2026-01-01T08:00:38.123456", Ok("2026-01-01T08:00:38.123456Z"));
    check("2026-07-01T08:00:38", Ok("2026-07-01T07:00:38Z"));
    check("2026-07-01 08:00:38.5", Ok("2026-07-01T07:00:38.5Z"));
    check("1969-12-31T23:59:59.999999", Ok("1969-12-31T22:59:59.999999Z"));
    check_in("Asia/Kolkata", ClockChange::Reject, "2026-01-01T08:00:00", Ok("2026-01-01T02:30:00Z"));
}

#[test]
fn offsets_are_respected() {
    check("2026-07-01T08:00:00Z", Ok("2026-07-01T08:00:00Z"));
    check("2026-07-01T08:00:00.123456789-05:30", Ok("2026-07-01T13:30:00.123456Z"));
    check("2024-02-29T00:00:00+01:00", Ok("2024-02-28T23:00:00Z"));
}

#[test]
fn other_forms_of_iso_8601() {
    check("20260701T080000Z", Ok("2026-07-01T08:00:00Z"));
    check("20260701T080000", Ok("2026-07-01T07:00:00Z"));
    check("2026-07-01T08:00:00+0200", Ok("2026-07-01T06:00:00Z"));
    check(" 2026-07-01T08:00 ", Ok("2026-07-01T07:00:00Z"));
}

#[test]
fn what_is_no_time() {
    for text in [
        "",
        "yesterday",
        "2026-07-01",
        "2026-02-29T08:00:00",
        "2026-13-01T08:00:00",
        "2026-07-01T24:00:01",
        "2026-07-01T08:00:00.",
        "2026-07-01T08:00:00+01:00[Europe/London]",
        "2026-07-01T08:00:00 o'clock",
        "2026-07-01T08:00:0é",
        "1751356800",
    ] {
        check(text, Err(Fault::NotATime));
    }
}

/// One table for the host and for the plugins, which once read other texts than the host.
#[test]
fn reads_what_the_host_reads() {
    for line in include_str!("../../../../tests/times/texts").lines().skip(1) {
        let (text, expect) = line.split_once('|').unwrap();
        let mut clock = Clock::new(TimeZone::get("Europe/London").unwrap(), ClockChange::Compatible);
        let read = match clock.instant_us(text) {
            Ok(instant_us) => instant_us.to_string(),
            Err(Fault::NotATime) => "not a time".to_owned(),
            Err(Fault::OutOfRange) => "out of range".to_owned(),
            Err(Fault::ClockChange) => "in a change of the clocks".to_owned(),
        };
        assert_eq!(read, expect.trim(), "{text}");
    }
}

#[test]
fn changes_of_the_clocks() {
    let (left_out, twice) = ("2026-03-29T01:30:00", "2026-10-25T01:30:00");
    check(left_out, Ok("2026-03-29T01:30:00Z"));
    check(twice, Ok("2026-10-25T00:30:00Z"));
    for text in [left_out, twice] {
        check_in("Europe/London", ClockChange::Reject, text, Err(Fault::ClockChange));
    }
    let after = "2026-03-29T02:00:00";
    check_in("Europe/London", ClockChange::Reject, after, Ok("2026-03-29T01:00:00Z"));
}

/// Half of this hour is left out: the hour as a whole must not be remembered.
#[test]
fn half_an_hour_is_put_back() {
    let mut clock = Clock::new(TimeZone::get("Australia/Lord_Howe").unwrap(), ClockChange::Reject);
    assert_eq!(clock.instant_us("2026-04-05T01:29:00"), clock.instant_us("2026-04-04T14:29:00Z"));
    assert_eq!(clock.instant_us("2026-04-05T01:31:00"), Err(Fault::ClockChange));
}

#[test]
fn days_agree_with_the_calendar() {
    let zone = TimeZone::UTC;
    let mut clock = Clock::new(zone, ClockChange::Reject);
    for day in (-700_000..2_900_000).step_by(997) {
        let instant = jiff::Timestamp::from_second(day * 86_400).unwrap();
        let text = Offset::UTC.to_datetime(instant).to_string();
        assert_eq!(clock.instant_us(&text), Ok(instant.as_microsecond()), "{text}");
    }
}
