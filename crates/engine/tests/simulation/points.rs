//! Every named point, struck by every fault: nothing is lost, nothing is done twice.

use std::collections::BTreeSet;

use connectus_core::drill::Point;

use crate::{
    script::{Fault, Plan, Script},
    tour,
};

/// The tour under a fault at every point: where it is passed for the first time and for the last.
fn every_point(fault: Fault) {
    let clean = Script::new(Plan::Never);
    tour::go(&clean, "without faults");
    let passed = clean.passed();
    let missed: Vec<String> = Point::all()
        .filter(|point| !passed.contains_key(point))
        .map(|point| point.to_string())
        .collect();
    assert_eq!(missed, [""; 0], "points that the tour does not pass");
    for (point, times) in passed {
        for nth in BTreeSet::from([1, times]) {
            let script = Script::new(Plan::Once(point, nth, fault));
            tour::go(&script, &format!("{fault:?} at {point}, {nth} of {times}"));
            assert_eq!(script.struck(), [(point, fault)]);
        }
    }
}

#[test]
fn a_process_that_dies_at_any_point_loses_and_doubles_nothing() {
    every_point(Fault::Crash);
}

#[test]
fn an_error_at_any_point_loses_and_doubles_nothing() {
    every_point(Fault::Error);
}

#[test]
fn a_delay_at_any_point_loses_and_doubles_nothing() {
    every_point(Fault::Delay);
}
