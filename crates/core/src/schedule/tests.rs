use jiff::Zoned;
use proptest::prelude::*;

use super::*;

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn schedule(text: &str, zone: &str) -> Schedule {
    Schedule::parse(text, zone, "flow_1").unwrap()
}

/// The next `count` times after `from`.
fn series(schedule: &Schedule, from: &str, count: usize) -> Vec<String> {
    std::iter::successors(schedule.next_after(at(from)), |last| schedule.next_after(*last))
        .take(count)
        .map(|time| time.to_string())
        .collect()
}

#[test]
fn every_form_reads_and_has_one_stored_form() {
    for (text, stored) in [
        ("real-time", "real-time"),
        ("realtime", "real-time"),
        (" Hourly ", "hourly"),
        ("daily", "daily"),
        ("weekly", "weekly"),
        ("every 15m", "every 15m"),
        ("every 15 minutes", "every 15m"),
        ("every 120m", "every 2h"),
        ("Every 48 hours", "every 2d"),
        ("30 8 * * MON-FRI", "30 8 * * MON-FRI"),
        ("*/5 * * * *", "*/5 * * * *"),
        ("0 0 L * *", "0 0 L * *"),
    ] {
        assert_eq!(normalise(text).unwrap(), stored, "{text}");
        assert_eq!(normalise(stored).unwrap(), stored, "{stored} is not stable");
    }
}

#[test]
fn what_is_no_schedule_says_what_would_be() {
    for text in [
        "",
        "sometimes",
        "every",
        "every 0m",
        "every -5m",
        "every 15s",
        "every 32d",
        "every 99999999999999999999m",
        "every m",
        "* * * *",
        "* * * * * *",
        "61 * * * *",
        "0 24 * * *",
        "@daily",
        "0 0 30 2 *",
        "0 0 31 4,6,9,11 *",
        &"1,".repeat(200),
    ] {
        let error = Schedule::parse(text, "UTC", "flow_1").unwrap_err();
        assert_eq!(error.code, crate::Code::Invalid, "{text}");
        assert_eq!(error.fields[0].field, "sync_frequency", "{text}");
        assert!(error.detail.contains("hourly"), "{text}: {}", error.detail);
    }
    for zone in ["Mars/Olympus", "", "Paris", "../etc/passwd"] {
        let error = Schedule::parse("daily", zone, "flow_1").unwrap_err();
        assert_eq!(error.fields[0].field, "timezone", "{zone}");
    }
}

#[test]
fn hourly_keeps_its_own_minute() {
    let hourly = schedule("hourly", "Asia/Kolkata");
    let times = series(&hourly, "2026-03-01T00:00:00Z", 48);
    let minute = &times[0][14..];
    assert!(times.iter().all(|time| &time[14..] == minute), "{times:?}");
}

#[test]
fn flows_are_spread_over_the_hour() {
    let from = at("2026-03-01T00:00:00Z");
    let starts: std::collections::BTreeSet<_> = (0..1_000)
        .map(|index| {
            let id = format!("flow_{index}");
            let next = Schedule::parse("hourly", "UTC", &id).unwrap().next_after(from).unwrap();
            next.secs() / 60
        })
        .collect();
    assert_eq!(starts.len(), 60, "a thousand flows use every minute of the hour");
}

#[test]
fn daily_stays_in_its_window_through_both_clock_changes() {
    for zone_name in ["Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo"] {
        let daily = schedule("daily", zone_name);
        let mut time = at("2026-01-01T12:00:00Z");
        let mut wall = std::collections::BTreeSet::new();
        for _ in 0..400 {
            let next = daily.next_after(time).unwrap();
            let hours = (next.secs() - time.secs()) / 3_600;
            assert!(hours <= 25, "{zone_name}: {time} then {next}");
            let local = Zoned::new(next.to_jiff(), zone(zone_name).unwrap());
            assert!((4..6).contains(&local.hour()), "{zone_name}: {local}");
            wall.insert(local.time());
            time = next;
        }
        assert_eq!(wall.len(), 1, "{zone_name} moved its wall clock time: {wall:?}");
    }
}

#[test]
fn weekly_is_on_monday() {
    let weekly = schedule("weekly", "America/Los_Angeles");
    let times = series(&weekly, "2026-10-20T00:00:00Z", 4);
    for time in &times {
        let local = Zoned::new(time.parse().unwrap(), zone("America/Los_Angeles").unwrap());
        assert_eq!(local.weekday(), jiff::civil::Weekday::Monday, "{time}");
    }
    // Across 1 November, when the clock goes back: an hour later in UTC, the same on the wall.
    let hour = |time: &str| time[11..13].parse::<i32>().unwrap();
    assert_eq!(hour(&times[1]) - hour(&times[0]), 1, "{times:?}");
}

#[test]
fn cron_follows_the_wall_clock() {
    let mornings = schedule("30 8 * * MON-FRI", "Europe/Paris");
    assert_eq!(
        series(&mornings, "2026-03-27T07:30:00Z", 3),
        ["2026-03-30T06:30:00Z", "2026-03-31T06:30:00Z", "2026-04-01T06:30:00Z"]
    );
}

#[test]
fn a_time_the_clock_skips_is_due_when_it_has_moved() {
    // 29 March 2026: 02:00 becomes 03:00 in Paris (01:00 UTC).
    let at_night = schedule("30 2 * * *", "Europe/Paris");
    assert_eq!(
        series(&at_night, "2026-03-28T12:00:00Z", 2),
        ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]
    );
}

#[test]
fn a_time_that_comes_twice_is_due_once() {
    // 25 October 2026: 03:00 becomes 02:00 in Paris (01:00 UTC).
    let at_night = schedule("30 2 * * *", "Europe/Paris");
    assert_eq!(
        series(&at_night, "2026-10-24T12:00:00Z", 2),
        ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
    );
}

#[test]
fn leap_days_come_every_four_years() {
    let leap = schedule("0 12 29 2 *", "UTC");
    assert_eq!(
        series(&leap, "2026-01-01T00:00:00Z", 3),
        ["2028-02-29T12:00:00Z", "2032-02-29T12:00:00Z", "2036-02-29T12:00:00Z"]
    );
    assert_eq!(series(&leap, "2096-03-01T00:00:00Z", 1), ["2104-02-29T12:00:00Z"]);
}

#[test]
fn missed_runs_are_made_up_for_by_one() {
    let every = schedule("every 15m", "UTC");
    let due = every.next_after(at("2026-03-01T00:00:00Z")).unwrap();
    let now = due.plus_secs(86_400);
    let tick = every.tick(Some(due), now);
    assert!(tick.run);
    assert_eq!(tick.late_secs, 86_400);
    let next = tick.next.unwrap();
    assert!(next > now && next <= now.plus_secs(900));
    assert!(!every.tick(Some(next), now).run, "the day's other 95 runs are not made up for");
}

#[test]
fn nothing_runs_before_it_is_planned_or_due() {
    let daily = schedule("daily", "UTC");
    let now = at("2026-03-01T12:00:00Z");
    let first = daily.tick(None, now);
    assert!(!first.run);
    assert_eq!(first.next, daily.next_after(now));
    let again = daily.tick(first.next, now);
    assert_eq!((again.run, again.next), (false, first.next));
    assert!(daily.tick(first.next, first.next.unwrap()).run);
}

proptest! {
    #[test]
    fn the_next_time_is_later_and_nothing_lies_between(
        micros in 0_i64..4_000_000_000_000_000,
        text in prop::sample::select(vec![
            "real-time", "hourly", "daily", "weekly", "every 7m", "every 3d",
            "*/15 * * * *", "0 3 * * *", "30 2 * * SUN", "0 0 1 * *",
        ]),
        zone in prop::sample::select(vec![
            "UTC", "Europe/Paris", "America/Sao_Paulo", "Asia/Kathmandu", "Pacific/Apia",
        ]),
    ) {
        let schedule = Schedule::parse(text, zone, "flow_x").unwrap();
        let after = Timestamp(micros);
        let next = schedule.next_after(after).unwrap();
        prop_assert!(next > after);
        // Asked again just before it, the answer is the same: no time is skipped or invented.
        prop_assert_eq!(schedule.next_after(Timestamp(next.0 - 1)), Some(next));
        let midway = Timestamp(after.0 + (next.0 - after.0) / 2);
        prop_assert_eq!(schedule.next_after(midway.min(Timestamp(next.0 - 1))), Some(next));
    }

    #[test]
    fn no_text_panics(text in ".{0,40}", zone in ".{0,20}") {
        let _ = Schedule::parse(&text, &zone, "flow_x");
    }

    #[test]
    fn extreme_times_do_not_panic(micros in any::<i64>()) {
        for text in ["hourly", "daily", "weekly", "0 0 29 2 *"] {
            let schedule = Schedule::parse(text, "Europe/Paris", "f").unwrap();
            let _ = schedule.next_after(Timestamp(micros));
        }
    }
}

/// Found by fuzzing: a list without a value kept the search busy for seconds.
#[test]
fn a_list_without_a_value_is_refused_before_anything_is_searched_for() {
    for text in
        [", 0 L * *", ", * * * *", "* * , * *", "1,,2 * * * *", "1, * * * *", "* * * * ,MON"]
    {
        let error = Schedule::parse(text, "Asia/Kathmandu", "wf_1").unwrap_err();
        assert!(error.detail.contains("nothing between two commas"), "{text}: {}", error.detail);
    }
}
