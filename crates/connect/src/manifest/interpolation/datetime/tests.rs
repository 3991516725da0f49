use super::{DatetimeFormat, Moment, Span};

fn read(text: &str, format: &str) -> Option<String> {
    DatetimeFormat::new(format).parse(text).ok().map(|moment| moment.to_string())
}

#[test]
fn every_format_reads_what_it_writes() {
    let moment = super::parse_iso("2024-02-29T13:07:09.123456Z").unwrap();
    for (format, text) in [
        ("%s", "1709212029"),
        ("%s_as_float", "1709212029.123456"),
        ("%ms", "1709212029123"),
        ("%epoch_microseconds", "1709212029123456"),
        ("%Y-%m-%dT%H:%M:%S.%_msZ", "2024-02-29T13:07:09.123Z"),
        ("%Y-%m-%dT%H:%M:%S.%f%z", "2024-02-29T13:07:09.123456+0000"),
    ] {
        let format = DatetimeFormat::new(format);
        assert_eq!(format.format(&moment), text);
        let again = format.parse(text).unwrap();
        assert_eq!(format.format(&again), text);
    }
}

#[test]
fn offsets_are_kept_and_missing_ones_are_utc() {
    assert_eq!(
        read("2024-01-02 03:04 +0130", "%Y-%m-%d %H:%M %z").unwrap(),
        "2024-01-02 03:04:00+01:30"
    );
    assert_eq!(read("2024-01-02", "%Y-%m-%d").unwrap(), "2024-01-02 00:00:00+00:00");
    assert_eq!(read("2024-01-02x", "%Y-%m-%d"), None);
    assert_eq!(read("2024-02-30", "%Y-%m-%d"), None);
}

#[test]
fn months_are_added_in_the_calendar() {
    let end = super::parse_iso("2024-01-31").unwrap();
    let moved = |span: &str| end.plus(&Span::parse(span).unwrap()).map(|moment| moment.to_string());
    assert_eq!(moved("P1M").unwrap(), "2024-02-29 00:00:00");
    assert_eq!(moved("-P1Y2M").unwrap(), "2022-11-30 00:00:00");
    assert_eq!(moved("P1DT1.5S").unwrap(), "2024-02-01 00:00:01.500000");
    assert!(moved("P9000Y").is_err());
    assert!(Span::parse("1 day").is_err());
}

#[test]
fn moments_with_and_without_an_offset_are_not_ordered() {
    let naive = super::parse_iso("2024-01-31").unwrap();
    let aware: Moment = naive.or_utc();
    assert!(naive.partial_cmp(&aware).is_none());
    assert!(naive != aware);
}
