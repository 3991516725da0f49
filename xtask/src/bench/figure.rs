//! One figure and what it must be read with.

use serde_json::{Map, Value, json};

use super::meter::Spent;

/// What a figure should be.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    /// At least this much.
    AtLeast(f64),
    /// Less than this.
    Below(f64),
}

impl Target {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtLeast(least) => value >= least,
            Self::Below(most) => value < most,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtLeast(least) => format!(">= {least}"),
            Self::Below(most) => format!("< {most}"),
        }
    }
}

/// One figure.
#[derive(Clone, Debug)]
pub struct Figure {
    name: &'static str,
    value: f64,
    unit: &'static str,
    target: Option<Target>,
    spent: Spent,
    beside: Map<String, Value>,
}

impl Figure {
    /// A figure with what was spent while it was taken.
    pub fn new(name: &'static str, value: f64, unit: &'static str, spent: Spent) -> Self {
        Self { name, value, unit, target: None, spent, beside: Map::new() }
    }

    /// The figure itself.
    pub const fn value(&self) -> f64 {
        self.value
    }

    /// What it should be.
    #[must_use]
    pub fn target(mut self, target: Target) -> Self {
        self.target = Some(target);
        self
    }

    /// Something to read beside it.
    #[must_use]
    pub fn beside(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.beside.insert(name.to_owned(), value.into());
        self
    }

    /// As one line of JSON.
    pub fn json(&self) -> String {
        let mut line = json!({
            "figure": self.name,
            "value": rounded(self.value),
            "unit": self.unit,
            "load_1m": self.spent.load,
            "wall_s": rounded(self.spent.wall.as_secs_f64()),
            "cpu_s": rounded(self.spent.cpu.as_secs_f64()),
        });
        if let Some(line) = line.as_object_mut() {
            if let Some(target) = self.target {
                line.insert("target".into(), target.text().into());
                line.insert("met".into(), target.is_met(self.value).into());
            }
            line.extend(self.beside.clone());
        }
        line.to_string()
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut text = format!("{:<28} {:>12} {:<14}", self.name, rounded(self.value), self.unit);
        if let Some(target) = self.target {
            let verdict = if target.is_met(self.value) { "met" } else { "MISSED" };
            text += &format!(" {verdict} ({})", target.text());
        }
        text += &format!(
            "  [load {:.2}, {:.2} s, {:.2} CPU s",
            self.spent.load,
            self.spent.wall.as_secs_f64(),
            self.spent.cpu.as_secs_f64()
        );
        for (name, value) in &self.beside {
            text += &format!(", {name} {value}");
        }
        text + "]"
    }
}

/// Three digits behind the point below a thousand, none above.
fn rounded(value: f64) -> f64 {
    if value.abs() >= 1_000.0 { value.round() } else { (value * 1_000.0).round() / 1_000.0 }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_line_says_what_was_wanted_and_at_what_cost() {
        let spent = Spent {
            load: 0.5,
            wall: Duration::from_millis(2_000),
            cpu: Duration::from_millis(1_500),
        };
        let figure = Figure::new("rate", 1_234.56, "x/s", spent).beside("p99_ms", 7);
        let line: Value = serde_json::from_str(&figure.json()).unwrap();
        assert_eq!(line["value"], 1_235.0);
        assert_eq!((&line["cpu_s"], &line["p99_ms"]), (&json!(1.5), &json!(7)));
        assert!(line.get("met").is_none());
        for (target, met) in [
            (Target::AtLeast(1_234.56), true),
            (Target::AtLeast(1_235.0), false),
            (Target::Below(1_234.56), false),
            (Target::Below(1_235.0), true),
        ] {
            let line: Value = serde_json::from_str(&figure.clone().target(target).json()).unwrap();
            assert_eq!(line["met"], met, "{target:?}");
        }
    }
}
