use proptest::prelude::*;

use super::*;

fn steady() -> Inputs {
    Inputs { runs_succeeded: 90, runs_failed: 10, calls: 1_000, ..Inputs::default() }
}

#[test]
fn a_new_integration_is_trusted_without_confidence() {
    let health = Health::of(Inputs::default());
    assert_eq!((health.score, health.confidence), (100, 0.0));
    assert_eq!(health.level, Level::Healthy);
    assert!(health.caps.is_empty());
}

#[test]
fn the_formula_gives_the_documented_numbers() {
    // 100 * (0.5 * 0.9 + 0.3 * 1 + 0.2 * 1)
    assert_eq!(Health::of(steady()).score, 95);
    // 20 high problems among 100 calls: an error rate of 0.12.
    let errors = ErrorCounts { high: 20, ..ErrorCounts::default() };
    assert_eq!(Health::of(Inputs { calls: 100, errors, ..steady() }).score, 91);
    // Three quarters of the day's calls used.
    let used = Inputs { api_calls_today: 750, api_calls_limit: 1_000, ..steady() };
    assert_eq!(Health::of(used).score, 80);
    // Everything wrong at once.
    let errors = ErrorCounts { critical: 9, ..ErrorCounts::default() };
    let worst = Inputs {
        runs_failed: 5,
        calls: 3,
        errors,
        unresolved_critical: 1,
        api_calls_today: 11,
        api_calls_limit: 10,
        ..Inputs::default()
    };
    assert_eq!(Health::of(worst).score, 0);
}

#[test]
fn an_unresolved_critical_problem_caps_the_score_and_says_so() {
    for runs_succeeded in [0, 1_000] {
        let inputs = Inputs { runs_succeeded, unresolved_critical: 2, ..Inputs::default() };
        let health = Health::of(inputs);
        assert_eq!(health.score, CRITICAL_CAP);
        assert_eq!(health.level, Level::Failing);
        assert_eq!(health.caps.len(), 1);
        assert!(health.caps[0].reason.contains("2 critical"));
    }
}

#[test]
fn confidence_grows_with_runs() {
    let at = |runs| Health::of(Inputs { runs_succeeded: runs, ..Inputs::default() }).confidence;
    assert_eq!([at(0), at(10), at(90)], [0.0, 0.5, 0.9]);
}

#[test]
fn levels_meet_without_gaps() {
    for (score, level) in [
        (100, Level::Healthy),
        (80, Level::Healthy),
        (79, Level::Degraded),
        (50, Level::Degraded),
        (49, Level::Failing),
        (0, Level::Failing),
    ] {
        assert_eq!(Level::of(score), level, "{score}");
    }
}

fn inputs() -> impl Strategy<Value = Inputs> {
    let count = 0_u64..2_000;
    (
        (count.clone(), count.clone(), count.clone()),
        (count.clone(), count.clone(), count.clone(), count.clone()),
        (0_u64..3, count.clone(), count),
    )
        .prop_map(
            |((ok, failed, calls), (low, medium, high, critical), (open, used, limit))| Inputs {
                runs_succeeded: ok,
                runs_failed: failed,
                calls,
                errors: ErrorCounts { low, medium, high, critical },
                unresolved_critical: open,
                api_calls_today: used,
                api_calls_limit: limit,
            },
        )
}

proptest! {
    #[test]
    fn nothing_bad_raises_a_score(base in inputs(), more in 1_u64..50) {
        let before = Health::of(base).score;
        prop_assert!(before <= 100);
        let worse = [
            Inputs { runs_failed: base.runs_failed + more, ..base },
            Inputs { unresolved_critical: base.unresolved_critical + more, ..base },
            Inputs { api_calls_today: base.api_calls_today + more, ..base },
        ];
        let worse_errors = Severity::ALL.iter().map(|severity| {
            let mut inputs = base;
            inputs.errors.add(*severity, more);
            inputs
        });
        for inputs in worse.into_iter().chain(worse_errors) {
            prop_assert!(Health::of(inputs).score <= before, "{inputs:?}");
        }
    }

    #[test]
    fn success_never_lowers_a_score_once_there_is_history(base in inputs(), more in 1_u64..50) {
        prop_assume!(base.runs_succeeded + base.runs_failed > 0);
        let better = Inputs { runs_succeeded: base.runs_succeeded + more, ..base };
        prop_assert!(Health::of(better).score >= Health::of(base).score);
    }
}

#[test]
fn the_suggestion_fits_the_code_and_the_operation() {
    use crate::Code;
    assert!(suggestion(Code::ReauthRequired, "sync").contains("connect"));
    assert_ne!(suggestion(Code::Invalid, "mapping"), suggestion(Code::Invalid, "sync"));
    for code in Code::ALL {
        for operation in ["sync", "mapping", "webhook", "test_connection", "action"] {
            let text = suggestion(*code, operation);
            assert!(text.ends_with('.') && text.len() > 20, "{code:?} {operation}: {text}");
        }
    }
}
