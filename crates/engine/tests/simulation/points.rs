//! Every named point, struck by every fault: nothing is lost, nothing is done twice.

use std::collections::BTreeSet;

use connectus_core::drill::Point;

use crate::{
    script::{Fault, Plan, Script},
    tour,
};

/// The tour under a fault at every point: where it is passed for the first time and for the last.
fn every_point(fault: Fault, has_open_door: bool) {
    let clean = Script::new(Plan::Never);
    tour::go(&clean, has_open_door, "without faults");
    let passed = clean.passed();
    let missed: Vec<String> = Point::all()
        .filter(|point| !passed.contains_key(point))
        .map(|point| point.to_string())
        .collect();
    assert_eq!(missed, [""; 0], "points that the tour does not pass");
    for (point, times) in passed {
        for nth in BTreeSet::from([1, times]) {
            let script = Script::new(Plan::Once(point, nth, fault));
            tour::go(&script, has_open_door, &format!("{fault:?} at {point}, {nth} of {times}"));
            assert_eq!(script.struck(), [(point, fault)]);
        }
    }
}

#[test]
fn a_process_that_dies_at_any_point_loses_and_doubles_nothing() {
    every_point(Fault::Crash, false);
}

#[test]
fn an_error_at_any_point_loses_and_doubles_nothing() {
    every_point(Fault::Error, false);
}

#[test]
fn a_delay_at_any_point_loses_and_doubles_nothing() {
    every_point(Fault::Delay, false);
}

#[test]
fn nor_does_one_that_dies_where_it_begins_on_runs_as_they_come_in() {
    every_point(Fault::Crash, true);
}

#[test]
fn nor_does_an_error_there() {
    every_point(Fault::Error, true);
}

#[test]
fn nor_does_a_delay_there() {
    every_point(Fault::Delay, true);
}
