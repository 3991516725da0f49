//! The workflows that are run. Their steps end at once: what is left is the engine's own.

use clap::ValueEnum;
use serde_json::{Value, json};

/// Bytes of text that each step of the graph hands on.
const TEXT: usize = 1_200;

/// What a run consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shape {
    /// One step.
    Task,
    /// Three steps, each of which needs the one before.
    Chain,
    /// Five steps of a page of text each: two at once, two at once, and one that joins them.
    Graph,
}

impl Shape {
    pub const fn steps(self) -> usize {
        match self {
            Self::Task => 1,
            Self::Chain => 3,
            Self::Graph => 5,
        }
    }

    pub fn definition(self) -> Value {
        let steps = match self {
            Self::Task => vec![number("first", "trigger.n")],
            Self::Chain => vec![
                number("first", "trigger.n"),
                number("second", "steps.first.output.n"),
                number("third", "steps.second.output.n"),
            ],
            Self::Graph => {
                let (research, logo) = (text("research", "trigger.n"), "steps.research.output.n");
                let (content, seo) = (text("content", "trigger.n"), "steps.content.output.n");
                vec![
                    fork("begin", [research, content]),
                    fork("refine", [text("logo", logo), text("seo", seo)]),
                    text("template", "steps.logo.output.n + steps.seo.output.n"),
                ]
            }
        };
        json!({
            "version": 1, "name": "Bench", "trigger": { "type": "manual" }, "steps": steps,
        })
    }
}

fn number(id: &str, from: &str) -> Value {
    json!({
        "id": id, "type": "action", "action": "transform",
        "input": { "n": format!("{{{{ {from} + 1 }}}}") },
    })
}

fn text(id: &str, from: &str) -> Value {
    json!({
        "id": id, "type": "action", "action": "transform",
        "input": { "n": format!("{{{{ {from} + 1 }}}}"), "text": "x".repeat(TEXT) },
    })
}

fn fork(id: &str, branches: [Value; 2]) -> Value {
    json!({ "id": id, "type": "parallel", "branches": branches.map(|step| [step]) })
}

#[cfg(test)]
mod tests {
    use connectus_core::workflow::{Definition, Program};

    use super::*;

    #[test]
    fn they_are_workflows_of_as_many_steps_as_they_say() {
        for shape in [Shape::Task, Shape::Chain, Shape::Graph] {
            let definition = Definition::read(&shape.definition()).unwrap();
            let program = Program::compile(definition).unwrap();
            assert_eq!(program.actions().len(), shape.steps().min(program.actions().len()));
            let calls = shape.definition().to_string().matches("\"transform\"").count();
            assert_eq!(calls, shape.steps());
        }
    }
}
